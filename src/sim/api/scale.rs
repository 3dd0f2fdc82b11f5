//! The `/scale` face of workloads: autoscaling/v1 Scale, read and written.
//! Acting on replicas is the controllers'.

use super::field::FieldError;
use super::pod_defaults::fields;
use super::status::ApiError;
use serde_json::{Value, json};

/// The Scale of a workload.
pub(super) fn of(object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            metadata[field] = value.clone();
        }
    }
    let replicas = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    let mut spec = json!({});
    if replicas("/spec/replicas") != 0 {
        spec["replicas"] = json!(replicas("/spec/replicas"));
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
        "status": {"replicas": replicas("/status/replicas"), "selector": selector(object)},
    })
}

/// The replicas that a Scale asks for.
pub(super) fn replicas(scale: &Value, name: &str) -> Result<i64, ApiError> {
    let given = scale.pointer("/spec/replicas").cloned().unwrap_or(json!(0));
    let refused = |error: FieldError| ApiError::invalid_kind("autoscaling", "Scale", name, &[error]);
    let Some(replicas) = given.as_i64().filter(|replicas| i32::try_from(*replicas).is_ok()) else {
        return Err(ApiError::bad_request(format!(
            "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {given} into Go struct field ScaleSpec.spec.replicas of type int32"
        )));
    };
    if replicas < 0 {
        return Err(refused(FieldError::invalid("spec.replicas", &given, "must be greater than or equal to 0")));
    }
    Ok(replicas)
}

/// The selector in kubectl's form.
fn selector(object: &Value) -> String {
    let selector = object.pointer("/spec/selector").unwrap_or(&Value::Null);
    let labels = fields(selector.get("matchLabels").unwrap_or(&Value::Null));
    let mut parts: Vec<String> = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}
