//! API errors as `meta/v1` Status objects, with the texts of the real server (`kubernetes-behaviour.md` 1.2).
//! Only their construction lives here; which rule was broken is decided elsewhere.

use super::field::FieldError;
use super::resource::Resource;
use serde_json::{Value, json};

/// A failed request: what the server would answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason (`NotFound`, `Conflict`, ...).
    pub reason: &'static str,
    /// The message.
    pub message: String,
    /// The `details` object, if any.
    pub details: Option<Value>,
}

fn details(name: &str, group: &str, kind: &str) -> Value {
    let mut details = json!({});
    if !kind.is_empty() {
        details["kind"] = json!(kind);
    }
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    if !group.is_empty() {
        details["group"] = json!(group);
    }
    details
}

impl ApiError {
    fn about(code: u16, reason: &'static str, resource: Resource, name: &str, message: String) -> Self {
        Self { code, reason, message, details: Some(details(name, resource.group, resource.plural)) }
    }

    fn plain(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// 404 for an object that does not exist.
    #[must_use]
    pub fn not_found(resource: Resource, name: &str) -> Self {
        Self::about(404, "NotFound", resource, name, format!("{} \"{name}\" not found", resource.qualified()))
    }

    /// 409 for a name that is taken.
    #[must_use]
    pub fn already_exists(resource: Resource, name: &str) -> Self {
        Self::about(409, "AlreadyExists", resource, name, format!("{} \"{name}\" already exists", resource.qualified()))
    }

    /// 409 for a write that names an old resourceVersion, or whose precondition fails.
    #[must_use]
    pub fn conflict(resource: Resource, name: &str, why: &str) -> Self {
        Self::about(
            409,
            "Conflict",
            resource,
            name,
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified()),
        )
    }

    /// 409 for a write that was based on an older version.
    #[must_use]
    pub fn modified(resource: Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 409 of server-side apply: each conflict is (manager with its version, field path).
    #[must_use]
    pub fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let count = conflicts.len();
        let message = if let [(manager, path)] = conflicts {
            format!("Apply failed with 1 conflict: conflict with {manager}: {path}")
        } else {
            let mut text = format!("Apply failed with {count} conflicts:");
            let mut last = None;
            for (manager, path) in conflicts {
                if last != Some(manager) {
                    text = format!("{text} conflicts with {manager}:");
                    last = Some(manager);
                }
                text = format!("{text}\n- {path}");
            }
            text
        };
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, path)| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path})
            })
            .collect();
        Self { code: 409, reason: "Conflict", message, details: Some(json!({"causes": causes})) }
    }

    /// 403 with the reason of an admission plugin.
    #[must_use]
    pub fn forbidden(resource: Resource, name: &str, why: &str) -> Self {
        Self::about(403, "Forbidden", resource, name, format!("{} \"{name}\" is forbidden: {why}", resource.qualified()))
    }

    /// 422 with one cause per broken field rule.
    #[must_use]
    pub fn invalid(resource: Resource, name: &str, errors: &[FieldError]) -> Self {
        Self::invalid_kind(resource.group, resource.kind, name, errors)
    }

    /// 422 for something that is no stored resource (options of a request, a Scale).
    #[must_use]
    pub fn invalid_kind(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut about = details(name, group, kind);
        about["causes"] = errors.iter().map(FieldError::cause).collect();
        Self { code: 422, reason: "Invalid", message: format!("{qualified} \"{name}\" is invalid: {text}"), details: Some(about) }
    }

    /// 422 for a patch that cannot be applied to the object (a failed `test`, a path that is not there).
    #[must_use]
    pub fn unprocessable_patch() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self { code: 422, reason: "Invalid", message: message.to_owned(), details: Some(json!({})) }
    }

    /// 400 with free text.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::plain(400, "BadRequest", message)
    }

    /// 401 for a request whose sender is not known.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::plain(401, "Unauthorized", "Unauthorized")
    }

    /// 404 for a path that is not served.
    #[must_use]
    pub fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self { code: 404, reason: "NotFound", message: message.to_owned(), details: Some(json!({})) }
    }

    /// 405 for a verb that a resource does not have.
    #[must_use]
    pub fn method_not_allowed(verb: &str, resource: Resource) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{}\"", resource.qualified());
        Self::plain(405, "MethodNotAllowed", message)
    }

    /// 405 for a method that a path does not have.
    #[must_use]
    pub fn wrong_method() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self { code: 405, reason: "MethodNotAllowed", message: message.to_owned(), details: Some(json!({})) }
    }

    /// 406 for media types that the server writes, in forms that it does not.
    #[must_use]
    pub fn not_acceptable() -> Self {
        let message = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        Self::plain(406, "NotAcceptable", message)
    }

    /// 406 for media types that the server does not write.
    #[must_use]
    pub fn no_representation() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        Self { code: 406, reason: "NotAcceptable", message: message.to_owned(), details: Some(json!({})) }
    }

    /// 410 for a list whose revision is no longer kept.
    #[must_use]
    pub fn expired_list() -> Self {
        Self::plain(410, "Expired", "The resourceVersion for the provided list is too old.")
    }

    /// 410 for a continue token whose revision is no longer kept.
    #[must_use]
    pub fn expired_continue() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.";
        Self::plain(410, "Expired", message)
    }

    /// 410 of a watch from a forgotten revision (sent inside the stream).
    #[must_use]
    pub fn expired_watch(requested: u64, oldest: u64) -> Self {
        Self::plain(410, "Expired", format!("too old resource version: {requested} ({})", oldest.saturating_sub(1)))
    }

    /// 413 for a body of more than 3 MiB.
    #[must_use]
    pub fn too_large() -> Self {
        Self::plain(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    /// 408 for a body that did not come in time.
    #[must_use]
    pub fn slow_body() -> Self {
        Self::plain(408, "Timeout", "Timeout: request body was not sent in time")
    }

    /// 415 with the accepted media types.
    #[must_use]
    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::plain(415, "UnsupportedMediaType", message)
    }

    /// 500 without a reason, for errors that the real server does not classify.
    #[must_use]
    pub fn unclassified(message: impl Into<String>) -> Self {
        Self::plain(500, "", message)
    }

    /// 500 for what should not happen.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::plain(500, "InternalError", message)
    }

    /// 504 for a list at a revision that the server has not reached.
    #[must_use]
    pub fn too_large_revision(requested: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {requested}, current: {current}");
        let cause = json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        Self { code: 504, reason: "Timeout", message, details: Some(json!({"causes": [cause], "retryAfterSeconds": 1})) }
    }

    /// The Status object that a client receives.
    #[must_use]
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}
