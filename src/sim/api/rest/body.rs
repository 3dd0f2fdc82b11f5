//! Bodies: reading a request's within its limit, and encoding JSON answers, lists and streams.
//! What is in them is the handlers' business.

use crate::sim::api::face::Served;
use crate::sim::api::list::Page;
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
use std::borrow::Cow;
use std::convert::Infallible;

/// The body of an answer: at once or as it comes.
pub(in crate::sim::api) type ResponseBody = UnsyncBoxBody<Bytes, Infallible>;

/// The largest request body, in bytes.
pub(in crate::sim) const LARGEST: usize = 3 * 1024 * 1024;

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

/// A JSON answer that is encoded already.
pub(super) fn encoded(bytes: Bytes) -> Response<ResponseBody> {
    with_type(StatusCode::OK, "application/json", Full::new(bytes).boxed_unsync())
}

/// A failed request's answer.
pub(super) fn error(error: &ApiError) -> Response<ResponseBody> {
    let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = Bytes::from(error.to_status().to_string());
    let mut response = with_type(status, "application/json", Full::new(bytes).boxed_unsync());
    let delay = error.details.as_ref().and_then(|details| details.get("retryAfterSeconds")).and_then(Value::as_u64);
    if let Some(delay) = delay.filter(|delay| *delay > 0) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(delay));
    }
    response
}

/// Plain text.
pub(super) fn text(text: impl Into<Bytes>) -> Response<ResponseBody> {
    with_type(StatusCode::OK, "text/plain; charset=utf-8", Full::new(text.into()).boxed_unsync())
}

/// Text of a type of its own.
pub(super) fn typed_text(media_type: &'static str, text: impl Into<Bytes>) -> Response<ResponseBody> {
    with_type(StatusCode::OK, media_type, Full::new(text.into()).boxed_unsync())
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
pub(super) fn list(served: Served, page: &Page) -> Result<Response<ResponseBody>, ApiError> {
    let bare = served.resource.is_built_in();
    let items: Vec<Item> = page.objects.iter().map(|object| Item { object: served.show(object), bare }).collect();
    let api_version = served.api_version();
    let kind = format!("{}List", served.resource.kind);
    json(StatusCode::OK, &List { kind: &kind, api_version: &api_version, metadata: list_metadata(page), items })
}

/// The metadata of a list.
pub(super) fn list_metadata(page: &Page) -> Value {
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if let Some(token) = &page.continues {
        metadata["continue"] = json!(token);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    metadata
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Value,
    items: Vec<Item<'a>>,
}

struct Item<'a> {
    object: Cow<'a, Value>,
    bare: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(fields) = self.object.as_object().filter(|_| self.bare) else { return self.object.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields.iter().filter(|(name, _)| *name != "apiVersion" && *name != "kind") {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
