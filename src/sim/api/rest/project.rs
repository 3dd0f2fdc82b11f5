//! Projects: namespaces as their users see them, and the requests by which users who may create no namespace get one.
//! What a namespace gets at its creation is `api::openshift`'s.
//!
//! Known to differ: projects are neither watched nor changed through their own group, and no project template can be set.

use super::Rest;
use super::body::{self, ResponseBody};
use super::read;
use super::route::{ObjectPath, parameter};
use super::show;
use super::write;
use crate::sim::api::authentication::User;
use crate::sim::api::authorization::{self, Attributes};
use crate::sim::api::face::{Face, Served};
use crate::sim::api::list;
use crate::sim::api::openshift::PROJECT_GROUP;
use crate::sim::api::resource;
use crate::sim::api::status::ApiError;
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};

/// How projects are served.
const PROJECTS: Served = Served { resource: resource::NAMESPACES, face: Face::Project };
/// Beginnings of names that nobody may ask for.
const RESERVED: [&str; 2] = ["openshift-", "kube-"];

/// Whether a path is of this group.
pub(super) fn is_of(rest: &Rest, path: &ObjectPath) -> bool {
    path.group == PROJECT_GROUP && rest.api.is_openshift()
}

/// Answers a request for a path of the group.
pub(super) async fn answer(
    rest: &Rest,
    path: &ObjectPath,
    query: &[(String, String)],
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let user = request.extensions().get::<User>().cloned().unwrap_or_else(User::trusted);
    let watched = parameter(query, "watch").is_some_and(list::is_true);
    match (path.plural.as_str(), request.method().clone(), path.name.is_some()) {
        _ if path.version != "v1" || path.namespace.is_some() || path.subresource.is_some() => Err(ApiError::no_such_path()),
        ("projectrequests", Method::GET, false) => {
            body::json(StatusCode::OK, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
        }
        ("projectrequests", Method::POST, false) => demand(rest, path, query, request, &user).await,
        ("projects", Method::GET, true) => {
            let object = rest.api.get(resource::NAMESPACES, "", path.name()).map_err(|_| not_found(path.name()))?;
            show::object(rest, path, PROJECTS, StatusCode::OK, &object)
        }
        ("projects", Method::GET, false) if !watched => visible(rest, path, query, &user),
        ("projects", Method::DELETE, true) => {
            let of_namespace =
                ObjectPath { group: String::new(), version: "v1".to_owned(), plural: "namespaces".to_owned(), ..path.clone() };
            if rest.api.get(resource::NAMESPACES, "", path.name()).is_err() {
                return Err(not_found(path.name()));
            }
            let deleted = write::delete(rest, &of_namespace, query, request).await?;
            if !deleted.status().is_success() {
                return Ok(deleted);
            }
            body::json(StatusCode::OK, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
        }
        _ => Err(ApiError::wrong_method()),
    }
}

/// The projects that the user may see.
fn visible(rest: &Rest, path: &ObjectPath, query: &[(String, String)], user: &User) -> Result<Response<ResponseBody>, ApiError> {
    let options = read::options(rest, PROJECTS, query)?;
    let mut page = list::list(&rest.api, resource::NAMESPACES, None, &options)?;
    page.objects.retain(|namespace| {
        let name = namespace["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let wanted = Attributes {
            verb: "get".to_owned(),
            resource: "namespaces".to_owned(),
            namespace: name.clone(),
            name,
            ..Attributes::default()
        };
        !rest.is_served() || authorization::allowed(&rest.api, user, &wanted).is_some()
    });
    show::list(rest, path, PROJECTS, &page)
}

/// Makes a namespace in which the user is administrator.
async fn demand(
    rest: &Rest,
    path: &ObjectPath,
    query: &[(String, String)],
    request: Request<Body>,
    user: &User,
) -> Result<Response<ResponseBody>, ApiError> {
    let dry_run = write::is_dry_run(query, "CreateOptions")?;
    let asked = write::read_object(request, "ProjectRequest").await?;
    let name = asked["metadata"]["name"].as_str().unwrap_or_default();
    if let Some(prefix) = RESERVED.iter().find(|prefix| name.starts_with(*prefix)) {
        let why = format!("cannot request a project starting with \"{prefix}\"");
        return Err(about(name, 403, "Forbidden", &format!("is forbidden: {why}")));
    }
    if rest.api.get(resource::NAMESPACES, "", name).is_ok() {
        return Err(about(name, 409, "AlreadyExists", "already exists"));
    }
    let text = |field: &str| asked.get(field).and_then(Value::as_str).unwrap_or_default();
    let namespace = json!({"metadata": {"name": name, "annotations": {
        "openshift.io/description": text("description"),
        "openshift.io/display-name": text("displayName"),
        "openshift.io/requester": user.name,
    }}});
    if dry_run {
        return body::json(StatusCode::CREATED, &PROJECTS.show(&namespace));
    }
    let made = rest.api.create(resource::NAMESPACES, "", namespace)?;
    rest.api.create(
        resource::ROLE_BINDINGS,
        name,
        json!({
            "metadata": {"name": "admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name}],
        }),
    )?;
    show::object(rest, path, PROJECTS, StatusCode::CREATED, &made)
}

fn about(name: &str, code: u16, reason: &'static str, what: &str) -> ApiError {
    let message = format!("project.{PROJECT_GROUP} \"{name}\" {what}");
    ApiError { code, reason, message, details: Some(json!({"name": name, "group": PROJECT_GROUP, "kind": "project"})) }
}

fn not_found(name: &str) -> ApiError {
    let message = format!("projects.{PROJECT_GROUP} \"{name}\" not found");
    let details = json!({"name": name, "group": PROJECT_GROUP, "kind": "projects"});
    ApiError { code: 404, reason: "NotFound", message, details: Some(details) }
}
