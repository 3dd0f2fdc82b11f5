//! Bodies: reading a request's within its limit, and encoding JSON answers, lists and streams.
//! What is in them is the handlers' business.

use crate::sim::api::list::Page;
use crate::sim::api::resource::{self, Resource};
use crate::sim::api::status::ApiError;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use kube::client::Body;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};
use std::convert::Infallible;

/// The body of an answer: at once or as it comes.
pub(in crate::sim::api) type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// The largest request body, in bytes.
const LARGEST: usize = 3 * 1024 * 1024;

/// Reads a request's body.
pub(super) async fn read(request: Request<Body>) -> Result<Bytes, ApiError> {
    match Limited::new(request.into_body(), LARGEST).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large()),
        Err(error) => Err(ApiError::bad_request(format!("the request body cannot be read: {error}"))),
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<ResponseBody>, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(with_type(status, "application/json", Full::new(Bytes::from(bytes)).boxed_unsync()))
}

/// A failed request's answer.
pub(super) fn error(error: &ApiError) -> Response<ResponseBody> {
    let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = Bytes::from(error.to_status().to_string());
    with_type(status, "application/json", Full::new(bytes).boxed_unsync())
}

/// Plain text.
pub(super) fn text(text: impl Into<Bytes>) -> Response<ResponseBody> {
    with_type(StatusCode::OK, "text/plain; charset=utf-8", Full::new(text.into()).boxed_unsync())
}

/// An answer that is sent as it comes.
pub(super) fn stream(media_type: &'static str, chunks: impl Stream<Item = Bytes> + Send + 'static) -> Response<ResponseBody> {
    let frames = chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)));
    with_type(StatusCode::OK, media_type, StreamBody::new(frames).boxed_unsync())
}

fn with_type(status: StatusCode, media_type: &'static str, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A list as the server writes it: items of built-in kinds have no apiVersion and kind of their own.
pub(super) fn list(resource: Resource, page: &Page, view: impl Fn(&Value) -> Value) -> Result<Response<ResponseBody>, ApiError> {
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if let Some(token) = &page.continues {
        metadata["continue"] = json!(token);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    let bare = resource::ALL.contains(&resource);
    let items: Vec<Item> = page
        .objects
        .iter()
        .map(|object| Item {
            object: if resource == resource::EVENTS { Shown::Converted(view(object)) } else { Shown::Stored(object) },
            bare,
        })
        .collect();
    let api_version = resource.api_version();
    let kind = format!("{}List", resource.kind);
    json(StatusCode::OK, &List { kind: &kind, api_version: &api_version, metadata, items })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Value,
    items: Vec<Item<'a>>,
}

enum Shown<'a> {
    Stored(&'a Value),
    Converted(Value),
}

struct Item<'a> {
    object: Shown<'a>,
    bare: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = match &self.object {
            Shown::Stored(object) => *object,
            Shown::Converted(object) => object,
        };
        let Some(fields) = object.as_object().filter(|_| self.bare) else { return object.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields.iter().filter(|(name, _)| *name != "apiVersion" && *name != "kind") {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
