//! `--notify` from outside: who is told, and that nobody who cannot be told changes how a run ends.

use super::{comeback, folder, output};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpListener;

/// Takes one request on a port of its own and returns its body.
fn receiver() -> (u16, std::thread::JoinHandle<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = std::thread::spawn(move || {
        let mut reader = BufReader::new(listener.accept().unwrap().0);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        reader.into_inner().write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").unwrap();
        serde_json::from_slice(&body).unwrap()
    });
    (port, taken)
}

const RUN: [&str; 4] = ["run", "builtin:pod-deleted", "--no-progress", "--notify"];

#[test]
fn a_run_and_a_gate_tell_how_they_ended() {
    let folder = folder();
    let file = folder.path().join("notify.yaml");
    for words in [&[&RUN[..], &["notify.yaml", "--out", "here"]].concat()[..], &["gate", "here", "--notify", "notify.yaml"]] {
        let (port, taken) = receiver();
        std::fs::write(&file, format!("- to: {{ webhook: {{ url: 'http://127.0.0.1:{port}/' }} }}\n  when: always\n")).unwrap();
        let (code, stdout, stderr) = output(comeback(folder.path()).args(words));
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        let message = taken.join().unwrap();
        assert_eq!((&message["version"], &message["status"]), (&"4".into(), &"resolved".into()));
        assert_eq!(message["alerts"][0]["labels"]["scenario"], "pod-deleted");
    }
}

#[test]
fn who_cannot_be_told_is_a_warning_without_secrets() {
    let folder = folder();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = "- to: { slack: { url: { env: SLACK_URL } } }\n  when: always\n- to: { slack: { url: { env: NOT_SET } } }\n  when: always\n";
    std::fs::write(folder.path().join("notify.yaml"), text).unwrap();
    let secret = format!("http://127.0.0.1:{closed}/services/s3cret");
    let (code, stdout, stderr) = output(comeback(folder.path()).args(RUN).arg("notify.yaml").env("SLACK_URL", secret));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stderr.contains("warning: notification 1 (slack) was not sent: 127.0.0.1: "), "{stderr}");
    assert!(stderr.contains("notification 2 (slack) was not sent: the environment variable NOT_SET is not set"), "{stderr}");
    assert!(!stderr.contains("s3cret") && !stdout.contains("s3cret"), "{stderr}");
}

#[test]
fn a_mistake_in_the_file_is_found_before_anything_runs() {
    let folder = folder();
    std::fs::write(folder.path().join("notify.yaml"), "- to: { slack: { url: https://hooks.slack.com/x } }\n").unwrap();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(RUN).arg("notify.yaml"));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("notify.yaml:1:") && !folder.path().join(".comeback").exists(), "{stderr}");
}
