//! Paths that name no stored object: discovery, version, health. Reviews are in `review`.
//! What discovery says is in `discovery`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::metrics;
use super::review;
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
    if let Some(review) = review::of_path(&parts) {
        return if request.method() == Method::POST {
            review::answer(rest, review, request).await
        } else {
            Err(ApiError::wrong_method())
        };
    }
    if request.method() != Method::GET {
        return Err(ApiError::wrong_method());
    }
    if let Some(answer) = metrics::text(rest, &parts) {
        return answer;
    }
    let resources = rest.api.custom.all();
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let aggregated = accepted.replace(' ', "").contains("as=APIGroupDiscoveryList");
    let found = match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => return Ok(body::text("ok")),
        ["version"] => Some(version(rest.profile.version)),
        ["apis"] if aggregated => {
            let mut list = discovery::aggregated(&resources, false);
            if let Some(items) = list["items"].as_array_mut().filter(|_| rest.is_served()) {
                items.push(metrics::aggregated());
            }
            return discovered(&list);
        }
        ["api"] if aggregated => return discovered(&discovery::aggregated(&resources, true)),
        ["api"] => Some(discovery::core_versions()),
        ["apis"] => {
            let mut list = discovery::group_list(&resources);
            if let Some(groups) = list["groups"].as_array_mut().filter(|_| rest.is_served()) {
                groups.push(metrics::group());
            }
            Some(list)
        }
        ["apis", metrics::GROUP] if rest.is_served() => {
            let mut group = metrics::group();
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            Some(group)
        }
        ["apis", metrics::GROUP, "v1beta1"] if rest.is_served() => Some(metrics::resources()),
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
