//! Any patch of any type on stored objects, through the REST face: an object or a Status comes back, and what is stored stays
//! whole.
#![no_main]

use bytes::Bytes;
use comeback::sim::api::{ApiServer, client};
use comeback::sim::clock::Clock;
use comeback::sim::kubelet::Runtime;
use comeback::sim::profile::ProfileChoice;
use comeback::sim::random::Random;
use http::Request;
use http_body_util::BodyExt as _;
use kube::client::Body;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const TYPES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml?fieldManager=fuzz&force=true",
];

const PATHS: [&str; 6] = [
    "/api/v1/namespaces/default/pods/p",
    "/api/v1/namespaces/default/configmaps/c",
    "/api/v1/namespaces/default/services/s",
    "/apis/apps/v1/namespaces/default/deployments/d",
    "/apis/apps/v1/namespaces/default/deployments/d/scale",
    "/api/v1/namespaces/default/pods/p/status",
];

fn objects() -> [(&'static str, Value); 5] {
    let containers = json!([{"name": "a", "image": "busybox", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80}]}]);
    let labels = json!({"app": "d"});
    [
        // Admission looks the account of a pod up.
        ("/api/v1/namespaces/default/serviceaccounts", json!({"metadata": {"name": "default"}})),
        ("/api/v1/namespaces/default/pods", json!({"metadata": {"name": "p", "labels": labels}, "spec": {"containers": containers}})),
        ("/api/v1/namespaces/default/configmaps", json!({"metadata": {"name": "c"}, "data": {"k": "v"}})),
        ("/api/v1/namespaces/default/services", json!({"metadata": {"name": "s"}, "spec": {"selector": labels, "ports": [{"port": 80}]}})),
        (
            "/apis/apps/v1/namespaces/default/deployments",
            json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}}),
        ),
    ]
}

async fn send(client: &kube::Client, method: &str, path: &str, kind: &str, body: Bytes) -> (u16, Vec<u8>) {
    let request = Request::builder().method(method).uri(path).header("content-type", kind).body(Body::from(body.to_vec()));
    let response = client.send(request.expect("a request")).await.expect("the server answers");
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.expect("a body").to_bytes().to_vec())
}

fuzz_target!(|data: &[u8]| {
    let [kind, path, patch @ ..] = data else { return };
    let (kind, query) = TYPES[usize::from(*kind) % TYPES.len()].split_once('?').unwrap_or((TYPES[usize::from(*kind) % 3], ""));
    let path = PATHS[usize::from(*path) % PATHS.len()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time"));
        let api = ApiServer::new(clock, Random::new(1));
        let profile = "instant".parse::<ProfileChoice>().expect("a profile").profile();
        let client = client(api, Runtime::default(), &profile).expect("a client");
        for (at, object) in objects() {
            let body = Bytes::from(serde_json::to_vec(&object).expect("JSON"));
            let (status, answer) = send(&client, "POST", at, "application/json", body).await;
            assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
        }
        let (status, answer) =
            send(&client, "PATCH", &format!("{path}?{query}"), kind, Bytes::copy_from_slice(patch)).await;
        let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
        if status >= 400 {
            assert_eq!(answer["kind"], "Status", "{answer}");
            assert_eq!(answer["code"], status, "{answer}");
            // The real server does not classify some errors of patches either; an internal one is ours.
            assert!(answer["reason"] != "InternalError", "{answer}");
        }
        // Whatever came: the object is still there and whole.
        let base = path.trim_end_matches("/scale").trim_end_matches("/status");
        let (status, answer) = send(&client, "GET", base, "application/json", Bytes::new()).await;
        assert_eq!(status, 200);
        let stored: Value = serde_json::from_slice(&answer).expect("the object is JSON");
        assert_eq!(stored["metadata"]["namespace"], "default");
        assert_eq!(stored["metadata"]["name"].as_str(), base.rsplit('/').next());
    });
});
