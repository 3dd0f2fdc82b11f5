//! A coordination engine on this machine that behaves, and many that do not: each conversation ends, with a claim that says why.

#![expect(clippy::disallowed_methods, reason = "services of others live in real time")]

use super::*;
use crate::detect::{Confidence, Evidence};
use rstest::rstest;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Requests as they came: method and path, and body.
pub(in crate::heal) type Heard = Arc<Mutex<Vec<(String, Value)>>>;

/// Answers each request by its number and path; what `answer` gives is written as it is.
pub(in crate::heal) fn engine(answer: impl Fn(usize, &str, &mut TcpStream) + Send + 'static) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = Heard::default();
    let notes = Arc::clone(&heard);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
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
            let asked = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
            notes.lock().unwrap().push((asked.clone(), serde_json::from_slice(&body).unwrap_or_default()));
            answer(number, &asked, &mut reader.into_inner());
        }
    });
    (url, heard)
}

pub(in crate::heal) fn say(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn accept(stream: &mut TcpStream) {
    say(stream, "202 Accepted", r#"{"workflow_id": "wf-1", "status": "pending", "deployment_method": "manual"}"#);
}

pub(in crate::heal) fn incident() -> Incident {
    let at = Duration::from_secs(3);
    let subject =
        Subject { namespace: "shop".to_owned(), kind: "Pod".to_owned(), name: "api-1".to_owned(), ..Subject::default() };
    let finding = Finding {
        cause: "oom.limit".to_owned(),
        subject: subject.clone(),
        at,
        first_seen: at,
        last_seen: at,
        count: 2,
        sources: Vec::new(),
        group: "deployment/api".to_owned(),
        confidence: Confidence::High,
        evidence: vec![Evidence { source: "pod status".to_owned(), text: "OOMKilled".to_owned() }],
        alternatives: Vec::new(),
        leading: true,
    };
    let resource = Subject { kind: "Deployment".to_owned(), name: "api".to_owned(), ..subject };
    Incident { id: "r/deployment/api/oom.limit".to_owned(), resource, finding, run: "r".to_owned(), now: None }
}

fn settings(url: &str) -> WebhookHealer {
    serde_json::from_value(json!({ "url": url, "within": "400ms", "timeout": "20s" })).unwrap()
}

async fn claims(settings: &WebhookHealer) -> Vec<Claim> {
    let mut claims = Vec::new();
    remediate(settings, &incident(), |claim| claims.push(claim)).await;
    claims
}

#[tokio::test(start_paused = true)]
async fn a_workflow_is_triggered_and_followed_to_its_end() {
    let (url, heard) = engine(|number, asked, stream| match (number, asked.starts_with("POST")) {
        (_, true) => accept(stream),
        (1, _) => say(stream, "200 OK", r#"{"status": "pending", "steps": []}"#),
        (2 | 3, _) => say(stream, "200 OK", r#"{"status": "in_progress"}"#),
        _ => say(stream, "200 OK", r#"{"status": "completed", "completed_at": "now"}"#),
    });
    let claims = claims(&settings(&format!("{url}/"))).await;
    let told: Vec<_> = claims.iter().map(|claim| claim.status.as_str()).collect();
    assert_eq!(told, ["accepted", "pending", "inProgress", "completed"]);
    assert!(claims.iter().all(|claim| claim.workflow.as_deref() == Some("wf-1") && claim.message.is_none()));
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].0, "POST /api/v1/remediation/trigger");
    assert_eq!(
        heard[0].1,
        json!({
            "incident_id": "r/deployment/api/oom.limit",
            "namespace": "shop",
            "resource": { "kind": "Deployment", "name": "api" },
            "issue": { "type": "oom.limit", "description": "OOMKilled", "severity": "critical" },
        })
    );
    assert_eq!(heard[1].0, "GET /api/v1/workflows/wf-1");
    assert_eq!(heard.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_a_service_says_of_its_failure_is_kept() {
    let (url, _) = engine(|_, asked, stream| {
        if asked.starts_with("POST") {
            accept(stream);
        } else {
            say(stream, "200 OK", r#"{"status": "failed", "error_message": "no \u001b[31mpermission"}"#);
        }
    });
    let last = claims(&settings(&url)).await.pop().unwrap();
    assert_eq!(last.status, ClaimStatus::Failed);
    let message = last.message.unwrap();
    assert!(message.contains("permission") && !message.contains('\u{1b}'), "{message:?}");
}

#[tokio::test(start_paused = true)]
async fn an_alert_is_taken_or_not_and_nothing_else_is_claimed() {
    let (url, heard) = engine(|_, _, stream| say(stream, "200 OK", ""));
    let settings = WebhookHealer { format: WebhookFormat::Alertmanager, ..settings(&format!("{url}/hook")) };
    let told: Vec<_> = claims(&settings).await.iter().map(|claim| claim.status).collect();
    assert_eq!(told, [ClaimStatus::Accepted]);
    let heard = heard.lock().unwrap();
    assert_eq!((heard[0].0.as_str(), &heard[0].1["version"]), ("POST /hook", &json!("4")));
    assert_eq!(heard[0].1["alerts"][0]["labels"]["pod"], "api-1");
}

const TOO_MUCH: &str = "it has more than 65536 bytes";

#[rstest]
#[case::broken(|_: usize, _: &str, stream: &mut TcpStream| say(stream, "500 Internal Server Error", "oops"), "answered 500: oops, 3 times", 3)]
#[case::not_there(|_: usize, _: &str, stream: &mut TcpStream| say(stream, "404 Not Found", ""), "answered 404", 1)]
#[case::nonsense(|_: usize, _: &str, stream: &mut TcpStream| say(stream, "200 OK", "<html>hello"), "its answer is no JSON: \"<html>hello\"", 1)]
#[case::no_workflow(|_: usize, _: &str, stream: &mut TcpStream| say(stream, "202 Accepted", "{}"), "no `workflow_id`", 1)]
#[case::a_path(|_: usize, _: &str, stream: &mut TcpStream| say(stream, "202 Accepted", r#"{"workflow_id": "../secrets"}"#), "no `workflow_id`", 1)]
#[case::elsewhere(|_: usize, _: &str, stream: &mut TcpStream| {
    let _ = stream.write_all(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
}, "answered 307 (redirects are not followed)", 1)]
#[case::never(|_: usize, _: &str, stream: &mut TcpStream| {
    // Until the client has gone.
    let _ = stream.read(&mut [0; 1]);
}, "no answer within 400ms", 3)]
#[case::endless(|_: usize, _: &str, stream: &mut TcpStream| {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
    // A gigabyte, unless nobody listens any more.
    while stream.write_all(&[b'x'; 4096]).is_ok() {}
}, TOO_MUCH, 3)]
#[case::a_status_of_its_own(|number: usize, _: &str, stream: &mut TcpStream| {
    if number == 0 { accept(stream) } else { say(stream, "200 OK", r#"{"status": "exploded"}"#) }
}, "no `status` of a workflow", 2)]
#[case::no_end(|number: usize, _: &str, stream: &mut TcpStream| {
    if number == 0 { accept(stream) } else { say(stream, "200 OK", r#"{"status": "in_progress"}"#) }
}, "it had not ended after 20s", 10)]
#[tokio::test(start_paused = true)]
async fn a_service_that_misbehaves_is_given_up_with_the_reason(
    #[case] answer: fn(usize, &str, &mut TcpStream),
    #[case] reason: &str,
    #[case] requests: usize,
) {
    let (url, heard) = engine(answer);
    let began = std::time::Instant::now();
    let last = claims(&settings(&url)).await.pop().unwrap();
    assert_eq!(last.status, ClaimStatus::Unanswered, "{last:?}");
    assert!(last.message.as_ref().unwrap().contains(reason), "{last:?}");
    assert_eq!(heard.lock().unwrap().len(), requests);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nobody_runs_is_told_by_its_address_and_without_secrets() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let last = claims(&settings(&format!("http://{closed}/s3cret"))).await.pop().unwrap();
    assert_eq!((last.by.as_str(), last.status), (closed.to_string().as_str(), ClaimStatus::Unanswered));
    assert!(!format!("{last:?}").contains("s3cret"), "{last:?}");
}
