//! Questions about users and rights: access reviews, rules reviews, token reviews, and tokens of service accounts.
//! The answers come from `authentication`, `authorization` and `token`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::route::ObjectPath;
use super::write::read_object;
use crate::sim::api::authentication::User;
use crate::sim::api::authorization::{self, Attributes};
use crate::sim::api::field::FieldError;
use crate::sim::api::status::ApiError;
use crate::sim::api::token::{self, ISSUER};
use crate::sim::clock::format_seconds;
use http::{Request, Response, StatusCode};
use jiff::SignedDuration;
use kube::client::Body;
use serde_json::{Value, json};
use std::time::Duration;

/// Whether a path is one of a review, and then its plural and namespace.
pub(super) fn of_path<'a>(parts: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let (plural, namespace) = match parts {
        ["apis", "authorization.k8s.io" | "authentication.k8s.io", "v1", plural] => (*plural, ""),
        ["apis", "authorization.k8s.io", "v1", "namespaces", namespace, plural] => (*plural, *namespace),
        _ => return None,
    };
    let known =
        ["selfsubjectaccessreviews", "subjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews", "tokenreviews"];
    let local = !namespace.is_empty() && plural == "localsubjectaccessreviews";
    (local || (namespace.is_empty() && known.contains(&plural))).then_some((plural, namespace))
}

/// POST of a review.
pub(super) async fn answer(
    rest: &Rest,
    (plural, namespace): (&str, &str),
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let user = request.extensions().get::<User>().cloned().unwrap_or_else(User::trusted);
    let mut review = read_object(request, plural).await?;
    let spec = review.get("spec").cloned().unwrap_or_else(|| json!({}));
    review["status"] = match plural {
        "selfsubjectaccessreviews" => access(rest, &user, &wanted(&spec)?),
        "selfsubjectrulesreviews" => rules(rest, &user, text(&spec, "namespace"))?,
        "selfsubjectreviews" => {
            review["metadata"]["creationTimestamp"] = json!(rest.api.clock.seconds());
            json!({"userInfo": user.info()})
        }
        "tokenreviews" => token_status(rest, &spec),
        _ => {
            let attributes = wanted(&spec)?;
            if !namespace.is_empty() && attributes.namespace != namespace {
                let error = FieldError::invalid(
                    "spec.resourceAttributes.namespace",
                    &json!(attributes.namespace),
                    "must match metadata.namespace",
                );
                return Err(ApiError::invalid_kind("authorization.k8s.io", "LocalSubjectAccessReview", "", &[error]));
            }
            access(rest, &subject(&spec)?, &attributes)
        }
    };
    body::json(StatusCode::CREATED, &review)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn refused(kind: &str, field: &str, why: &str) -> ApiError {
    ApiError::invalid_kind("authorization.k8s.io", kind, "", &[FieldError::required(field, why)])
}

/// What a review asks about.
fn wanted(spec: &Value) -> Result<Attributes, ApiError> {
    if let Some(resource) = spec.get("resourceAttributes").filter(|value| value.is_object()) {
        let of = |field: &str| text(resource, field).to_owned();
        return Ok(Attributes {
            verb: of("verb"),
            group: of("group"),
            resource: of("resource"),
            subresource: of("subresource"),
            name: of("name"),
            namespace: of("namespace"),
            path: String::new(),
        });
    }
    let path = spec.get("nonResourceAttributes").filter(|value| value.is_object());
    let path = path.ok_or_else(|| {
        refused(
            "SelfSubjectAccessReview",
            "spec.resourceAttributes",
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
    })?;
    Ok(Attributes { verb: text(path, "verb").to_owned(), path: text(path, "path").to_owned(), ..Attributes::default() })
}

fn subject(spec: &Value) -> Result<User, ApiError> {
    let groups: Vec<String> =
        spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    let name = text(spec, "user").to_owned();
    if name.is_empty() && groups.is_empty() {
        return Err(refused("SubjectAccessReview", "spec.user", "at least one of user or group must be specified"));
    }
    Ok(User { name, uid: text(spec, "uid").to_owned(), groups, ..User::default() })
}

fn access(rest: &Rest, user: &User, wanted: &Attributes) -> Value {
    // A review says "*" for all; the authorizer means every single one by it.
    match authorization::allowed(&rest.api, user, wanted) {
        Some(reason) if reason.is_empty() => json!({"allowed": true}),
        Some(reason) => json!({"allowed": true, "reason": reason}),
        None => json!({"allowed": false}),
    }
}

fn rules(rest: &Rest, user: &User, namespace: &str) -> Result<Value, ApiError> {
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let mut all = authorization::rules_of(&rest.api, user, namespace);
    // Superusers need no binding; where they have one, as in every new cluster, it says so already.
    let everything =
        [json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}), json!({"verbs": ["*"], "nonResourceURLs": ["*"]})];
    if user.groups.iter().any(|group| group == "system:masters") {
        let missing = everything.into_iter().filter(|rule| !all.contains(rule)).collect::<Vec<_>>();
        all.extend(missing);
    }
    let (paths, resources): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|rule| rule.get("nonResourceURLs").is_some());
    Ok(json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false}))
}

fn token_status(rest: &Rest, spec: &Value) -> Value {
    let asked: Vec<&str> = spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let audiences = if asked.is_empty() { vec![ISSUER] } else { asked };
    let token = text(spec, "token");
    let known = rest.guard.as_ref().and_then(|guard| guard.holder(&rest.api, token));
    let found = audiences.iter().find_map(|audience| {
        let user =
            known.clone().filter(|_| *audience == ISSUER).or_else(|| rest.api.tokens().review(&rest.api, token, audience))?;
        Some((user, *audience))
    });
    match found {
        Some((user, audience)) => json!({"authenticated": true, "user": user.info(), "audiences": [audience]}),
        None => json!({"user": {}, "error": "invalid bearer token"}),
    }
}

/// POST of a service account's token.
pub(super) async fn token(rest: &Rest, path: &ObjectPath, request: Request<Body>) -> Result<Response<ResponseBody>, ApiError> {
    /// How long a token is valid where nothing is asked, and at least. Seconds.
    const USUAL: u64 = 3_600;
    const SHORTEST: i64 = 600;
    let mut answer = read_object(request, "TokenRequest").await?;
    let spec = answer.get("spec").cloned().unwrap_or_else(|| json!({}));
    let seconds = spec.get("expirationSeconds").and_then(Value::as_i64);
    if let Some(seconds) = seconds.filter(|seconds| *seconds < SHORTEST) {
        let error =
            FieldError::invalid("spec.expirationSeconds", &json!(seconds), "may not specify a duration less than 10 minutes");
        return Err(ApiError::invalid_kind("authentication.k8s.io", "TokenRequest", path.name(), &[error]));
    }
    let valid = Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(USUAL).min(1 << 32));
    let audiences: Vec<String> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    let bound = token::bound_to(&rest.api, path.namespace(), &spec["boundObjectRef"])?;
    let issued = rest.api.tokens().issue(&rest.api, (path.namespace(), path.name()), &audiences, valid, bound.as_ref())?;
    let expires = rest.api.clock.now().saturating_add(SignedDuration::try_from(valid).unwrap_or(SignedDuration::MAX));
    let expires = expires.unwrap_or(jiff::Timestamp::MAX);
    answer["spec"]["expirationSeconds"] = json!(valid.as_secs());
    if audiences.is_empty() {
        answer["spec"]["audiences"] = json!([ISSUER]);
    }
    answer["metadata"]["name"] = json!(path.name());
    answer["metadata"]["namespace"] = json!(path.namespace());
    answer["metadata"]["creationTimestamp"] = json!(rest.api.clock.seconds());
    answer["status"] = json!({"token": issued, "expirationTimestamp": format_seconds(expires)});
    body::json(StatusCode::CREATED, &answer)
}
