//! What a rule looks at: one suspicious pod with its events, and what one pod says about a cause.
//! Choosing which pods are worth a look happens here; the causes live in `rules`.

use super::exits::Ends;
use super::finding::{Confidence, Evidence};
use super::related;
use super::user::UserDetectors;
use crate::json::At as _;
use crate::observe::index::pod::condition_of;
use crate::observe::index::{ContainerRecord, EventRecord, Index, PodRecord, text};
use crate::observe::timeline::Reference;
use crate::scenario::Thresholds;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One pod under suspicion.
pub struct Case<'a> {
    /// All that is known.
    pub index: &'a Index,
    /// When a signal becomes a finding.
    pub thresholds: &'a Thresholds,
    /// The user's own detectors and log patterns.
    pub own: &'a UserDetectors,
    /// The pod.
    pub pod: &'a PodRecord,
    /// Its events that may tell of trouble.
    pub events: Vec<&'a EventRecord>,
}

/// What a sign is about.
#[derive(Clone)]
pub struct About {
    /// The pod or other object.
    pub object: Reference,
    /// What belongs together: the workload (`deployment/pool`), or the object itself.
    pub group: String,
}

/// What one object, mostly one container of one pod, says about a cause that comeback knows.
pub type Sign = SignOf<'static>;

/// What one object says about a cause, which may be one of the user's own.
pub struct SignOf<'c> {
    /// The cause.
    pub cause: &'c str,
    /// What shows it.
    pub about: About,
    /// The container, where one is meant.
    pub container: Option<String>,
    /// When its first signal was seen.
    pub first_seen: Duration,
    /// When its last signal was seen.
    pub last_seen: Duration,
    /// How many signals.
    pub count: u32,
    /// How sure.
    pub confidence: Confidence,
    /// Strongest first.
    pub evidence: Vec<Evidence>,
    /// Runner-up causes, best first.
    pub alternatives: Vec<&'c str>,
}

/// One line of evidence.
pub fn evidence(source: &str, text: impl Into<String>) -> Evidence {
    Evidence { source: source.to_owned(), text: text.into() }
}

impl<'a> Case<'a> {
    /// What the signs of this pod are about.
    pub fn about(&self) -> About {
        About { object: self.pod.reference.clone(), group: related::group_of(self.index, self.pod) }
    }

    /// The events about one container of the pod.
    pub fn events_of(&self, container: &'a str) -> impl Iterator<Item = &'a EventRecord> {
        self.events.iter().copied().filter(move |event| event.container() == Some(container))
    }

    /// The kubelet's announcements that a probe of this sort (`liveness`, `startup`) ended the container.
    pub fn probe_kills(&self, container: &'a str, sort: &str) -> Vec<&'a EventRecord> {
        let phrase = format!("failed {sort} probe");
        self.events_of(container).filter(|event| event.sort.reason == "Killing" && event.message.contains(&phrase)).collect()
    }

    /// Failures of this sort of probe (`Liveness`, `Startup`, `Readiness`).
    pub fn probe_failures(&self, container: &'a str, sort: &str) -> Vec<&'a EventRecord> {
        let phrase = format!("{sort} probe failed");
        self.events_of(container).filter(|event| event.sort.reason == "Unhealthy" && event.message.starts_with(&phrase)).collect()
    }

    /// How a container's instances ended.
    pub fn ends(&self, container: &'a ContainerRecord) -> Ends<'a> {
        Ends::of(self, container)
    }

    /// A container's spec.
    pub fn spec(&self, container: &str) -> &'a Value {
        self.pod.container_spec(container).unwrap_or(&Value::Null)
    }

    /// How long a pod's stopping may take.
    pub fn grace(&self) -> Duration {
        let seconds = self.pod.object().at("/spec/terminationGracePeriodSeconds").and_then(Value::as_u64).unwrap_or(30);
        Duration::from_secs(seconds)
    }

    /// The time of the trial at which something began: as observed, or earlier by the server's own stamp (1 s resolution).
    /// A LIST shows old things for the first time; their stamps tell how old they are.
    pub fn began(&self, observed: Duration, stamp: Option<jiff::Timestamp>) -> Began {
        Began::at(self.index, observed, stamp)
    }
}

/// Since when something lasts, as its age now: on a LIST that may be longer than the trial.
#[derive(Clone, Copy)]
pub struct Began {
    /// How long ago it began.
    pub age: Duration,
}

impl Began {
    /// As observed, or earlier by the server's own stamp.
    pub fn at(index: &Index, observed: Duration, stamp: Option<jiff::Timestamp>) -> Self {
        let age = stamp.and_then(|stamp| {
            let age = Duration::try_from(index.server_now()?.duration_since(stamp)).ok()?;
            Some(age.saturating_sub(Duration::from_secs(1)))
        });
        let seen = index.now().saturating_sub(observed);
        Self { age: age.map_or(seen, |age| age.max(seen)) }
    }
}

/// Calls `look` for each pod that shows anything but health and may be reported on.
pub fn each<'a>((index, thresholds, own): (&'a Index, &'a Thresholds, &'a UserDetectors), mut look: impl FnMut(&Case<'a>)) {
    let mut events: BTreeMap<&str, Vec<&EventRecord>> = BTreeMap::new();
    for event in index.events().filter(|event| tells_of_trouble(event)) {
        events.entry(event.regarding.uid.as_str()).or_default().push(event);
    }
    for pod in index.pods() {
        let of_pod = events.get(pod.reference.uid.as_str()).map(Vec::as_slice).unwrap_or_default();
        if (of_pod.is_empty() && is_healthy(pod)) || !may_be_reported(index, pod) {
            continue;
        }
        look(&Case { index, thresholds, own, pod, events: of_pod.to_vec() });
    }
}

fn tells_of_trouble(event: &EventRecord) -> bool {
    event.regarding.kind == "Pod"
        && (event.sort.type_ == "Warning" || event.sort.reason == "Killing" && event.message.contains(" probe"))
}

fn is_healthy(pod: &PodRecord) -> bool {
    pod.ready
        && pod.containers.values().all(|container| {
            container.restart_count == 0 && container.exits.iter().all(|exit| container.is_init && exit.exit_code == 0)
        })
}

/// Pods that are going away, were evicted or preempted, or belong to an old revision are nobody's failure.
fn may_be_reported(index: &Index, pod: &PodRecord) -> bool {
    pod.is_live()
        && condition_of(pod.object(), "DisruptionTarget").is_none_or(|condition| text(condition, "/status") != "True")
        && text(pod.object(), "/status/reason").is_empty()
        && index.is_current(pod)
}
