//! Requests that are refused, and the Status of each refusal.

use crate::raw::Raw;
use crate::server::{Cluster, runs, until};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: &str = "Content-Type: application/json";

/// A request, its headers and body, and what is answered: code, reason, message.
type Case<'a> = (&'a str, &'a [&'a str], &'a str, u16, &'a str, &'a str);

const CASES: &[Case] = &[
    ("POST PODS", &[JSON], "{", 400, "BadRequest", "couldn't get version/kind; json parse error"),
    (
        "POST PODS",
        &[JSON],
        r#"{"kind":"ConfigMap","apiVersion":"v1"}"#,
        400,
        "BadRequest",
        "ConfigMap in version \"v1\" cannot be handled as a Pod",
    ),
    ("GET PODS?limit=x", &[], "", 400, "BadRequest", "invalid syntax"),
    ("GET PODS?labelSelector=%2C%2C", &[], "", 400, "BadRequest", "unable to parse requirement"),
    ("GET PODS?a=%zz", &[], "", 400, "BadRequest", "invalid URL escape"),
    ("PATCH MAPS/one", &["Content-Type: application/merge-patch+json"], "[", 400, "BadRequest", ""),
    ("PATCH MAPS/one", &["Content-Type: application/json-patch+json"], "{}", 400, "BadRequest", ""),
    ("GET PODS/p/exec?command=ls&stdout=1", &[], "", 404, "NotFound", "pods \"p\" not found"),
    ("GET PODS", &["Authorization: Bearer guessed"], "", 401, "Unauthorized", "Unauthorized"),
    ("GET PODS", &["Authorization: "], "", 403, "Forbidden", "User \"system:anonymous\" cannot list resource \"pods\""),
    ("GET PODS", &["Impersonate-User: bob"], "", 403, "Forbidden", "User \"bob\" cannot list resource \"pods\""),
    ("GET PODS/none", &[], "", 404, "NotFound", "pods \"none\" not found"),
    ("GET /apis/nothing.io/v1/things", &[], "", 404, "NotFound", "could not find the requested resource"),
    ("GET /api/v1/namespaces/default/pods/p/nothing", &[], "", 404, "NotFound", "could not find the requested resource"),
    ("POST MAPS/one", &[JSON], "{}", 405, "MethodNotAllowed", "does not allow this method"),
    ("PUT MAPS", &[JSON], "{}", 405, "MethodNotAllowed", "does not allow this method"),
    ("DELETE /version", &[], "", 405, "MethodNotAllowed", "does not allow this method"),
    ("BREW PODS", &[], "", 405, "MethodNotAllowed", "does not allow this method"),
    ("GET PODS", &["Accept: text/html"], "", 406, "NotAcceptable", ""),
    (
        "GET MAPS/one",
        &["Accept: application/json;as=Nonsense;v=v1;g=meta.k8s.io"],
        "",
        406,
        "NotAcceptable",
        "only the following media types are accepted",
    ),
    ("POST MAPS", &[JSON], r#"{"metadata":{"name":"one"}}"#, 409, "AlreadyExists", "configmaps \"one\" already exists"),
    (
        "PUT MAPS/one",
        &[JSON],
        r#"{"metadata":{"name":"one","resourceVersion":"1"}}"#,
        409,
        "Conflict",
        "the object has been modified",
    ),
    (
        "DELETE MAPS/one",
        &[JSON],
        r#"{"preconditions":{"uid":"other"}}"#,
        409,
        "Conflict",
        "the UID in the precondition (other) does not match the UID in record",
    ),
    (
        "POST MAPS",
        &["Content-Type: text/plain"],
        "{}",
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format",
    ),
    ("PATCH MAPS/one", &[JSON], "{}", 415, "UnsupportedMediaType", "415: Unsupported Media Type"),
    (
        "POST MAPS",
        &[JSON],
        r#"{"metadata":{"name":"UPPER"}}"#,
        422,
        "Invalid",
        "ConfigMap \"UPPER\" is invalid: metadata.name: Invalid value: \"UPPER\"",
    ),
    (
        "PATCH MAPS/one",
        &["Content-Type: application/json-patch+json"],
        r#"[{"op":"test","path":"/data/key","value":"other"}]"#,
        422,
        "Invalid",
        "due to an error in our request",
    ),
    (
        "GET PODS?resourceVersion=999999&resourceVersionMatch=NotOlderThan",
        &[],
        "",
        504,
        "Timeout",
        "Too large resource version: 999999",
    ),
];

#[tokio::test]
async fn every_refusal_is_a_status() {
    let cluster = Cluster::start(10.0).await;
    let raw = Raw::new(&cluster);
    let made = raw.ask(&format!("POST {MAPS}"), &[JSON], br#"{"metadata":{"name":"one"},"data":{"key":"value"}}"#).await;
    assert_eq!(made.code, 201, "{made:?}");
    let mut wrong = Vec::new();
    for (request, headers, body, code, reason, message) in CASES {
        let request = request.replace("PODS", PODS).replace("MAPS", MAPS);
        let answer = raw.ask(&request, headers, body.as_bytes()).await;
        let status: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let told = status["message"].as_str().unwrap_or_default();
        let is_status = status["kind"] == "Status" && status["apiVersion"] == "v1" && status["status"] == "Failure";
        if !(is_status
            && answer.code == *code
            && status["code"] == json!(code)
            && status["reason"] == json!(reason)
            && told.contains(message))
        {
            wrong.push(format!("{request}: expected {code} {reason} {message:?}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("ok: {} refusals", CASES.len());
    cluster.served.stop().unwrap();
}

#[tokio::test]
async fn a_huge_body_is_refused_whether_its_head_says_so_or_not() {
    let cluster = Cluster::start(10.0).await;
    let raw = Raw::new(&cluster);
    let limit = 3 * 1024 * 1024;
    let map = |size: usize| format!(r#"{{"metadata":{{"name":"big"}},"data":{{"key":"{}"}}}}"#, "x".repeat(size));
    let padding = limit - map(0).len();
    for size in [padding + 1, 2 * limit] {
        let answer = raw.ask(&format!("POST {MAPS}"), &[JSON], map(size).as_bytes()).await;
        assert_eq!((answer.code, answer.json()["reason"].as_str()), (413, Some("RequestEntityTooLarge")), "{answer:?}");
        assert_eq!(answer.json()["message"], "Request entity too large: limit is 3145728");
    }
    // One that just fits is read, and too large for an object.
    let answer = raw.ask(&format!("POST {MAPS}"), &[JSON], map(padding).as_bytes()).await;
    assert_eq!(answer.code, 422, "{}", answer.head);
    assert_eq!(answer.json()["message"], "ConfigMap \"big\" is invalid: []: Too long: may not be more than 1048576 bytes");
    cluster.served.stop().unwrap();
}

#[tokio::test]
async fn an_eviction_beyond_its_budget_is_told_to_wait() {
    let cluster = Cluster::start(10.0).await;
    let raw = Raw::new(&cluster);
    let container = json!({"name": "app", "image": "busybox", "command": ["sleep", "1000"]});
    let pod = json!({"metadata": {"name": "app", "labels": {"app": "app"}}, "spec": {"containers": [container]}});
    let budget = json!({"metadata": {"name": "app"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "app"}}}});
    for (path, object) in [(PODS, pod), ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", budget)] {
        assert_eq!(raw.ask(&format!("POST {path}"), &[JSON], object.to_string().as_bytes()).await.code, 201);
    }
    until(kube::Api::default_namespaced(cluster.client().await), "app", runs).await;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "app"}});
    let answer = raw.ask(&format!("POST {PODS}/app/eviction"), &[JSON], eviction.to_string().as_bytes()).await;
    assert_eq!((answer.code, answer.json()["reason"].as_str()), (429, Some("TooManyRequests")), "{answer:?}");
    assert_eq!(answer.json()["message"], "Cannot evict pod as it would violate the pod's disruption budget.");
    cluster.served.stop().unwrap();
}
