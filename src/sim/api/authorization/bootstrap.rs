//! The roles and bindings that every cluster begins with, as a 1.36 has them (`bootstrap.json`, read off one).
//! They are made for a served cluster alone: in process everybody is trusted, and nobody reads them.

use crate::sim::api::resource::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES};
use crate::sim::api::server::ApiServer;
use crate::sim::api::status::ApiError;
use serde_json::{Map, Value, json};

/// Creates those that are not there.
///
/// # Errors
/// When the server refuses one: a bug.
pub(in crate::sim::api) fn create(api: &ApiServer) -> Result<(), ApiError> {
    let objects: Vec<Value> = serde_json::from_str(include_str!("bootstrap.json"))
        .map_err(|error| ApiError::internal(format!("the roles of a new cluster cannot be read: {error}")))?;
    create_all(api, objects)
}

/// Creates those that an OpenShift has beside: who may ask for projects, and what a project's members may do with what is
/// OpenShift's. Facts: openshift/origin's and openshift-apiserver's bootstrap policy.
///
/// # Errors
/// When the server refuses one: a bug.
pub(in crate::sim::api) fn create_for_openshift(api: &ApiServer) -> Result<(), ApiError> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let rule =
        |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    let role = |name: &str, to: &[&str], rules: &[Value]| {
        let labels: Map<String, Value> = to.iter().map(|to| (format!("{RBAC}/aggregate-to-{to}"), json!("true"))).collect();
        json!({"kind": "ClusterRole", "metadata": {"name": name, "labels": labels}, "rules": rules})
    };
    let binding = |name: &str, role: &str, group: &str| {
        json!({"kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}]})
    };
    let (projects, see) = ("project.openshift.io", &["get", "list", "watch"]);
    let all = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let own = &["delete", "get", "patch", "update"];
    let objects = vec![
        role("self-provisioner", &[], &[rule(projects, &["projectrequests"], &["create"])]),
        binding("self-provisioners", "self-provisioner", "system:authenticated:oauth"),
        role(
            "basic-user",
            &[],
            &[rule(projects, &["projectrequests"], &["list"]), rule(projects, &["projects"], &["list", "watch"])],
        ),
        binding("basic-users", "basic-user", "system:authenticated"),
        role("system:openshift:aggregate-to-admin", &["admin"], &[rule(projects, &["projects"], own)]),
        role(
            "system:openshift:aggregate-to-edit",
            &["edit"],
            &[
                rule("route.openshift.io", &["routes"], all),
                rule("image.openshift.io", &["imagestreams"], all),
                rule(projects, &["projects"], &["get"]),
            ],
        ),
        role(
            "system:openshift:aggregate-to-view",
            &["view"],
            &[
                rule("route.openshift.io", &["routes"], see),
                rule("image.openshift.io", &["imagestreams"], see),
                rule(projects, &["projects"], &["get"]),
            ],
        ),
    ];
    create_all(api, objects)
}

fn create_all(api: &ApiServer, objects: Vec<Value>) -> Result<(), ApiError> {
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
