//! What the healer's steps need of a cluster's API. What faults need stands beside this.

use super::{FAULT_PATCH, Needed};
use crate::scenario::Step;

/// The healer reads an object and writes it back under its resource version.
const HEAL_UPDATE: &[&str] = &["get", "update"];
/// The healer cordons a node unless it is the last that takes pods.
const HEAL_NODE: &[&str] = &["get", "list", "patch"];

/// What the steps of a ladder need; without steps, those of all ladders, of which those about nodes only where nodes are watched.
pub(super) fn steps(needed: &mut Needed, steps: &[Step], about_nodes: bool) {
    let any = steps.is_empty();
    let has = |wanted: fn(&Step) -> bool| any || steps.iter().any(wanted);
    if has(|step| matches!(step, Step::RestartPod(_))) {
        needed.kind(None, "Pod", &["delete"]);
    }
    let templates =
        |step: &Step| matches!(step, Step::RestartWorkload(_) | Step::Rollback(_) | Step::SetMemory(_) | Step::RelaxProbe(_));
    if has(templates) {
        for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
            needed.kind(None, kind, HEAL_UPDATE);
        }
    }
    if steps.iter().any(|step| matches!(step, Step::Scale(_))) {
        for kind in ["Deployment", "StatefulSet"] {
            needed.kind(None, kind, HEAL_UPDATE);
        }
    }
    if any && about_nodes {
        // Causes that are found on nodes have ladders with these.
        needed.kind(None, "Node", &["get", "list", "watch", "patch"]);
        needed.kind(None, "Pod", &["list"]);
        needed.add("", "pods/eviction", &["create"]);
    }
    for step in steps {
        match step {
            // Taking it back is a patch, too.
            Step::CordonNode(_) => needed.kind(None, "Node", HEAL_NODE),
            Step::DrainNode(_) => {
                needed.kind(None, "Node", HEAL_NODE);
                needed.kind(None, "Pod", &["list"]);
                needed.add("", "pods/eviction", &["create"]);
            }
            Step::RebootNode(_) => needed.kind(None, "Node", &["get", "list", "watch"]),
            _ => {}
        }
    }
    if has(|step| matches!(step, Step::RevertConfig(_) | Step::RestoreObject(_))) {
        for kind in ["ConfigMap", "Secret"] {
            needed.kind(None, kind, &["get", "update", "create"]);
        }
    }
    for step in steps {
        if let Step::Patch(patch) = step {
            let kind = patch.kind.as_deref();
            for kind in kind.map_or_else(|| vec!["Deployment", "StatefulSet", "DaemonSet"], |kind| vec![kind]) {
                needed.kind(patch.api_version.as_deref(), kind, FAULT_PATCH);
            }
        }
    }
}
