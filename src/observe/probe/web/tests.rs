//! Against a small server with recorded answers.

use super::*;
use rstest::rstest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers each path that begins so with this status and text; its address.
async fn server(answers: Vec<(&'static str, u16, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let asked = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = asked.split_whitespace().nth(1).unwrap_or_default();
            let (status, body) = answers
                .iter()
                .find(|(wanted, ..)| path.starts_with(wanted))
                .map_or((404, String::new()), |(_, status, body)| (*status, body.clone()));
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    format!("http://{address}")
}

fn at(url: &str) -> Server {
    Server::at(url).unwrap()
}

const LONG: Duration = Duration::from_secs(10);

fn vector(values: &[&str]) -> String {
    let samples: Vec<_> = values.iter().map(|value| json!({ "metric": {}, "value": [1.5, value] })).collect();
    json!({ "status": "success", "data": { "resultType": "vector", "result": samples } }).to_string()
}

fn scalar(value: &str) -> String {
    json!({ "status": "success", "data": { "resultType": "scalar", "result": [1.5, value] } }).to_string()
}

#[rstest]
#[case::some(vector(&["0"]), Some(true))]
#[case::none(vector(&[]), Some(false))]
#[case::nan(vector(&["NaN"]), None)]
#[case::one_of_two(vector(&["NaN", "1"]), Some(true))]
#[case::scalar(scalar("1"), Some(true))]
#[case::zero(scalar("0"), Some(false))]
#[case::scalar_nan(scalar("NaN"), None)]
#[case::infinite(scalar("+Inf"), Some(true))]
#[case::words(scalar("many"), None)]
#[case::matrix(json!({ "data": { "resultType": "matrix", "result": [] } }).to_string(), None)]
#[case::something_else("{}".to_owned(), None)]
#[case::no_json("<html>".to_owned(), None)]
#[tokio::test]
async fn a_query_holds_while_it_has_a_result(#[case] answer: String, #[case] is: Option<bool>) {
    let url = server(vec![("/api/v1/query?query=up+%3D%3D+0", 200, answer)]).await;
    assert_eq!(query(&at(&url), "up == 0", LONG).await.0, is);
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown_and_says_why() {
    let refused = json!({ "status": "error", "errorType": "bad_data", "error": "parse error: unexpected end" }).to_string();
    let url = server(vec![("/api/v1/query", 400, refused), ("/moved", 302, String::new())]).await;
    let (good, why) = query(&at(&url), "(", LONG).await;
    assert!(good.is_none() && why.ends_with("refused it: parse error: unexpected end"), "{why}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (good, why) = query(&at(&format!("http://{closed}")), "up", LONG).await;
    assert!(good.is_none() && why.contains("gives no answer"), "{why}");
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (good, why) = query(&at(&format!("http://{}", silent.local_addr().unwrap())), "up", Duration::from_millis(200)).await;
    assert!(good.is_none() && why.ends_with("gave no answer within 0.2 s"), "{why}");
    for wrong in ["localhost:9090", "ftp://x", "http://me:secret@x", ""] {
        assert!(Server::at(wrong).unwrap_err().contains("is not an address"), "{wrong}");
    }
    let much = server(vec![("/", 200, "1".repeat(MOST_BYTES + 1))]).await;
    assert!(query(&at(&much), "up", LONG).await.1.contains("could not be read"));
}

fn alert_of(url: &str, alertmanager: Option<&str>) -> Alert {
    let mut body = json!({ "name": "PodCrashLooping", "url": url, "labels": { "severity": "warning" } });
    if let Some(alertmanager) = alertmanager {
        body["alertmanager"] = json!(alertmanager);
    }
    serde_json::from_value(body).unwrap()
}

fn found(state: &str, namespace: &str, at: &str) -> Value {
    let labels = json!({ "alertname": "PodCrashLooping", "namespace": namespace, "severity": "warning" });
    json!({ "labels": labels, "state": state, "activeAt": at, "startsAt": at })
}

#[tokio::test]
async fn only_alerts_about_the_namespace_count_and_alertmanager_has_the_last_word() {
    let alerts = |found: &[Value]| json!({ "status": "success", "data": { "alerts": found } }).to_string();
    let early = "2026-11-21T17:00:00.060601446+01:00";
    let others = server(vec![("/api/v1/alerts", 200, alerts(&[found("firing", "other", early)]))]).await;
    assert_eq!(alert(&at(&others), &alert_of(&others, None), "shop", LONG).await, Ok(AlertSeen::default()));
    let both = [found("firing", "shop", "2026-11-21T16:30:00Z"), found("pending", "shop", early)];
    let url = server(vec![("/api/v1/alerts", 200, alerts(&both))]).await;
    let seen = alert(&at(&url), &alert_of(&url, None), "shop", LONG).await.unwrap();
    assert_eq!((seen.phase, seen.active_at), (AlertPhase::Firing, early.parse().ok()));
    // Not paged yet, then paged.
    let silent =
        server(vec![("/api/v2/alerts?active=true&filter=alertname%3D%22PodCrashLooping%22", 200, "[]".to_owned())]).await;
    assert_eq!(alert(&at(&url), &alert_of(&url, Some(&silent)), "shop", LONG).await.unwrap().phase, AlertPhase::Pending);
    let paged = json!([found("", "shop", "2026-11-21T16:31:00Z")]).to_string();
    let loud = server(vec![("/api/v2/alerts", 200, paged)]).await;
    let seen = alert(&at(&url), &alert_of(&url, Some(&loud)), "shop", LONG).await.unwrap();
    assert_eq!((seen.phase, seen.starts_at), (AlertPhase::Firing, "2026-11-21T16:31:00Z".parse().ok()));
}

#[rstest]
#[case::all("increase(kube_pod_container_status_restarts_total[1m]) > 1", true)]
#[case::openshift("x{namespace=~\"(openshift-.*|kube-.*|default)\",job=\"a\"} > 0", false)]
#[case::any("x{namespace=~\".*\"}", true)]
#[case::not_ours("x{namespace != \"shop\"}", false)]
#[case::others("x{namespace!~\"kube-.*\"}", true)]
#[case::another_label("x{exported_namespace=\"kube-system\"}", true)]
#[case::by_name("x{namespace=\"shop\"} * on(namespace) y{namespace='a'}", true)]
#[case::not_understood("x{namespace=~\"(\"}", true)]
fn a_rule_covers_what_its_matchers_let_through(#[case] query: &str, #[case] covers: bool) {
    let rules =
        json!({ "data": { "groups": [{ "rules": [{ "type": "alerting", "name": "PodCrashLooping", "query": query }] }] } });
    let result = covered(&rules, (&alert_of("http://p", None), "http://p"), "shop");
    assert_eq!(result.is_ok(), covers, "{result:?}");
}

#[tokio::test]
async fn a_rule_that_is_not_there_is_named_with_those_that_are() {
    let rules = json!({ "data": { "groups": [{ "rules": [{ "name": "B", "query": "x" }, { "name": "A", "query": "x" }] }] } });
    let url = server(vec![("/api/v1/rules?type=alert", 200, rules.to_string())]).await;
    let error = check_rule(&at(&url), &alert_of(&url, None), "shop", LONG).await.unwrap_err();
    assert!(error.ends_with("has no alerting rule PodCrashLooping (it has A, B)"), "{error}");
}

#[tokio::test]
async fn the_token_is_for_the_clusters_own_server_alone_and_is_shown_nowhere() {
    let token = SecretString::from("sha256~planted-token");
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let hears = std::sync::Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let asked = String::from_utf8_lossy(&request[..length]).into_owned();
            let body = match asked.split_whitespace().nth(1).unwrap_or_default() {
                path if path.starts_with("/api/v2") => "[]".to_owned(),
                path if path.starts_with("/api/v1/alerts") => {
                    json!({ "data": { "alerts": [found("firing", "shop", "2026-11-21T16:30:00Z")] } }).to_string()
                }
                _ => String::new(),
            };
            hears.lock().unwrap().push(asked);
            let status = if body.is_empty() { "403 Forbidden" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    // Where anybody could listen, it is not sent at all.
    assert!(Server::with_token(&url, &token).unwrap_err().contains("without TLS"));
    let own = Server { url: url.clone(), client: web::client_with(&token).unwrap(), own: true };
    assert_eq!(alert(&own, &alert_of(&url, Some(&url)), "shop", LONG).await.unwrap().phase, AlertPhase::Pending);
    let (good, why) = query(&own, "up", LONG).await;
    assert!(good.is_none() && why.contains("cluster-monitoring-view"), "{why}");
    let heard = heard.lock().unwrap();
    let carries = |asked: &String| asked.contains("authorization: Bearer sha256~planted-token");
    let paths: Vec<_> = heard.iter().map(|asked| (asked.split_whitespace().nth(1).unwrap_or_default(), carries(asked))).collect();
    assert_eq!(paths.len(), 3, "{paths:?}");
    assert!(paths.iter().all(|(path, carries)| *carries != path.starts_with("/api/v2")), "{paths:?}");
    assert!(!format!("{own:?} {why}").contains("planted"), "{own:?}");
    let broken = SecretString::from("two\nlines");
    assert!(!web::client_with(&broken).unwrap_err().contains("lines"));
}
