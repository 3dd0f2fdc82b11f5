//! Definitions through kube's client: from creation to the end of the last object.

use crate::sim::api::client;
use crate::sim::api::{ApiServer, resource};
use crate::sim::clock::Clock;
use crate::sim::kubelet::Runtime;
use crate::sim::profile::Profile;
use crate::sim::random::Random;
use http::{Method, Request};
use serde_json::{Value, json};
use std::sync::Arc;

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "maximum": 10}, "replicas": {"type": "integer", "default": 2},
            "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}},
        }},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
    }});
    let scale = json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wg"]},
            "versions": [
                {"name": "v1beta1", "served": true, "storage": false, "deprecated": true, "schema": {"openAPIV3Schema": schema}},
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}, "scale": scale},
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]},
            ]},
    })
}

async fn send(client: &kube::Client, method: Method, path: &str, body: Value) -> Result<Value, Value> {
    let kind = if method == Method::PATCH { "application/apply-patch+yaml" } else { "application/json" };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body).unwrap();
    client.request::<Value>(request).await.map_err(|error| match error {
        kube::Error::Api(status) => serde_json::to_value(*status).unwrap(),
        other => unreachable!("{other}"),
    })
}

fn cluster() -> (Arc<ApiServer>, kube::Client) {
    let api = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(1));
    let client = client(Arc::clone(&api), Runtime::default(), &Profile::default()).unwrap();
    (api, client)
}

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";

#[tokio::test(start_paused = true)]
async fn a_definition_is_established_and_its_objects_are_checked() {
    let (api, client) = cluster();
    let made = send(&client, Method::POST, CRDS, definition()).await.unwrap();
    assert_eq!(made["status"]["storedVersions"], json!(["v1"]));
    let stored = api.get(resource::CUSTOM_RESOURCE_DEFINITIONS, "", "widgets.example.com").unwrap();
    let conditions: Vec<&str> =
        stored["status"]["conditions"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(conditions, ["NamesAccepted", "Established"]);
    let group = send(&client, Method::GET, "/apis/example.com", Value::Null).await.unwrap();
    assert_eq!(group["preferredVersion"]["version"], "v1");

    let refused =
        send(&client, Method::POST, WIDGETS, json!({"metadata": {"name": "a"}, "spec": {"size": 11}})).await.unwrap_err();
    let why =
        "Widget.example.com \"a\" is invalid: spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10";
    assert_eq!(refused["message"], why);
    let given = json!({"metadata": {"name": "a"}, "spec": {"size": 1, "no": 1}, "status": {"replicas": 9}});
    let strict = send(&client, Method::POST, &format!("{WIDGETS}?fieldValidation=Strict"), given.clone()).await.unwrap_err();
    assert_eq!(
        strict["message"],
        "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.no\""
    );
    let made = send(&client, Method::POST, WIDGETS, given).await.unwrap();
    assert_eq!((&made["spec"], made.get("status")), (&json!({"size": 1, "replicas": 2}), None));

    let status = json!({"metadata": {"name": "a"}, "status": {"replicas": 1}});
    let written = send(&client, Method::PUT, &format!("{WIDGETS}/a/status"), status).await.unwrap();
    assert_eq!((&written["status"]["replicas"], &written["metadata"]["generation"]), (&json!(1), &json!(1)));
    let scaled = send(&client, Method::PUT, &format!("{WIDGETS}/a/scale"), json!({"spec": {"replicas": 5}})).await.unwrap();
    assert_eq!((&scaled["spec"]["replicas"], &scaled["status"]["replicas"]), (&json!(5), &json!(1)));
    let other = send(&client, Method::GET, &WIDGETS.replace("v1", "v1beta1"), Value::Null).await.unwrap();
    assert_eq!(other["items"][0]["apiVersion"], "example.com/v1beta1");
    assert_eq!(other["items"][0]["spec"]["replicas"], 5);
}

#[tokio::test(start_paused = true)]
async fn lists_of_custom_kinds_merge_by_their_keys() {
    let (_api, client) = cluster();
    send(&client, Method::POST, CRDS, definition()).await.unwrap();
    let apply = |manager: &str, k: &str| {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"},
            "spec": {"size": 1, "list": [{"k": k, "v": manager}]}});
        let path = format!("{WIDGETS}/a?fieldManager={manager}");
        let client = client.clone();
        async move { send(&client, Method::PATCH, &path, object).await }
    };
    apply("one", "x").await.unwrap();
    let both = apply("two", "y").await.unwrap();
    assert_eq!(both["spec"]["list"], json!([{"k": "x", "v": "one"}, {"k": "y", "v": "two"}]));
    let conflict = apply("two", "x").await.unwrap_err();
    assert_eq!(
        conflict["message"],
        "Apply failed with 1 conflict: conflict with \"one\" using example.com/v1: .spec.list[k=\"x\"].v"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_definition_waits_for_its_objects() {
    let (api, client) = cluster();
    send(&client, Method::POST, CRDS, definition()).await.unwrap();
    for (name, finalizers) in [("a", json!([])), ("b", json!(["example.com/wait"]))] {
        let object = json!({"metadata": {"name": name, "finalizers": finalizers}, "spec": {"size": 1}});
        send(&client, Method::POST, WIDGETS, object).await.unwrap();
    }
    let crd = format!("{CRDS}/widgets.example.com");
    send(&client, Method::DELETE, &crd, Value::Null).await.unwrap();
    let waiting = send(&client, Method::GET, &crd, Value::Null).await.unwrap();
    assert_eq!(waiting["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let refused =
        send(&client, Method::POST, WIDGETS, json!({"metadata": {"name": "c"}, "spec": {"size": 1}})).await.unwrap_err();
    assert_eq!((&refused["code"], &refused["reason"]), (&json!(405), &json!("MethodNotAllowed")));
    let kind = api.resource("example.com", "v1", "widgets").unwrap();
    assert_eq!(api.list(kind, None).len(), 1);
    api.modify(kind, "default", "b", crate::sim::api::Subresource::Main, |object| object["metadata"]["finalizers"] = json!([]))
        .unwrap();
    let gone = send(&client, Method::GET, &crd, Value::Null).await.unwrap_err();
    assert_eq!(gone["code"], 404);
    assert!(api.resource("example.com", "v1", "widgets").is_none());
}
