//! API errors as `meta/v1` Status objects, with the texts of the real server (`kubernetes-behaviour.md` 1.2).
//! Only their construction lives here.

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

impl ApiError {
    fn about(code: u16, reason: &'static str, resource: Resource, name: &str, message: String) -> Self {
        let mut details = json!({"name": name, "kind": resource.plural});
        if !resource.group.is_empty() {
            details["group"] = json!(resource.group);
        }
        Self { code, reason, message, details: Some(details) }
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

    /// 403 with the reason of an admission plugin.
    #[must_use]
    pub fn forbidden(resource: Resource, name: &str, why: &str) -> Self {
        Self::about(403, "Forbidden", resource, name, format!("{} \"{name}\" is forbidden: {why}", resource.qualified()))
    }

    /// 400 with free text.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self { code: 400, reason: "BadRequest", message: message.into(), details: None }
    }

    /// 405 for a verb that a resource does not have.
    #[must_use]
    pub fn method_not_allowed(verb: &str, resource: Resource) -> Self {
        let message = format!("{verb} is not supported on resources of kind \"{}\"", resource.qualified());
        Self { code: 405, reason: "MethodNotAllowed", message, details: None }
    }

    /// The Status object that a client receives.
    #[must_use]
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}
