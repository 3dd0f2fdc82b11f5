//! The roles and bindings that every cluster begins with, as a 1.36 has them (`bootstrap.json`, read off one).
//! They are made for a served cluster alone: in process everybody is trusted, and nobody reads them.

use crate::sim::api::resource::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES};
use crate::sim::api::server::ApiServer;
use crate::sim::api::status::ApiError;
use serde_json::Value;

/// Creates those that are not there.
///
/// # Errors
/// When the server refuses one: a bug.
pub(in crate::sim::api) fn create(api: &ApiServer) -> Result<(), ApiError> {
    let objects: Vec<Value> = serde_json::from_str(include_str!("bootstrap.json"))
        .map_err(|error| ApiError::internal(format!("the roles of a new cluster cannot be read: {error}")))?;
    for object in objects {
        let resource = match object["kind"].as_str() {
            Some("ClusterRole") => CLUSTER_ROLES,
            Some("ClusterRoleBinding") => CLUSTER_ROLE_BINDINGS,
            Some("Role") => ROLES,
            _ => ROLE_BINDINGS,
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if api.get(resource, &namespace, name).is_err() {
            api.create(resource, &namespace, object)?;
        }
    }
    Ok(())
}
