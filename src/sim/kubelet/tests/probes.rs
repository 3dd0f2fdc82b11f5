//! Probes and hooks over the network: the kubelet's texts for every way in which a server can fail, as a real one said them.

use super::World;
use rstest::rstest;
use serde_json::{Value, json};

fn respond(text: &str) -> String {
    format!("printf '{text}' >/tmp/r; printf '#!/bin/sh\\nread a; cat /tmp/r' >/tmp/s; chmod +x /tmp/s; nc -ll -p 8080 -e /tmp/s")
}

fn get(more: Value) -> Value {
    let mut action = json!({"path": "/health", "port": 8080, "scheme": "HTTP"});
    for (key, value) in more.as_object().unwrap() {
        action[key] = value.clone();
    }
    json!({"httpGet": action})
}

#[rstest]
#[case::refused("sleep 1000".to_owned(), get(json!({})), "failed: Get \"http://10.244.0.3:8080/health\": dial tcp 10.244.0.3:8080: connect: connection refused")]
#[case::silent("nc -ll -p 8080 -e sleep 1000".to_owned(), get(json!({})), "failed: Get \"http://10.244.0.3:8080/health\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")]
#[case::garbage("nc -ll -p 8080 -e echo garbage".to_owned(), get(json!({})), "failed: Get \"http://10.244.0.3:8080/health\": net/http: HTTP/1.x transport connection broken: malformed HTTP response \"garbage\"")]
#[case::status(respond("HTTP/1.1 503 Service Unavailable\\r\\nContent-Length: 0\\r\\n\\r\\n"), get(json!({})), "failed: HTTP probe failed with statuscode: 503")]
#[case::redirect_away(respond("HTTP/1.1 302 Found\\r\\nLocation: http://example.com/\\r\\nContent-Length: 3\\r\\n\\r\\nbye"), get(json!({})), "warning: Probe terminated redirects, Response body: bye")]
#[case::redirect_loop(respond("HTTP/1.1 302 Found\\r\\nLocation: /again\\r\\n\\r\\n"), get(json!({})), "failed: Get \"/again\": stopped after 10 redirects")]
#[case::not_tls("httpd -f -p 8080".to_owned(), get(json!({"scheme": "HTTPS"})), "failed: Get \"https://10.244.0.3:8080/health\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")]
#[case::nobody("sleep 1000".to_owned(), get(json!({"host": "10.244.0.250"})), "failed: Get \"http://10.244.0.250:8080/health\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")]
#[case::unknown_host("sleep 1000".to_owned(), get(json!({"host": "nosuch.invalid"})), "failed: Get \"http://nosuch.invalid:8080/health\": dial tcp: lookup nosuch.invalid on 172.18.0.1:53: no such host")]
#[case::unknown_port("sleep 1000".to_owned(), get(json!({"port": "nosuch"})), "errored and resulted in unknown state: strconv.Atoi: parsing \"nosuch\": invalid syntax")]
#[case::tcp_refused("sleep 1000".to_owned(), json!({"tcpSocket": {"port": 8080}}), "failed: dial tcp 10.244.0.3:8080: connect: connection refused")]
#[case::tcp_timeout("sleep 1000".to_owned(), json!({"tcpSocket": {"port": 8080, "host": "10.244.0.250"}}), "failed: dial tcp 10.244.0.250:8080: i/o timeout")]
#[case::grpc("httpd -f -p 8080".to_owned(), json!({"grpc": {"port": 8080}}), "failed: timeout: failed to connect service \"10.244.0.3:8080\" within 1s: context deadline exceeded")]
#[tokio::test(start_paused = true)]
async fn failures(#[case] script: String, #[case] probe: Value, #[case] text: &str) {
    let world = World::new(1);
    let mut container = super::script(&script);
    container["readinessProbe"] = probe;
    for (field, value) in [("periodSeconds", 5), ("timeoutSeconds", 1), ("failureThreshold", 3), ("successThreshold", 1)] {
        container["readinessProbe"][field] = json!(value);
    }
    world.pod(&json!({"containers": [container]}));
    world.pass(12.0).await;
    let events = world.events();
    assert!(events.iter().any(|event| event.ends_with(&format!("Readiness probe {text}"))), "{events:#?}");
    assert_eq!(world.limits.since(0), Vec::new());
}

#[rstest]
#[case::serving(&[], json!({"port": 5000}), true)]
#[case::not_any_more(&["--delay-unhealthy-sec=5"], json!({"port": 5000}), false)]
#[case::of_a_service(&["--service", "shop", "--port=6000"], json!({"port": 6000, "service": "shop"}), true)]
#[case::of_another_service(&["--service=shop"], json!({"port": 5000, "service": "other"}), false)]
#[tokio::test(start_paused = true)]
async fn a_grpc_server_is_asked_for_its_health(#[case] arguments: &[&str], #[case] action: Value, #[case] ready: bool) {
    let world = World::new(1);
    let mut words = vec!["grpc-health-checking"];
    words.extend(arguments);
    let probe = json!({"grpc": action, "periodSeconds": 2, "timeoutSeconds": 1, "failureThreshold": 2, "successThreshold": 1});
    let container = json!({
        "name": "app", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": words, "readinessProbe": probe,
    });
    world.pod(&json!({"containers": [container]}));
    world.pass(20.0).await;
    let last = world.states().pop().unwrap();
    assert_eq!(last.contains("running::0:ready"), ready, "{:#?}", world.states());
    assert_eq!(world.limits.since(0), Vec::new());
}

#[rstest]
#[case::http("mkdir /w; echo ok >/w/health; httpd -f -p 8080 -h /w", get(json!({})))]
#[case::named("mkdir /w; echo ok >/w/health; httpd -f -p 8080 -h /w", get(json!({"port": "web"})))]
#[case::tcp("httpd -f -p 8080", json!({"tcpSocket": {"port": "web"}}))]
#[tokio::test(start_paused = true)]
async fn a_server_makes_the_pod_ready(#[case] script: &str, #[case] probe: Value) {
    let world = World::new(1);
    let mut container = super::script(script);
    container["readinessProbe"] = probe;
    container["ports"] = json!([{"name": "web", "containerPort": 8080}]);
    world.pod(&json!({"containers": [container]}));
    world.pass(15.0).await;
    assert!(world.states().last().unwrap().contains("running::0:ready"), "{:#?}", world.states());
}

#[rstest]
#[case::http("sleep 1000", json!({"httpGet": {"path": "/x", "port": 8080}}), "HTTP lifecycle hook (/x) for Container \"app\" in Pod \"")]
#[case::tcp("sleep 1000", json!({"tcpSocket": {"port": 8080}}), "Cannot run handler: invalid handler: &LifecycleHandler{Exec:nil,HTTPGet:nil,TCPSocket:&TCPSocketAction{Port:{0 8080 },Host:,},Sleep:nil,}")]
#[tokio::test(start_paused = true)]
async fn hooks_that_cannot_be_run_keep_a_container_from_starting(#[case] script: &str, #[case] hook: Value, #[case] text: &str) {
    let world = World::new(1);
    let mut container = super::script(script);
    container["lifecycle"] = json!({"postStart": hook});
    world.pod(&json!({"containers": [container], "terminationGracePeriodSeconds": 1}));
    world.pass(8.0).await;
    assert!(world.events().iter().any(|event| event.ends_with("PostStartHook failed")), "{:#?}", world.events());
    let waiting = world.timeline().iter().any(|line| line.contains("PostStartHookError"));
    let pod = world.get();
    let message = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(waiting || message.contains(text), "{:#?}", world.timeline());
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_content_with_any_answer() {
    let world = World::new(1);
    let mut container = super::script("httpd -f -p 8080");
    container["lifecycle"] = json!({"preStop": {"httpGet": {"path": "/none", "port": 8080}}});
    world.pod(&json!({"containers": [container]}));
    world.pass(5.0).await;
    world.delete(Some(2));
    world.pass(10.0).await;
    assert!(!world.events().iter().any(|event| event.contains("FailedPreStopHook")), "{:#?}", world.events());
}
