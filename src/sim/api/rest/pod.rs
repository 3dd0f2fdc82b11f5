//! What only pods have: binding, eviction; and how a request names one of their containers.
//! Logs and exec are in `log` and `exec`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::read;
use super::route::{ObjectPath, parameter};
use super::write::{is_dry_run, options_of, parse_object};
use crate::sim::api::eviction::{self, Decision};
use crate::sim::api::pipeline::text;
use crate::sim::api::resource;
use crate::sim::api::status::ApiError;
use crate::sim::store::Object;
use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};

type Query = [(String, String)];

fn success() -> Result<Response<ResponseBody>, ApiError> {
    body::json(
        StatusCode::CREATED,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
}

/// The pod of a path.
pub(super) fn pod_of(rest: &Rest, path: &ObjectPath) -> Result<Object, ApiError> {
    if read::resource_of(rest, path)? != resource::PODS {
        return Err(ApiError::no_such_path());
    }
    rest.api.get(resource::PODS, path.namespace(), path.name())
}

/// POST of a binding: what schedulers do.
pub(super) async fn bind(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let dry_run = is_dry_run(query, "CreateOptions")?;
    let bytes = body::read(request).await?;
    let binding = parse_object(&bytes, "Binding")?;
    let pod = pod_of(rest, path)?;
    let node = text(&binding, "/target/name");
    if node.is_empty() {
        return Err(ApiError::bad_request("target.name: Required value"));
    }
    if !dry_run {
        rest.api.bind(path.namespace(), text(&pod, "/metadata/name"), node)?;
    }
    success()
}

/// POST of a binding to the collection of bindings: the pod is the one of the binding's name.
pub(super) async fn bind_in_collection(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = body::read(Request::from_parts(parts.clone(), body)).await?;
    let name = text(&parse_object(&bytes, "Binding")?, "/metadata/name").to_owned();
    let path = ObjectPath { plural: "pods".to_owned(), name: Some(name), ..path.clone() };
    bind(rest, &path, query, Request::from_parts(parts, Body::from(bytes.to_vec()))).await
}

/// POST of an eviction: granted within the pod's disruption budget.
pub(super) async fn evict(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let mut dry_run = is_dry_run(query, "CreateOptions")?;
    let bytes = body::read(request).await?;
    let eviction = parse_object(&bytes, "Eviction")?;
    let (options, dry_delete) = options_of(&[], eviction.get("deleteOptions").unwrap_or(&json!({})))?;
    dry_run |= dry_delete;
    let pod = pod_of(rest, path)?;
    match eviction::evict(&rest.api, path.namespace(), text(&pod, "/metadata/name"), &options, dry_run)? {
        Decision::Granted => success(),
        Decision::Undecided(status) => body::json(StatusCode::INTERNAL_SERVER_ERROR, &status),
    }
}

/// The container that a request for a log or a command means.
pub(super) fn container_of(pod: &Value, query: &Query) -> Result<String, ApiError> {
    let names = |list: &str| -> Vec<String> {
        let all = pod.pointer(&format!("/spec/{list}")).and_then(Value::as_array).into_iter().flatten();
        all.map(|container| text(container, "/name").to_owned()).collect()
    };
    let (containers, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    let name = text(pod, "/metadata/name");
    match parameter(query, "container").filter(|container| !container.is_empty()) {
        Some(asked) if containers.iter().chain(&init).chain(&ephemeral).any(|container| container == asked) => {
            Ok(asked.to_owned())
        }
        Some(asked) => Err(ApiError::bad_request(format!("container {asked} is not valid for pod {name}"))),
        None => {
            if let [only] = containers.as_slice() {
                Ok(only.clone())
            } else {
                let also =
                    if init.is_empty() { String::new() } else { format!(" or one of the init containers: [{}]", init.join(" ")) };
                let choices = containers.join(" ");
                Err(ApiError::bad_request(format!(
                    "a container name must be specified for pod {name}, choose one of: [{choices}]{also}"
                )))
            }
        }
    }
}

/// The status of a container, if the kubelet has written one.
pub(super) fn container_status<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
        .iter()
        .filter_map(|list| pod.get("status")?.get(*list)?.as_array())
        .flatten()
        .find(|status| text(status, "/name") == container)
}
