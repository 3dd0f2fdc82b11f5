//! Bodies: reading a request's within its limit, and encoding JSON answers, lists and streams.
//! What is in them is the handlers' business.

use crate::sim::api::face::{Face, Served};
use crate::sim::api::list::Page;
use crate::sim::api::status::ApiError;
use crate::sim::store::{Store, encoding};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use kube::client::Body;
use serde::Serialize;
use serde_json::{Value, json};
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
pub(super) fn list(store: &Store, served: Served, page: &Page) -> Response<ResponseBody> {
    let bare = served.resource.is_built_in();
    let encoded = if served.face == Face::Stored {
        store.encoded(served.resource, &page.objects)
    } else {
        page.objects.iter().map(|object| encoding::bare(&served.show(object))).collect()
    };
    let kind = format!("{}List", served.kind());
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
        json!(kind),
        json!(served.api_version()),
        list_metadata(page)
    );
    let mut bytes = Vec::with_capacity(head.len() + encoded.iter().map(|item| item.len() + 64).sum::<usize>());
    bytes.extend(head.bytes());
    for (place, (item, object)) in encoded.iter().zip(&page.objects).enumerate() {
        if place > 0 {
            bytes.push(b',');
        }
        if bare { bytes.extend(item) } else { bytes.extend(encoding::whole(&served.show(object), item)) }
    }
    bytes.extend(b"]}");
    self::encoded(Bytes::from(bytes))
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
