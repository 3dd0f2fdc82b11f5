//! Which nodes a `DaemonSet` runs on, and how its pods are tied to one: tolerations and node affinity. Pure.
//! What a pod tolerates and selects is read as the scheduler does; whether it fits beside others is its business.

use super::super::object::{list, name, text};
use crate::json::At as _;
use crate::sim::scheduler::node_match;
use crate::sim::store::Object;
use serde_json::{Value, json};

const REQUIRED: &str = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// What a set's pod does on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It runs there.
    Runs,
    /// One that is there may stay; none is made.
    Stays,
    /// It must not be there.
    Goes,
}

/// Whether a set's pods belong on a node.
pub(super) fn fit(set: &Object, node: &Value) -> Fit {
    let mut template = set["spec"]["template"].clone();
    let labels = node.at("/metadata/labels").cloned().unwrap_or_default();
    let wanted = text(&template, "/spec/nodeName");
    if !wanted.is_empty() && wanted != name(node) || !node_match::selects(&template, name(node), &labels) {
        return Fit::Goes;
    }
    tolerate(&mut template["spec"]);
    let untolerated = |effects: &[&str]| {
        let taints = list(node, "/spec/taints");
        taints.iter().any(|taint| effects.contains(&text(taint, "/effect")) && !node_match::tolerates(&template, taint))
    };
    match (untolerated(&["NoExecute", "NoSchedule"]), untolerated(&["NoExecute"])) {
        (false, _) => Fit::Runs,
        (true, false) => Fit::Stays,
        (true, true) => Fit::Goes,
    }
}

/// The node that a pod runs on, or that its affinity names.
pub(super) fn target_node(pod: &Value) -> Option<&str> {
    let bound = text(pod, "/spec/nodeName");
    if !bound.is_empty() {
        return Some(bound);
    }
    let terms = list(pod, &format!("{REQUIRED}/nodeSelectorTerms"));
    let fields = terms.iter().flat_map(|term| list(term, "/matchFields"));
    fields.filter(|field| field["key"] == "metadata.name" && field["operator"] == "In").find_map(|field| {
        let [only] = list(field, "/values") else { return None };
        only.as_str()
    })
}

/// Adds the tolerations that keep daemons on troubled nodes.
pub(super) fn tolerate(spec: &mut Value) {
    let mut wanted = vec![
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ];
    if spec["hostNetwork"] == true {
        wanted.push(("network-unavailable", "NoSchedule"));
    }
    if !spec["tolerations"].is_array() {
        spec["tolerations"] = json!([]);
    }
    let Some(tolerations) = spec["tolerations"].as_array_mut() else { return };
    for (taint, effect) in wanted {
        let toleration = json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": effect});
        let same = |present: &&mut Value| ["key", "operator", "effect"].iter().all(|field| present[*field] == toleration[*field]);
        match tolerations.iter_mut().find(same) {
            Some(present) => *present = toleration,
            None => tolerations.push(toleration),
        }
    }
}

/// Ties a pod to a node through its required node affinity.
pub(super) fn pin(spec: &mut Value, node: &str) {
    let terms = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]);
    for pointer in ["/affinity", "/affinity/nodeAffinity"] {
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = spec.pointer_mut(parent).filter(|parent| !parent[field].is_object()) {
            parent[field] = json!({});
        }
    }
    spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({"nodeSelectorTerms": terms});
}
