//! Commands in running containers over a WebSocket (`v5.channel.k8s.io`, `v4.channel.k8s.io`), and its channels.
//! The upgrade is `upgrade`'s, the terminal's habits are `terminal`'s, a container's own streams are `attach`'s.

use super::Rest;
use super::body::ResponseBody;
use super::pod::{container_of, container_status, pod_of};
use super::route::{ObjectPath, parameter};
use super::terminal::{self, Line};
use super::upgrade::{self, Socket};
use crate::sim::api::list::is_true;
use crate::sim::api::pipeline::text;
use crate::sim::api::status::ApiError;
use crate::sim::program::data::Data;
use crate::sim::program::pipe::Writer;
use crate::sim::program::session::{ExecSession, Keyboard, Streams};
use crate::sim::program::{Container, StartFailure};
use futures::stream::{SplitSink, SplitStream};
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

type Query = [(String, String)];

/// Channels of the protocol.
const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
const ERROR: u8 = 3;
const CLOSE: u8 = 255;
/// The protocols that are spoken, in order of preference.
pub(super) const PROTOCOLS: &[&str] = &["v5.channel.k8s.io", "v4.channel.k8s.io"];
/// The largest message that is sent, in bytes.
const CHUNK: usize = 32 * 1024;
/// How long a client may take to close its side after ours.
const LAST: Duration = Duration::from_secs(10);
/// Standard deviation of the logarithm of the latency.
const SPREAD: f64 = crate::sim::profile::spread::EXEC;

/// Which streams a client wants.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of the request")]
pub(super) struct Wanted {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

/// The container that a request means, and which streams it wants.
pub(super) fn prepare(rest: &Rest, path: &ObjectPath, query: &Query, what: &str) -> Result<(Arc<Container>, Wanted), ApiError> {
    let pod = pod_of(rest, path)?;
    let container = container_of(&pod, query)?;
    let flag = |name: &str| parameter(query, name).is_some_and(is_true);
    let wanted = Wanted { stdin: flag("stdin"), stdout: flag("stdout"), stderr: flag("stderr"), tty: flag("tty") };
    if !(wanted.stdin || wanted.stdout || wanted.stderr) {
        return Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    let phase = text(&pod, "/status/phase");
    if ["Succeeded", "Failed"].contains(&phase) {
        return Err(ApiError::bad_request(format!("cannot {what} a container in a completed pod; current phase is {phase}")));
    }
    let running = container_status(&pod, &container).is_some_and(|status| status.pointer("/state/running").is_some());
    let found = rest.runtime.find(text(&pod, "/metadata/uid"), &container, false).filter(|_| running);
    let found = found
        .ok_or_else(|| ApiError::internal(format!("unable to upgrade connection: container not found (\"{container}\")")))?;
    if let Some(why) = rest.runtime.silence(text(&pod, "/spec/nodeName")) {
        return Err(ApiError::internal(format!("unable to upgrade connection: {why}")));
    }
    // The runtime knows of an end before any status shows it.
    if found.container.exit().get().is_some() {
        let why = "unable to upgrade connection: rpc error: code = Unknown desc = container is in CONTAINER_EXITED state";
        return Err(ApiError::internal(why));
    }
    Ok((found.container, wanted))
}

/// How long the runtime takes.
pub(super) fn latency(rest: &Rest, path: &ObjectPath) -> Duration {
    let entity = format!("exec {}/{}", path.namespace(), path.name());
    rest.api.random.lognormal(&entity, "latency", rest.api.ordinal(&entity), rest.profile.latencies.exec, SPREAD)
}

/// GET or POST of exec.
pub(super) async fn exec(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, ApiError> {
    let command: Vec<String> = query.iter().filter(|(name, _)| name == "command").map(|(_, value)| value.clone()).collect();
    if command.is_empty() {
        return Err(ApiError::bad_request("you must specify at least one command for the container"));
    }
    let (container, wanted) = prepare(rest, path, query, "exec into")?;
    let latency = latency(rest, path);
    upgrade::websocket(headers, PROTOCOLS, move |socket| async move {
        tokio::time::sleep(latency).await;
        let (out, input) = Channels::new(socket);
        let streams = if wanted.tty { Streams::Terminal } else { Streams::Pipes { stdin: wanted.stdin } };
        match container.open(&command, streams) {
            Ok(session) => run(session, &command, wanted, out, input).await,
            Err(StartFailure { message, .. }) => {
                let why = format!(
                    "error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: {message}"
                );
                out.end(input, &failure("InternalError", &why, None)).await;
            }
        }
    })
    .await
}

/// Connects a session with its client until one of them ends.
async fn run(mut session: ExecSession, command: &[String], wanted: Wanted, mut out: Channels, mut input: SplitStream<Socket>) {
    let (stdin, keyboard) = (session.take_stdin(), session.keyboard());
    let code = tokio::select! {
        biased;
        code = show(&mut session, &mut out, wanted) => code,
        () = read_input(&mut input, stdin, &keyboard, wanted.tty) => None,
    };
    // The client has gone: the session goes with it, killed by its drop.
    let Some(code) = code else { return };
    let status = if code == 0 {
        json!({"metadata": {}, "status": "Success"})
    } else {
        let command = command.join(" ");
        let why = format!("command terminated with non-zero exit code: error executing command [{command}], exit code {code}");
        failure("NonZeroExitCode", &why, Some(code))
    };
    out.end(input, &status).await;
}

/// Sends what the program writes until it has ended: its exit code. `None` when the client has gone.
async fn show(session: &mut ExecSession, out: &mut Channels, wanted: Wanted) -> Option<i32> {
    let (mut more_out, mut more_err, mut code) = (true, !wanted.tty, None);
    loop {
        let (channel, data) = if code.is_some() {
            // What it wrote before its end. Others that it left behind may hold its output open for ever.
            match (session.stdout.read(CHUNK as u64).now_or_never(), session.stderr.read(CHUNK as u64).now_or_never()) {
                (Some(data), _) if !data.is_empty() => (STDOUT, data),
                (_, Some(data)) if !data.is_empty() => (STDERR, data),
                _ => return code,
            }
        } else {
            let (stdout, stderr, ended) = session.parts();
            tokio::select! {
                biased;
                data = stdout.read(CHUNK as u64), if more_out => (STDOUT, data),
                data = stderr.read(CHUNK as u64), if more_err => (STDERR, data),
                ended = ended.wait() => {
                    code = Some(ended.code());
                    continue;
                }
            }
        };
        let wants = if channel == STDOUT { wanted.stdout || wanted.tty } else { wanted.stderr };
        if data.is_empty() {
            if channel == STDOUT { more_out = false } else { more_err = false }
        } else if wants && !out.send(channel, &data.into_bytes(), wanted.tty).await {
            return None;
        }
    }
}

/// What a client sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Bytes for the program.
    Input(Vec<u8>),
    /// The end of them.
    End,
}

/// The next input of a client; `None` when it has gone, or sends what is no WebSocket.
pub(super) async fn next_input(input: &mut SplitStream<Socket>) -> Option<Sent> {
    loop {
        let data = match input.next().await {
            Some(Ok(Message::Binary(data))) => data,
            // The real server does not ask which of the two a frame is.
            Some(Ok(Message::Text(text))) => text.into(),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => continue,
        };
        match data.split_first() {
            Some((&STDIN, bytes)) => return Some(Sent::Input(bytes.to_vec())),
            Some((&CLOSE, [STDIN, ..])) => return Some(Sent::End),
            // The size of the client's window changes nothing here; channels that do not exist are nobody's.
            _ => {}
        }
    }
}

/// Gives the program what the client sends. Ends when the client has gone.
async fn read_input(input: &mut SplitStream<Socket>, stdin: Option<Writer>, keyboard: &Keyboard, tty: bool) {
    let (mut stdin, mut line) = (stdin, Line::default());
    while let Some(sent) = next_input(input).await {
        let Sent::Input(bytes) = sent else {
            stdin = None;
            continue;
        };
        let (bytes, ended) = if tty { typed(&mut line, &bytes, keyboard).await } else { (bytes, false) };
        if let Some(writer) = stdin.as_ref().filter(|_| !bytes.is_empty())
            && writer.write(Data::Bytes(bytes)).await.is_err()
        {
            // The program reads no more; what comes is lost, as in a closed pipe.
            stdin = None;
        }
        if ended {
            stdin = None;
        }
    }
}

/// What a terminal makes of typed bytes: what the program reads, and whether its input has ended.
pub(super) async fn typed(line: &mut Line, bytes: &[u8], keyboard: &Keyboard) -> (Vec<u8>, bool) {
    let typed = line.take(bytes);
    keyboard.echo(&typed.echo).await;
    if typed.interrupted {
        keyboard.interrupt();
    }
    (typed.input, typed.ended)
}

/// The sending half of a connection.
pub(super) struct Channels {
    socket: SplitSink<Socket, Message>,
}

impl Channels {
    /// Both halves of a connection.
    pub(super) fn new(socket: Socket) -> (Self, SplitStream<Socket>) {
        let (socket, input) = socket.split();
        (Self { socket }, input)
    }

    /// Sends bytes on a channel, waiting while the client does not read. False when it has gone.
    pub(super) async fn send(&mut self, channel: u8, bytes: &[u8], tty: bool) -> bool {
        let shown = if tty { terminal::shown(bytes) } else { bytes.to_vec() };
        for chunk in shown.chunks(CHUNK) {
            let mut message = Vec::with_capacity(chunk.len() + 1);
            message.push(channel);
            message.extend_from_slice(chunk);
            if !upgrade::send(&mut self.socket, Message::binary(message)).await {
                return false;
            }
        }
        true
    }

    /// Says how it ended, and closes.
    pub(super) async fn end(mut self, mut input: SplitStream<Socket>, status: &Value) {
        if self.send(ERROR, status.to_string().as_bytes(), false).await {
            let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
            upgrade::send(&mut self.socket, Message::Close(Some(close))).await;
        }
        // A peer may go on sending until it has seen the close, but not for ever.
        let rest = async { while let Some(Ok(_)) = input.next().await {} };
        let _ = tokio::time::timeout(LAST, rest).await;
    }
}

/// The status of what did not end well.
pub(super) fn failure(reason: &str, message: &str, code: Option<i32>) -> Value {
    let mut status = json!({"metadata": {}, "status": "Failure", "message": message, "reason": reason});
    match code {
        Some(code) => status["details"] = json!({"causes": [{"reason": "ExitCode", "message": code.to_string()}]}),
        None => status["code"] = json!(500),
    }
    status
}

#[cfg(test)]
mod tests;
