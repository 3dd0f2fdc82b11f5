//! `termination.stuck`: a pod that should be gone is still there: a finalizer holds it, or its kubelet does not answer.
//! A pod on a node that is known to be silent is the node's business.

use crate::detect::case::{About, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::objects::Objects;
use crate::detect::related;
use crate::json::At as _;
use crate::observe::index::pod::condition_of;
use crate::observe::index::{PodRecord, text};
use crate::scenario::duration::format;
use serde_json::Value;
use std::time::Duration;

/// Each pod whose deletion is overdue by the threshold.
pub fn signs(objects: &Objects<'_>, signs: &mut Vec<Sign>) {
    for pod in objects.index.pods() {
        let Some(overdue) = overdue(objects, pod).filter(|overdue| *overdue >= objects.thresholds.stuck_for) else { continue };
        let finalizers: Vec<&str> = pod
            .object()
            .at("/metadata/finalizers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let held = if finalizers.is_empty() {
            format!("node {} has not confirmed its end", pod.node.as_str())
        } else {
            format!("held by the finalizers {}", finalizers.join(", "))
        };
        let age = format(Duration::from_secs(overdue.as_secs()));
        signs.push(Sign {
            cause: "termination.stuck",
            about: About { object: pod.reference.clone(), group: related::group_of(objects.index, pod) },
            container: None,
            first_seen: pod.terminating.unwrap_or(pod.last_seen),
            last_seen: pod.last_seen,
            count: 1,
            confidence: if finalizers.is_empty() { Confidence::Medium } else { Confidence::High },
            evidence: vec![evidence(
                "pod status",
                format!("the deletion of pod {} is overdue by {age}: {held}", pod.reference.name),
            )],
            alternatives: if finalizers.is_empty() { vec!["node.unreachable"] } else { Vec::new() },
        });
    }
}

/// When the rule would fire.
pub fn due(objects: &Objects<'_>) -> Vec<Duration> {
    let threshold = objects.thresholds.stuck_for;
    let left = |pod: &PodRecord| {
        let end = pod.terminating? + grace(pod) + threshold;
        (overdue(objects, pod).is_none_or(|overdue| overdue < threshold) && !node_is_silent(objects, pod)).then_some(end)
    };
    objects.index.pods().filter_map(left).collect()
}

fn grace(pod: &PodRecord) -> Duration {
    let seconds = ["/metadata/deletionGracePeriodSeconds", "/spec/terminationGracePeriodSeconds"];
    Duration::from_secs(seconds.iter().find_map(|pointer| pod.object().at(pointer)?.as_u64()).unwrap_or(30))
}

/// By how long the end of the grace has passed: by our own clock since the deletion was seen, or by the server's stamp of the end.
fn overdue(objects: &Objects<'_>, pod: &PodRecord) -> Option<Duration> {
    if node_is_silent(objects, pod) {
        return None;
    }
    let seen = objects.index.now().checked_sub(pod.terminating? + grace(pod));
    let end: Option<jiff::Timestamp> = text(pod.object(), "/metadata/deletionTimestamp").parse().ok();
    let stamped = end.and_then(|end| Duration::try_from(objects.index.server_now()?.duration_since(end)).ok());
    stamped.map(|age| age.saturating_sub(Duration::from_secs(1))).into_iter().chain(seen).max()
}

fn node_is_silent(objects: &Objects<'_>, pod: &PodRecord) -> bool {
    let node = objects.index.get("Node", pod.node.as_str());
    node.and_then(|node| condition_of(node, "Ready")).is_some_and(|ready| text(ready, "/status") != "True")
}
