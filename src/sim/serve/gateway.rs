//! The way between connections, which live in real time, and the simulation, which lives in its own: requests go over as a
//! whole, answers come back as a whole or, when they last, frame by frame. Listening is `listener`'s.

use super::simulation::Message;
use crate::sim::api::{self, ApiError, RestService};
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, StatusCode, header};
use http_body::{Body as _, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use tokio::sync::{mpsc, oneshot};
use tower::Service;

/// The body of an answer on its way to a client.
pub(super) type ServedBody = UnsyncBoxBody<Bytes, Infallible>;

/// Frames of an answer that wait for a client to read them; the simulation makes no more before it does.
const WAITING_FRAMES: usize = 16;
/// Bytes that wait in each direction of an upgraded connection.
const WAITING_BYTES: usize = 32 * 1024;

/// A request that waits for its answer.
pub(super) struct Job {
    request: Request<kube::client::Body>,
    answer: oneshot::Sender<Response<ServedBody>>,
}

impl Job {
    /// Answers the request, on the simulation's runtime. `open` counts the requests without an answer.
    pub(super) async fn answer(self: Box<Self>, mut service: RestService, open: Arc<AtomicUsize>) {
        open.fetch_add(1, Ordering::Relaxed);
        let Ok(response) = service.call(self.request).await;
        open.fetch_sub(1, Ordering::Relaxed);
        let (parts, mut body) = response.into_parts();
        if body.size_hint().exact().is_some() {
            let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            // A client that has gone needs no answer.
            let _ = self.answer.send(Response::from_parts(parts, Full::new(bytes).boxed_unsync()));
            return;
        }
        let (frames, waiting) = mpsc::channel::<Frame<Bytes>>(WAITING_FRAMES);
        let waiting = futures::stream::unfold(waiting, |mut waiting| async move { Some((Ok(waiting.recv().await?), waiting)) });
        if self.answer.send(Response::from_parts(parts, StreamBody::new(waiting.fuse()).boxed_unsync())).is_err() {
            return;
        }
        loop {
            tokio::select! {
                biased;
                () = frames.closed() => return,
                frame = body.frame() => {
                    let Some(Ok(frame)) = frame else { return };
                    if frames.send(frame).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// The connections' end.
#[derive(Clone)]
pub(super) struct Gateway {
    inbox: Sender<Message>,
}

impl Gateway {
    /// A way to the inbox of a simulation.
    pub(super) fn new(inbox: Sender<Message>) -> Self {
        Self { inbox }
    }

    /// Answers a request that came over a connection whose client has shown `certificate`.
    pub(super) async fn serve(self, mut request: Request<Incoming>, certificate: Option<api::User>) -> Response<ServedBody> {
        let upgrade = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        let body = match Limited::new(body, api::LARGEST_BODY).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return refused(&ApiError::too_large()),
            Err(error) => return refused(&ApiError::bad_request(format!("the request body cannot be read: {error}"))),
        };
        parts.extensions.insert(api::Peer { certificate });
        let (answer, answered) = oneshot::channel();
        let job = Job { request: Request::from_parts(parts, kube::client::Body::from(body)), answer };
        let sent = self.inbox.send(Message::Job(Box::new(job)));
        let (Ok(()), Ok(mut response)) = (sent, answered.await) else {
            return refused(&ApiError::internal("the simulated cluster has ended"));
        };
        if let Some(client) = upgrade.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
            let server = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                let (Ok(client), Ok(server)) = (client.await, server.await) else { return };
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                // Ends when both sides have ended, or one breaks: there is nobody left to tell.
                let _ = tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, WAITING_BYTES, WAITING_BYTES).await;
            });
        }
        response
    }
}

/// The answer to a request that does not reach the simulation.
fn refused(error: &ApiError) -> Response<ServedBody> {
    let mut response = Response::new(Full::new(Bytes::from(error.to_status().to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
