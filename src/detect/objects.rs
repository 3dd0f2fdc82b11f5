//! What a rule looks at that is not a pod: nodes, Deployments, `ReplicaSets`, Jobs, Services, and the events about them.
//! The causes live in `rules`.

use super::case::{About, Began};
use crate::observe::index::pod::condition_of;
use crate::observe::index::{EventRecord, Index, controller_of, reference_to, text};
use crate::scenario::Thresholds;
use serde_json::Value;
use std::time::Duration;

/// All that is known, for the rules about other objects than pods.
#[derive(Clone, Copy)]
pub struct Objects<'a> {
    /// All that is known.
    pub index: &'a Index,
    /// When a signal becomes a finding.
    pub thresholds: &'a Thresholds,
}

/// A condition of an object: its reason and message, and how long it has had its status.
pub struct Told<'a> {
    /// The condition's reason.
    pub reason: &'a str,
    /// Its message.
    pub message: &'a str,
    /// When it was first seen so, as far as the record of the object tells.
    pub since: Duration,
    /// How long it has been so.
    pub age: Duration,
}

impl<'a> Objects<'a> {
    /// What signs of an object are about: of what a Deployment owns, the Deployment is the group.
    pub fn about(object: &Value) -> About {
        let reference = reference_to(object);
        let group = match controller_of(object).filter(|owner| matches!(owner.kind.as_str(), "Deployment" | "CronJob")) {
            Some(owner) => format!("{}/{}", owner.kind.to_lowercase(), owner.name),
            None => format!("{}/{}", reference.kind.to_lowercase(), reference.name),
        };
        About { object: reference, group }
    }

    /// A condition of an object if it has this status.
    pub fn told(&self, kind: &str, object: &'a Value, type_: &str, status: &str) -> Option<Told<'a>> {
        let condition = condition_of(object, type_).filter(|condition| text(condition, "/status") == status)?;
        let record = self.index.record(kind, text(object, "/metadata/name"))?;
        let observed = record.conditions.get(type_).map_or(self.index.now(), |(_, since)| *since);
        let stamp = text(condition, "/lastTransitionTime").parse().ok();
        let age = Began::at(self.index, observed, stamp).age;
        let since = self.index.now().saturating_sub(age);
        Some(Told { reason: text(condition, "/reason"), message: text(condition, "/message"), since, age })
    }

    /// The warnings about an object with a reason.
    pub fn warnings(&self, uid: &'a str, reason: &'a str) -> impl Iterator<Item = &'a EventRecord> {
        self.index.events_about(uid).filter(move |event| event.sort.type_ == "Warning" && event.sort.reason == reason)
    }
}
