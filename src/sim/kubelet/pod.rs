//! One pod as its kubelet knows it: the object, its containers' instances, its sandbox, its probes' results.
//! Shared by the pod's worker, its probe workers and the tasks that wait for exits; no decision is made here.

use super::agent::Agent;
use super::ending::Ending;
use super::ephemeral;
use super::instance::{Finish, Instance};
use super::prober::adopted_results;
use super::resize::Resize;
use crate::json::At as _;
use crate::sim::clock::format_seconds;
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::latest;
use crate::sim::network::PodNetwork;
use crate::sim::program::Exit;
use crate::sim::program::filesystem::Volume;
use crate::sim::store::Object;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The three sorts of probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

/// What a probe worker found last for a container instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeResult {
    Success,
    Failure,
    Unknown,
}

/// Why the pod must end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deletion {
    /// Whether the API asked for it.
    pub(super) requested: bool,
    /// The grace in force, in seconds.
    pub(super) grace: Option<i64>,
    /// Whether the object is gone already.
    pub(super) removed: bool,
}

/// Why a container waits: reason and message of its last failed start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// The pod's sandbox.
#[derive(Clone, Debug)]
pub(super) struct Sandbox {
    pub(super) ip: String,
    pub(super) ready: bool,
    pub(super) network: PodNetwork,
}

/// What the last written status says of a container: what probe workers look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) running_since: Option<Instant>,
    pub(super) terminated: bool,
    pub(super) started: bool,
}

/// Everything that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) pod: Object,
    /// The resourceVersion that the worker last acted upon (events refer to it).
    pub(super) acted_version: String,
    pub(super) spec: Arc<PodSpec>,
    pub(super) start_time: String,
    pub(super) sandbox: Option<Sandbox>,
    /// How many sandboxes the pod has had.
    pub(super) sandboxes: u32,
    pub(super) instances: BTreeMap<String, Vec<Instance>>,
    pub(super) waiting: BTreeMap<String, Waiting>,
    pub(super) results: BTreeMap<(ProbeKind, String), ProbeResult>,
    pub(super) triggers: BTreeMap<String, Arc<Notify>>,
    pub(super) lost_race: BTreeSet<String>,
    pub(super) seen: BTreeMap<String, Seen>,
    /// The status as last written.
    pub(super) written: Value,
    /// Instants of the relist grid at which a change of containers is noticed.
    pub(super) relists: BTreeSet<Instant>,
    /// Whether an update or a probe asks for a sync.
    pub(super) pending: bool,
    /// Whether the next resync has work to do: a mounted source changed, or limits are still to be shown.
    pub(super) refresh: bool,
    /// Whether everything has ended and the final phase may be written.
    pub(super) finished: bool,
    /// Whether its containers were removed from the node after it had ended.
    pub(super) collected: bool,
    /// Whether the node has taken the pod in.
    pub(super) admitted: bool,
    /// Why the kubelet ends the pod itself.
    pub(super) ending: Option<Ending>,
    /// What its containers may use, and what they are to.
    pub(super) resize: Resize,
    /// Whether the status as written waits for the next tick of the status manager.
    pub(super) reconciling: bool,
    /// The object as the last write of its status left it.
    pub(super) sent: Option<Object>,
    draws: u64,
}

/// A pod on a node.
#[derive(Debug)]
pub(super) struct PodRecord {
    pub(super) agent: Arc<Agent>,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) wake: Notify,
    pub(super) deletion: latest::Sender<Deletion>,
    /// Whether the kubelet ends the pod itself.
    pub(super) ending: latest::Sender<bool>,
    /// The contents of its volumes, by name.
    pub(super) volumes: Mutex<BTreeMap<String, Volume>>,
    state: Mutex<State>,
}

impl State {
    /// The newest instance of a container.
    pub(super) fn newest(&self, name: &str) -> Option<&Instance> {
        self.instances.get(name)?.last()
    }

    /// The newest instance that has ended.
    pub(super) fn newest_exited(&self, name: &str) -> Option<&Instance> {
        self.instances.get(name)?.iter().rev().find(|instance| instance.finish.is_some())
    }

    /// Whether deletion was asked for.
    pub(super) fn deleting(&self) -> bool {
        self.pod.at("/metadata/deletionTimestamp").is_some()
    }

    /// The pod's restart policy.
    pub(super) fn restart_policy(&self) -> &str {
        self.spec.restart_policy.as_deref().unwrap_or("Always")
    }

    /// Whether a container that ended with `code` is started again.
    pub(super) fn restarts(&self, container: &Container, code: i32) -> bool {
        let policy = if is_sidecar(container) { "Always" } else { self.restart_policy() };
        match policy {
            "Never" => false,
            "OnFailure" => code != 0,
            _ => true,
        }
    }

    /// The number of the next random draw of this pod.
    pub(super) fn draw(&mut self) -> u64 {
        self.draws += 1;
        self.draws
    }
}

/// Whether an init container is a sidecar.
pub(super) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn spec_of(pod: &Value) -> Arc<PodSpec> {
    let spec = pod.get("spec").cloned().unwrap_or_default();
    Arc::new(serde_json::from_value(spec).unwrap_or_default())
}

fn text(pod: &Value, pointer: &str) -> String {
    pod.at(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl PodRecord {
    /// The record of a pod that this kubelet has not seen before: just bound to the node, or taken over from an earlier kubelet.
    pub(super) fn new(agent: &Arc<Agent>, pod: &Object) -> Arc<Self> {
        let deletion = Self::deletion_of(pod);
        let left = agent.take_left(&text(pod, "/metadata/uid")).unwrap_or_default();
        let start_time = pod.at("/status/startTime").and_then(Value::as_str).map(ToOwned::to_owned);
        let running: Vec<_> = left
            .instances
            .iter()
            .flat_map(|(name, instances)| instances.iter().map(move |instance| (name.clone(), instance)))
            .filter(|(_, instance)| instance.running())
            .filter_map(|(name, instance)| Some((name, instance.id.clone(), instance.process.clone()?)))
            .collect();
        let (results, spec) = (adopted_results(pod, &left.instances), spec_of(pod));
        let state = State {
            acted_version: text(pod, "/metadata/resourceVersion"),
            spec: Arc::clone(&spec),
            start_time: start_time.unwrap_or_else(|| agent.api.clock.seconds()),
            written: pod.get("status").cloned().unwrap_or_default(),
            pod: Arc::clone(pod),
            sandbox: left.sandbox,
            sandboxes: left.sandboxes,
            instances: left.instances,
            waiting: BTreeMap::new(),
            results,
            triggers: BTreeMap::new(),
            lost_race: BTreeSet::new(),
            seen: BTreeMap::new(),
            relists: BTreeSet::new(),
            pending: true,
            refresh: false,
            // A pod that has come to its end already is never run again.
            finished: matches!(pod.at("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed")),
            collected: false,
            // What an earlier kubelet has started is here to stay.
            admitted: left.sandboxes > 0,
            ending: None,
            resize: Resize::of(&spec),
            reconciling: false,
            sent: None,
            draws: 0,
        };
        let record = Arc::new(Self {
            agent: Arc::clone(agent),
            namespace: text(pod, "/metadata/namespace"),
            name: text(pod, "/metadata/name"),
            uid: text(pod, "/metadata/uid"),
            wake: Notify::new(),
            deletion: latest::Sender::new(deletion),
            ending: latest::Sender::new(false),
            volumes: Mutex::new(left.volumes),
            state: Mutex::new(state),
        });
        for (name, id, process) in running {
            super::start::await_exit(Arc::clone(&record), name, id, process);
        }
        record
    }

    fn deletion_of(pod: &Value) -> Deletion {
        Deletion {
            requested: pod.at("/metadata/deletionTimestamp").is_some(),
            grace: pod.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64),
            removed: false,
        }
    }

    /// The state; never held across an await.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a newer version of the object. A change of status alone wakes nobody.
    pub(super) fn observe(&self, pod: Object) {
        let deletion = Self::deletion_of(&pod);
        let is_other;
        {
            let mut state = self.state();
            let old = std::mem::replace(&mut state.pod, pod);
            let pod = Arc::clone(&state.pod);
            is_other = old.get("spec") != pod.get("spec");
            if is_other {
                state.spec = spec_of(&pod);
            }
            let changed = ["/spec", "/metadata/labels", "/metadata/annotations", "/metadata/deletionTimestamp"]
                .iter()
                .any(|pointer| old.at(pointer) != pod.at(pointer));
            if !changed {
                return;
            }
            state.acted_version = text(&pod, "/metadata/resourceVersion");
            state.pending = true;
        }
        if is_other {
            // An ephemeral container may have come, or an image that brings its own trouble.
            super::unsupported::report(self);
        }
        if deletion.requested {
            self.deletion.send_replace(deletion);
        }
        self.wake.notify_one();
    }

    /// Takes in the object's removal.
    pub(super) fn removed(&self, last: Object) {
        let grace = Self::deletion_of(&last).grace;
        self.state().pod = last;
        self.deletion.send_modify(|deletion| {
            deletion.requested = true;
            deletion.removed = true;
            deletion.grace = grace.or(deletion.grace);
        });
        self.wake.notify_one();
    }

    /// Asks for a sync.
    pub(super) fn request_sync(&self) {
        self.state().pending = true;
        self.wake.notify_one();
    }

    /// Records that containers changed now: the next relist will notice.
    pub(super) fn containers_changed(&self) {
        let at = self.agent.relist.after(Instant::now());
        self.state().relists.insert(at);
        self.wake.notify_one();
    }

    /// Records the end of an instance, once.
    pub(super) fn record_exit(&self, name: &str, id: &str, exit: Exit, at: Instant) {
        let stamp = format_seconds(self.agent.api.clock.timestamp_of(at));
        let spec = Arc::clone(&self.state().spec);
        let container = container_named(&spec, name);
        {
            let mut state = self.state();
            let Some(instance) = state.instances.get_mut(name).and_then(|all| all.iter_mut().find(|i| i.id == id)) else {
                return;
            };
            if instance.finish.is_some() {
                return;
            }
            let reason = match exit {
                Exit { oom_killed: true, .. } => "OOMKilled",
                Exit { code: 0, .. } => "Completed",
                Exit { .. } => "Error",
            };
            let message = container.and_then(|container| instance.termination_message(container, exit.code));
            instance.finish = Some(Finish { at, stamp, code: exit.code, reason, message });
        }
        self.containers_changed();
    }

    /// Says something about the pod (`field`: about a part of it).
    pub(super) fn event(&self, field: Option<String>, kind: EventType, reason: &str, message: &str) {
        let version = self.state().acted_version.clone();
        let reference = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            resource_version: version,
            field_path: field,
        };
        self.agent.recorder.event(&reference, kind, reason, message);
    }

    /// Says something about a container.
    pub(super) fn container_event(&self, container: &str, kind: EventType, reason: &str, message: &str) {
        let spec = Arc::clone(&self.state().spec);
        let list = ephemeral::list_of(&spec, container);
        self.event(Some(format!("spec.{list}{{{container}}}")), kind, reason, message);
    }

    /// A latency of this pod: lognormal around its median.
    pub(super) fn latency(&self, purpose: &str, median: Duration) -> Duration {
        let n = self.state().draw();
        self.agent.api.random.lognormal(&self.uid, purpose, n, median, crate::sim::profile::spread::KUBELET)
    }

    /// A uniform draw of this pod in `[0, 1)`.
    pub(super) fn unit(&self, purpose: &str) -> f64 {
        let n = self.state().draw();
        self.agent.api.random.unit(&self.uid, purpose, n)
    }

    /// `pod_namespace(uid)`, as messages name the pod.
    pub(super) fn full_name(&self) -> String {
        format!("{}_{}({})", self.name, self.namespace, self.uid)
    }
}

/// A container or init container of a pod.
pub(super) fn container_named<'a>(spec: &'a PodSpec, name: &str) -> Option<&'a Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten()).find(|container| container.name == name)
}
