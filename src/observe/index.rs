//! The index: present and past states of the observed objects, folded from observations, keyed by cluster and namespace.
//! Pure; conditions, detectors, healer and judge all read it.

pub mod container;
pub mod containers;
pub mod event;
mod fresh;
mod object;
pub mod pod;
mod read;
mod shared;

use super::probe::pod as probe_pod;
use super::timeline::{Fact, LogLine, Observation, Reference, Sample};
use crate::scenario::Target;
use crate::selector::Selector;
use read::{Key, is_older, key_of, kind_of, same_content, version_of};
use serde_json::Value;
use shared::Shared;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

pub use container::{ContainerRecord, ExitSeen};
pub use containers::Containers;
pub use event::{EventRecord, EventSort};
pub use object::ObjectRecord;
pub use pod::PodRecord;
pub use read::{controller_of, reference_to, revision_of, text};

/// What is known of one cluster's objects at one moment of a timeline.
#[derive(Clone, Debug, Default)]
pub struct Index {
    cluster: String,
    now: Duration,
    /// Timeline time zero on the server's side: its clock then.
    epoch: Option<jiff::Timestamp>,
    objects: BTreeMap<Key, ObjectRecord>,
    pods: BTreeMap<String, PodRecord>,
    events: BTreeMap<String, EventRecord>,
    logs: BTreeMap<(String, String), Vec<(Duration, LogLine)>>,
    watched: BTreeSet<String>,
    samples: BTreeMap<String, Sample>,
    measured: BTreeMap<usize, String>,
    shared: Shared,
    /// The pods that changed last, by uid: what changed once may soon change again.
    changed: VecDeque<String>,
    /// The uid up to which pods were packed in this round.
    packed_to: String,
}

/// Pods as few as these are not packed.
const MANY: usize = 256;
/// How many of those that changed last stay open.
const OPEN: usize = 32;
/// How many more pods are packed for each one that changes: those that were opened only to be looked at.
const PACKED_AT_ONCE: usize = 4;

impl Index {
    /// An empty index of a cluster, by the name that findings use.
    #[must_use]
    pub fn new(cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), ..Self::default() }
    }

    /// The cluster's name.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The time of the last observation.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// Time since the trial began of a server's timestamp; `None` before the epoch or when no epoch is known.
    #[must_use]
    pub fn since_epoch(&self, at: jiff::Timestamp) -> Option<Duration> {
        Duration::try_from(at.duration_since(self.epoch?)).ok()
    }

    /// The server's clock now, as far as the epoch tells.
    #[must_use]
    pub fn server_now(&self) -> Option<jiff::Timestamp> {
        self.epoch?.checked_add(jiff::SignedDuration::try_from(self.now).ok()?).ok()
    }

    /// Moves time on without an observation: thresholds may pass.
    pub fn advance(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Folds one observation in. Facts that are not about the cluster's objects change nothing but the time.
    pub fn apply(&mut self, observation: &Observation) {
        self.advance(observation.at);
        match &observation.fact {
            Fact::Began(began) => {
                self.cluster.clone_from(&began.cluster);
                self.epoch = Some(began.epoch);
            }
            Fact::Object(object) => self.upsert(object, observation.at),
            Fact::Deleted(object) => self.remove(object, observation.at),
            Fact::LogLine(line) => {
                let key = (line.uid.clone(), line.container.clone());
                self.logs.entry(key).or_default().push((observation.at, line.clone()));
            }
            Fact::Sample(sample) if self.sample(&sample.probe).is_none_or(|known| known.number < sample.number) => {
                self.samples.insert(sample.probe.clone(), sample.clone());
            }
            Fact::Measured { fault, text } => {
                self.measured.insert(*fault, text.clone());
            }
            Fact::Watching { kinds } => self.watched.extend(kinds.iter().cloned()),
            _ => {}
        }
    }

    /// What came of the last try of a condition, by its key.
    #[must_use]
    pub fn sample(&self, probe: &str) -> Option<&Sample> {
        self.samples.get(probe)
    }

    /// What was measured of the effect of the fault at this position.
    #[must_use]
    pub fn measured(&self, fault: usize) -> Option<&str> {
        self.measured.get(&fault).map(String::as_str)
    }

    /// Whether objects of a kind are watched, so that not having seen one says that there is none.
    #[must_use]
    pub fn is_watched(&self, kind: &str) -> bool {
        self.watched.contains(kind)
    }

    fn upsert(&mut self, object: &Arc<Value>, at: Duration) {
        match kind_of(object) {
            "Pod" => match self.pods.get_mut(text(object, "/metadata/uid")) {
                // A list may overtake the watch, which then tells of the past.
                Some(record) if version_of(object).zip(record.version).is_some_and(|(one, known)| one < known) => {}
                Some(record) => {
                    record.update(object, at);
                    record.share(&mut self.shared);
                    self.pack_some(text(object, "/metadata/uid"));
                }
                None => {
                    if let Some(mut record) = PodRecord::first(object, at) {
                        record.share(&mut self.shared);
                        self.pods.insert(record.reference.uid.clone(), record);
                        self.pack_some(text(object, "/metadata/uid"));
                    }
                }
            },
            // What becomes of the pod that only asks is no news of the workload.
            "Event" if text(object, "/involvedObject/name") == probe_pod::NAME => {}
            "Event" => {
                let uid = text(object, "/metadata/uid").to_owned();
                EventRecord::fold(self.events.entry(uid), &mut self.shared, object, at);
            }
            _ if self.objects.get(&key_of(object)).is_some_and(|known| is_older(object, &known.object)) => {}
            _ => {
                let record = self.objects.entry(key_of(object)).or_insert_with(|| ObjectRecord {
                    first_seen: at,
                    deleted: None,
                    object: Arc::clone(object),
                    versions: Vec::new(),
                    conditions: BTreeMap::new(),
                });
                record.deleted = None;
                let changed = record.versions.last().is_none_or(|(_, last)| !same_content(last, object));
                if changed {
                    record.versions.push((at, Arc::clone(object)));
                }
                record.note_conditions(object, at);
                record.object = Arc::clone(object);
            }
        }
    }

    /// Packs, where there are many, what changed longer ago, and the next pods in the order of uids.
    fn pack_some(&mut self, changed: &str) {
        self.changed.push_back(changed.to_owned());
        if self.pods.len() < MANY {
            return;
        }
        while self.changed.len() > OPEN {
            let longest_ago = self.changed.pop_front().and_then(|uid| self.pods.get_mut(&uid));
            longest_ago.into_iter().for_each(PodRecord::pack);
        }
        let rest = (Bound::Excluded(self.packed_to.as_str()), Bound::Unbounded);
        let mut packed_to = String::new();
        for (uid, record) in self.pods.range_mut::<str, _>(rest).take(PACKED_AT_ONCE) {
            record.pack();
            packed_to.clone_from(uid);
        }
        self.packed_to = packed_to;
    }

    fn remove(&mut self, object: &Arc<Value>, at: Duration) {
        match kind_of(object) {
            "Pod" => {
                self.upsert(object, at);
                if let Some(record) = self.pods.get_mut(text(object, "/metadata/uid")) {
                    record.deleted = Some(at);
                }
            }
            "Event" => {}
            _ => {
                if let Some(record) = self.objects.get_mut(&key_of(object))
                    && !is_older(object, &record.object)
                {
                    record.deleted = Some(at);
                    record.object = Arc::clone(object);
                }
            }
        }
    }

    /// Every pod ever seen, in order of uid; gone ones too.
    pub fn all_pods(&self) -> impl Iterator<Item = &PodRecord> {
        self.pods.values()
    }

    /// Pods that exist now.
    pub fn pods(&self) -> impl Iterator<Item = &PodRecord> {
        self.pods.values().filter(|pod| pod.deleted.is_none())
    }

    /// A pod by uid.
    #[must_use]
    pub fn pod(&self, uid: &str) -> Option<&PodRecord> {
        self.pods.get(uid)
    }

    /// An object that exists now.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> Option<&Arc<Value>> {
        self.record(kind, name).filter(|record| record.deleted.is_none()).map(|record| &record.object)
    }

    /// All that is known of an object, gone or not. One trial has one namespace, so the name is enough.
    #[must_use]
    pub fn record(&self, kind: &str, name: &str) -> Option<&ObjectRecord> {
        self.records(kind).find(|(key_name, _)| *key_name == name).map(|(_, record)| record)
    }

    /// All objects of a kind, gone or not, by name.
    pub fn records<'a>(&'a self, kind: &str) -> impl Iterator<Item = (&'a str, &'a ObjectRecord)> {
        let start = (kind.to_owned(), String::new(), String::new());
        let kind = kind.to_owned();
        self.objects
            .range(start..)
            .take_while(move |((k, _, _), _)| *k == kind)
            .map(|((_, _, name), record)| (name.as_str(), record))
    }

    /// All objects of a kind that exist now.
    pub fn objects(&self, kind: &str) -> impl Iterator<Item = &Arc<Value>> {
        self.records(kind).filter(|(_, record)| record.deleted.is_none()).map(|(_, record)| &record.object)
    }

    /// All events seen, in order of uid.
    pub fn events(&self) -> impl Iterator<Item = &EventRecord> {
        self.events.values()
    }

    /// The events about one object, by its uid.
    pub fn events_about<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a EventRecord> {
        self.events.values().filter(move |event| event.regarding.uid == uid)
    }

    /// The log lines of one container with their times of receipt, all instances, oldest first.
    #[must_use]
    pub fn log(&self, uid: &str, container: &str) -> &[(Duration, LogLine)] {
        self.logs.get(&(uid.to_owned(), container.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The workload that a pod belongs to: its Deployment, else its ReplicaSet or other controller, else the pod itself.
    #[must_use]
    pub fn workload_of(&self, pod: &PodRecord) -> Reference {
        let Some(owner) = &pod.owner else { return pod.reference.clone() };
        if owner.kind == "ReplicaSet"
            && let Some(record) = self.record("ReplicaSet", &owner.name)
            && let Some(deployment) = controller_of(&record.object)
        {
            return deployment;
        }
        Reference::clone(owner)
    }

    /// All pods ever seen that a target means, gone ones too.
    #[must_use]
    pub fn pods_of(&self, target: &Target) -> Vec<&PodRecord> {
        match target {
            Target::Pod(name) => self.all_pods().filter(|pod| pod.reference.name == *name).collect(),
            Target::Selector(text) => match Selector::parse(text) {
                Ok(selector) => self.all_pods().filter(|pod| selector.matches(&pod.labels)).collect(),
                Err(_) => Vec::new(),
            },
            Target::Deployment(_) | Target::StatefulSet(_) | Target::DaemonSet(_) | Target::Job(_) => self
                .all_pods()
                .filter(|pod| {
                    let workload = self.workload_of(pod);
                    target.workload() == Some((workload.kind.as_str(), workload.name.as_str()))
                })
                .collect(),
        }
    }

    /// The `ReplicaSets` of a Deployment that exist now, newest revision first.
    #[must_use]
    pub fn replica_sets_of(&self, deployment: &str) -> Vec<&Arc<Value>> {
        let mut sets: Vec<_> = self
            .objects("ReplicaSet")
            .filter(|set| controller_of(set).is_some_and(|owner| owner.kind == "Deployment" && owner.name == deployment))
            .collect();
        sets.sort_by_key(|set| std::cmp::Reverse(revision_of(set)));
        sets
    }

    /// The ReplicaSet of a Deployment's present template: the one of the newest revision.
    #[must_use]
    pub fn current_replica_set(&self, deployment: &str) -> Option<&Arc<Value>> {
        self.replica_sets_of(deployment).into_iter().next()
    }

    /// Whether a pod is of its workload's current revision; pods of no workload, and of Jobs, always are.
    #[must_use]
    pub fn is_current(&self, pod: &PodRecord) -> bool {
        let workload = self.workload_of(pod);
        let revision = pod.labels.get("controller-revision-hash").map(String::as_str);
        match workload.kind.as_str() {
            "Deployment" => {
                let owner = pod.owner.as_ref().map(|owner| owner.name.as_str());
                self.current_replica_set(&workload.name).is_none_or(|set| Some(text(set, "/metadata/name")) == owner)
            }
            "StatefulSet" => self.get("StatefulSet", &workload.name).is_none_or(|set| {
                let update = text(set, "/status/updateRevision");
                update.is_empty() || Some(update) == revision
            }),
            "DaemonSet" => {
                let number = |revision: &&Arc<Value>| revision.get("revision").and_then(Value::as_i64);
                let own = self.objects("ControllerRevision").filter(|object| {
                    controller_of(object).is_some_and(|owner| owner.kind == "DaemonSet" && owner.name == workload.name)
                });
                own.max_by_key(number)
                    .is_none_or(|newest| Some(text(newest, "/metadata/labels/controller-revision-hash")) == revision)
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
