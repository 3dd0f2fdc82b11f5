//! Ephemeral containers: those that `kubectl debug` adds to a pod that runs. Started once, never again, never waited for.
//! How any container is started is `start`'s business.

use super::sync::Tally;
use super::worker::Worker;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// The ephemeral containers of a pod, as the containers that they otherwise are.
pub(super) fn containers(spec: &PodSpec) -> Vec<Container> {
    let all = spec.ephemeral_containers.iter().flatten();
    // All fields but the target have the same names in both.
    all.filter_map(|container| serde_json::from_value(serde_json::to_value(container).ok()?).ok()).collect()
}

/// The list of a pod's spec in which a container stands.
pub(super) fn list_of(spec: &PodSpec, name: &str) -> &'static str {
    if spec.init_containers.iter().flatten().any(|container| container.name == name) {
        "initContainers"
    } else if spec.ephemeral_containers.iter().flatten().any(|container| container.name == name) {
        "ephemeralContainers"
    } else {
        "containers"
    }
}

impl Worker {
    /// Starts the ephemeral containers that were never started. One whose image cannot be had is tried again at the next sync.
    pub(super) async fn start_ephemeral(&self, spec: &PodSpec, tally: &mut Tally) {
        for container in containers(spec) {
            let is_known = self.record.state().newest(&container.name).is_some();
            if !is_known {
                tally.add(self.start_container(&container, None).await);
            }
        }
    }
}
