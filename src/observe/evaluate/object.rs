//! Conditions about objects other than pods: status conditions, events, endpoints, rollouts, absence.

use super::{Frame, Seen, Truth};
use crate::json::At as _;
use crate::observe::index::pod::condition_of;
use crate::observe::index::{PodRecord, revision_of, text};
use crate::scenario::Target;
use crate::scenario::condition::{Absent, Endpoints, EventSeen, NodeIs, Rollout, RolloutState, StatusCondition};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) fn object_or_pod<'a>(frame: Frame<'a>, kind: &str, name: &str) -> Option<&'a Arc<Value>> {
    if kind == "Pod" {
        return frame.index.pods().find(|pod| pod.reference.name == name).map(crate::observe::index::PodRecord::object);
    }
    frame.index.get(kind, name)
}

pub(super) fn condition(wanted: &StatusCondition, frame: Frame<'_>) -> Seen {
    let what = format!("condition {}/{} {}={:?}", wanted.kind.to_lowercase(), wanted.name, wanted.type_, wanted.status);
    let Some(object) = object_or_pod(frame, &wanted.kind, &wanted.name) else {
        return Seen { truth: Truth::Unknown, text: format!("{what}: the object was not seen"), server: None };
    };
    let Some(found) = condition_of(object, &wanted.type_) else {
        return Seen { truth: Truth::Unknown, text: format!("{what}: the object has no such condition"), server: None };
    };
    let (status, reason) = (text(found, "/status"), text(found, "/reason"));
    let holds = status == format!("{:?}", wanted.status) && wanted.reason.as_ref().is_none_or(|wanted| wanted == reason);
    Seen {
        truth: holds.into(),
        text: format!("{what}: it is {status}{}", if reason.is_empty() { String::new() } else { format!(" ({reason})") }),
        server: text(found, "/lastTransitionTime").parse().ok(),
    }
}

pub(super) fn event(wanted: &EventSeen, frame: Frame<'_>) -> Seen {
    let what = format!("event {}", wanted.reason.as_deref().or(wanted.message.as_deref()).unwrap_or("of any kind"));
    let Ok(pattern) = wanted.message.as_deref().map(Regex::new).transpose() else {
        return Seen { truth: Truth::Unknown, text: format!("{what}: not a regular expression"), server: None };
    };
    let stands = |uid: &str| !frame.standing || frame.index.pod(uid).is_none_or(PodRecord::is_live);
    let found = frame.index.events().find(|event| {
        event.last_seen >= frame.since
            && stands(&event.regarding.uid)
            && wanted.reason.as_ref().is_none_or(|reason| *reason == event.sort.reason)
            && wanted.kind.as_ref().is_none_or(|kind| *kind == event.regarding.kind)
            && wanted.name.as_ref().is_none_or(|name| *name == event.regarding.name)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(&event.message))
    });
    match found {
        Some(event) => Seen {
            truth: Truth::True,
            text: format!("{what}: {} {}: {}", event.sort.reason, event.regarding.name, event.message),
            server: event.server,
        },
        None => Seen { truth: Truth::False, text: format!("{what}: not seen"), server: None },
    }
}

pub(super) fn endpoints(wanted: &Endpoints, frame: Frame<'_>) -> Seen {
    let ready = frame
        .index
        .objects("EndpointSlice")
        .filter(|slice| text(slice, "/metadata/labels/kubernetes.io~1service-name") == wanted.service)
        .filter_map(|slice| slice.get("endpoints")?.as_array())
        .flatten()
        .filter(|endpoint| endpoint.at("/conditions/ready").and_then(Value::as_bool).unwrap_or(true))
        // A pod stands in one slice a family: it counts once.
        .map(|endpoint| match text(endpoint, "/targetRef/uid") {
            "" => text(endpoint, "/addresses/0"),
            uid => uid,
        })
        .collect::<BTreeSet<_>>()
        .len();
    let text = format!("endpoints service/{}: {ready} of {} ready", wanted.service, wanted.at_least);
    Seen { truth: (ready >= wanted.at_least as usize).into(), text, server: None }
}

pub(super) fn rollout(wanted: &Rollout, frame: Frame<'_>) -> Seen {
    let target = wanted.target();
    let what = format!("rollout {}", target.as_ref().map_or_else(String::new, ToString::to_string));
    let found = target.as_ref().and_then(Target::workload).and_then(|(kind, name)| Some((kind, frame.index.get(kind, name)?)));
    let Some((kind, object)) = found else {
        return Seen { truth: Truth::Unknown, text: format!("{what}: it was not seen"), server: None };
    };
    let progress = Progress::of(kind, object);
    let progressing = condition_of(object, "Progressing");
    let reason = progressing.map(|condition| text(condition, "/reason")).unwrap_or_default();
    let in_state = wanted.is.is_none_or(|state| match state {
        RolloutState::Complete => progress.is_complete(),
        RolloutState::Stuck => progress.observed && reason == "ProgressDeadlineExceeded",
    });
    let revision = revision_of(object);
    let new_enough = wanted.revision.is_none_or(|wanted| revision >= u64::from(wanted));
    let of_deployment = kind == "Deployment";
    let numbered = if of_deployment { format!("revision {revision}, ") } else { String::new() };
    let because = if reason.is_empty() && !of_deployment { String::new() } else { format!(" ({reason})") };
    let Progress { updated, desired, available, .. } = progress;
    Seen {
        truth: (in_state && new_enough).into(),
        text: format!("{what}: {numbered}{updated} of {desired} updated, {available} available{because}"),
        server: progressing.and_then(|condition| text(condition, "/lastUpdateTime").parse().ok()),
    }
}

/// How far a workload's rollout has got, in the counts of its own status.
struct Progress {
    /// Whether the status is about the present template.
    observed: bool,
    desired: u64,
    /// Of those, how many must be of the present revision.
    due: u64,
    updated: u64,
    available: u64,
    /// Pods of any revision.
    all: u64,
}

impl Progress {
    fn of(kind: &str, object: &Value) -> Self {
        let number = |pointer| object.at(pointer).and_then(Value::as_u64);
        let count = |pointer| number(pointer).unwrap_or(0);
        let observed = count("/status/observedGeneration") >= count("/metadata/generation");
        if kind == "DaemonSet" {
            let desired = count("/status/desiredNumberScheduled");
            let (updated, available) = (count("/status/updatedNumberScheduled"), count("/status/numberAvailable"));
            return Self { observed, desired, due: desired, updated, available, all: updated };
        }
        let desired = number("/spec/replicas").unwrap_or(1);
        // Pods below the partition keep their revision.
        let due = desired.saturating_sub(count("/spec/updateStrategy/rollingUpdate/partition"));
        let (updated, available) = (count("/status/updatedReplicas"), count("/status/availableReplicas"));
        let all = if kind == "StatefulSet" { updated } else { count("/status/replicas") };
        Self { observed, desired, due, updated, available, all }
    }

    const fn is_complete(&self) -> bool {
        self.observed && self.updated >= self.due && self.available >= self.desired && self.all == self.updated
    }
}

pub(super) fn absent(wanted: &Absent, frame: Frame<'_>) -> Seen {
    let what = format!("absent {}/{}", wanted.kind.to_lowercase(), wanted.name);
    if !frame.index.is_watched(&wanted.kind) {
        return Seen { truth: Truth::Unknown, text: format!("{what}: the kind is not watched"), server: None };
    }
    let there = object_or_pod(frame, &wanted.kind, &wanted.name).is_some();
    Seen { truth: (!there).into(), text: format!("{what}: it {}", if there { "exists" } else { "does not exist" }), server: None }
}

pub(super) fn node(wanted: &NodeIs, frame: Frame<'_>) -> Seen {
    let name = |node: &Value| text(node, "/metadata/name").to_owned();
    let what = format!("node {}", wanted.name.as_deref().unwrap_or("(every one)"));
    let nodes: Vec<_> =
        frame.index.objects("Node").filter(|node| wanted.name.as_ref().is_none_or(|wanted| *wanted == name(node))).collect();
    if nodes.is_empty() {
        return Seen { truth: Truth::Unknown, text: format!("{what}: none was seen"), server: None };
    }
    let wrong = |node: &&Arc<Value>| {
        let ready = condition_of(node, "Ready").is_some_and(|ready| text(ready, "/status") == "True");
        let cordoned = node.at("/spec/unschedulable").and_then(Value::as_bool).unwrap_or(false);
        let taints = node.at("/spec/taints").and_then(Value::as_array);
        let has = |key: &String| taints.into_iter().flatten().any(|taint| text(taint, "/key") == key);
        let state = format!(
            "{what}: {} is {}Ready{}",
            name(node),
            if ready { "" } else { "not " },
            if cordoned { ", cordoned" } else { "" }
        );
        let fits = wanted.ready.is_none_or(|wanted| wanted == ready)
            && wanted.schedulable.is_none_or(|wanted| wanted != cordoned)
            && wanted.taint.as_ref().is_none_or(has);
        (!fits).then_some(state)
    };
    match nodes.iter().find_map(wrong) {
        Some(text) => Seen { truth: Truth::False, text, server: None },
        None => Seen { truth: Truth::True, text: format!("{what}: as asked for"), server: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("Deployment", json!({ "replicas": 2 }), json!({ "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2 }), true)]
    #[case("Deployment", json!({ "replicas": 2 }), json!({ "updatedReplicas": 2, "availableReplicas": 2, "replicas": 3 }), false)]
    #[case("StatefulSet", json!({ "replicas": 3 }), json!({ "updatedReplicas": 3, "availableReplicas": 3 }), true)]
    #[case("StatefulSet", json!({ "replicas": 3 }), json!({ "updatedReplicas": 2, "availableReplicas": 3 }), false)]
    #[case("StatefulSet", json!({ "replicas": 3, "updateStrategy": { "rollingUpdate": { "partition": 2 } } }),
        json!({ "updatedReplicas": 1, "availableReplicas": 3 }), true)]
    #[case("DaemonSet", json!({}), json!({ "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1 }), false)]
    #[case("DaemonSet", json!({}), json!({ "desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2 }), true)]
    fn a_rollout_is_complete_when_all_that_is_due_is_there(
        #[case] kind: &str,
        #[case] spec: Value,
        #[case] mut status: Value,
        #[case] complete: bool,
    ) {
        status["observedGeneration"] = json!(4);
        let object = |generation: u64| json!({ "metadata": { "generation": generation }, "spec": spec, "status": status });
        assert_eq!(Progress::of(kind, &object(4)).is_complete(), complete);
        // What the controller has not seen yet is not complete.
        assert!(!Progress::of(kind, &object(5)).is_complete());
    }
}
