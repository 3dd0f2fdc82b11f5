//! Admission that depends on the namespace: it must exist, and nothing new starts in one that is going away.
//! Emptying a namespace is the namespace controller's.

use super::resource::{self, Resource};
use super::server::ApiServer;
use super::status::ApiError;
use serde_json::{Value, json};

/// Namespaces that cannot be deleted.
const IMMORTAL: &[&str] = &["default", "kube-system", "kube-public"];

/// Refuses a new object in a namespace that does not exist or is being deleted.
pub(super) fn check(api: &ApiServer, resource: Resource, namespace: &str, name: &str) -> Result<(), ApiError> {
    if !resource.namespaced || !api.is_bootstrapped() {
        return Ok(());
    }
    let found = api.get(resource::NAMESPACES, "", namespace)?;
    let terminating = found.pointer("/metadata/deletionTimestamp").is_some()
        || found.pointer("/status/phase").and_then(Value::as_str) == Some("Terminating");
    if !terminating {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut error = ApiError::forbidden(resource, name, &why);
    let cause = json!({
        "reason": "NamespaceTerminating", "field": "metadata.namespace",
        "message": format!("namespace {namespace} is being terminated"),
    });
    if let Some(details) = &mut error.details {
        details["causes"] = json!([cause]);
    }
    Err(error)
}

/// Refuses to delete a namespace that the cluster itself needs.
pub(super) fn check_deletion(resource: Resource, name: &str) -> Result<(), ApiError> {
    if resource == resource::NAMESPACES && IMMORTAL.contains(&name) {
        return Err(ApiError::forbidden(resource, name, "this namespace may not be deleted"));
    }
    Ok(())
}
