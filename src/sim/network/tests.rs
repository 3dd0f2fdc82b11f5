//! Connections of a network without a cluster: listening, refusing, closing, resetting, partitions.
//! Only tests; services, names and policies are tested beside their modules.

use super::http::{Reader, Request, Response};
use super::{Hindrance, Identity, NetError, Network, Party, PodNetwork};
use crate::sim::limits::Limits;
use crate::sim::random::Random;
use rstest::rstest;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A pod `name` on a node with this address.
pub(super) fn pod(network: &Network, name: &str, node: &str, address: [u8; 4]) -> PodNetwork {
    network.attach(Identity {
        uid: format!("uid-{name}"),
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        address: Ipv4Addr::from(address),
        host_network: false,
        hosts: String::new(),
        resolv_conf: String::new(),
    })
}

fn two() -> (Network, PodNetwork, PodNetwork) {
    let network = Network::alone(Random::new(1), &Limits::default());
    let (a, b) = (pod(&network, "a", "n1", [10, 244, 0, 5]), pod(&network, "b", "n2", [10, 244, 1, 5]));
    (network, a, b)
}

fn at(address: [u8; 4], port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(address), port)
}

const B: [u8; 4] = [10, 244, 1, 5];

#[tokio::test(start_paused = true)]
async fn bytes_pass_both_ways_and_ends_are_seen() {
    let (_, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    assert_eq!(b.listen(at([127, 0, 0, 1], 80)).unwrap_err(), NetError::AddressInUse);
    let mine = a.connect(at(B, 80)).await.unwrap();
    let theirs = listener.accept().await;
    assert_eq!((theirs.peer(), mine.peer()), (mine.local(), at(B, 80)));
    mine.write("hello").await.unwrap();
    mine.finish();
    assert_eq!(theirs.read(3).await.unwrap(), "hel");
    assert_eq!(theirs.read(99).await.unwrap(), "lo");
    assert!(theirs.read(99).await.unwrap().is_empty());
    theirs.write("bye").await.unwrap();
    drop(theirs);
    assert_eq!(mine.read(99).await.unwrap(), "bye");
    assert!(mine.read(99).await.unwrap().is_empty());
    drop(listener);
    assert_eq!(a.connect(at(B, 80)).await.unwrap_err(), NetError::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_full_window_blocks_and_a_dead_peer_resets() {
    let (_, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    let mine = a.connect(at(B, 80)).await.unwrap();
    let theirs = listener.accept().await;
    assert!(timeout(Duration::from_secs(1), mine.write(vec![0; 1 << 20])).await.is_err());
    drop(theirs);
    assert_eq!(mine.read(9).await.unwrap_err(), NetError::Reset);
    assert_eq!(mine.write("x").await.unwrap_err(), NetError::BrokenPipe);
    let mine = a.connect(at(B, 80)).await.unwrap();
    drop(listener);
    assert_eq!(mine.read(9).await.unwrap_err(), NetError::Reset);
}

#[rstest]
#[case::own_loopback("b", [127, 0, 0, 1], Ok(()))]
#[case::own_address_of_a_loopback_listener("b", B, Err(NetError::Refused))]
#[case::from_outside("a", B, Err(NetError::Refused))]
#[case::loopback_of_another("a", [127, 0, 0, 1], Err(NetError::Refused))]
#[tokio::test(start_paused = true)]
async fn a_loopback_listener_is_the_pods_own(#[case] from: &str, #[case] to: [u8; 4], #[case] expected: Result<(), NetError>) {
    let (_, a, b) = two();
    let _listener = b.listen(at([127, 0, 0, 1], 80)).unwrap();
    let from = if from == "a" { a } else { b };
    assert_eq!(from.connect(at(to, 80)).await.map(|_| ()), expected);
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_a_timeout_after_the_kernels_patience() {
    let (network, a, _) = two();
    let begun = Instant::now();
    assert_eq!(a.connect(at([10, 244, 9, 9], 80)).await.unwrap_err(), NetError::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 134);
    assert!(network.shared.limits.since(0).is_empty());
    let _ = timeout(Duration::from_secs(1), a.connect(at([8, 8, 8, 8], 53))).await;
    assert_eq!(network.shared.limits.since(0).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_survived_by_retransmission_and_undone_exactly() {
    let (network, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    let mine = a.connect(at(B, 80)).await.unwrap();
    let theirs = listener.accept().await;
    let first = network.cut(Party::Node("n1".to_owned()), Party::Node("n2".to_owned()));
    let second = network.cut(Party::Pod("uid-b".to_owned()), Party::Everyone);
    mine.write("late").await.unwrap();
    assert!(timeout(Duration::from_secs(4), theirs.read(9)).await.is_err());
    let begun = Instant::now();
    let (connected, ()) = tokio::join!(a.connect(at(B, 80)), async {
        sleep(Duration::from_millis(1_500)).await;
        network.heal(first);
        sleep(Duration::from_secs(2)).await;
        network.heal(second);
    });
    // The cuts ended after 3.5 s: the SYN of second 4 arrives, and the bytes sent 4 s earlier at 0.2 s * (2^6 - 1) = 12.6 s.
    assert_eq!((connected.map(|_| ()), begun.elapsed().as_secs()), (Ok(()), 4));
    assert_eq!(theirs.read(9).await.unwrap(), "late");
    assert_eq!(begun.elapsed().as_millis(), 8_600);
    let _again = network.cut(Party::Pod("uid-b".to_owned()), Party::Everyone);
    mine.write("never").await.unwrap();
    let begun = Instant::now();
    assert_eq!(mine.read(9).await.unwrap_err(), NetError::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 924);
}

#[tokio::test(start_paused = true)]
async fn what_stays_on_a_machine_is_not_cut() {
    let (network, a, _) = two();
    let c = pod(&network, "c", "n1", [10, 244, 0, 6]);
    let _listener = c.listen(at([0, 0, 0, 0], 80)).unwrap();
    let cut = network.cut(Party::Node("n1".to_owned()), Party::Everyone);
    assert!(a.connect(at([10, 244, 0, 6], 80)).await.is_ok());
    network.heal(cut);
    let _other = network.cut(Party::Host("n1".to_owned()), Party::Pod("uid-c".to_owned()));
    assert!(a.connect(at([10, 244, 0, 6], 80)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_switched_off_says_nothing_and_later_resets() {
    let (network, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    let mine = a.connect(at(B, 80)).await.unwrap();
    let theirs = listener.accept().await;
    let off = network.power_off("n2");
    drop(theirs);
    mine.write("x").await.unwrap();
    assert!(timeout(Duration::from_mins(1), mine.read(9)).await.is_err());
    network.heal(off);
    assert_eq!(mine.read(9).await.unwrap_err(), NetError::Reset);
}

#[tokio::test(start_paused = true)]
async fn http_is_spoken_by_both_sides() {
    let (_, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    tokio::spawn(async move {
        super::http::serve(&listener, |stream| {
            super::http::answer(stream, |request| async move {
                Response::new(200, "text/plain", format!("{} {} {}", request.method, request.target, request.body.len()))
            })
        })
        .await;
    });
    let stream = a.connect(at(B, 80)).await.unwrap();
    let mut reader = Reader::new(&stream);
    for body in [Vec::new(), vec![1; 1_000]] {
        let expected = format!("GET /x?y=1 {}", body.len());
        Request { body, ..Request::get("b", "/x?y=1") }.send(&stream).await.unwrap();
        let response = reader.response("GET").await.unwrap();
        assert_eq!((response.status, response.body), (200, expected.into_bytes()));
    }
    stream.write("HTTP nonsense\r\n").await.unwrap();
    assert_eq!(reader.response("GET").await.unwrap().status, 400);
    assert!(stream.read(9).await.unwrap().is_empty());
}

#[rstest]
#[case("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde")]
#[case("HTTP/1.0 200 OK\r\n\r\nto the end", "to the end")]
#[case("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", "ok")]
#[case("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", "")]
#[tokio::test(start_paused = true)]
async fn bodies_end_where_they_end(#[case] sent: &str, #[case] body: &str) {
    let (_, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    let mine = a.connect(at(B, 80)).await.unwrap();
    let theirs = listener.accept().await;
    theirs.write(sent.to_owned()).await.unwrap();
    drop(theirs);
    assert_eq!(Reader::new(&mine).response("GET").await.unwrap().body, body.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_slow_way_delays_what_goes_there_and_nothing_else() {
    let (network, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    let slow = Hindrance { latency: Duration::from_millis(300), ..Hindrance::default() };
    let id = network.hinder(Party::Pod("uid-a".to_owned()), Party::Pod("uid-b".to_owned()), slow);
    let begun = Instant::now();
    let mine = a.connect(at(B, 80)).await.unwrap();
    let took = begun.elapsed();
    assert!((300..310).contains(&took.as_millis()), "the first packet is late, the answer is not: {took:?}");
    let theirs = listener.accept().await;
    let begun = Instant::now();
    mine.write("hello").await.unwrap();
    mine.finish();
    assert!(!theirs.is_readable());
    assert_eq!(theirs.read(9).await.unwrap(), "hello");
    assert!(theirs.read(9).await.unwrap().is_empty());
    assert!((300..310).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    let begun = Instant::now();
    theirs.write("bye").await.unwrap();
    assert_eq!(mine.read(9).await.unwrap(), "bye");
    assert!(begun.elapsed().as_millis() < 10);
    network.unhinder(id);
    let begun = Instant::now();
    let again = a.connect(at(B, 80)).await.unwrap();
    again.write("x").await.unwrap();
    assert_eq!(listener.accept().await.read(9).await.unwrap(), "x");
    assert!(begun.elapsed().as_millis() < 10);
}

#[tokio::test(start_paused = true)]
async fn a_lossy_way_costs_retransmissions_and_loses_no_byte() {
    let (network, a, b) = two();
    let listener = b.listen(at([0, 0, 0, 0], 80)).unwrap();
    let lossy = Hindrance { loss: 0.4, ..Hindrance::default() };
    let _id = network.hinder(Party::Pod("uid-a".to_owned()), Party::Everyone, lossy);
    // To itself a pod does not use its network card.
    let own = a.listen(at([0, 0, 0, 0], 81)).unwrap();
    for address in [[127, 0, 0, 1], [10, 244, 0, 5]] {
        let begun = Instant::now();
        a.connect(at(address, 81)).await.unwrap();
        drop(own.accept().await);
        assert!(begun.elapsed().as_millis() < 10);
    }
    let mut late = 0;
    for _ in 0..40 {
        let begun = Instant::now();
        let mine = a.connect(at(B, 80)).await.unwrap();
        let theirs = listener.accept().await;
        mine.write("question").await.unwrap();
        let mut got = Vec::new();
        while got.len() < 8 {
            got.extend(theirs.read(9).await.unwrap());
        }
        assert_eq!(got, b"question");
        late += usize::from(begun.elapsed().as_millis() >= 200);
    }
    // Two packets, each of which is lost with 0.4: 64 of 100 are late.
    assert!((17..35).contains(&late), "{late}");
}
