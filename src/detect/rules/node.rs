//! `node.unreachable`, `node.notready`: a pod is not ready because its node is lost, or says that it cannot run pods.
//! Seen only where nodes are watched: a pod alone does not tell why it is not ready.

use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::observe::index::pod::condition_of;
use crate::observe::index::text;

/// When the pod is not ready and its node is not either.
pub fn sign<'a>(case: &Case<'a>) -> Option<Sign<'a>> {
    if case.pod.ready {
        return None;
    }
    let name = text(&case.pod.object, "/spec/nodeName");
    let node = case.index.get("Node", name)?;
    let ready = condition_of(node, "Ready")?;
    let cause = match text(ready, "/status") {
        "Unknown" => "node.unreachable",
        "False" => "node.notready",
        _ => return None,
    };
    let told = case.events.iter().filter(|event| event.reason == "NodeNotReady").max_by_key(|event| event.last_seen);
    let status =
        format!("node {name}: Ready is {} ({}): {}", text(ready, "/status"), text(ready, "/reason"), text(ready, "/message"));
    let mut found = vec![evidence("node status", status)];
    found.extend(told.map(|event| evidence("event", event.message.trim())));
    Some(Sign {
        cause,
        pod: case.pod,
        container: None,
        first_seen: case.pod.ready_since,
        last_seen: told.map_or(case.pod.ready_since, |event| event.last_seen.max(case.pod.ready_since)),
        // One loss of a node is one signal.
        count: 1,
        confidence: Confidence::High,
        evidence: found,
        alternatives: Vec::new(),
    })
}
