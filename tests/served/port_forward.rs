//! Port forwarding by the real kubectl: several connections, one after the other, over one tunnel.

use crate::kubectl::start;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

/// One request over a connection of its own: the answer, and an empty text when the connection breaks.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[tokio::test]
async fn a_port_of_a_pod_is_reached() {
    let Some((cluster, kubectl)) = start().await else { return };
    kubectl
        .ok("run page --image=busybox:1.37 --command -- sh -c|'echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp")
        .await;
    kubectl.ok("wait --for=condition=Ready pod/page --timeout=60s").await;
    let mut command = kubectl.command("port-forward pod/page :8080");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    let asked = tokio::task::spawn_blocking(move || {
        let mut said = said.lines();
        let first = said.next().unwrap().unwrap();
        let port = first.strip_prefix("Forwarding from 127.0.0.1:").and_then(|rest| rest.split_once(' ')).unwrap().0;
        let port = port.parse().unwrap();
        let answers: Vec<String> = (0..3).map(|_| get(port, "/index.html")).collect();
        // Read on, so that kubectl can write.
        (answers, said)
    });
    let asked = tokio::time::timeout(Duration::from_secs(90), asked).await;
    child.kill().unwrap();
    let mut complaints = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    child.wait().unwrap();
    let (answers, _said) = asked.expect(&complaints).unwrap();
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.") && answer.ends_with("hello\n"), "{answer:?}\n{complaints}");
    }
    println!("ok: kubectl port-forward pod/page :8080, three connections");
    cluster.served.stop().unwrap();
}
