//! What an update may not change: selectors, most of a pod, immutable configuration, addresses.
//! The new object must also be valid by itself.

use crate::sim::api::field::FieldError;
use crate::sim::api::pod_defaults;
use crate::sim::api::resource::Resource;
use crate::sim::api::server::Subresource;
use serde_json::{Value, json};

const POD: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// What is wrong with changing `old` into `new`.
pub(in crate::sim::api) fn update(resource: Resource, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    finalizers(old, new, &mut errors);
    match (resource.group, resource.kind) {
        ("", "Pod") => pod(old, new, &mut errors),
        ("", "ConfigMap" | "Secret") => configuration(old, new, &mut errors),
        ("", "Service") => service(old, new, &mut errors),
        ("apps", "StatefulSet") => super::apps::stateful_set_update(old, new, &mut errors),
        ("batch", "Job") => super::batch::job_update(old, new, &mut errors),
        ("apps", "ControllerRevision") => super::apps::controller_revision_update(old, new, &mut errors),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") => {
            let selector = |object: &Value| object.pointer("/spec/selector").cloned().unwrap_or_default();
            if selector(old) != selector(new) {
                errors.push(FieldError::invalid("spec.selector", &selector(new), "field is immutable"));
            }
        }
        _ => {}
    }
    errors
}

fn finalizers(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    let list = |object: &Value| -> Vec<String> {
        let all = object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let present = list(old);
    let added: Vec<String> =
        list(new).into_iter().filter(|finalizer| !present.contains(finalizer)).map(|name| format!("\"{name}\"")).collect();
    if old.pointer("/metadata/deletionTimestamp").is_some() && !added.is_empty() {
        let list = added.join(", ");
        let why =
            format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}");
        errors.push(FieldError::forbidden("metadata.finalizers", &why));
    }
}

fn pod(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    let (before, after) = (old.get("spec").unwrap_or(&Value::Null), new.get("spec").unwrap_or(&Value::Null));
    let tolerations = |spec: &Value| spec.get("tolerations").and_then(Value::as_array).cloned().unwrap_or_default();
    let removed = tolerations(before).iter().any(|toleration| !tolerations(after).contains(toleration));
    let grace = |spec: &Value| spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    let grace_kept = grace(before) == grace(after) || (grace(before) < 0 && grace(after) == 1);
    if removed || !grace_kept || fixed_part(before) != fixed_part(after) {
        errors.push(FieldError::forbidden("spec", POD));
    }
    deadline(before, after, errors);
}

fn deadline(before: &Value, after: &Value, errors: &mut Vec<FieldError>) {
    let seconds = |spec: &Value| spec.get("activeDeadlineSeconds").and_then(Value::as_i64);
    match (seconds(before), seconds(after)) {
        (Some(old), Some(new)) if new > old => {
            let why = "must be less than or equal to previous value";
            errors.push(FieldError::invalid("spec.activeDeadlineSeconds", &json!(new), why));
        }
        (Some(_), None) => {
            let why = "must not update from a positive integer to nil value";
            errors.push(FieldError::invalid("spec.activeDeadlineSeconds", &Value::Null, why));
        }
        _ => {}
    }
}

/// What is wrong with writing one of a pod's own subresources.
pub(in crate::sim::api) fn pod_face(subresource: Subresource, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let list = |pod: &Value, name: &str| pod.pointer(name).and_then(Value::as_array).cloned().unwrap_or_default();
    match subresource {
        Subresource::Resize => {
            let (before, after) = (pod_defaults::qos_class(old), pod_defaults::qos_class(new));
            if before != after {
                let why = "Pod QOS Class may not change as a result of resizing";
                errors.push(FieldError::invalid("spec", &json!(after), why));
            }
        }
        Subresource::EphemeralContainers => {
            const PATH: &str = "spec.ephemeralContainers";
            let (before, after) = (list(old, "/spec/ephemeralContainers"), list(new, "/spec/ephemeralContainers"));
            let others: Vec<Value> = ["/spec/containers", "/spec/initContainers"]
                .iter()
                .flat_map(|lists| list(new, lists))
                .map(|c| c["name"].clone())
                .collect();
            for container in &before {
                let same = after.iter().find(|other| other["name"] == container["name"]);
                let what = match same {
                    None => "removed",
                    Some(same) if same != container => "changed",
                    Some(_) => continue,
                };
                let why = format!("existing ephemeral containers {} may not be {what}\n", container["name"]);
                errors.push(FieldError::forbidden(PATH, &why));
            }
            let volumes = list(new, "/spec/volumes");
            let volumes: Vec<&str> = volumes.iter().filter_map(|volume| volume["name"].as_str()).collect();
            for (index, container) in after.iter().enumerate() {
                super::container::check(container, &format!("{PATH}[{index}]"), &volumes, false, &mut errors);
                if others.contains(&container["name"]) {
                    errors.push(FieldError::duplicate(format!("{PATH}[{index}].name"), &container["name"]));
                }
                for field in ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] {
                    if container.get(field).is_some_and(|value| !value.is_null()) {
                        let path = format!("{PATH}[{index}].{field}");
                        errors.push(FieldError::forbidden(path, "cannot be set for an Ephemeral Container"));
                    }
                }
            }
        }
        _ => {}
    }
    errors
}

/// A pod's spec without what may change.
fn fixed_part(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(fields) = container.as_object_mut() {
                fields.remove("image");
            }
        }
    }
    if let Some(fields) = spec.as_object_mut() {
        for name in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"] {
            fields.remove(name);
        }
    }
    spec
}

fn configuration(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    if old.get("immutable") == Some(&json!(true)) {
        if new.get("immutable") != Some(&json!(true)) {
            errors.push(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
        }
        for name in ["data", "binaryData"] {
            if old.get(name) != new.get(name) {
                errors.push(FieldError::forbidden(name, "field is immutable when `immutable` is set"));
            }
        }
    }
    if old.get("type") != new.get("type") {
        errors.push(FieldError::invalid("type", new.get("type").unwrap_or(&Value::Null), "field is immutable"));
    }
}

fn service(old: &Value, new: &Value, errors: &mut Vec<FieldError>) {
    let address = |object: &Value| object.pointer("/spec/clusterIPs/0").cloned().filter(|address| *address != "");
    let (before, after) = (address(old), address(new));
    if before.is_some() && before != after && new.pointer("/spec/type") != Some(&json!("ExternalName")) {
        let shown = new.pointer("/spec/clusterIPs").cloned().unwrap_or_default();
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &shown, "may not change once set"));
    }
}
