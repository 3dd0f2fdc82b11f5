//! The `/scale` face of workloads: autoscaling/v1 Scale, read and written.
//! Acting on replicas is the controllers'.

use super::field::FieldError;
use super::status::ApiError;
use serde_json::{Value, json};

/// Where an object says how many replicas it wants and has.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    wanted: String,
    present: String,
    /// Where a custom kind keeps its selector as text; workloads have an object.
    selector: Option<String>,
}

impl Default for Paths {
    fn default() -> Self {
        Self { wanted: "/spec/replicas".to_owned(), present: "/status/replicas".to_owned(), selector: None }
    }
}

impl Paths {
    /// Those of a definition's scale subresource.
    pub(super) fn of(scale: &Value) -> Self {
        let pointer = |field: &str| Some(scale.get(field)?.as_str()?.replace('.', "/"));
        let selector = pointer("labelSelectorPath").unwrap_or_default();
        Self {
            wanted: pointer("specReplicasPath").unwrap_or_default(),
            present: pointer("statusReplicasPath").unwrap_or_default(),
            selector: Some(selector),
        }
    }

    /// The Scale of an object.
    pub(super) fn scale(&self, object: &Value) -> Value {
        let mut metadata = json!({});
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
                metadata[field] = value.clone();
            }
        }
        let replicas = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
        let mut spec = json!({});
        if replicas(&self.wanted) != 0 {
            spec["replicas"] = json!(replicas(&self.wanted));
        }
        let mut status = json!({"replicas": replicas(&self.present)});
        let selector = match &self.selector {
            None => super::table::selector_text(object.pointer("/spec/selector").unwrap_or(&Value::Null)),
            Some(pointer) => {
                object.pointer(pointer).filter(|_| !pointer.is_empty()).and_then(Value::as_str).unwrap_or_default().to_owned()
            }
        };
        if !selector.is_empty() {
            status["selector"] = json!(selector);
        }
        json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status})
    }

    /// Asks for another number of replicas.
    pub(super) fn set(&self, object: &mut Value, replicas: i64) {
        let mut place = object;
        for field in self.wanted.split('/').filter(|field| !field.is_empty()) {
            if place.is_null() {
                *place = json!({});
            }
            if !place.is_object() {
                return;
            }
            place = &mut place[field];
        }
        *place = json!(replicas);
    }
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
