//! Port forwarding: connections to a pod's own ports, many over one WebSocket that carries SPDY, as kubectl wants it.
//! The framing is `spdy`'s, the connections are the simulated network's.

mod inflate;
mod spdy;
#[cfg(test)]
mod tests;

use super::Rest;
use super::body::ResponseBody;
use super::pod::pod_of;
use super::route::ObjectPath;
use super::upgrade::{self, Socket};
use crate::sim::api::pipeline::text;
use crate::sim::api::status::ApiError;
use crate::sim::network::PodNetwork;
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, Response};
use spdy::Frame;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// The protocol that kubectl speaks.
const PROTOCOLS: &[&str] = &["SPDY/3.1+portforward.k8s.io"];
/// Pieces that wait in each direction of a connection, and bytes of a piece.
const WAITING: usize = 16;
const PIECE: usize = 32 * 1024;
/// Connections at once over one WebSocket.
const CONNECTIONS: usize = 1_000;

/// GET or POST of portforward.
pub(super) async fn port_forward(
    rest: &Rest,
    path: &ObjectPath,
    headers: &HeaderMap,
) -> Result<Response<ResponseBody>, ApiError> {
    let pod = pod_of(rest, path)?;
    if text(&pod, "/status/phase") != "Running" {
        return Err(ApiError::bad_request(format!(
            "unable to forward port because pod is not running. Current status={}",
            text(&pod, "/status/phase")
        )));
    }
    let names = pod["spec"]["containers"].as_array().into_iter().flatten().map(|container| text(container, "/name").to_owned());
    let uid = text(&pod, "/metadata/uid");
    let found = names.into_iter().find_map(|name| rest.runtime.find(uid, &name, false));
    let network = found.ok_or_else(|| ApiError::internal("unable to upgrade connection: pod has no sandbox"))?;
    let network = network.container.network().clone();
    upgrade::websocket(headers, PROTOCOLS, move |socket| tunnel(socket, network)).await
}

/// One forwarded connection, as far as the client has opened its two streams.
#[derive(Debug, Default)]
struct Pair {
    error: Option<u32>,
}

/// Carries frames until the client goes or says nonsense.
async fn tunnel(socket: Socket, network: PodNetwork) {
    let (mut sink, mut source) = socket.split();
    let (frames, mut outgoing) = mpsc::channel::<Vec<u8>>(WAITING);
    let write = async {
        while let Some(frame) = outgoing.recv().await {
            if sink.send(Message::binary(frame)).await.is_err() {
                return;
            }
        }
    };
    let read = async {
        let (mut reader, mut writer) = (spdy::Reader::default(), spdy::Writer::default());
        let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
        let mut inputs: BTreeMap<u32, mpsc::Sender<Vec<u8>>> = BTreeMap::new();
        // Dropped with the tunnel, and its connections with it.
        let mut connections = tokio::task::JoinSet::new();
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Binary(bytes) => reader.push(&bytes),
                Message::Close(_) => return,
                _ => continue,
            }
            loop {
                let frame = match reader.next() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break,
                    Err(_) => return,
                };
                while connections.try_join_next().is_some() {}
                match frame {
                    Frame::Open { stream, headers, .. } => {
                        if frames.send(writer.reply(stream)).await.is_err() {
                            return;
                        }
                        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
                        if pairs.len() >= CONNECTIONS {
                            return;
                        }
                        let pair = pairs.entry(header("requestid")).or_default();
                        if header("streamtype") == "error" {
                            pair.error = Some(stream);
                            continue;
                        }
                        let (Some(error), Ok(port)) = (pair.error, header("port").parse::<u16>()) else { return };
                        pairs.remove(&header("requestid"));
                        if connections.len() >= CONNECTIONS {
                            return;
                        }
                        let (input, received) = mpsc::channel(WAITING);
                        inputs.insert(stream, input);
                        connections.spawn(forward(network.clone(), port, (stream, error), received, frames.clone()));
                    }
                    Frame::Data { stream, bytes, finished } => {
                        if let Some(input) = inputs.get(&stream).filter(|_| !bytes.is_empty())
                            && input.send(bytes).await.is_err()
                        {
                            inputs.remove(&stream);
                        }
                        if finished {
                            inputs.remove(&stream);
                        }
                    }
                    Frame::Reset(stream) => drop(inputs.remove(&stream)),
                    Frame::Ping(id) => {
                        if frames.send(spdy::pong(id)).await.is_err() {
                            return;
                        }
                    }
                    Frame::GoAway => return,
                    Frame::Other => {}
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = write => {}
        () = read => {}
    }
}

/// Connects to a port of the pod and carries bytes both ways until both sides have finished.
async fn forward(
    network: PodNetwork,
    port: u16,
    (stream, error): (u32, u32),
    mut input: mpsc::Receiver<Vec<u8>>,
    frames: mpsc::Sender<Vec<u8>>,
) {
    let failed = match network.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await {
        Ok(connection) => {
            let sending = async {
                while let Some(bytes) = input.recv().await {
                    if connection.write(bytes).await.is_err() {
                        return;
                    }
                }
                connection.finish();
            };
            let receiving = async {
                loop {
                    match connection.read(PIECE).await {
                        Ok(bytes) if bytes.is_empty() => return None,
                        Ok(bytes) => {
                            if frames.send(spdy::data(stream, &bytes, false)).await.is_err() {
                                return None;
                            }
                        }
                        Err(error) => return Some(error.go().clone()),
                    }
                }
            };
            let mut sending = std::pin::pin!(sending);
            let mut receiving = std::pin::pin!(receiving);
            tokio::select! {
                biased;
                failed = &mut receiving => failed.map(|why| format!("error forwarding port {port} to pod: {why}")),
                () = &mut sending => receiving.await.map(|why| format!("error forwarding port {port} to pod: {why}")),
            }
        }
        Err(why) => Some(format!(
            "error forwarding port {port} to pod: failed to connect to localhost:{port} inside namespace, IPv4: dial tcp4 127.0.0.1:{port}: connect: {} IPv6 dial tcp6: address localhost: no suitable address found",
            why.go()
        )),
    };
    let last = [spdy::data(error, failed.unwrap_or_default().as_bytes(), true), spdy::data(stream, &[], true)];
    for frame in last {
        // A client that has gone needs no end.
        let _ = frames.send(frame).await;
    }
}
