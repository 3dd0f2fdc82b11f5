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
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tower::Service;

/// The body of an answer on its way to a client.
pub(super) type ServedBody = UnsyncBoxBody<Bytes, Infallible>;

/// Frames of an answer that wait for a client to read them; the simulation makes no more before it does.
const WAITING_FRAMES: usize = 16;
/// How long a watcher may take nothing of what waits for it before it is cut off, as kube-apiserver's cache cuts off a watcher
/// whose buffer is full (there at once); real time.
const UNREAD: Duration = Duration::from_mins(1);
/// Bytes that wait in each direction of an upgraded connection.
const WAITING_BYTES: usize = 32 * 1024;
/// How long a client may take for the body of a request, as kube-apiserver's `--request-timeout`; real time.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a client may keep an upgraded connection open after the cluster has ended it; real time.
const LAST: Duration = Duration::from_secs(10);
/// What all bodies of requests that wait for an answer may take together, in KiB; further ones wait.
const BODIES: u32 = 128 * 1024;

/// A request that waits for its answer.
pub(super) struct Job {
    request: Request<kube::client::Body>,
    answer: oneshot::Sender<Response<ServedBody>>,
}

impl Job {
    /// Answers the request, on the simulation's runtime, whose clock is `speed` times as fast as the client's. `open` counts
    /// the requests without an answer.
    pub(super) async fn answer(self: Box<Self>, mut service: RestService, open: Arc<AtomicUsize>, speed: f64) {
        open.fetch_add(1, Ordering::Relaxed);
        let Ok(response) = service.call(self.request).await;
        open.fetch_sub(1, Ordering::Relaxed);
        let (parts, body) = response.into_parts();
        let parts_type = parts.headers.get(header::CONTENT_TYPE).cloned();
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
        // Logs are text: a reader may look at a page of them for hours.
        let is_watch = parts_type.is_some_and(|media_type| media_type == "application/json");
        pump(body, frames, if is_watch { UNREAD.mul_f64(speed) } else { Duration::MAX }).await;
    }
}

/// Passes an answer on as it comes, until it ends, the client has gone, or has taken nothing for `patience`.
async fn pump<B>(mut body: B, frames: mpsc::Sender<Frame<Bytes>>, patience: Duration)
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Unpin,
{
    loop {
        tokio::select! {
            biased;
            () = frames.closed() => return,
            frame = body.frame() => {
                let Some(Ok(frame)) = frame else { return };
                if !matches!(tokio::time::timeout(patience, frames.send(frame)).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

/// The connections' end.
#[derive(Clone)]
pub(super) struct Gateway {
    inbox: Sender<Message>,
    bodies: Arc<Semaphore>,
}

impl Gateway {
    /// A way to the inbox of a simulation.
    pub(super) fn new(inbox: Sender<Message>) -> Self {
        Self { inbox, bodies: Arc::new(Semaphore::new(BODIES as usize)) }
    }

    /// Answers a request that came over a connection whose client has shown `certificate`.
    pub(super) async fn serve(self, mut request: Request<Incoming>, certificate: Option<api::User>) -> Response<ServedBody> {
        let upgrade = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        // What its head says is too large is not read at all.
        if body.size_hint().lower() > api::LARGEST_BODY as u64 {
            return refused(&ApiError::too_large());
        }
        let size = usize::try_from(body.size_hint().upper().unwrap_or(u64::MAX)).unwrap_or(usize::MAX).min(api::LARGEST_BODY);
        let room = self.bodies.acquire_many(u32::try_from(size.div_ceil(1024)).unwrap_or(BODIES)).await;
        let reading = tokio::time::timeout(PATIENCE, Limited::new(body, api::LARGEST_BODY).collect());
        let body = match reading.await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return refused(&ApiError::too_large()),
            Ok(Err(error)) => return refused(&ApiError::bad_request(format!("the request body cannot be read: {error}"))),
            Err(_) => return refused(&ApiError::slow_body()),
        };
        parts.extensions.insert(api::Peer { certificate });
        let (answer, answered) = oneshot::channel();
        let job = Job { request: Request::from_parts(parts, kube::client::Body::from(body)), answer };
        let sent = self.inbox.send(Message::Job(Box::new(job)));
        let (Ok(()), Ok(mut response)) = (sent, answered.await) else {
            return refused(&ApiError::internal("the simulated cluster has ended"));
        };
        drop(room);
        if let Some(client) = upgrade.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
            let server = hyper::upgrade::on(&mut response);
            tokio::spawn(async move {
                let (Ok(client), Ok(server)) = (client.await, server.await) else { return };
                carry(TokioIo::new(client), TokioIo::new(server)).await;
            });
        }
        response
    }
}

/// Carries bytes both ways until the cluster has ended, and the client has, or has had time to. What breaks ends both at once:
/// there is nobody to be told.
async fn carry(client: impl AsyncRead + AsyncWrite, server: impl AsyncRead + AsyncWrite) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let there = async {
        let mut waiting = BufReader::with_capacity(WAITING_BYTES, &mut from_client);
        tokio::io::copy_buf(&mut waiting, &mut to_server).await?;
        to_server.shutdown().await
    };
    let back = async {
        let mut waiting = BufReader::with_capacity(WAITING_BYTES, &mut from_server);
        tokio::io::copy_buf(&mut waiting, &mut to_client).await?;
        to_client.shutdown().await
    };
    let (mut there, mut back) = (std::pin::pin!(there), std::pin::pin!(back));
    let ended: std::io::Result<()> = tokio::select! {
        biased;
        ended = &mut back => match ended {
            Ok(()) => tokio::time::timeout(LAST, there).await.unwrap_or(Ok(())),
            broken => broken,
        },
        ended = &mut there => match ended {
            Ok(()) => back.await,
            broken => broken,
        },
    };
    drop(ended);
}

/// The answer to a request that does not reach the simulation.
fn refused(error: &ApiError) -> Response<ServedBody> {
    let mut response = Response::new(Full::new(Bytes::from(error.to_status().to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// A body of many frames, and how many of them were made.
    fn frames(made: &Arc<AtomicUsize>) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Unpin + use<> {
        let made = Arc::clone(made);
        StreamBody::new(futures::stream::iter(0..1_000).map(move |_| {
            made.fetch_add(1, Ordering::Relaxed);
            Ok(Frame::data(Bytes::from_static(b"event")))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_does_not_read_is_cut_off_and_costs_little() {
        let made = Arc::default();
        let (sender, mut waiting) = mpsc::channel(WAITING_FRAMES);
        let begun = Instant::now();
        pump(frames(&made), sender, UNREAD).await;
        assert_eq!((begun.elapsed(), made.load(Ordering::Relaxed)), (UNREAD, WAITING_FRAMES + 1));
        let mut read = 0;
        while waiting.recv().await.is_some() {
            read += 1;
        }
        assert_eq!(read, WAITING_FRAMES, "what was sent before can still be read");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_gets_everything() {
        let made = Arc::default();
        let (sender, mut waiting) = mpsc::channel(WAITING_FRAMES);
        tokio::spawn(pump(frames(&made), sender, UNREAD));
        let mut read = 0;
        while waiting.recv().await.is_some() {
            read += 1;
            tokio::time::sleep(UNREAD / 2).await;
        }
        assert_eq!(read, 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_breaks_off_takes_the_other_side_with_it() {
        /// A client whose connection breaks.
        struct Broken;
        impl AsyncRead for Broken {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                _: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Err(std::io::ErrorKind::UnexpectedEof.into()))
            }
        }
        let (server, mut far_server) = tokio::io::duplex(64);
        carry(tokio::io::join(Broken, tokio::io::sink()), server).await;
        assert_eq!(tokio::io::AsyncReadExt::read(&mut far_server, &mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_keeps_its_side_open_is_left_after_a_while() {
        let (client, mut far_client) = tokio::io::duplex(64);
        let (server, far_server) = tokio::io::duplex(64);
        let begun = Instant::now();
        let carried = tokio::spawn(carry(client, server));
        drop(far_server);
        carried.await.unwrap();
        assert_eq!(begun.elapsed(), LAST);
        assert_eq!(tokio::io::AsyncReadExt::read(&mut far_client, &mut [0; 8]).await.unwrap(), 0);
    }
}
