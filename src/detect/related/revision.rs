//! The revisions of a Deployment: whether a failure came with the newest, and which older one was good.
//! Going back is the healer's business.

use super::super::exits::looks_self_made;
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::container::State;
use crate::observe::index::{ObjectRecord, PodRecord, controller_of, revision_of, text};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A rollout that came shortly before a failure, with an older revision that was good.
#[derive(Clone, Debug)]
pub struct Rollout<'a> {
    /// The ReplicaSet of the newest revision.
    pub newest: &'a Arc<Value>,
    /// The newest older one that was available.
    pub older: &'a Arc<Value>,
    /// Whether the older one was seen available (else only its existence speaks for it).
    pub proven: bool,
}

impl Rollout<'_> {
    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        let available = self.older.at("/status/availableReplicas").and_then(Value::as_u64).unwrap_or(0);
        let was = match (available, self.proven) {
            (1.., _) => format!("has {available} available pods"),
            (_, true) => "was available".to_owned(),
            (_, false) => "came before it".to_owned(),
        };
        format!(
            "only revision {} (ReplicaSet {}) fails; revision {} (ReplicaSet {}) {was}",
            revision_of(self.newest),
            text(self.newest, "/metadata/name"),
            revision_of(self.older),
            text(self.older, "/metadata/name"),
        )
    }
}

/// The rollout that a pod's failure came with: its revision is the newest, appeared within the window before the failure,
/// and an older one with another template was good.
#[must_use]
pub fn rollout_before<'a>(index: &'a Index, pod: &PodRecord, onset: Duration, window: Duration) -> Option<Rollout<'a>> {
    let workload = index.workload_of(pod);
    if workload.kind != "Deployment" {
        return None;
    }
    let newest = index.current_replica_set(&workload.name)?;
    let appeared = index.record("ReplicaSet", text(newest, "/metadata/name"))?.first_seen;
    if onset.saturating_sub(appeared) > window {
        return None;
    }
    let (older, proven) = good_before(index, &workload.name)?;
    Some(Rollout { newest, older, proven })
}

/// The newest older revision of a Deployment that was available, whose template is another one, and whose pods did not fail.
#[must_use]
pub fn last_good_replica_set<'a>(index: &'a Index, deployment: &str) -> Option<&'a Arc<Value>> {
    good_before(index, deployment).map(|(set, _)| set)
}

fn good_before<'a>(index: &'a Index, deployment: &str) -> Option<(&'a Arc<Value>, bool)> {
    let newest = index.current_replica_set(deployment)?;
    let mut sets: Vec<&ObjectRecord> = index
        .records("ReplicaSet")
        .map(|(_, record)| record)
        .filter(|record| record.deleted.is_none() && revision_of(&record.object) < revision_of(newest))
        .filter(|record| {
            controller_of(&record.object).is_some_and(|owner| owner.kind == "Deployment" && owner.name == deployment)
        })
        .filter(|record| !same_template(&record.object, newest))
        .collect();
    sets.sort_by_key(|record| std::cmp::Reverse(revision_of(&record.object)));
    sets.into_iter().find_map(|record| {
        let available = record
            .versions
            .iter()
            .map(|(_, object)| object)
            .chain([&record.object])
            .any(|set| set.at("/status/availableReplicas").and_then(Value::as_u64).is_some_and(|available| available > 0));
        let name = text(&record.object, "/metadata/name");
        let pods: Vec<_> = index
            .all_pods()
            .filter(|pod| pod.owner.as_ref().is_some_and(|owner| owner.kind == "ReplicaSet" && owner.name == name))
            .collect();
        if pods.iter().any(|pod| has_failed(pod)) {
            return None;
        }
        // Scaled down before we looked: nothing speaks against it.
        let unknown = !available && pods.is_empty();
        (available || unknown).then_some((&record.object, available))
    })
}

fn has_failed(pod: &PodRecord) -> bool {
    pod.containers.values().any(|container| {
        let crashed = container.exits.iter().any(|exit| {
            pod.terminating.is_none_or(|at| exit.at < at)
                && (looks_self_made(exit) || exit.reason == "OOMKilled" || exit.reason == "StartError")
        });
        let stuck =
            matches!(&container.state, State::Waiting(reason, _) if reason.contains("BackOff") || reason.starts_with("Err"));
        crashed || stuck || container.restart_count > 0
    })
}

/// Whether one ReplicaSet and another have the same pod template, but for the hash label and the mark of a restart.
#[must_use]
pub fn same_template(a: &Value, b: &Value) -> bool {
    plain_template(a) == plain_template(b)
}

fn plain_template(set: &Value) -> Value {
    let mut template = set.at("/spec/template").cloned().unwrap_or_default();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    if let Some(annotations) = template.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove("kubectl.kubernetes.io/restartedAt");
        if annotations.is_empty()
            && let Some(metadata) = template.pointer_mut("/metadata").and_then(Value::as_object_mut)
        {
            metadata.remove("annotations");
        }
    }
    if let Some(metadata) = template.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("creationTimestamp");
    }
    template
}
