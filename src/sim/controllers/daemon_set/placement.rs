//! Which nodes a `DaemonSet` runs on, and how its pods are tied to one: tolerations and node affinity. Pure.
//! Whether a pod fits beside others is the scheduler's business.

use super::super::object::{list, name, text};
use super::super::selector::{matches_expression, matches_map};
use crate::json::At as _;
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
    let wanted = text(&template, "/spec/nodeName");
    if !wanted.is_empty() && wanted != name(node) || !selects(&template, node) {
        return Fit::Goes;
    }
    tolerate(&mut template["spec"]);
    let untolerated = |effects: &[&str]| {
        let taints = list(node, "/spec/taints");
        taints.iter().any(|taint| effects.contains(&text(taint, "/effect")) && !tolerates(&template, taint))
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

fn tolerates(pod: &Value, taint: &Value) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
        (effect.is_empty() || effect == text(taint, "/effect"))
            && (key.is_empty() || key == text(taint, "/key"))
            && (text(toleration, "/operator") == "Exists" || text(toleration, "/value") == text(taint, "/value"))
    })
}

fn selects(template: &Value, node: &Value) -> bool {
    let labels = node.at("/metadata/labels");
    let fields = json!({"metadata.name": name(node)});
    let terms = template.at(REQUIRED).map(|required| list(required, "/nodeSelectorTerms"));
    matches_map(template.at("/spec/nodeSelector"), labels)
        && terms.is_none_or(|terms| {
            terms.iter().any(|term| {
                let (expressions, names) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
                expressions.len() + names.len() > 0
                    && expressions.iter().all(|expression| matches_expression(expression, labels))
                    && names.iter().all(|expression| matches_expression(expression, Some(&fields)))
            })
        })
}
