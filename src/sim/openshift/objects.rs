//! What every OpenShift cluster has from the beginning: its version, operators, machine pools, constraints and namespaces.
//! Nothing changes them later: the simulation has no operators.

use crate::sim::api::openshift::APPS_DOMAIN;
use crate::sim::cluster::Simulation;
use crate::sim::profile::Version;
use serde_json::{Value, json};

/// Operators of a cluster, those that people wait for.
const OPERATORS: [&str; 10] = [
    "authentication",
    "dns",
    "etcd",
    "image-registry",
    "ingress",
    "kube-apiserver",
    "machine-config",
    "monitoring",
    "network",
    "openshift-apiserver",
];
const NAMESPACES: [&str; 4] = ["openshift", "openshift-config", "openshift-image-registry", "openshift-monitoring"];

/// (apiVersion, plural, namespace, object)
type Made = (&'static str, &'static str, &'static str, Value);

/// All of them.
pub(super) fn all(simulation: &Simulation) -> Vec<Made> {
    let now = crate::sim::clock::format_seconds(simulation.api.clock.now());
    // OpenShift 4.14 brought Kubernetes 1.27, and each minor of one a minor of the other since.
    let version = match simulation.profile.version {
        Version::V1_34 => "4.21.0",
        Version::V1_36 => "4.23.0",
    };
    let mut made: Vec<Made> = Vec::new();
    for name in NAMESPACES {
        made.push(("v1", "namespaces", "", json!({ "metadata": { "name": name } })));
    }
    made.push(("config.openshift.io/v1", "clusterversions", "", cluster_version(version, &now)));
    made.push((
        "config.openshift.io/v1",
        "ingresses",
        "",
        json!({ "metadata": { "name": "cluster" }, "spec": { "domain": APPS_DOMAIN } }),
    ));
    for name in OPERATORS {
        let status = json!({
            "conditions": conditions(&[("Available", true), ("Progressing", false), ("Degraded", false), ("Upgradeable", true)], &now),
            "versions": [{ "name": "operator", "version": version }],
        });
        made.push((
            "config.openshift.io/v1",
            "clusteroperators",
            "",
            json!({ "metadata": { "name": name }, "spec": {}, "status": status }),
        ));
    }
    let of_control = simulation.profile.nodes.iter().filter(|node| node.control_plane).count();
    // A node alone is both.
    let (masters, workers) = match simulation.profile.nodes.len() {
        1 => (1, 0),
        all => (of_control, all - of_control),
    };
    for (name, count) in [("master", masters), ("worker", workers)] {
        made.push(("machineconfiguration.openshift.io/v1", "machineconfigpools", "", pool(name, count, &now)));
    }
    for constraint in constraints() {
        made.push(("security.openshift.io/v1", "securitycontextconstraints", "", constraint));
    }
    made
}

fn conditions(all: &[(&str, bool)], now: &str) -> Value {
    let one = |(type_, holds): &(&str, bool)| json!({ "type": type_, "status": if *holds { "True" } else { "False" }, "lastTransitionTime": now });
    all.iter().map(one).collect()
}

fn cluster_version(version: &str, now: &str) -> Value {
    json!({
        "metadata": { "name": "version" },
        "spec": { "channel": "", "clusterID": "00000000-0000-4000-8000-000000000000" },
        "status": {
            "desired": { "version": version },
            "history": [{ "state": "Completed", "version": version, "startedTime": now, "completionTime": now, "verified": false }],
            "conditions": conditions(&[("Available", true), ("Failing", false), ("Progressing", false)], now),
        },
    })
}

fn pool(name: &str, count: usize, now: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "machineconfiguration.openshift.io/mco-built-in": "" } },
        "spec": { "paused": false },
        "status": {
            "machineCount": count, "readyMachineCount": count, "updatedMachineCount": count, "unavailableMachineCount": 0,
            "degradedMachineCount": 0,
            "conditions": conditions(&[("Updated", true), ("Updating", false), ("Degraded", false)], now),
        },
    })
}

/// The constraints that are simulated, in the fields that people read.
fn constraints() -> [Value; 3] {
    let volumes =
        json!(["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"]);
    let constraint = |name: &str, more: Value| {
        let mut object = json!({
            "metadata": { "name": name }, "allowHostDirVolumePlugin": false, "allowHostIPC": false, "allowHostNetwork": false,
            "allowHostPID": false, "allowHostPorts": false, "allowPrivilegedContainer": false, "readOnlyRootFilesystem": false,
            "seLinuxContext": { "type": "MustRunAs" }, "supplementalGroups": { "type": "RunAsAny" }, "volumes": volumes,
        });
        for (field, value) in more.as_object().into_iter().flatten() {
            object[field.as_str()] = value.clone();
        }
        object
    };
    [
        constraint(
            "anyuid",
            json!({
                "priority": 10, "allowPrivilegeEscalation": true, "requiredDropCapabilities": ["MKNOD"],
                "runAsUser": { "type": "RunAsAny" }, "fsGroup": { "type": "RunAsAny" },
            }),
        ),
        constraint(
            "restricted-v2",
            json!({
                "allowPrivilegeEscalation": false, "requiredDropCapabilities": ["ALL"], "allowedCapabilities": ["NET_BIND_SERVICE"],
                "runAsUser": { "type": "MustRunAsRange" }, "fsGroup": { "type": "MustRunAs" }, "seccompProfiles": ["runtime/default"],
            }),
        ),
        constraint(
            "privileged",
            json!({
                "allowHostDirVolumePlugin": true, "allowHostIPC": true, "allowHostNetwork": true, "allowHostPID": true,
                "allowHostPorts": true, "allowPrivilegedContainer": true, "allowPrivilegeEscalation": true,
                "allowedCapabilities": ["*"], "runAsUser": { "type": "RunAsAny" }, "fsGroup": { "type": "RunAsAny" },
                "seLinuxContext": { "type": "RunAsAny" }, "seccompProfiles": ["*"], "volumes": ["*"],
            }),
        ),
    ]
}
