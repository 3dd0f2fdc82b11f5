//! Commands in running containers over a WebSocket (`v5.channel.k8s.io`, `v4.channel.k8s.io`).
//! The upgraded connection is a pair of hyper's ends over an in-memory pipe, for clients insist on a real upgrade.

use super::Rest;
use super::body::ResponseBody;
use super::pod::{container_of, container_status, pod_of};
use super::route::{ObjectPath, parameter};
use crate::sim::api::list::is_true;
use crate::sim::api::pipeline::text;
use crate::sim::api::status::ApiError;
use crate::sim::program::{Container, ExecResult, StartFailure};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

type Query = [(String, String)];

/// Channels of the protocol.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const CLOSE: u8 = 255;
/// The protocols that are spoken, in order of preference.
const PROTOCOLS: &[&str] = &["v5.channel.k8s.io", "v4.channel.k8s.io"];
/// How long an open standard input may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// The largest message.
const CHUNK: usize = 32 * 1024;
/// Standard deviation of the logarithm of the latency.
const SPREAD: f64 = crate::sim::profile::spread::EXEC;

/// Runs the session's command with the whole of its standard input.
type Run = Arc<dyn Fn(Vec<u8>) -> BoxFuture<'static, Result<Option<ExecResult>, StartFailure>> + Send + Sync>;

/// One command to run.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the request")]
struct Session {
    run: Run,
    command: Vec<String>,
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
    latency: Duration,
}

/// GET or POST of exec.
pub(super) async fn exec(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, ApiError> {
    let session = prepare(rest, path, query)?;
    let header = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (key, offered) = (header(header::SEC_WEBSOCKET_KEY), header(header::SEC_WEBSOCKET_PROTOCOL));
    if !header(header::UPGRADE).eq_ignore_ascii_case("websocket") || key.is_empty() {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let offered: Vec<&str> = offered.split(',').map(str::trim).collect();
    let protocol = PROTOCOLS.iter().copied().find(|protocol| offered.contains(protocol));
    let protocol = protocol
        .ok_or_else(|| ApiError::bad_request(format!("unable to upgrade: the protocols are {}", PROTOCOLS.join(", "))))?;
    upgrade(headers, key, protocol, session)
        .await
        .map_err(|error| ApiError::internal(format!("unable to upgrade connection: {error}")))
}

fn prepare(rest: &Rest, path: &ObjectPath, query: &Query) -> Result<Session, ApiError> {
    let pod = pod_of(rest, path)?;
    let container = container_of(&pod, query)?;
    let flag = |name: &str| parameter(query, name).is_some_and(is_true);
    let command: Vec<String> = query.iter().filter(|(name, _)| name == "command").map(|(_, value)| value.clone()).collect();
    if command.is_empty() {
        return Err(ApiError::bad_request("you must specify at least one command for the container"));
    }
    if !["stdin", "stdout", "stderr"].into_iter().any(flag) {
        return Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    let phase = text(&pod, "/status/phase");
    if ["Succeeded", "Failed"].contains(&phase) {
        return Err(ApiError::bad_request(format!("cannot exec into a container in a completed pod; current phase is {phase}")));
    }
    let running = container_status(&pod, &container).is_some_and(|status| status.pointer("/state/running").is_some());
    let found = rest.runtime.find(text(&pod, "/metadata/uid"), &container, false).filter(|_| running);
    let found = found
        .ok_or_else(|| ApiError::internal(format!("unable to upgrade connection: container not found (\"{container}\")")))?;
    let entity = format!("exec {}/{}", path.namespace(), path.name());
    let latency = rest.api.random.lognormal(&entity, "latency", rest.api.ordinal(&entity), rest.profile.latencies.exec, SPREAD);
    Ok(Session {
        run: in_container(found.container, command.clone()),
        command,
        stdin: flag("stdin"),
        stdout: flag("stdout"),
        stderr: flag("stderr"),
        tty: flag("tty"),
        latency,
    })
}

fn in_container(container: Arc<Container>, command: Vec<String>) -> Run {
    Arc::new(move |stdin| {
        let (container, command) = (Arc::clone(&container), command.clone());
        Box::pin(async move { container.exec(&command, &stdin, None).await })
    })
}

/// Sends the handshake through a pipe with a server on its other end, so that the answer carries a real upgrade.
async fn upgrade(
    headers: &HeaderMap,
    key: &str,
    protocol: &'static str,
    session: Session,
) -> Result<Response<ResponseBody>, hyper::Error> {
    let (near, far) = tokio::io::duplex(CHUNK);
    let accept = derive_accept_key(key.as_bytes());
    let service = hyper::service::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        let upgraded = hyper::upgrade::on(&mut request);
        let session = session.clone();
        tokio::spawn(async move {
            if let Ok(upgraded) = upgraded.await {
                session.serve(upgraded).await;
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

impl Session {
    async fn serve(self, upgraded: Upgraded) {
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let Some(stdin) = self.read_stdin(&mut socket).await else { return };
        let status = match stdin {
            Err(status) => status,
            Ok(stdin) => {
                tokio::time::sleep(self.latency).await;
                let result = (self.run)(stdin).await;
                self.report(&mut socket, result).await
            }
        };
        send(&mut socket, ERROR, status.to_string().as_bytes()).await;
        let _ = socket.close(None).await;
        // A peer may go on sending until it has seen the close.
        while let Some(Ok(_)) = socket.next().await {}
    }

    /// Everything that comes on standard input. `None` when the client went away, `Err` when its input stays open:
    /// a command is run with the whole of its input.
    async fn read_stdin(&self, socket: &mut WebSocketStream<TokioIo<Upgraded>>) -> Option<Result<Vec<u8>, Value>> {
        let mut stdin = Vec::new();
        if !self.stdin {
            return Some(Ok(stdin));
        }
        loop {
            let Ok(message) = tokio::time::timeout(SILENCE, socket.next()).await else {
                let why = "the embedded cluster runs a command when its standard input is closed; close it, or attach none";
                return Some(Err(failure("InternalError", why, None)));
            };
            match message?.ok()? {
                Message::Binary(data) => match data.split_first() {
                    Some((&STDIN, bytes)) => stdin.extend_from_slice(bytes),
                    Some((&CLOSE, [STDIN, ..])) => break,
                    _ => {}
                },
                Message::Close(_) => break,
                _ => {}
            }
        }
        Some(Ok(stdin))
    }

    async fn report(
        &self,
        socket: &mut WebSocketStream<TokioIo<Upgraded>>,
        result: Result<Option<ExecResult>, StartFailure>,
    ) -> Value {
        let result = match result {
            Ok(Some(result)) => result,
            Ok(None) => return failure("InternalError", "error executing command in container: the command was killed", None),
            Err(StartFailure { message, .. }) => {
                let why = format!(
                    "error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: {message}"
                );
                return failure("InternalError", &why, None);
            }
        };
        if self.stdout {
            send(socket, STDOUT, &result.stdout).await;
        }
        if self.tty {
            send(socket, STDOUT, &result.stderr).await;
        } else if self.stderr {
            send(socket, STDERR, &result.stderr).await;
        }
        if result.code == 0 {
            return json!({"metadata": {}, "status": "Success"});
        }
        let why = format!(
            "command terminated with non-zero exit code: error executing command [{}], exit code {}",
            self.command.join(" "),
            result.code
        );
        failure("NonZeroExitCode", &why, Some(result.code))
    }
}

fn failure(reason: &str, message: &str, code: Option<i32>) -> Value {
    let mut status = json!({"metadata": {}, "status": "Failure", "message": message, "reason": reason});
    match code {
        Some(code) => status["details"] = json!({"causes": [{"reason": "ExitCode", "message": code.to_string()}]}),
        None => status["code"] = json!(500),
    }
    status
}

async fn send(socket: &mut WebSocketStream<TokioIo<Upgraded>>, channel: u8, bytes: &[u8]) {
    for chunk in bytes.chunks(CHUNK) {
        let mut message = Vec::with_capacity(chunk.len() + 1);
        message.push(channel);
        message.extend_from_slice(chunk);
        if socket.send(Message::binary(message)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
