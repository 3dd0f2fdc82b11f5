//! A client at the streams of a container's first process: its output from now on, and its input where it has one.
//! The channels are those of `exec`; what is shared with the process is the container's.

use super::Rest;
use super::body::ResponseBody;
use super::exec::{Channels, PROTOCOLS, STDERR, STDOUT, Sent, Wanted, failure, latency, next_input, prepare, typed};
use super::route::ObjectPath;
use super::terminal::Line;
use super::upgrade::{self, Socket};
use crate::sim::api::status::ApiError;
use crate::sim::program::Container;
use crate::sim::program::console::{Attached, Source, Tap};
use crate::sim::program::data::Data;
use futures::stream::SplitStream;
use http::{HeaderMap, Response};
use serde_json::json;
use std::sync::Arc;

/// GET or POST of attach. Whether there is a terminal is the container's choice, not the client's.
pub(super) async fn attach(
    rest: &Rest,
    path: &ObjectPath,
    query: &[(String, String)],
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, ApiError> {
    let (container, wanted) = prepare(rest, path, query, "attach to")?;
    let latency = latency(rest, path);
    upgrade::websocket(headers, PROTOCOLS, move |socket| async move {
        let attached = container.attach();
        tokio::time::sleep(latency).await;
        let wanted = Wanted { tty: attached.console.tty, ..wanted };
        let (mut out, mut input) = Channels::new(socket);
        let status = tokio::select! {
            biased;
            there = show(&attached.output, &mut out, wanted) => there,
            there = listen(&mut input, &attached, &container, wanted) => there,
        };
        if !status {
            return;
        }
        let status = if attached.output.was_cut_off() {
            failure("InternalError", "error attaching to container: the client did not read its output", None)
        } else {
            json!({"metadata": {}, "status": "Success"})
        };
        drop(attached);
        out.end(input, &status).await;
    })
    .await
}

/// Sends what the container writes. Ends with its output (true), or when the client has gone (false).
async fn show(output: &Tap, out: &mut Channels, wanted: Wanted) -> bool {
    while let Some((source, bytes)) = output.next().await {
        let (channel, wants) = match source {
            Source::Output => (STDOUT, wanted.stdout || wanted.tty),
            Source::Error => (STDERR, wanted.stderr),
        };
        if wants && !out.send(channel, &bytes, wanted.tty).await {
            return false;
        }
    }
    true
}

/// Gives the container what the client sends. Ends when the client has gone (false), or has sent all and the container keeps
/// its input open for others (true): then there is nothing more to do, as the runtime sees it.
async fn listen(input: &mut SplitStream<Socket>, attached: &Attached, container: &Arc<Container>, wanted: Wanted) -> bool {
    let reads = attached.console.stdin && wanted.stdin;
    let (mut line, mut open) = (Line::default(), reads);
    loop {
        let sent = next_input(input).await;
        match sent {
            Some(Sent::Input(bytes)) if open => {
                let (bytes, ended) = if wanted.tty { typed(&mut line, &bytes, &attached.keyboard).await } else { (bytes, false) };
                // A program that reads no more loses what comes, as in a closed pipe.
                if let Some(stdin) = attached.stdin.upgrade() {
                    let _ = stdin.write(Data::Bytes(bytes)).await;
                }
                if ended {
                    container.end_input();
                }
            }
            None | Some(Sent::End) if open => {
                open = false;
                let is_once = attached.console.stdin_once && !attached.console.tty;
                if is_once {
                    container.end_input();
                }
                if sent.is_none() {
                    return false;
                }
                if !is_once {
                    return true;
                }
            }
            None => return false,
            Some(_) => {}
        }
    }
}
