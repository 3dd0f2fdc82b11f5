//! The streams of one tunnel against a pod of which only some connections are served.

use super::super::lane::ROOM;
use super::super::spdy::{Frame, Reader};
use super::super::{CONNECTIONS, PIECE, Streams};
use crate::sim::limits::Limits;
use crate::sim::network::{Identity, Network, PodNetwork, Stream};
use crate::sim::random::Random;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// A tunnel into a pod, with what it answers.
struct Tunnel {
    network: PodNetwork,
    streams: Streams,
    answers: mpsc::Receiver<Vec<u8>>,
    reader: Reader,
}

fn tunnel() -> Tunnel {
    let identity = Identity {
        uid: "uid".to_owned(),
        namespace: "shop".to_owned(),
        name: "pod".to_owned(),
        node: "n1".to_owned(),
        address: Ipv4Addr::new(10, 244, 0, 5),
        host_network: false,
        hosts: String::new(),
        resolv_conf: String::new(),
    };
    let network = Network::alone(Random::new(1), &Limits::default()).attach(identity);
    let (frames, answers) = mpsc::channel(10_000);
    Tunnel { streams: Streams::new(network.clone(), frames), network, answers, reader: Reader::default() }
}

impl Tunnel {
    /// Opens a connection to port 80: its error stream is `number`, its data stream the next odd number.
    async fn open(&mut self, number: u32) -> u32 {
        for (stream, kind) in [(number, "error"), (number + 2, "data")] {
            let pairs = [("streamtype", kind), ("port", "80"), ("requestid", &number.to_string())];
            let headers: BTreeMap<_, _> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            assert!(self.streams.take(Frame::Open { stream, headers, finished: false }).await);
        }
        number + 2
    }

    async fn send(&mut self, stream: u32, bytes: &[u8]) {
        assert!(self.streams.take(Frame::Data { stream, bytes: bytes.to_vec(), finished: false }).await);
    }

    /// The next frame that is neither a reply nor empty; empty last ones count.
    async fn answer(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.reader.next().unwrap().filter(|frame| *frame != Frame::Other) {
                return frame;
            }
            let bytes = timeout(Duration::from_mins(1), self.answers.recv()).await.expect("no answer").unwrap();
            self.reader.push(&bytes);
        }
    }
}

/// Sends back what comes.
async fn echo(stream: Stream) {
    while let Ok(bytes) = stream.read(PIECE).await {
        if bytes.is_empty() || stream.write(bytes).await.is_err() {
            return;
        }
    }
}

fn any(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_read_does_not_hold_up_the_others() {
    let mut tunnel = tunnel();
    let listener = tunnel.network.listen(any(80)).unwrap();
    let stalled = tunnel.open(1).await;
    let unread = listener.accept().await;
    let lively = tunnel.open(5).await;
    tokio::spawn(echo(listener.accept().await));
    let begun = Instant::now();
    let mut sent = 0;
    let piece = vec![7; PIECE];
    let reset = loop {
        tunnel.send(stalled, &piece).await;
        sent += PIECE;
        tunnel.send(lively, b"still here").await;
        match tunnel.answer().await {
            Frame::Data { stream, bytes, .. } if stream == lively => assert_eq!(bytes, b"still here"),
            frame => break frame,
        }
        assert!(sent < 10 * ROOM as usize, "nothing bounds what waits");
    };
    assert_eq!(reset, Frame::Reset(stalled));
    assert!(begun.elapsed() <= Duration::from_secs(1), "{:?}", begun.elapsed());
    // The last echo, and the end of the stalled one's error stream, which says nothing: kubectl goes on.
    let rest = [tunnel.answer().await, tunnel.answer().await];
    assert!(rest.contains(&Frame::Data { stream: 1, bytes: Vec::new(), finished: true }), "{rest:?}");
    tunnel.send(lively, b"and now").await;
    assert_eq!(tunnel.answer().await, Frame::Data { stream: lively, bytes: b"and now".to_vec(), finished: false });
    while unread.read(PIECE).await.is_ok_and(|bytes| !bytes.is_empty()) {}
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_client_resets_is_closed() {
    let mut tunnel = tunnel();
    let listener = tunnel.network.listen(any(80)).unwrap();
    let data = tunnel.open(1).await;
    let server = listener.accept().await;
    assert!(tunnel.streams.take(Frame::Reset(data)).await);
    assert_eq!(tunnel.answer().await, Frame::Data { stream: 1, bytes: Vec::new(), finished: true });
    assert!(!server.read(1).await.is_ok_and(|bytes| !bytes.is_empty()), "the server still has a client");
}

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_is_refused_and_the_others_go_on() {
    let mut tunnel = tunnel();
    let listener = tunnel.network.listen(any(80)).unwrap();
    tokio::spawn(async move {
        loop {
            tokio::spawn(echo(listener.accept().await));
        }
    });
    let most = u32::try_from(CONNECTIONS).unwrap();
    let first = tunnel.open(1).await;
    for number in 1..most {
        tunnel.open(1 + 4 * number).await;
        tokio::task::yield_now().await;
    }
    let refused = tunnel.open(1 + 4 * most).await;
    assert_eq!(tunnel.answer().await, Frame::Reset(refused));
    assert_eq!(tunnel.answer().await, Frame::Data { stream: refused - 2, bytes: Vec::new(), finished: true });
    tunnel.send(first, b"hello").await;
    assert_eq!(tunnel.answer().await, Frame::Data { stream: first, bytes: b"hello".to_vec(), finished: false });
    // The place of one that has gone is free again.
    assert!(tunnel.streams.take(Frame::Reset(first)).await);
    assert_eq!(tunnel.answer().await, Frame::Data { stream: first - 2, bytes: Vec::new(), finished: true });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let last = tunnel.open(5 + 4 * most).await;
    tunnel.send(last, b"me too").await;
    assert_eq!(tunnel.answer().await, Frame::Data { stream: last, bytes: b"me too".to_vec(), finished: false });
}

#[tokio::test(start_paused = true)]
async fn error_streams_without_connections_end_the_tunnel() {
    let mut tunnel = tunnel();
    for number in 0..=u32::try_from(CONNECTIONS).unwrap() {
        let headers =
            BTreeMap::from([("streamtype".to_owned(), "error".to_owned()), ("requestid".to_owned(), number.to_string())]);
        let goes_on = tunnel.streams.take(Frame::Open { stream: 2 * number + 1, headers, finished: false }).await;
        assert_eq!(goes_on, (number as usize) < CONNECTIONS);
    }
}
