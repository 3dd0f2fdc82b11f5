//! The upgrade of a request to a WebSocket: handshake, subprotocol, limits.
//! The upgraded connection is a pair of hyper's ends over an in-memory pipe, for clients insist on a real upgrade.

use super::body::ResponseBody;
use crate::sim::api::status::ApiError;
use bytes::Bytes;
use futures::SinkExt;
use futures::stream::SplitSink;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// An upgraded connection.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Bytes that wait in each direction.
const WAITING: usize = 32 * 1024;
/// The largest message of a client, in bytes: what is larger closes the connection.
const LARGEST: usize = 1024 * 1024;

/// How long a client may take nothing of what is sent to it: the kubelet's `streamingConnectionIdleTimeout`.
const IDLE: Duration = Duration::from_hours(4);

/// Sends a message, waiting while the client does not read. False when it has gone, or must be taken to have gone.
pub(super) async fn send(sink: &mut SplitSink<Socket, Message>, message: Message) -> bool {
    matches!(tokio::time::timeout(IDLE, sink.send(message)).await, Ok(Ok(())))
}

/// Answers the handshake; `serve` gets the connection, and the first of `protocols` that the client offers.
///
/// # Errors
/// 400 for a request that is no handshake, or offers none of the protocols.
pub(super) async fn websocket<S, F>(
    headers: &HeaderMap,
    protocols: &[&'static str],
    serve: S,
) -> Result<Response<ResponseBody>, ApiError>
where
    S: FnOnce(Socket) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let header = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (key, offered) = (header(header::SEC_WEBSOCKET_KEY), header(header::SEC_WEBSOCKET_PROTOCOL));
    if !header(header::UPGRADE).eq_ignore_ascii_case("websocket") || key.is_empty() {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let offered: Vec<&str> = offered.split(',').map(str::trim).collect();
    let protocol = protocols.iter().copied().find(|protocol| offered.contains(protocol));
    let protocol = protocol
        .ok_or_else(|| ApiError::bad_request(format!("unable to upgrade: the protocols are {}", protocols.join(", "))))?;
    connect(headers, key, protocol, serve)
        .await
        .map_err(|error| ApiError::internal(format!("unable to upgrade connection: {error}")))
}

/// Sends the handshake through a pipe with a server on its other end, so that the answer carries a real upgrade.
async fn connect<S, F>(
    headers: &HeaderMap,
    key: &str,
    protocol: &'static str,
    serve: S,
) -> Result<Response<ResponseBody>, hyper::Error>
where
    S: FnOnce(Socket) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (near, far) = tokio::io::duplex(WAITING);
    let accept = derive_accept_key(key.as_bytes());
    // A service may be called often; there is one request on this pipe.
    let serve = Arc::new(Mutex::new(Some(serve)));
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        let upgraded = hyper::upgrade::on(&mut request);
        let serve = serve.lock().unwrap_or_else(PoisonError::into_inner).take();
        tokio::spawn(async move {
            if let (Ok(upgraded), Some(serve)) = (upgraded.await, serve) {
                let limits = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
                serve(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await).await;
            }
        });
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        if let Ok(accept) = HeaderValue::from_str(&accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let server = hyper::server::conn::http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(far), service);
    tokio::spawn(server.with_upgrades());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await?;
    tokio::spawn(connection.with_upgrades());
    let mut handshake = Request::new(Empty::<Bytes>::new());
    *handshake.headers_mut() = headers.clone();
    handshake.headers_mut().remove(header::CONTENT_LENGTH);
    let response = sender.send_request(handshake).await?;
    // The body of a switched protocol is empty; its frames cannot fail.
    Ok(response.map(|_| Empty::<Bytes>::new().boxed_unsync()))
}
