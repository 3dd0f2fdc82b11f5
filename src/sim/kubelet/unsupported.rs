//! Fields of a pod that the embedded cluster cannot honour: said once when the pod arrives, never ignored in silence.
//! Volumes, probes and hooks say so themselves where they are used.

use super::ephemeral;
use super::pod::PodRecord;
use super::security;
use super::sysctl;
use crate::sim::limits::{Limit, LimitKind};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, Volume};

/// The fields in use that are not simulated.
fn fields(spec: &PodSpec) -> Vec<String> {
    let mut found = of_pod(spec);
    for volume in spec.volumes.iter().flatten() {
        found.extend(of_volume(spec, volume).map(|field| format!("{field} of volume {}", volume.name)));
    }
    for container in spec.ephemeral_containers.iter().flatten().filter(|container| container.target_container_name.is_some()) {
        // Its processes would be seen, and the files of its root.
        found.push(format!("targetContainerName of container {}", container.name));
    }
    for container in spec.init_containers.iter().flatten().chain(&spec.containers).chain(&ephemeral::containers(spec)) {
        found.extend(of_container(container).map(|field| format!("{field} of container {}", container.name)));
    }
    found
}

/// The names whose condition holds.
fn used(fields: impl IntoIterator<Item = (bool, &'static str)>) -> impl Iterator<Item = String> {
    fields.into_iter().filter(|(used, _)| *used).map(|(_, name)| name.to_owned())
}

fn any<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

fn of_pod(spec: &PodSpec) -> Vec<String> {
    let security = spec.security_context.as_ref();
    used([
        (any(spec.resource_claims.as_ref()), "resourceClaims"),
        (spec.scheduling_group.is_some(), "schedulingGroup"),
        (spec.resources.as_ref().is_some_and(|resources| resources.limits.is_some()), "resources.limits of the pod"),
        (spec.share_process_namespace == Some(true), "shareProcessNamespace"),
        (spec.host_pid == Some(true), "hostPID"),
        (spec.hostname_override.is_some(), "hostnameOverride"),
        (spec.set_hostname_as_fqdn == Some(true), "setHostnameAsFQDN"),
        (spec.runtime_class_name.is_some(), "runtimeClassName"),
        (spec.os.as_ref().is_some_and(|os| os.name != "linux"), "os"),
        // One that the kernel refuses is: the pod never gets a sandbox.
        (
            any(security.and_then(|context| context.sysctls.as_ref())) && sysctl::refused(spec).is_none(),
            "securityContext.sysctls",
        ),
        (
            security.and_then(|context| context.seccomp_profile.as_ref()).is_some_and(|profile| profile.type_ == "Localhost"),
            "securityContext.seccompProfile",
        ),
        (
            security.and_then(|context| context.app_armor_profile.as_ref()).is_some_and(|profile| profile.type_ == "Localhost"),
            "securityContext.appArmorProfile",
        ),
    ])
    .collect()
}

fn of_volume(spec: &PodSpec, volume: &Volume) -> impl Iterator<Item = String> {
    let empty = volume.empty_dir.as_ref();
    // Files with modes that shut others out: only root, or the group of fsGroup, reads them.
    let modes = [
        volume.config_map.as_ref().and_then(|source| source.default_mode),
        volume.secret.as_ref().and_then(|source| source.default_mode),
        volume.projected.as_ref().and_then(|source| source.default_mode),
        volume.downward_api.as_ref().and_then(|source| source.default_mode),
    ];
    let closed = modes.into_iter().flatten().any(|mode| mode & 0o004 == 0);
    let somebody_else = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
        .any(|container| security::access(spec, container).user != 0);
    used([
        (empty.is_some_and(|empty| empty.medium.as_deref().is_some_and(|medium| medium.starts_with("Huge"))), "emptyDir.medium"),
        (closed && somebody_else, "defaultMode (for a user other than root)"),
    ])
}

fn of_container(container: &Container) -> impl Iterator<Item = String> {
    let security = container.security_context.as_ref();
    let from_file = |variable: &EnvVar| variable.value_from.as_ref().is_some_and(|source| source.file_key_ref.is_some());
    used([
        (any(container.volume_devices.as_ref()), "volumeDevices"),
        (any(container.restart_policy_rules.as_ref()), "restartPolicyRules"),
        (has_own_policy(container), "restartPolicy"),
        (container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.stop_signal.is_some()), "lifecycle.stopSignal"),
        (container.env.iter().flatten().any(from_file), "env.valueFrom.fileKeyRef"),
        (
            security.and_then(|context| context.seccomp_profile.as_ref()).is_some_and(|profile| profile.type_ == "Localhost"),
            "securityContext.seccompProfile",
        ),
        (
            security.and_then(|context| context.app_armor_profile.as_ref()).is_some_and(|profile| profile.type_ == "Localhost"),
            "securityContext.appArmorProfile",
        ),
    ])
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
    use rstest::rstest;
    use serde_json::{Value, json};

    /// Each case has one field that changes what a real cluster does, or none (`""`).
    #[rstest]
    #[case(json!({}), json!({}), "")]
    #[case(json!({"hostPID": true}), json!({}), "hostPID")]
    #[case(json!({"runtimeClassName": "gvisor"}), json!({}), "runtimeClassName")]
    #[case(json!({"resources": {"limits": {"memory": "1Gi"}}}), json!({}), "resources.limits of the pod")]
    #[case(json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}), json!({}), "")]
    #[case(json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}}), json!({}), "securityContext.seccompProfile")]
    #[case(json!({"affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}}), json!({}), "")]
    #[case(json!({"volumes": [{"name": "v", "emptyDir": {"medium": "HugePages"}}]}), json!({}), "emptyDir.medium of volume v")]
    #[case(json!({"volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 256}}]}), json!({}), "")]
    #[case(
        json!({"volumes": [{"name": "v", "secret": {"secretName": "s", "defaultMode": 256}}]}),
        json!({"securityContext": {"runAsUser": 1000}}),
        "defaultMode (for a user other than root) of volume v"
    )]
    #[case(json!({}), json!({"restartPolicy": "Never"}), "restartPolicy of container app")]
    #[case(json!({}), json!({"restartPolicy": "Always", "lifecycle": {"stopSignal": "SIGUSR1"}}), "lifecycle.stopSignal of container app")]
    #[case(json!({}), json!({"stdin": true, "tty": true}), "")]
    #[case(json!({}), json!({"securityContext": {"readOnlyRootFilesystem": true, "runAsUser": 1000}}), "")]
    #[case(json!({}), json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}), "")]
    #[case(json!({}), json!({"readinessProbe": {"tcpSocket": {"port": 80}}}), "")]
    #[case(json!({}), json!({"readinessProbe": {"tcpSocket": {"port": 80, "host": "db.example"}}}), "")]
    fn names_what_is_not_simulated(#[case] pod: Value, #[case] container: Value, #[case] expected: &str) {
        let (mut pod, mut container) = (pod, container);
        container["name"] = json!("app");
        pod["containers"] = json!([container]);
        let spec: PodSpec = serde_json::from_value(pod).unwrap();
        assert_eq!(fields(&spec).join(", "), expected);
    }
}
