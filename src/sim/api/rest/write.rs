//! POST, DELETE and DELETE of a collection.
//! PUT and PATCH are in `change`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::read;
use super::route::{ObjectPath, parameter};
use super::show;
use crate::sim::api::custom::Rules;
use crate::sim::api::decode;
use crate::sim::api::delete;
use crate::sim::api::face::{Face, Served};
use crate::sim::api::field::FieldError;
use crate::sim::api::fields::Writer;
use crate::sim::api::list;
use crate::sim::api::pipeline;
use crate::sim::api::resource::Resource;
use crate::sim::api::server::{DeleteOptions, Propagation};
use crate::sim::api::status::ApiError;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use kube::client::Body;
use serde_json::{Value, json};

/// POST to a collection.
pub(super) async fn create(
    rest: &Rest,
    path: &ObjectPath,
    query: &[(String, String)],
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let dry_run = is_dry_run(query, "CreateOptions")?;
    let writer = writer(rest, query, request.headers());
    let strictness = Strictness::parse(query, "CreateOptions")?;
    let what = read::known(rest, path).map_or(path.plural.as_str(), |served| served.resource.kind);
    let object = read_object(request, what).await?;
    let served = match read::known(rest, path) {
        Some(_) => read::served(rest, path)?,
        None => learn(rest, path, &object)?,
    };
    let resource = served.resource;
    let rules = Rules::of(&rest.api, served);
    let mut decoded = decode::received(served, &rules, object)?;
    strictness.check(resource, &decoded.unknown)?;
    rules.default(&mut decoded.object);
    let given = decoded.object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    if !given.is_empty() && given != path.namespace() {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(why));
    }
    let admitted =
        pipeline::admit(&rest.api, resource, path.namespace(), decoded.object, Some(&writer.speaking(served)), &rules)?;
    let mut response = if dry_run {
        show::object(rest, path, served, StatusCode::CREATED, &admitted.into_object())?
    } else {
        show::object(rest, path, served, StatusCode::CREATED, &pipeline::store_new(&rest.api, resource, admitted))?
    };
    strictness.warn(&mut response, &decoded.unknown);
    Ok(response)
}

/// What happens to fields that a kind does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// They fall away silently.
    Ignore,
    /// They fall away, and a `Warning` header names them.
    Warn,
    /// They are refused.
    Strict,
}

impl Strictness {
    /// Reads `fieldValidation`.
    pub(super) fn parse(query: &[(String, String)], options: &str) -> Result<Self, ApiError> {
        match parameter(query, "fieldValidation") {
            Some("Ignore") => Ok(Self::Ignore),
            None | Some("" | "Warn") => Ok(Self::Warn),
            Some("Strict") => Ok(Self::Strict),
            Some(other) => {
                let error = FieldError::not_supported("fieldValidation", &json!(other), &["", "Ignore", "Strict", "Warn"]);
                Err(ApiError::invalid_kind("meta.k8s.io", options, "", &[error]))
            }
        }
    }

    /// Refuses unknown fields where that was asked for.
    pub(super) fn check(self, resource: Resource, unknown: &[String]) -> Result<(), ApiError> {
        if self == Self::Strict && !unknown.is_empty() { Err(decode::strict(resource, unknown)) } else { Ok(()) }
    }

    /// Names unknown fields in the answer's headers where that was asked for.
    pub(super) fn warn(self, response: &mut Response<ResponseBody>, unknown: &[String]) {
        for path in unknown.iter().filter(|_| self == Self::Warn) {
            if let Ok(text) = HeaderValue::from_str(&format!("299 - \"unknown field \\\"{path}\\\"\"")) {
                response.headers_mut().append(header::WARNING, text);
            }
        }
    }
}

/// Who writes: the field manager that the request names, else its user agent up to the slash.
pub(super) fn writer(rest: &Rest, query: &[(String, String)], headers: &HeaderMap) -> Writer {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent = agent.split('/').next().filter(|agent| !agent.is_empty()).unwrap_or("unknown");
    let manager = parameter(query, "fieldManager").filter(|manager| !manager.is_empty()).unwrap_or(agent);
    Writer { manager: manager.to_owned(), time: rest.api.clock.seconds(), version: None }
}

/// Begins to serve the kind of an object that was sent to an unknown path of its own apiVersion.
pub(super) fn learn(rest: &Rest, path: &ObjectPath, object: &Value) -> Result<Served, ApiError> {
    if !rest.learns() {
        return Err(ApiError::no_such_path());
    }
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let expected = if path.group.is_empty() { path.version.clone() } else { format!("{}/{}", path.group, path.version) };
    if kind.is_empty() || api_version != expected {
        return Err(ApiError::no_such_path());
    }
    let resource = rest.api.learn(&path.group, &path.version, kind, &path.plural, path.namespace.is_some());
    Ok(Served { resource, face: Face::Stored })
}

/// The object in a request's body, JSON or YAML.
pub(super) async fn read_object(request: Request<Body>, what: &str) -> Result<Value, ApiError> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
    let bytes = body::read(request).await?;
    match media_type.as_str() {
        "" | "application/json" => parse_object(&bytes, what),
        "application/yaml" => parse_object(yaml(&bytes)?.to_string().as_bytes(), what),
        _ => Err(ApiError::unsupported_media_type(
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
        )),
    }
}

/// A YAML document as JSON.
pub(super) fn yaml(bytes: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::bad_request("error decoding YAML: the body is not UTF-8"))?;
    serde_saphyr::from_str(text).map_err(|error| ApiError::bad_request(format!("error decoding YAML: {error}")))
}

/// A JSON object in a request's body.
pub(super) fn parse_object(bytes: &[u8], what: &str) -> Result<Value, ApiError> {
    let unrecognized = |why: String| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {what}): couldn't get version/kind; json parse error: {why}"
        ))
    };
    let value: Value = serde_json::from_slice(bytes).map_err(|error| unrecognized(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(unrecognized("the body is not a JSON object".to_owned())) }
}

/// Whether a write is only to be tried.
pub(super) fn is_dry_run(query: &[(String, String)], options: &str) -> Result<bool, ApiError> {
    match parameter(query, "dryRun") {
        None | Some("") => Ok(false),
        Some("All") => Ok(true),
        Some(other) => Err(ApiError::invalid_kind(
            "meta.k8s.io",
            options,
            "",
            &[FieldError::not_supported("dryRun", &json!([other]), &["All"])],
        )),
    }
}

/// DELETE of one object.
pub(super) async fn delete(
    rest: &Rest,
    path: &ObjectPath,
    query: &[(String, String)],
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let resource = read::resource_of(rest, path)?;
    let (options, dry_run) = delete_options(query, request).await?;
    if dry_run {
        let object = delete::check(&rest.api, resource, path.namespace(), path.name(), &options)?;
        return body::json(StatusCode::OK, &deleted_status(resource, path.name(), &object));
    }
    let deleted = delete::delete(&rest.api, resource, path.namespace(), path.name(), &options)?;
    // The server answers with the object where it knows of graceful deletion, or where the object waits.
    if deleted.gone && resource != crate::sim::api::resource::PODS {
        return body::json(StatusCode::OK, &deleted_status(resource, path.name(), &deleted.object));
    }
    body::json(StatusCode::OK, &*deleted.object)
}

fn deleted_status(resource: Resource, name: &str, object: &Value) -> Value {
    let mut details = json!({"name": name, "kind": resource.plural, "uid": object.pointer("/metadata/uid")});
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// DELETE of every selected object of a collection.
pub(super) async fn delete_collection(
    rest: &Rest,
    path: &ObjectPath,
    query: &[(String, String)],
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let served = read::served(rest, path)?;
    let resource = served.resource;
    let selected = read::options(rest, served, query)?;
    let (options, dry_run) = delete_options(query, request).await?;
    let mut page = list::list(&rest.api, resource, path.namespace.as_deref(), &selected)?;
    if !dry_run {
        for object in &page.objects {
            let (namespace, name) = crate::sim::store::key_of(object);
            match delete::delete(&rest.api, resource, &namespace, &name, &options) {
                Ok(_) => {}
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
    }
    page.continues = None;
    page.remaining = None;
    show::list(rest, path, served, &page)
}

async fn delete_options(query: &[(String, String)], request: Request<Body>) -> Result<(DeleteOptions, bool), ApiError> {
    let bytes = body::read(request).await?;
    let given = if bytes.is_empty() { json!({}) } else { parse_object(&bytes, "DeleteOptions")? };
    options_of(query, &given)
}

/// The options of a deletion, and whether it is only to be tried.
pub(super) fn options_of(query: &[(String, String)], given: &Value) -> Result<(DeleteOptions, bool), ApiError> {
    let mut dry_run = is_dry_run(query, "DeleteOptions")?;
    let text = |pointer: &str| given.pointer(pointer).and_then(Value::as_str).map(ToOwned::to_owned);
    dry_run |= given.get("dryRun").and_then(Value::as_array).is_some_and(|stages| !stages.is_empty());
    let grace_seconds = match parameter(query, "gracePeriodSeconds") {
        Some(value) => Some(list::integer(value)?),
        None => given.get("gracePeriodSeconds").and_then(Value::as_i64),
    };
    let policy = parameter(query, "propagationPolicy").map(ToOwned::to_owned).or_else(|| text("/propagationPolicy"));
    let orphan = given.get("orphanDependents").and_then(Value::as_bool) == Some(true);
    let propagation = match policy.as_deref() {
        None if orphan => Propagation::Orphan,
        None | Some("" | "Background") => Propagation::Background,
        Some("Foreground") => Propagation::Foreground,
        Some("Orphan") => Propagation::Orphan,
        Some(other) => {
            let supported = ["Foreground", "Background", "Orphan", "nil"];
            let error = FieldError::not_supported("propagationPolicy", &json!(other), &supported);
            return Err(ApiError::invalid_kind("meta.k8s.io", "DeleteOptions", "", &[error]));
        }
    };
    let options = DeleteOptions {
        grace_seconds,
        propagation,
        uid: text("/preconditions/uid"),
        resource_version: text("/preconditions/resourceVersion"),
    };
    Ok((options, dry_run))
}
