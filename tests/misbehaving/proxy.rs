//! A proxy before a served cluster that misbehaves as API servers, load balancers and networks do. It speaks plain HTTP to the
//! harness, so that it can answer in the server's place, and reaches the server with a client of its own.

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<UnsyncBoxBody<Bytes, Error>>;

/// How it misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Every fifth request is refused with this code, and is not carried out.
    Refuses(u16),
    /// Every fifth request is carried out, and its answer replaced by this code.
    Loses(u16),
    /// Every fifteenth request takes 5 s.
    IsSlow,
    /// Watches end after 300 ms.
    DropsWatches,
    /// Every second watch that goes on from a version is told that the version is too old.
    Forgets,
    /// From the fault on, every request is refused: the token has expired.
    Expires,
    /// After the fault, nothing is answered and nothing of a watch arrives for this many seconds.
    Pauses(u64),
    /// From the fault on, nothing of a watch arrives for this many seconds; everything else is answered.
    StallsWatches(u64),
    /// After the fault, connections are cut and none can be made for this many seconds.
    IsCut(u64),
}

struct Shared {
    how: Misbehaviour,
    client: kube::Client,
    requests: AtomicU64,
    /// When the fault was seen to be injected.
    fault: watch::Sender<Option<Instant>>,
}

/// Starts a proxy on a thread of its own, for as long as the process lives.
pub fn start(how: Misbehaviour, kubeconfig: &str) -> SocketAddr {
    let (tell, ready) = std::sync::mpsc::channel();
    let kubeconfig = kubeconfig.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let read = kube::config::Kubeconfig::from_yaml(&kubeconfig).unwrap();
            let config = kube::Config::from_custom_kubeconfig(read, &kube::config::KubeConfigOptions::default()).await.unwrap();
            let client = kube::Client::try_from(config).unwrap();
            let shared = Arc::new(Shared { how, client, requests: AtomicU64::new(0), fault: watch::Sender::new(None) });
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let serving = Arc::clone(&shared);
                    let service = service_fn(move |request| answer(Arc::clone(&serving), request));
                    let connection =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service);
                    tokio::select! {
                        _ = connection => {}
                        () = cut(&shared) => {}
                    }
                });
            }
        });
    });
    ready.recv().unwrap()
}

/// Ends when connections are cut.
async fn cut(shared: &Shared) {
    let Misbehaviour::IsCut(_) = shared.how else { return std::future::pending().await };
    let mut fault = shared.fault.subscribe();
    if fault.borrow().is_some_and(|at| gap(shared, at).1 < Instant::now()) {
        // Later connections live.
        return std::future::pending().await;
    }
    let at = *fault.wait_for(Option::is_some).await.unwrap();
    sleep_until(gap(shared, at.unwrap()).0).await;
}

/// From when to when nothing passes.
fn gap(shared: &Shared, fault: Instant) -> (Instant, Instant) {
    let from = if matches!(shared.how, Misbehaviour::StallsWatches(_)) { fault } else { fault + Duration::from_millis(100) };
    let seconds = match shared.how {
        Misbehaviour::Pauses(seconds) | Misbehaviour::IsCut(seconds) | Misbehaviour::StallsWatches(seconds) => seconds,
        _ => 0,
    };
    (from, from + Duration::from_secs(seconds))
}

/// Waits until a pause is over: of everything, or of watches alone.
async fn pass(shared: &Shared, watch: bool) {
    if !matches!((shared.how, watch), (Misbehaviour::Pauses(_), _) | (Misbehaviour::StallsWatches(_), true)) {
        return;
    }
    let at = *shared.fault.borrow();
    if let Some((from, until)) = at.map(|at| gap(shared, at))
        && from <= Instant::now()
    {
        sleep_until(until).await;
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Error> {
    use Misbehaviour::{DropsWatches, Expires, Forgets, IsSlow, Loses, Refuses, StallsWatches};
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let query = uri.query().unwrap_or_default();
    let watches = query.contains("watch=true");
    let faults = is_the_fault(&request);
    pass(&shared, watches).await;
    match shared.how {
        Refuses(code) if number % 5 == 4 => return Ok(status(code, "told to refuse")),
        Expires if shared.fault.borrow().is_some() => return Ok(status(401, "Unauthorized")),
        Forgets if watches && query.contains("resourceVersion=") && number.is_multiple_of(2) => return Ok(too_old()),
        IsSlow if number % 15 == 14 => sleep(Duration::from_secs(5)).await,
        _ => {}
    }
    let act = || shared.fault.send_if_modified(|fault| fault.is_none() && fault.replace(Instant::now()).is_none());
    if faults && matches!(shared.how, StallsWatches(_)) {
        act();
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = Request::from_parts(parts, kube::client::Body::from(body.to_vec()));
    let answer = shared.client.send(request).await?;
    if faults {
        act();
    }
    let lost = matches!(shared.how, Loses(_)) && number % 5 == 4 && method != Method::GET;
    if let (Loses(code), true) = (shared.how, lost) {
        return Ok(status(code, "carried out, and the answer lost"));
    }
    let (parts, body) = answer.into_parts();
    let stream = body.into_data_stream().map(|chunk| chunk.map(Frame::data).map_err(Error::from));
    let body = if watches && shared.how == DropsWatches {
        StreamBody::new(stream.take_until(sleep(Duration::from_millis(300)))).boxed_unsync()
    } else if watches {
        let shared = Arc::clone(&shared);
        let held = stream.then(move |chunk| {
            let shared = Arc::clone(&shared);
            async move {
                pass(&shared, true).await;
                chunk
            }
        });
        StreamBody::new(held).boxed_unsync()
    } else {
        StreamBody::new(stream).boxed_unsync()
    };
    Ok(Response::from_parts(parts, body))
}

/// The requests by which the scenarios' faults act: a pod is deleted, a Deployment patched.
fn is_the_fault(request: &Request<Incoming>) -> bool {
    let path = request.uri().path();
    let real = !request.uri().query().unwrap_or_default().contains("dryRun");
    let patches =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|type_| type_ == "application/strategic-merge-patch+json");
    real && (request.method() == Method::DELETE && path.contains("/pods/")
        || request.method() == Method::PATCH && path.contains("/deployments/") && patches)
}

fn status(code: u16, message: &str) -> Answer {
    let reason = match code {
        401 => "Unauthorized",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalError",
    };
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code });
    let mut answer = plain(body.to_string());
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    if code == 429 {
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    answer
}

/// A watch that begins with its end, as the API server tells that a version is compacted.
fn too_old() -> Answer {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410,
        "message": "too old resource version: 1 (2)" });
    plain(format!("{}\n", json!({ "type": "ERROR", "object": status })))
}

fn plain(body: String) -> Answer {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(body).unwrap()
}
