//! Paths that name no stored object: discovery, version, health, access reviews.
//! What discovery says is in `discovery`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::write::parse_object;
use crate::sim::api::discovery;
use crate::sim::api::openapi;
use crate::sim::api::status::ApiError;
use crate::sim::profile::Version;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use kube::client::Body;
use serde_json::{Value, json};

/// The media type of aggregated discovery.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a path that names no stored object; `None` when this is none of those paths.
pub(super) async fn answer(rest: &Rest, segments: &[String], request: Request<Body>) -> Result<Response<ResponseBody>, ApiError> {
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    if let ["apis", "authorization.k8s.io", "v1", review @ ("selfsubjectaccessreviews" | "selfsubjectrulesreviews")] =
        parts.as_slice()
    {
        return if request.method() == Method::POST { allow(review, request).await } else { Err(ApiError::wrong_method()) };
    }
    if request.method() != Method::GET {
        return Err(ApiError::wrong_method());
    }
    let resources = rest.api.custom.all();
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let aggregated = accepted.replace(' ', "").contains("as=APIGroupDiscoveryList");
    let found = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Ok(body::text("ok")),
        ["version"] => Some(version(rest.profile.version)),
        ["api" | "apis"] if aggregated => return discovered(&discovery::aggregated(&resources, parts[0] == "api")),
        ["api"] => Some(discovery::core_versions()),
        ["apis"] => Some(discovery::group_list(&resources)),
        ["api", version] => discovery::resource_list(&resources, "", version),
        ["openapi", "v2"] if accepted.contains("protobuf") && !accepted.contains("json") => {
            return Err(ApiError::not_acceptable());
        }
        ["openapi", "v2"] => return Ok(body::encoded(openapi::second(&resources))),
        ["openapi", "v3"] => Some(openapi::index(&resources)),
        ["openapi", "v3", path @ ..] => {
            let document = openapi::third(&resources, &path.join("/"));
            return document.map(body::encoded).ok_or_else(ApiError::no_such_path);
        }
        ["apis", group] => discovery::one_group(&resources, group),
        ["apis", group, version] => discovery::resource_list(&resources, group, version),
        _ => None,
    };
    body::json(StatusCode::OK, &found.ok_or_else(ApiError::no_such_path)?)
}

fn discovered(list: &Value) -> Result<Response<ResponseBody>, ApiError> {
    let mut response = body::json(StatusCode::OK, list)?;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    Ok(response)
}

fn version(version: Version) -> Value {
    let (minor, patch) = match version {
        Version::V1_34 => ("34", "0"),
        Version::V1_36 => ("36", "2"),
    };
    json!({
        "major": "1", "minor": minor, "gitVersion": format!("v1.{minor}.{patch}-sim"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

/// Everybody may do everything in the simulation.
async fn allow(review: &str, request: Request<Body>) -> Result<Response<ResponseBody>, ApiError> {
    let bytes = body::read(request).await?;
    let mut review_object = parse_object(&bytes, review)?;
    review_object["status"] = if review == "selfsubjectaccessreviews" {
        json!({"allowed": true})
    } else {
        json!({
            "incomplete": false, "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        })
    };
    body::json(StatusCode::CREATED, &review_object)
}
