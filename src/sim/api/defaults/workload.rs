//! Defaulting and first status of the workload kinds of apps, batch and autoscaling, and of `ReplicationController`.
//! Their pod templates are `pod_defaults`' business.

use super::template;
use crate::sim::api::pod_defaults::set;
use crate::sim::api::resource::Resource;
use serde_json::{Value, json};

/// Annotation that counts the changes of a `DaemonSet`'s template.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Defaults of a workload; does nothing to other kinds.
pub(super) fn apply(resource: Resource, object: &mut Value) {
    match (resource.group, resource.kind) {
        ("", "ReplicationController") => replication_controller(object),
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") => {
            set(&mut object["spec"], "replicas", || json!(1));
            template(object, "/spec/template");
        }
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("batch", "Job") => {
            job_spec(object, "/spec");
            labels_of_template(object);
        }
        ("batch", "CronJob") => cron_job(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(object),
        _ => {}
    }
}

/// The status that a new workload begins with, if it is not empty.
pub(super) fn first_status(resource: Resource) -> Option<Value> {
    match (resource.group, resource.kind) {
        ("apps", "ReplicaSet") | ("", "ReplicationController") => Some(json!({"replicas": 0})),
        ("apps", "StatefulSet") => Some(json!({"replicas": 0, "availableReplicas": 0})),
        ("apps", "DaemonSet") => Some(json!({
            "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
        })),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(json!({"desiredReplicas": 0, "currentMetrics": null})),
        _ => None,
    }
}

/// What a new object gets that depends on its uid: a Job's selector and labels.
pub(in crate::sim::api) fn identify(resource: Resource, object: &mut Value) {
    if (resource.group, resource.kind) != ("batch", "Job") || object.pointer("/spec/manualSelector") == Some(&json!(true)) {
        return;
    }
    let (uid, name) = (object["metadata"]["uid"].clone(), object["metadata"]["name"].clone());
    set(&mut object["spec"]["template"], "metadata", || json!({}));
    set(&mut object["spec"]["template"]["metadata"], "labels", || json!({}));
    for (label, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        object["spec"]["template"]["metadata"]["labels"][label] = value.clone();
    }
    set(&mut object["spec"], "selector", || json!({}));
    set(&mut object["spec"]["selector"], "matchLabels", || json!({}));
    object["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = uid;
    labels_of_template(object);
}

/// What an update brings with it: the count of template changes of a `DaemonSet`.
pub(in crate::sim::api) fn follow(resource: Resource, stored: &Value, object: &mut Value) {
    if (resource.group, resource.kind) != ("apps", "DaemonSet") {
        return;
    }
    let count = stored.pointer("/metadata/annotations").and_then(|all| all[TEMPLATE_GENERATION].as_str()?.parse::<i64>().ok());
    let changed = stored.pointer("/spec/template") != object.pointer("/spec/template");
    set(&mut object["metadata"], "annotations", || json!({}));
    object["metadata"]["annotations"][TEMPLATE_GENERATION] = json!((count.unwrap_or(1) + i64::from(changed)).to_string());
}

fn labels_of_template(object: &mut Value) {
    let labels = object.pointer("/spec/template/metadata/labels").cloned().filter(|labels| *labels != json!({}));
    let own = object.pointer("/metadata/labels").and_then(Value::as_object);
    if let Some(labels) = labels.filter(|_| own.is_none_or(serde_json::Map::is_empty)) {
        object["metadata"]["labels"] = labels;
    }
}

fn replication_controller(object: &mut Value) {
    template(object, "/spec/template");
    labels_of_template(object);
    let labels = object.pointer("/spec/template/metadata/labels").cloned().filter(Value::is_object);
    let selector = object.pointer("/spec/selector").and_then(Value::as_object);
    if let Some(labels) = labels.filter(|_| selector.is_none_or(serde_json::Map::is_empty)) {
        object["spec"]["selector"] = labels;
    }
    set(&mut object["spec"], "replicas", || json!(1));
}

fn deployment(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "replicas", || json!(1));
    set(spec, "strategy", || json!({}));
    set(&mut spec["strategy"], "type", || json!("RollingUpdate"));
    if spec["strategy"]["type"] == "RollingUpdate" {
        set(&mut spec["strategy"], "rollingUpdate", || json!({}));
        set(&mut spec["strategy"]["rollingUpdate"], "maxUnavailable", || json!("25%"));
        set(&mut spec["strategy"]["rollingUpdate"], "maxSurge", || json!("25%"));
    }
    set(spec, "revisionHistoryLimit", || json!(10));
    set(spec, "progressDeadlineSeconds", || json!(600));
    template(object, "/spec/template");
}

fn stateful_set(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "podManagementPolicy", || json!("OrderedReady"));
    set(spec, "updateStrategy", || json!({}));
    if spec["updateStrategy"].get("type").is_none_or(Value::is_null) {
        spec["updateStrategy"]["type"] = json!("RollingUpdate");
        set(&mut spec["updateStrategy"], "rollingUpdate", || json!({}));
    }
    if let Some(rolling) = spec["updateStrategy"].get_mut("rollingUpdate").filter(|rolling| rolling.is_object()) {
        set(rolling, "partition", || json!(0));
        // The gate MaxUnavailableStatefulSet is off by default in 1.36: the server drops the field.
        if let Some(rolling) = rolling.as_object_mut() {
            rolling.remove("maxUnavailable");
        }
    }
    set(spec, "persistentVolumeClaimRetentionPolicy", || json!({}));
    for when in ["whenDeleted", "whenScaled"] {
        set(&mut spec["persistentVolumeClaimRetentionPolicy"], when, || json!("Retain"));
    }
    set(spec, "replicas", || json!(1));
    set(spec, "revisionHistoryLimit", || json!(10));
    set(spec, "serviceName", || json!(""));
    for claim in spec.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten() {
        claim["apiVersion"] = json!("v1");
        claim["kind"] = json!("PersistentVolumeClaim");
        set(&mut claim["spec"], "volumeMode", || json!("Filesystem"));
        set(claim, "status", || json!({}));
        set(&mut claim["status"], "phase", || json!("Pending"));
    }
    template(object, "/spec/template");
}

fn daemon_set(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "updateStrategy", || json!({}));
    set(&mut spec["updateStrategy"], "type", || json!("RollingUpdate"));
    if spec["updateStrategy"]["type"] == "RollingUpdate" {
        set(&mut spec["updateStrategy"], "rollingUpdate", || json!({}));
        set(&mut spec["updateStrategy"]["rollingUpdate"], "maxUnavailable", || json!(1));
        set(&mut spec["updateStrategy"]["rollingUpdate"], "maxSurge", || json!(0));
    }
    set(spec, "revisionHistoryLimit", || json!(10));
    set(&mut object["metadata"], "annotations", || json!({}));
    set(&mut object["metadata"]["annotations"], TEMPLATE_GENERATION, || json!("1"));
    template(object, "/spec/template");
}

fn job_spec(object: &mut Value, pointer: &str) {
    let Some(spec) = object.pointer_mut(pointer).filter(|spec| spec.is_object()) else { return };
    let absent = |spec: &Value, field: &str| spec.get(field).is_none_or(Value::is_null);
    if absent(spec, "completions") && absent(spec, "parallelism") {
        spec["completions"] = json!(1);
    }
    set(spec, "parallelism", || json!(1));
    let limit = if absent(spec, "backoffLimitPerIndex") { 6 } else { i64::from(i32::MAX) };
    set(spec, "backoffLimit", || json!(limit));
    set(spec, "completionMode", || json!("NonIndexed"));
    set(spec, "suspend", || json!(false));
    let replacement = if absent(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    set(spec, "podReplacementPolicy", || json!(replacement));
    set(spec, "manualSelector", || json!(false));
    for rule in spec.pointer_mut("/podFailurePolicy/rules").and_then(Value::as_array_mut).into_iter().flatten() {
        for pattern in rule.get_mut("onPodConditions").and_then(Value::as_array_mut).into_iter().flatten() {
            set(pattern, "status", || json!("True"));
        }
    }
    template(object, &format!("{pointer}/template"));
}

fn cron_job(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "concurrencyPolicy", || json!("Allow"));
    set(spec, "suspend", || json!(false));
    set(spec, "successfulJobsHistoryLimit", || json!(3));
    set(spec, "failedJobsHistoryLimit", || json!(1));
    set(&mut spec["jobTemplate"], "metadata", || json!({}));
    template(object, "/spec/jobTemplate/spec/template");
}

fn autoscaler(object: &mut Value) {
    let spec = &mut object["spec"];
    set(spec, "minReplicas", || json!(1));
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    }
    for (direction, policies) in [
        (
            "scaleUp",
            json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]),
        ),
        ("scaleDown", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}])),
    ] {
        let Some(behavior) = spec.get_mut("behavior").filter(|behavior| behavior.is_object()) else { break };
        set(behavior, direction, || json!({}));
        let rules = &mut behavior[direction];
        set(rules, "selectPolicy", || json!("Max"));
        set(rules, "policies", || policies);
        if direction == "scaleUp" {
            set(rules, "stabilizationWindowSeconds", || json!(0));
        }
    }
}
