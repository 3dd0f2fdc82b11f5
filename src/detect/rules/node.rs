//! `node.unreachable`, `node.notready`, `node.pressure`: a pod is not ready because its node is lost, or says that it cannot run pods;
//! or a node says so itself. Seen only where nodes are watched: a pod alone does not tell why it is not ready.

use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::objects::{Objects, Told};
use crate::observe::index::pod::condition_of;
use crate::observe::index::text;
use serde_json::Value;

/// When the pod is not ready and its node is not either.
pub fn sign(case: &Case<'_>) -> Option<Sign> {
    if case.pod.ready {
        return None;
    }
    let name = case.pod.node.as_str();
    let node = case.index.get("Node", name)?;
    let ready = condition_of(node, "Ready")?;
    let cause = match text(ready, "/status") {
        "Unknown" => "node.unreachable",
        "False" => "node.notready",
        _ => return None,
    };
    let told = case.events.iter().filter(|event| event.sort.reason == "NodeNotReady").max_by_key(|event| event.last_seen);
    let status =
        format!("node {name}: Ready is {} ({}): {}", text(ready, "/status"), text(ready, "/reason"), text(ready, "/message"));
    let mut found = vec![evidence("node status", status)];
    found.extend(told.map(|event| evidence("event", event.message.trim())));
    Some(Sign {
        cause,
        about: case.about(),
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

/// Each node whose kubelet is silent, not ready, or short of something.
pub fn signs(objects: &Objects<'_>, signs: &mut Vec<Sign>) {
    for node in objects.index.objects("Node") {
        let name = text(node, "/metadata/name");
        // What its pods show already is not told twice.
        let on_it = |sign: &Sign| objects.index.pod(&sign.about.object.uid).is_some_and(|pod| pod.node.as_str() == name);
        if signs.iter().any(|sign| sign.cause.starts_with("node.") && on_it(sign)) {
            continue;
        }
        if let Some(told) = objects.told("Node", node, "Ready", "Unknown") {
            signs.push(of_node(node, "node.unreachable", "Ready is Unknown", &told));
        } else if let Some(told) = objects.told("Node", node, "Ready", "False") {
            signs.push(of_node(node, "node.notready", "Ready is False", &told));
        }
        for pressure in ["MemoryPressure", "DiskPressure", "PIDPressure"] {
            if let Some(told) = objects.told("Node", node, pressure, "True") {
                signs.push(of_node(node, "node.pressure", &format!("{pressure} is True"), &told));
            }
        }
    }
}

fn of_node(node: &Value, cause: &'static str, what: &str, told: &Told<'_>) -> Sign {
    let about = Objects::about(node);
    let text = format!("node {}: {what} ({}): {}", about.object.name, told.reason, told.message);
    Sign {
        cause,
        about,
        container: None,
        first_seen: told.since,
        last_seen: told.since,
        count: 1,
        confidence: Confidence::High,
        evidence: vec![evidence("node status", text)],
        alternatives: Vec::new(),
    }
}
