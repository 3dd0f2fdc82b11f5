//! What each receiver gets.

use super::*;
use crate::scenario::Verdict;
use rstest::rstest;

const OK: &[Answer] = &[Answer(200, "ok")];

#[test]
fn slack_gets_blocks_within_its_limits_and_no_mention_from_a_log_line() {
    let server = Server::http(OK);
    let (_folder, url) = secret(&server.url("/services/T0/B0/token"));
    let mut result = fixture::run();
    result.scenarios[1].reason = "<!channel> & <https://evil|click>".to_owned() + &"x".repeat(5_000);
    assert_eq!(send(&settings(&format!("- to: {{ slack: {{ url: {url} }} }}")), &message(&result)), Vec::<String>::new());
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!((request.path.as_str(), request.header("content-type")), ("/services/T0/B0/token", Some("application/json")));
    let body = request.json();
    let blocks = body["blocks"].as_array().unwrap();
    assert_eq!(
        blocks.iter().map(|block| block["type"].as_str().unwrap()).collect::<Vec<_>>(),
        ["header", "section", "section", "actions"]
    );
    let header = blocks[0]["text"]["text"].as_str().unwrap();
    assert!(header.starts_with("✗ comeback: failed (simulated): 3 of 6") && header.chars().count() <= 150, "{header}");
    let text = blocks[1]["text"]["text"].as_str().unwrap();
    assert!(text.contains("&lt;!channel&gt; &amp;") && !text.contains('<') && text.chars().count() <= 3_000, "{text}");
    assert!(text.contains("? oom-limit-too-low: no valid trial"), "{text}");
    let fields = blocks[2]["fields"].as_array().unwrap();
    assert!(fields.len() <= 10 && fields.iter().all(|field| field["text"].as_str().unwrap().len() <= 2_000));
    assert_eq!(blocks[3]["elements"][0]["url"], "https://ci.example.org/42");
    assert!(body["text"].as_str().unwrap().contains("failed"));
}

#[test]
fn pagerduty_is_told_of_a_failure_and_of_its_end_under_one_key() {
    let server = Server::http(&[Answer(202, r#"{"status":"success"}"#)]);
    let (_folder, key) = secret("R0UTINGKEY");
    let settings = settings(&format!(
        "- to: {{ pagerDuty: {{ routingKey: {key}, url: '{}', severity: critical }} }}",
        server.url("/v2/enqueue")
    ));
    let failed = fixture::run();
    let mut good = failed.clone();
    (good.outcome, good.exit_code) = (Outcome::Passed, 0);
    let mut doubtful = failed.clone();
    (doubtful.outcome, doubtful.exit_code) = (Outcome::Inconclusive, 4);
    for result in [&failed, &doubtful, &good] {
        assert_eq!(send(&settings, &message(result)), Vec::<String>::new());
    }
    let events: Vec<Value> = server.requests().iter().map(server::Request::json).collect();
    let of = |pointer: &str| events.iter().map(|event| event.pointer(pointer).cloned().unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(of("/event_action"), ["trigger", "trigger", "resolve"]);
    assert_eq!(of("/payload/severity"), [Value::from("critical"), Value::from("warning"), Value::Null]);
    assert!(of("/dedup_key").iter().all(|key| *key == events[0]["dedup_key"] && key.as_str().unwrap().len() <= 255));
    assert!(of("/routing_key").iter().all(|key| key == "R0UTINGKEY"));
    let payload = &events[0]["payload"];
    assert!(payload["summary"].as_str().unwrap().chars().count() <= 1_024 && payload["source"] == "embedded");
    assert_eq!(payload["custom_details"]["scenarios"][0]["scenario"], "crash-loop-after-config-change");
    assert_eq!(payload["timestamp"], "2026-11-21T08:06:41.5Z");
}

#[test]
fn alertmanagers_shape_has_an_alert_for_each_scenario_that_was_run() {
    let server = Server::http(OK);
    let (_folder, token) = secret("Bearer t0ken");
    let settings =
        settings(&format!("- to: {{ webhook: {{ url: '{}', headers: {{ Authorization: {token} }} }} }}", server.url("/hook")));
    assert_eq!(send(&settings, &message(&fixture::run())), Vec::<String>::new());
    assert_eq!(send(&settings, &message(&passed())), Vec::<String>::new());
    let requests = server.requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer t0ken"));
    let (firing, resolved) = (requests[0].json(), requests[1].json());
    assert_eq!((&firing["version"], &firing["status"], &resolved["status"]), (&"4".into(), &"firing".into(), &"resolved".into()));
    let alerts = firing["alerts"].as_array().unwrap();
    let statuses: Vec<(&str, &str)> = alerts
        .iter()
        .map(|alert| (alert["labels"]["scenario"].as_str().unwrap_or("run"), alert["status"].as_str().unwrap()))
        .collect();
    let expected = [
        ("crash-after-rollout", "resolved"),
        ("crash-loop-after-config-change", "firing"),
        ("false-green-crash-loop", "resolved"),
        ("healthy-control", "resolved"),
        ("oom-limit-too-low", "firing"),
        ("run", "resolved"),
    ];
    assert_eq!(statuses, expected);
    for alert in alerts {
        assert!(alert["labels"].as_object().unwrap().values().all(Value::is_string), "{alert}");
        assert!(
            alert["endsAt"].as_str().unwrap().parse::<Timestamp>().is_ok() && alert["fingerprint"].as_str().unwrap().len() == 16
        );
    }
}

#[test]
fn a_cloud_event_has_what_the_specification_asks_for() {
    let server = Server::http(&[Answer(204, "")]);
    let settings = settings(&format!(
        "- to: {{ webhook: {{ url: '{}', format: cloudEvents }} }}\n  when: always\n  text: |\n    ${{failed}} on ${{cluster}}",
        server.url("/events")
    ));
    assert_eq!(send(&settings, &message(&fixture::run())), Vec::<String>::new());
    let [request] = &server.requests()[..] else { panic!("one request") };
    assert_eq!(request.header("content-type"), Some("application/cloudevents+json"));
    let event = request.json();
    for required in ["id", "source", "specversion", "type"] {
        assert!(event[required].as_str().is_some_and(|value| !value.is_empty()), "{required}");
    }
    assert_eq!((&event["specversion"], &event["data"]["exitCode"]), (&"1.0".into(), &1.into()));
    let text = event["data"]["text"].as_str().unwrap();
    assert_eq!(text, "crash-loop-after-config-change, oom-limit-too-low on a simulated Kubernetes v1.36.0 (embedded, 1 node)\n");
}

#[test]
fn grafana_gets_the_run_and_each_window_of_a_real_cluster() {
    let server = Server::http(OK);
    let (_folder, token) = secret("glsa_token");
    let settings = settings(&format!(
        "- to: {{ grafana: {{ url: '{}/', token: {token}, dashboard: abc, panel: 2, tags: [ci] }} }}\n  when: always",
        server.url("")
    ));
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let window = Window {
        scenario: "pool".to_owned(),
        class: "crash".to_owned(),
        what: "recovery",
        text: "pool trial 0: recovered after <12s>".to_owned(),
        verdict: Verdict::Recovered,
        from: at("2026-11-21T08:06:40Z"),
        until: at("2026-11-21T08:06:40.5Z"),
    };
    let message = Message::of(&fixture::run(), vec![window], None);
    assert_eq!(send(&settings, &message), Vec::<String>::new());
    let requests = server.requests();
    assert!(
        requests.iter().all(|one| one.path == "/api/annotations" && one.header("authorization") == Some("Bearer glsa_token"))
    );
    let [run, recovery] = &requests.iter().map(server::Request::json).collect::<Vec<_>>()[..] else { panic!("two") };
    assert_eq!(
        (&run["timeEnd"], &run["dashboardUID"], &run["panelId"]),
        (&1_795_248_401_500_i64.into(), &"abc".into(), &2.into())
    );
    assert_eq!(run["tags"], serde_json::json!(["comeback", "run", "failed", "simulated", "ci"]));
    assert_eq!((&recovery["time"], &recovery["timeEnd"]), (&1_795_248_400_000_i64.into(), &1_795_248_400_500_i64.into()));
    assert_eq!(recovery["tags"], serde_json::json!(["comeback", "recovery", "scenario:pool", "recovered", "class:crash", "ci"]));
    assert_eq!(recovery["text"], "pool trial 0: recovered after &lt;12s&gt;");
}

#[test]
fn a_mail_goes_to_all_its_receivers() {
    let server = Server::smtp();
    let settings = settings(&format!(
        "- to: {{ email: {{ server: 127.0.0.1, port: {}, tls: none, from: 'comeback <ci@example.org>', to: [a@example.org, b@example.org] }} }}",
        server.port
    ));
    assert_eq!(send(&settings, &message(&fixture::run())), Vec::<String>::new());
    let [mail] = &server.requests()[..] else { panic!("one mail") };
    let to: Vec<&str> = mail.headers.iter().filter(|(name, _)| name == "rcpt").map(|(_, line)| line.as_str()).collect();
    assert_eq!(to, ["RCPT TO:<a@example.org>", "RCPT TO:<b@example.org>"]);
    assert_eq!(mail.header("mail").unwrap().split(' ').nth(1), Some("FROM:<ci@example.org>"));
    assert!(mail.body.contains("From: ") && mail.body.contains("Subject: ") && mail.body.contains("Date: "), "{}", mail.body);
    assert!(mail.body.contains("crash-loop-after-config-change"), "{}", mail.body);
}

#[test]
fn a_mail_is_not_sent_in_the_clear_where_tls_was_asked_for() {
    let server = Server::smtp();
    let settings = settings(&format!(
        "- to: {{ email: {{ server: 127.0.0.1, port: {}, from: ci@example.org, to: [a@example.org] }} }}",
        server.port
    ));
    let [failure] = &send(&settings, &message(&fixture::run()))[..] else { panic!("one failure") };
    assert!(failure.starts_with("notification 1 (email) was not sent: 127.0.0.1: "), "{failure}");
    assert!(server.requests().is_empty());
}

#[rstest]
#[case::passing(&[Answer(503, "busy"), Answer(429, "slow"), Answer(200, "ok")], 3, None)]
#[case::down(&[Answer(503, "busy")], 3, Some("127.0.0.1 answered 503 Service Unavailable: busy, 3 times"))]
#[case::refused(&[Answer(403, "no /services/T0/token here")], 1, Some("127.0.0.1 answered 403 Forbidden: no /… here"))]
fn what_may_pass_is_tried_again_and_no_secret_is_told(
    #[case] answers: &'static [Answer],
    #[case] tries: usize,
    #[case] failure: Option<&str>,
) {
    let server = Server::http(answers);
    let (_folder, url) = secret(&server.url("/services/T0/token"));
    let failures = send(&settings(&format!("- to: {{ slack: {{ url: {url} }} }}")), &message(&fixture::run()));
    let expected: Vec<String> = failure.map(|why| format!("notification 1 (slack) was not sent: {why}")).into_iter().collect();
    assert_eq!((failures, server.requests().len()), (expected, tries));
}

#[test]
fn one_that_fails_keeps_no_other_from_being_sent() {
    let server = Server::http(OK);
    // A port that nobody listens at, and a secret that is not there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = settings(&format!(
        "- to: {{ webhook: {{ url: 'http://127.0.0.1:{closed}/' }} }}\n- to: {{ slack: {{ url: {{ env: COMEBACK_TEST_NOT_SET }} }} }}\n- to: {{ webhook: {{ url: '{}' }} }}",
        server.url("/")
    ));
    let failures = send(&settings, &message(&fixture::run()));
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures[0].contains("notification 1 (webhook)") && failures[0].to_lowercase().contains("refused"), "{failures:?}");
    assert!(failures[1].ends_with("the environment variable COMEBACK_TEST_NOT_SET is not set"), "{failures:?}");
    assert_eq!(server.requests().len(), 1);
}

#[rstest]
#[case("always", 3)]
#[case("problem", 2)]
#[case("failure", 1)]
fn who_wants_to_hear_of_what(#[case] when: &str, #[case] heard: usize) {
    let server = Server::http(OK);
    let settings =
        settings(&format!("- to: {{ webhook: {{ url: '{}', format: cloudEvents }} }}\n  when: {when}", server.url("/")));
    let mut inconclusive = fixture::run();
    inconclusive.outcome = Outcome::Inconclusive;
    for result in [&fixture::run(), &inconclusive, &passed()] {
        assert_eq!(send(&settings, &message(result)), Vec::<String>::new());
    }
    assert_eq!(server.requests().len(), heard);
}
