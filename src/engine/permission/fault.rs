//! What injecting and undoing each fault asks of the API. What else a run asks for stands in the parent.

use super::{FAULT_PATCH, Needed, Scope};
use crate::scenario::fault::chaos_mesh;
use crate::scenario::{Fault, Target};

/// Deleting an object and making it again, or waiting until it is gone.
const FAULT_DELETE: &[&str] = &["get", "list", "watch", "delete", "create"];
/// Applying an object, and removing or changing it back.
const FAULT_APPLY: &[&str] = &["get", "patch", "create", "delete"];

/// What injecting and undoing a fault need.
pub(super) fn injecting(needed: &mut Needed, fault: &Fault) {
    if let Some((kind, _)) = fault.workload().and_then(|(target, _)| target).as_ref().and_then(Target::workload) {
        needed.kind(None, kind, FAULT_PATCH);
    }
    match fault {
        // Their workload's kind is all that they need.
        Fault::SetEnv(_)
        | Fault::SetImage(_)
        | Fault::SetCommand(_)
        | Fault::SetResources(_)
        | Fault::SetProbe(_)
        | Fault::SetReplicas(_)
        | Fault::StopDependency(_) => {}
        Fault::DeletePods(_) => needed.kind(None, "Pod", &["get", "delete"]),
        Fault::EvictPods(_) => {
            needed.kind(None, "Pod", &["get"]);
            needed.add("", "pods/eviction", &["create"]);
        }
        Fault::Exec(_) | Fault::KillContainer(_) => {
            // Whether the container ended by it is watched.
            needed.kind(None, "Pod", &["get", "list", "watch"]);
            // Which of the two is asked for depends on the server's version.
            needed.add("", "pods/exec", &["create", "get"]);
        }
        Fault::SetConfig(_) => needed.kind(None, "ConfigMap", FAULT_PATCH),
        Fault::DeleteConfig(delete) => needed.kind(None, "ConfigMap", without(delete.key.as_deref())),
        Fault::SetSecret(_) => needed.kind(None, "Secret", FAULT_PATCH),
        Fault::DeleteSecret(delete) => needed.kind(None, "Secret", without(delete.key.as_deref())),
        Fault::ExpireToken(expire) => {
            needed.kind(None, "ServiceAccount", FAULT_DELETE);
            needed.kind(None, "Secret", &["list"]);
            needed.add("", "serviceaccounts/token", &["create"]);
            // Whether a token is refused is asked of the server itself.
            needed.add_in(&Scope::Cluster, "authentication.k8s.io", "tokenreviews", &["create"]);
            if let Some((kind, _)) = expire.target().as_ref().and_then(Target::workload) {
                needed.kind(None, kind, &["get"]);
            }
        }
        Fault::BreakService(_) => needed.kind(None, "Service", FAULT_PATCH),
        Fault::Patch(patch) => needed.kind(patch.api_version.as_deref(), &patch.kind, FAULT_PATCH),
        Fault::Delete(delete) => needed.kind(delete.api_version.as_deref(), &delete.kind, FAULT_DELETE),
        Fault::Apply(apply) => {
            let text = |field: &str| apply.manifest.get(field).and_then(serde_json::Value::as_str);
            needed.kind(text("apiVersion"), text("kind").unwrap_or_default(), FAULT_APPLY);
        }
        Fault::Quota(_) => needed.kind(None, "ResourceQuota", FAULT_APPLY),
        Fault::DenyNetwork(_) | Fault::BreakDns(_) => {
            needed.kind(None, "NetworkPolicy", FAULT_APPLY);
            // What the workload selects is read.
            let target = fault.policy().and_then(|(target, ..)| target);
            if let Some((kind, _)) = target.as_ref().and_then(Target::workload) {
                needed.kind(None, kind, &["get"]);
            }
        }
        // The rest is done past the API, and the node is waited for.
        Fault::PauseNode(_)
        | Fault::RebootNode(_)
        | Fault::StopKubelet(_)
        | Fault::StopContainerRuntime(_)
        | Fault::PartitionNode(_)
        | Fault::BlockRegistry(_)
        | Fault::PauseApiServer(_) => needed.kind(None, "Node", &["get", "list", "watch"]),
        Fault::CordonNode(_) | Fault::TaintNode(_) => needed.kind(None, "Node", FAULT_PATCH),
        Fault::DrainNode(_) => {
            needed.kind(None, "Node", FAULT_PATCH);
            needed.kind(None, "Pod", &["list"]);
            needed.add("", "pods/eviction", &["create"]);
        }
        Fault::StressMemory(_) | Fault::StressCpu(_) | Fault::FillDisk(_) => {
            needed.kind(None, "Pod", &["get"]);
            needed.add("", "pods/exec", &["create", "get"]);
        }
        Fault::ChaosMesh(fault) => {
            needed.kind(Some(chaos_mesh::API_VERSION), &fault.kind, &["get", "list", "watch", "patch", "create", "delete"]);
            needed.kind(None, "Event", &["list"]);
        }
        // What a program does is not known.
        Fault::Command(_) => {}
        Fault::Sequence(_) | Fault::Together(_) => fault.leaves().into_iter().for_each(|one| injecting(needed, one)),
    }
}

/// A key is taken away by a patch, without one the whole object is deleted and made again.
const fn without(key: Option<&str>) -> &'static [&'static str] {
    if key.is_some() { FAULT_PATCH } else { FAULT_DELETE }
}
