//! Validation of metadata: name, labels, annotations, finalizers.
//! The grammars are in `names`.

use super::names;
use crate::sim::api::field::FieldError;
use crate::sim::api::pipeline::text;
use crate::sim::api::pod_defaults::fields;
use crate::sim::api::resource::Resource;
use serde_json::{Value, json};

/// Finalizers without a domain that the server knows.
const STANDARD_FINALIZERS: &[&str] = &["kubernetes", "orphan", "foregroundDeletion"];
/// Bytes of all annotations together.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// Checks the metadata of an object.
pub(super) fn check(resource: Resource, object: &Value, errors: &mut Vec<FieldError>) {
    let name = text(object, "/metadata/name");
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else if let Some(why) = grammar(resource)(name) {
        errors.push(FieldError::invalid("metadata.name", &json!(name), &why));
    }
    labels(object.pointer("/metadata/labels").unwrap_or(&Value::Null), "metadata.labels", errors);
    annotations(object.pointer("/metadata/annotations").unwrap_or(&Value::Null), errors);
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten();
    for (index, finalizer) in finalizers.filter_map(Value::as_str).enumerate() {
        if let Some(why) = names::qualified(finalizer) {
            errors.push(FieldError::invalid("metadata.finalizers", &json!(finalizer), &why));
        }
        if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(format!("metadata.finalizers[{index}]"), &json!(finalizer), why));
        }
    }
}

fn grammar(resource: Resource) -> fn(&str) -> Option<String> {
    match resource.kind {
        "Namespace" | "Service" => names::label,
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => names::path_segment,
        _ => names::subdomain,
    }
}

/// Checks a map of labels.
pub(super) fn labels(labels: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in fields(labels) {
        if let Some(why) = names::qualified(key) {
            errors.push(FieldError::invalid(path, &json!(key), &why));
        }
        if let Some(why) = names::label_value(value.as_str().unwrap_or_default()) {
            errors.push(FieldError::invalid(path, value, &why));
        }
    }
}

fn annotations(annotations: &Value, errors: &mut Vec<FieldError>) {
    let mut size = 0;
    for (key, value) in fields(annotations) {
        size += key.len() + value.as_str().unwrap_or_default().len();
        if let Some(why) = names::qualified(&key.to_lowercase()) {
            errors.push(FieldError::invalid("metadata.annotations", &json!(key), &why));
        }
    }
    if size > ANNOTATIONS_LIMIT {
        let message = format!("Too long: may not be more than {ANNOTATIONS_LIMIT} bytes");
        errors.push(FieldError { reason: "FieldValueTooLong", field: "metadata.annotations".to_owned(), message });
    }
}
