//! Validation of a pod's spec, also inside a workload's template.
//! Containers are in `container`.

use super::container;
use super::names;
use crate::sim::api::field::FieldError;
use serde_json::{Value, json};

/// Volume types, in the server's order.
const VOLUME_TYPES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// Checks a pod's spec at `path`.
pub(super) fn spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let list = |name: &str| spec.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let volumes = volumes(list("volumes"), &format!("{path}.volumes"), errors);
    let mut used: Vec<&str> = Vec::new();
    if list("containers").is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    for (name, init) in [("containers", false), ("initContainers", true)] {
        for (index, one) in list(name).iter().enumerate() {
            let place = format!("{path}.{name}[{index}]");
            let own = one.get("name").and_then(Value::as_str).unwrap_or_default();
            container::check(one, &place, &volumes, init, errors);
            if !own.is_empty() && used.contains(&own) {
                errors.push(FieldError::duplicate(format!("{place}.name"), &json!(own)));
            }
            used.push(own);
        }
    }
    choice(spec, path, "restartPolicy", &["Always", "OnFailure", "Never"], errors);
    choice(spec, path, "dnsPolicy", &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], errors);
    if let Some(deadline) = spec.get("activeDeadlineSeconds").filter(|value| value.as_i64().is_some_and(|seconds| seconds < 1)) {
        let why = "must be between 1 and 2147483647, inclusive";
        errors.push(FieldError::invalid(format!("{path}.activeDeadlineSeconds"), deadline, why));
    }
    super::metadata::labels(spec.get("nodeSelector").unwrap_or(&Value::Null), &format!("{path}.nodeSelector"), errors);
    for (index, toleration) in list("tolerations").iter().enumerate() {
        tolerations(toleration, &format!("{path}.tolerations[{index}]"), errors);
    }
}

/// A field with a closed list of values.
pub(super) fn choice(parent: &Value, path: &str, name: &str, supported: &[&str], errors: &mut Vec<FieldError>) {
    let Some(value) = parent.get(name).filter(|value| !value.is_null()) else { return };
    if !value.as_str().is_some_and(|text| supported.contains(&text)) {
        errors.push(FieldError::not_supported(format!("{path}.{name}"), value, supported));
    }
}

fn volumes<'a>(volumes: &'a [Value], path: &str, errors: &mut Vec<FieldError>) -> Vec<&'a str> {
    let mut used: Vec<&str> = Vec::new();
    for (index, volume) in volumes.iter().enumerate() {
        let place = format!("{path}[{index}]");
        let name = volume.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            errors.push(FieldError::required(format!("{place}.name"), ""));
        } else if let Some(why) = names::label(name) {
            errors.push(FieldError::invalid(format!("{place}.name"), &json!(name), &why));
        } else if used.contains(&name) {
            errors.push(FieldError::duplicate(format!("{place}.name"), &json!(name)));
        }
        used.push(name);
        let types: Vec<&&str> =
            VOLUME_TYPES.iter().filter(|kind| volume.get(**kind).is_some_and(|source| !source.is_null())).collect();
        for extra in types.iter().skip(1) {
            errors.push(FieldError::forbidden(format!("{place}.{extra}"), "may not specify more than 1 volume type"));
        }
        let needed =
            [("configMap", "name"), ("secret", "secretName"), ("hostPath", "path"), ("persistentVolumeClaim", "claimName")];
        for (kind, field) in needed {
            let missing = |source: &Value| source.get(field).and_then(Value::as_str).unwrap_or_default().is_empty();
            if volume.get(kind).filter(|source| source.is_object()).is_some_and(missing) {
                errors.push(FieldError::required(format!("{place}.{kind}.{field}"), ""));
            }
        }
    }
    used
}

fn tolerations(toleration: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let text = |name: &str| toleration.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("key").is_empty() && text("operator") != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(format!("{path}.operator"), &json!(text("operator")), why));
    }
    if toleration.get("tolerationSeconds").is_some_and(|seconds| !seconds.is_null()) && text("effect") != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(format!("{path}.effect"), &json!(text("effect")), why));
    }
    match text("operator") {
        "Exists" if !text("value").is_empty() => {
            let why = "value must be empty when `operator` is 'Exists'";
            errors.push(FieldError::invalid(format!("{path}.operator"), &json!(text("value")), why));
        }
        "" | "Equal" | "Exists" => {}
        _ => choice(toleration, path, "operator", &["Equal", "Exists"], errors),
    }
    if !text("effect").is_empty() {
        choice(toleration, path, "effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"], errors);
    }
}
