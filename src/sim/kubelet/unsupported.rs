//! Fields of a pod that the embedded cluster cannot honour: said once when the pod arrives, never ignored in silence.
//! Volumes, probes and hooks say so themselves where they are used.

use super::pod::PodRecord;
use crate::sim::limits::{Limit, LimitKind};
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// The fields in use that are not simulated.
fn fields(spec: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |used: bool, field: &str| {
        if used {
            found.push(field.to_owned());
        }
    };
    check(spec.active_deadline_seconds.is_some(), "activeDeadlineSeconds");
    check(spec.ephemeral_containers.as_ref().is_some_and(|list| !list.is_empty()), "ephemeralContainers");
    check(spec.resource_claims.as_ref().is_some_and(|list| !list.is_empty()), "resourceClaims");
    check(spec.share_process_namespace == Some(true), "shareProcessNamespace");
    check(spec.host_pid == Some(true), "hostPID");
    check(spec.os.as_ref().is_some_and(|os| os.name != "linux"), "os");
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        let mut check = |used: bool, field: &str| {
            if used {
                found.push(format!("{field} of container {}", container.name));
            }
        };
        check(container.volume_devices.as_ref().is_some_and(|list| !list.is_empty()), "volumeDevices");
        check(container.restart_policy_rules.as_ref().is_some_and(|list| !list.is_empty()), "restartPolicyRules");
        check(has_own_policy(container), "restartPolicy");
        check(container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.stop_signal.is_some()), "lifecycle.stopSignal");
    }
    found
}

/// A restart policy of a container's own, other than a sidecar's.
fn has_own_policy(container: &Container) -> bool {
    container.restart_policy.as_deref().is_some_and(|policy| policy != "Always")
}

/// Reports what of this pod is not simulated.
pub(super) fn report(record: &PodRecord) {
    let spec = std::sync::Arc::clone(&record.state().spec);
    for field in fields(&spec) {
        record.agent.limits.report(Limit {
            kind: LimitKind::Kind,
            uid: record.uid.clone(),
            subject: format!("pod {}/{}", record.namespace, record.name),
            construct: field,
            position: None,
            help: "remove the field, or run this scenario on a real cluster".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_each_field_once() {
        let spec = json!({
            "activeDeadlineSeconds": 5, "hostPID": true,
            "containers": [{"name": "app", "restartPolicy": "Never"}],
            "initContainers": [{"name": "side", "restartPolicy": "Always", "lifecycle": {"stopSignal": "SIGUSR1"}}],
        });
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(
            fields(&spec),
            ["activeDeadlineSeconds", "hostPID", "lifecycle.stopSignal of container side", "restartPolicy of container app"]
        );
        let plain: PodSpec = serde_json::from_value(json!({"containers": [{"name": "app"}]})).unwrap();
        assert!(fields(&plain).is_empty());
    }
}
