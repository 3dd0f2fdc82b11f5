//! What kube-state-metrics tells of workloads, autoscalers and claims.
//! Pods and nodes are in `kube_state`.

use super::exposition::Exposition;
use super::usage::text;
use crate::sim::api::ApiServer;
use crate::sim::api::resource::{self, Resource};
use serde_json::Value;

/// A metric and where its number stands; absent numbers are 0.
type Numbers = &'static [(&'static str, &'static str)];

const DEPLOYMENT: Numbers = &[
    ("kube_deployment_spec_replicas", "/spec/replicas"),
    ("kube_deployment_status_replicas", "/status/replicas"),
    ("kube_deployment_status_replicas_available", "/status/availableReplicas"),
    ("kube_deployment_status_replicas_unavailable", "/status/unavailableReplicas"),
    ("kube_deployment_status_replicas_updated", "/status/updatedReplicas"),
    ("kube_deployment_status_replicas_ready", "/status/readyReplicas"),
    ("kube_deployment_status_observed_generation", "/status/observedGeneration"),
    ("kube_deployment_metadata_generation", "/metadata/generation"),
];
const REPLICA_SET: Numbers = &[
    ("kube_replicaset_spec_replicas", "/spec/replicas"),
    ("kube_replicaset_status_replicas", "/status/replicas"),
    ("kube_replicaset_status_ready_replicas", "/status/readyReplicas"),
    ("kube_replicaset_status_observed_generation", "/status/observedGeneration"),
    ("kube_replicaset_metadata_generation", "/metadata/generation"),
];
const STATEFUL_SET: Numbers = &[
    ("kube_statefulset_replicas", "/spec/replicas"),
    ("kube_statefulset_status_replicas", "/status/replicas"),
    ("kube_statefulset_status_replicas_available", "/status/availableReplicas"),
    ("kube_statefulset_status_replicas_current", "/status/currentReplicas"),
    ("kube_statefulset_status_replicas_ready", "/status/readyReplicas"),
    ("kube_statefulset_status_replicas_updated", "/status/updatedReplicas"),
    ("kube_statefulset_status_observed_generation", "/status/observedGeneration"),
    ("kube_statefulset_metadata_generation", "/metadata/generation"),
];
const DAEMON_SET: Numbers = &[
    ("kube_daemonset_status_current_number_scheduled", "/status/currentNumberScheduled"),
    ("kube_daemonset_status_desired_number_scheduled", "/status/desiredNumberScheduled"),
    ("kube_daemonset_status_number_available", "/status/numberAvailable"),
    ("kube_daemonset_status_number_misscheduled", "/status/numberMisscheduled"),
    ("kube_daemonset_status_number_ready", "/status/numberReady"),
    ("kube_daemonset_status_number_unavailable", "/status/numberUnavailable"),
    ("kube_daemonset_status_updated_number_scheduled", "/status/updatedNumberScheduled"),
    ("kube_daemonset_status_observed_generation", "/status/observedGeneration"),
    ("kube_daemonset_metadata_generation", "/metadata/generation"),
];
const JOB: Numbers = &[
    ("kube_job_spec_completions", "/spec/completions"),
    ("kube_job_spec_parallelism", "/spec/parallelism"),
    ("kube_job_status_active", "/status/active"),
    ("kube_job_status_failed", "/status/failed"),
    ("kube_job_status_succeeded", "/status/succeeded"),
];
const AUTOSCALER: Numbers = &[
    ("kube_horizontalpodautoscaler_spec_max_replicas", "/spec/maxReplicas"),
    ("kube_horizontalpodautoscaler_spec_min_replicas", "/spec/minReplicas"),
    ("kube_horizontalpodautoscaler_status_current_replicas", "/status/currentReplicas"),
    ("kube_horizontalpodautoscaler_status_desired_replicas", "/status/desiredReplicas"),
];

/// Each kind, the label that holds its name, and its numbers.
const ALL: &[(Resource, &str, Numbers)] = &[
    (resource::DEPLOYMENTS, "deployment", DEPLOYMENT),
    (resource::REPLICA_SETS, "replicaset", REPLICA_SET),
    (resource::STATEFUL_SETS, "statefulset", STATEFUL_SET),
    (resource::DAEMON_SETS, "daemonset", DAEMON_SET),
    (resource::JOBS, "job_name", JOB),
    (resource::HORIZONTAL_POD_AUTOSCALERS, "horizontalpodautoscaler", AUTOSCALER),
];

/// Writes the metrics of all workloads.
pub(super) fn write(out: &mut Exposition, api: &ApiServer) {
    for (resource, label, numbers) in ALL {
        for object in api.list(*resource, None) {
            let labels = [("namespace", text(&object, "/metadata/namespace")), (*label, text(&object, "/metadata/name"))];
            for (name, pointer) in *numbers {
                out.gauge(name, &labels, object.pointer(pointer).and_then(Value::as_f64).unwrap_or_default());
            }
            match *label {
                "deployment" => conditions(out, "kube_deployment_status_condition", &labels, &object),
                "job_name" => job(out, &labels, &object),
                "replicaset" => {
                    let owner =
                        |field: &str| object.pointer(&format!("/metadata/ownerReferences/0/{field}")).and_then(Value::as_str);
                    let owners = [("owner_kind", owner("kind")), ("owner_name", owner("name"))];
                    let owners = owners.map(|(label, value)| (label, value.unwrap_or("<none>")));
                    let labels: Vec<(&str, &str)> = labels.into_iter().chain(owners).collect();
                    out.gauge("kube_replicaset_owner", &labels, 1.0);
                }
                _ => {}
            }
        }
    }
    for claim in api.list(resource::PERSISTENT_VOLUME_CLAIMS, None) {
        let labels =
            [("namespace", text(&claim, "/metadata/namespace")), ("persistentvolumeclaim", text(&claim, "/metadata/name"))];
        let phases = ["Lost", "Bound", "Pending"];
        out.states("kube_persistentvolumeclaim_status_phase", &labels, "phase", &phases, text(&claim, "/status/phase"));
    }
}

fn conditions(out: &mut Exposition, name: &'static str, labels: &[(&str, &str)], object: &Value) {
    for condition in object["status"]["conditions"].as_array().into_iter().flatten() {
        let more = [("condition", text(condition, "/type")), ("reason", text(condition, "/reason"))];
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain(more).collect();
        let status = text(condition, "/status").to_ascii_lowercase();
        out.states(name, &labels, "status", &["true", "false", "unknown"], &status);
    }
}

fn job(out: &mut Exposition, labels: &[(&str, &str)], job: &Value) {
    for condition in job["status"]["conditions"].as_array().into_iter().flatten() {
        let name = match text(condition, "/type") {
            "Complete" => "kube_job_complete",
            "Failed" => "kube_job_failed",
            _ => continue,
        };
        let status = text(condition, "/status").to_ascii_lowercase();
        out.states(name, labels, "condition", &["true", "false", "unknown"], &status);
    }
}
