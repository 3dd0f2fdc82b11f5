//! Port forwarding: connections to a pod's own ports, many over one WebSocket that carries SPDY, as kubectl wants it.
//! The framing is `spdy`'s, the connections are the simulated network's.

mod inflate;
mod lane;
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
use futures::StreamExt;
use http::{HeaderMap, Response};
use lane::{Entry, Exit, Sent, lane};
use spdy::Frame;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// The protocol that kubectl speaks.
const PROTOCOLS: &[&str] = &["SPDY/3.1+portforward.k8s.io"];
/// Pieces that wait for the client, and bytes of a piece.
const WAITING: usize = 16;
const PIECE: usize = 32 * 1024;
/// Connections at once over one WebSocket; a further one is refused.
const CONNECTIONS: usize = 256;
/// SPDY's reasons for the end of a stream.
const REFUSED: u32 = 3;
const FLOW_CONTROL: u32 = 7;

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
    if let Some(why) = rest.runtime.silence(text(&pod, "/spec/nodeName")) {
        return Err(ApiError::internal(format!("unable to upgrade connection: {why}")));
    }
    let network = found.ok_or_else(|| ApiError::internal("unable to upgrade connection: pod has no sandbox"))?;
    let network = network.container.network().clone();
    upgrade::websocket(headers, PROTOCOLS, move |socket| tunnel(socket, network)).await
}

/// Carries frames until the client goes or says nonsense.
async fn tunnel(socket: Socket, network: PodNetwork) {
    let (mut sink, mut source) = socket.split();
    let (frames, mut outgoing) = mpsc::channel::<Vec<u8>>(WAITING);
    let write = async {
        while let Some(frame) = outgoing.recv().await {
            if !upgrade::send(&mut sink, Message::binary(frame)).await {
                return;
            }
        }
    };
    let read = async {
        let mut reader = spdy::Reader::default();
        let mut streams = Streams::new(network, frames.clone());
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Binary(bytes) => reader.push(&bytes),
                Message::Close(_) => return,
                _ => continue,
            }
            loop {
                match reader.next() {
                    Ok(Some(frame)) => {
                        if !streams.take(frame).await {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => return,
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

/// The streams of one tunnel. Dropped with it, and its connections with them.
struct Streams {
    network: PodNetwork,
    frames: mpsc::Sender<Vec<u8>>,
    writer: spdy::Writer,
    /// Error streams whose data stream has not been opened yet, by the request that both belong to.
    waiting: BTreeMap<String, u32>,
    /// Connections by the number of their data stream.
    entries: BTreeMap<u32, Entry>,
    connections: JoinSet<u32>,
}

impl Streams {
    fn new(network: PodNetwork, frames: mpsc::Sender<Vec<u8>>) -> Self {
        let (waiting, entries, connections) = (BTreeMap::new(), BTreeMap::new(), JoinSet::new());
        Self { network, frames, writer: spdy::Writer::default(), waiting, entries, connections }
    }

    /// Does what a frame says. False when the tunnel has come to its end.
    async fn take(&mut self, frame: Frame) -> bool {
        while let Some(ended) = self.connections.try_join_next() {
            if let Ok(stream) = ended {
                self.entries.remove(&stream);
            }
        }
        match frame {
            Frame::Open { stream, headers, .. } => return self.open(stream, &headers).await,
            Frame::Data { stream, bytes, finished } => {
                let Some(entry) = self.entries.get_mut(&stream) else { return true };
                let sent = entry.send(bytes).await;
                if finished {
                    entry.finish();
                }
                if sent == Sent::Stalled {
                    // Its task ends with its entry, and closes the error stream.
                    self.entries.remove(&stream);
                    return self.send(spdy::reset(stream, FLOW_CONTROL)).await;
                }
            }
            Frame::Reset(stream) => drop(self.entries.remove(&stream)),
            Frame::Ping(id) => return self.send(spdy::pong(id)).await,
            Frame::GoAway => return false,
            Frame::Other => {}
        }
        true
    }

    /// A new stream: the first of a request is for errors, the second is the connection.
    async fn open(&mut self, stream: u32, headers: &BTreeMap<String, String>) -> bool {
        let reply = self.writer.reply(stream);
        if !self.send(reply).await {
            return false;
        }
        let header = |name: &str| headers.get(name).map_or("", String::as_str);
        let request = header("requestid");
        if header("streamtype") == "error" {
            self.waiting.insert(request.to_owned(), stream);
            return self.waiting.len() <= CONNECTIONS;
        }
        let (Some(error), Ok(port)) = (self.waiting.remove(request), header("port").parse::<u16>()) else { return false };
        if self.connections.len() >= CONNECTIONS {
            // kubectl gives up the whole tunnel when it is told an error, but not for a stream that is refused.
            return self.send(spdy::reset(stream, REFUSED)).await && self.send(spdy::data(error, &[], true)).await;
        }
        let (entry, exit, reset) = lane();
        self.entries.insert(stream, entry);
        let (network, frames) = (self.network.clone(), self.frames.clone());
        self.connections.spawn(async move {
            tokio::select! {
                biased;
                () = forward(&network, port, (stream, error), exit, &frames) => {}
                // Nobody wants the rest. A client that has gone needs no end.
                _ = reset => drop(frames.send(spdy::data(error, &[], true)).await),
            }
            stream
        });
        true
    }

    async fn send(&self, frame: Vec<u8>) -> bool {
        self.frames.send(frame).await.is_ok()
    }
}

/// Connects to a port of the pod and carries bytes both ways until both sides have finished.
async fn forward(network: &PodNetwork, port: u16, (stream, error): (u32, u32), mut exit: Exit, frames: &mpsc::Sender<Vec<u8>>) {
    let failed = match network.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await {
        Ok(connection) => {
            let sending = async {
                while let Some(mut piece) = exit.next().await {
                    if connection.write(piece.take()).await.is_err() {
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
