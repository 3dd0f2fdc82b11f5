//! The state of everything but pods: its status without times, its conditions by type, and the facts of its spec that
//! controllers, users and nodes change.

use super::{SEPARATOR, condition};
use crate::fidelity::normal::text;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Annotations that differ between two clusters or carry times.
const IGNORED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/restartedAt",
    "volume.kubernetes.io/selected-node",
    "node.alpha.kubernetes.io/ttl",
    "volumes.kubernetes.io/controller-managed-attach-detach",
];

/// A workload, claim, quota or budget.
pub(super) fn state(object: &Value) -> String {
    let mut words = metadata(object);
    for field in [
        "replicas",
        "parallelism",
        "suspend",
        "paused",
        "hard",
        "minAvailable",
        "maxUnavailable",
        "storageClassName",
        "volumeName",
    ] {
        push(&mut words, field, object.pointer(&format!("/spec/{field}")));
    }
    words.extend(status(object));
    words.join(SEPARATOR)
}

/// A Service: what it selects, where, and of which type.
pub(super) fn service(object: &Value) -> String {
    let mut words = metadata(object);
    for field in ["type", "selector", "ports", "externalName", "publishNotReadyAddresses"] {
        push(&mut words, field, object.pointer(&format!("/spec/{field}")));
    }
    words.join(SEPARATOR)
}

/// An EndpointSlice: its ports, and its endpoints in order of what is said of them, for their addresses are chance.
pub(super) fn endpoint_slice(object: &Value) -> String {
    let mut words = metadata(object);
    push(&mut words, "ports", object.get("ports"));
    let endpoints = object.get("endpoints").and_then(Value::as_array);
    let mut lines: Vec<String> = endpoints
        .into_iter()
        .flatten()
        .map(|endpoint| {
            let flag = |name: &str| endpoint.pointer(&format!("/conditions/{name}")).cloned().unwrap_or(Value::Null);
            format!(
                "[{} ready={} serving={} terminating={}]",
                text(endpoint, "/targetRef/name"),
                flag("ready"),
                flag("serving"),
                flag("terminating")
            )
        })
        .collect();
    // By what is said first: whose turn comes first by name is chance, too, where names are generated.
    lines.sort_by(|a, b| said(a).cmp(said(b)).then_with(|| a.cmp(b)));
    words.extend(lines);
    words.join(SEPARATOR)
}

/// What an endpoint's line says of it, after its name.
fn said(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, said)| said)
}

/// A Node: conditions, taints without their times, whether it is cordoned.
pub(super) fn node(object: &Value) -> String {
    let mut words = metadata(object);
    push(&mut words, "unschedulable", object.pointer("/spec/unschedulable"));
    let taints = object.pointer("/spec/taints").and_then(Value::as_array);
    let mut taints: Vec<String> =
        taints.into_iter().flatten().map(|taint| format!("taint {}:{}", text(taint, "/key"), text(taint, "/effect"))).collect();
    taints.sort();
    words.extend(taints);
    words.extend(conditions(object));
    words.join(SEPARATOR)
}

fn metadata(object: &Value) -> Vec<String> {
    let mut words = Vec::new();
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    for (name, value) in annotations.into_iter().flatten().filter(|(name, _)| !IGNORED.contains(&name.as_str())) {
        let short = name.rsplit('/').next().unwrap_or(name);
        words.push(format!("{short}={}", plain(value)));
    }
    push(&mut words, "finalizers", object.pointer("/metadata/finalizers"));
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        words.push("deleting".to_owned());
    }
    words
}

fn status(object: &Value) -> Vec<String> {
    let mut words = Vec::new();
    let status = object.get("status").and_then(Value::as_object);
    for (name, value) in status.into_iter().flatten() {
        match name.as_str() {
            "conditions" => {}
            "observedGeneration" => {
                let observed = Some(value) == object.pointer("/metadata/generation");
                words.extend((!observed).then(|| "stale".to_owned()));
            }
            _ => push(&mut words, name, Some(value)),
        }
    }
    words.extend(conditions(object));
    words
}

/// Conditions by type: their order is the order of past changes.
fn conditions(object: &Value) -> Vec<String> {
    let all = object.pointer("/status/conditions").and_then(Value::as_array);
    let mut all: Vec<String> = all.into_iter().flatten().map(condition).collect();
    all.sort();
    all
}

fn push(words: &mut Vec<String>, name: &str, value: Option<&Value>) {
    if let Some(value) = value.filter(|value| !is_nothing(value)) {
        words.push(format!("{name}={}", plain(value)));
    }
}

/// Zero, empty and absent are one: clients cannot tell them apart.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "TIME".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => object(fields),
        other => other.to_string(),
    }
}

fn object(fields: &Map<String, Value>) -> String {
    let mut sorted: Vec<(&String, &Value)> = fields.iter().filter(|(_, value)| !is_nothing(value)).collect();
    sorted.sort_by_key(|(name, _)| name.as_str());
    let mut out = "{".to_owned();
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        let _ = write!(out, "{}{name}:{}", if index > 0 { "," } else { "" }, plain(value));
    }
    out + "}"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_is_its_counts_conditions_and_revision() {
        let deployment = json!({
            "metadata": {"generation": 2, "annotations": {"deployment.kubernetes.io/revision": "3", "kubectl.kubernetes.io/restartedAt": "x"}},
            "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "replicas": 3, "unavailableReplicas": 0, "conditions": [
                {"type": "Progressing", "status": "True", "lastUpdateTime": "2026-01-01T00:00:00Z", "reason": "R", "message": "m"},
                {"type": "Available", "status": "False"},
            ]},
        });
        insta::assert_snapshot!(state(&deployment), @"revision=3 · replicas=3 · stale · replicas=3 · Available=False · Progressing=True(R: m)");
    }

    #[test]
    fn endpoints_are_sorted_by_what_is_said_of_them() {
        let slice = json!({"ports": [{"port": 80, "name": ""}], "endpoints": [
            {"addresses": ["10.0.0.2"], "conditions": {"ready": true, "serving": true, "terminating": false}, "targetRef": {"name": "a"}},
            {"addresses": ["10.0.0.1"], "conditions": {"ready": false, "serving": false, "terminating": true}, "targetRef": {"name": "b"}},
        ]});
        insta::assert_snapshot!(endpoint_slice(&slice), @"ports=[{port:80}] · [b ready=false serving=false terminating=true] · [a ready=true serving=true terminating=false]");
    }

    #[test]
    fn a_node_is_its_conditions_and_taints() {
        let node_object = json!({
            "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}]},
        });
        insta::assert_snapshot!(node(&node_object), @"unschedulable=true · taint k:NoExecute · Ready=Unknown(NodeStatusUnknown: Kubelet stopped posting node status.)");
    }
}
