//! What the healer's steps need of a cluster's API. What faults need stands beside this.

use super::{FAULT_PATCH, Needed};
use crate::scenario::Step;

/// The healer reads an object and writes it back under its resource version.
const HEAL_UPDATE: &[&str] = &["get", "update"];
/// The healer cordons a node unless it is the last that takes pods.
const HEAL_NODE: &[&str] = &["get", "list", "patch"];

/// What the healer's memory needs, where what it heals outlives the run; it is removed at the end.
pub(super) fn memory(needed: &mut Needed) {
    needed.kind(None, "ConfigMap", &["list", "create", "get", "update", "delete"]);
}

/// What putting back a Service needs: the steady state of what runs already holds none.
pub(super) fn service(needed: &mut Needed) {
    needed.kind(None, "Service", HEAL_UPDATE);
}

/// What a step of a ladder needs.
pub(super) fn step(needed: &mut Needed, step: &Step) {
    match step {
        Step::RestartPod(_) => needed.kind(None, "Pod", &["delete"]),
        Step::RestartWorkload(_) | Step::Rollback(_) | Step::SetMemory(_) | Step::RelaxProbe(_) => {
            for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
                needed.kind(None, kind, HEAL_UPDATE);
            }
        }
        Step::Scale(_) => {
            for kind in ["Deployment", "StatefulSet"] {
                needed.kind(None, kind, HEAL_UPDATE);
            }
        }
        // Taking it back is a patch, too.
        Step::CordonNode(_) => needed.kind(None, "Node", HEAL_NODE),
        Step::DrainNode(_) => {
            needed.kind(None, "Node", HEAL_NODE);
            needed.kind(None, "Pod", &["list"]);
            needed.add("", "pods/eviction", &["create"]);
        }
        Step::RebootNode(_) => needed.kind(None, "Node", &["get", "list", "watch"]),
        Step::RevertConfig(_) | Step::RestoreObject(_) => {
            for kind in ["ConfigMap", "Secret"] {
                needed.kind(None, kind, &["get", "update", "create"]);
            }
        }
        Step::Patch(patch) => {
            let kind = patch.kind.as_deref();
            for kind in kind.map_or_else(|| vec!["Deployment", "StatefulSet", "DaemonSet"], |kind| vec![kind]) {
                needed.kind(patch.api_version.as_deref(), kind, FAULT_PATCH);
            }
        }
        Step::Wait(_) | Step::Notify(_) | Step::Webhook(_) => {}
    }
}
