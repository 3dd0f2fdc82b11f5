//! WebSocket frames that nobody should send: the connection ends, its program with it, and the cluster goes on.

use crate::raw::Raw;
use crate::server::{Cluster, PATIENCE, runs, until};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PODS: &str = "/api/v1/namespaces/default/pods";
const PROTOCOL: &str = "v5.channel.k8s.io";

/// A frame of a client, masked with zeros.
fn frame(first: u8, length: &[u8], content: &[u8]) -> Vec<u8> {
    [&[first], length, &[0; 4], content].concat()
}

async fn running(cluster: &Cluster, raw: &Raw) {
    let container = json!({"name": "app", "image": "busybox", "command": ["sleep", "100000"]});
    let pod = json!({"metadata": {"name": "app"}, "spec": {"containers": [container]}}).to_string();
    assert_eq!(raw.ask(&format!("POST {PODS}"), &["Content-Type: application/json"], pod.as_bytes()).await.code, 201);
    until(kube::Api::default_namespaced(cluster.client().await), "app", runs).await;
}

/// What a command writes, by well-formed frames.
async fn run(raw: &Raw, command: &[&str]) -> String {
    let command: Vec<String> = command.iter().map(|word| format!("command={}", word.replace(' ', "%20"))).collect();
    let mut stream = raw.upgrade(&format!("{PODS}/app/exec?stdout=1&{}", command.join("&")), PROTOCOL).await;
    let mut all = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("no end");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn broken_frames_end_their_connection_alone() {
    let cluster = Cluster::start(10.0).await;
    let raw = Raw::new(&cluster);
    running(&cluster, &raw).await;
    let large = 2_u64 << 20;
    let cases: &[(&str, Vec<u8>)] = &[
        ("an opcode that is reserved", frame(0x83, &[0x81], b"a")),
        ("reserved bits", frame(0xf2, &[0x81], b"a")),
        ("no mask", vec![0x82, 2, 0, b'a']),
        ("a frame of 2 MiB", frame(0x82, &[&[0xff][..], &large.to_be_bytes()].concat(), &vec![0; 1 << 20])),
        ("a frame of a length that nobody has", frame(0x82, &[&[0xff][..], &u64::MAX.to_be_bytes()].concat(), b"a")),
        ("a ping in pieces", frame(0x09, &[0x80], b"")),
        ("a ping of 300 bytes", frame(0x89, &[0xfe, 1, 44], &[0; 300])),
        ("a continuation of nothing", frame(0x80, &[0x81], b"a")),
        ("text that is no UTF-8", frame(0x81, &[0x82], &[0xff, 0xfe])),
    ];
    for (what, bytes) in cases {
        let mut stream = raw.upgrade(&format!("{PODS}/app/exec?stdin=1&stdout=1&command=sleep&command=77777"), PROTOCOL).await;
        // It may end before all was taken.
        let _ = stream.write_all(bytes).await;
        let _ = stream.flush().await;
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{what}: the connection goes on");
    }
    let mut truncated = raw.upgrade(&format!("{PODS}/app/exec?stdin=1&stdout=1&command=sleep&command=77777"), PROTOCOL).await;
    truncated.write_all(&frame(0x82, &[0x85], b"a")).await.unwrap();
    truncated.flush().await.unwrap();
    drop(truncated);
    // Asked inside of the container, in its own time; `[7]` keeps the question from finding itself.
    let question = "while ps | grep -q '[7]7777'; do sleep 1; done; echo gone";
    let answer = run(&raw, &["sh", "-c", question]).await;
    assert!(answer.contains("gone\n"), "a program outlives its client: {answer}");
    let nonsense = frame(0x82, &[0x88], &[0, 0, 0, 1, 0, 0xff, 0xff, 0xff]);
    let mut tunnel = raw.upgrade(&format!("{PODS}/app/portforward"), "SPDY/3.1+portforward.k8s.io").await;
    tunnel.write_all(&nonsense).await.unwrap();
    tunnel.flush().await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, tunnel.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "a tunnel goes on after a frame of 16 MiB");
    println!("ok: {} broken frames", cases.len() + 2);
    cluster.served.stop().unwrap();
}

#[tokio::test]
async fn channels_that_do_not_exist_are_passed_over() {
    let cluster = Cluster::start(10.0).await;
    let raw = Raw::new(&cluster);
    running(&cluster, &raw).await;
    let mut stream = raw.upgrade(&format!("{PODS}/app/exec?stdin=1&stdout=1&command=cat"), PROTOCOL).await;
    for content in [&b"\x09nobody"[..], b"", b"\x00hello\n", b"\xff\x00"] {
        let length = 0x80 | u8::try_from(content.len()).unwrap();
        stream.write_all(&frame(0x82, &[length], content)).await.unwrap();
    }
    stream.flush().await.unwrap();
    let mut all = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("no end");
    let all = String::from_utf8_lossy(&all);
    assert!(all.contains("\u{1}hello\n") && all.contains("\"status\":\"Success\""), "{all:?}");
    cluster.served.stop().unwrap();
}
