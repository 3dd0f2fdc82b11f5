//! Discovery, version, reviews, bindings, evictions, the second face of events, and what is refused.

use super::*;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::events::v1::Event;
use kube::api::{EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::discovery::{Discovery, Scope, verbs};

#[tokio::test(start_paused = true)]
async fn kube_discovers_what_is_served() {
    let (_api, client) = cluster();
    for discovery in
        [Discovery::new(client.clone()).run().await.unwrap(), Discovery::new(client.clone()).run_aggregated().await.unwrap()]
    {
        let (resource, capabilities) =
            discovery.groups().find(|group| group.name() == "apps").unwrap().recommended_kind("Deployment").unwrap();
        assert_eq!((resource.plural.as_str(), capabilities.scope.clone()), ("deployments", Scope::Namespaced));
        assert!(capabilities.supports_operation(verbs::WATCH));
        assert!(discovery.groups().any(|group| group.name() == "events.k8s.io"));
    }
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.36.2-sim");
    let review: Api<SelfSubjectAccessReview> = Api::all(client);
    let asked = typed(json!({"metadata": {}, "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}));
    assert!(review.create(&PostParams::default(), &asked).await.unwrap().status.unwrap().allowed);
}

#[tokio::test(start_paused = true)]
async fn pods_are_bound_once_and_evicted() {
    let (_api, client) = cluster();
    let pods = pods(&client);
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let bind = async |node: &str| {
        let binding =
            json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}, "target": {"kind": "Node", "name": node}});
        let request =
            http::Request::post("/api/v1/namespaces/shop/pods/a/binding").body(binding.to_string().into_bytes()).unwrap();
        client.request_text(request).await
    };
    bind("n").await.unwrap();
    let bound = pods.get("a").await.unwrap();
    assert_eq!((bound.spec.unwrap().node_name.as_deref(), bound.metadata.generation), (Some("n"), Some(1)));
    assert_eq!(bound.status.unwrap().conditions.unwrap()[0].type_, "PodScheduled");
    let status = refused(bind("m").await);
    assert_eq!(status["message"], "Operation cannot be fulfilled on pods/binding \"a\": pod a is already assigned to node \"n\"");
    pods.evict("a", &EvictParams::default()).await.unwrap();
    let going = pods.get("a").await.unwrap();
    assert_eq!(going.metadata.deletion_grace_period_seconds, Some(30));
    let conditions = going.status.unwrap().conditions.unwrap();
    assert_eq!(conditions.last().unwrap().reason.as_deref(), Some("EvictionByEvictionAPI"));
}

#[tokio::test(start_paused = true)]
async fn events_have_two_faces() {
    let (api, client) = cluster();
    let events: Api<Event> = Api::namespaced(client.clone(), "shop");
    let core = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "a"}, "reason": "R", "message": "m", "count": 2});
    api.create(resource::EVENTS, "shop", core).unwrap();
    let read = events.get("e").await.unwrap();
    assert_eq!((read.note.as_deref(), read.deprecated_count), (Some("m"), Some(2)));
    assert_eq!(events.list(&ListParams::default()).await.unwrap().items[0].note.as_deref(), Some("m"));
    let patch = Patch::Merge(json!({"deprecatedCount": 3}));
    events.patch("e", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(api.get(resource::EVENTS, "shop", "e").unwrap()["count"], 3);
}

#[rstest::rstest]
#[case("GET", "/apis/foo.bar/v1/foos", "", 404)]
#[case("GET", "/api/v1/namespaces/shop/pods/none/nonsense", "", 404)]
#[case("PUT", "/api/v1/namespaces/shop/pods", "{}", 405)]
#[case("POST", "/api/v1/namespaces/shop/pods", "{nope", 400)]
#[case("POST", "/api/v1/namespaces/shop/pods", "", 400)]
#[case("POST", "/api/v1/namespaces/shop/pods", "[1]", 400)]
#[case("POST", "/api/v1/namespaces/shop/pods", "{\"metadata\":7}", 400)]
#[case("POST", "/api/v1/namespaces/shop/pods", "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\"}", 400)]
#[case("POST", "/api/v1/namespaces/shop/pods?dryRun=Some", "{}", 422)]
#[case("POST", "/api/v1/namespaces/shop/pods", "{\"metadata\":{\"name\":\"x\"}}", 422)]
#[case("POST", "/api/v1/namespaces/shop/pods?fieldValidation=Strict", "{\"metadata\":{\"name\":\"x\"},\"foo\":1}", 400)]
#[case("PATCH", "/api/v1/namespaces/shop/pods/x", "{}", 415)]
#[case("GET", "/api/v1/pods?limit=x", "", 400)]
#[case("GET", "/api/v1/pods?resourceVersion=x", "", 400)]
#[case("GET", "/api/v1/pods?resourceVersion=99999", "", 504)]
#[case("GET", "/api/v1/pods?continue=abc", "", 400)]
#[case("GET", "/api/v1/pods?resourceVersionMatch=Exact&resourceVersion=0", "", 422)]
#[case("GET", "/api/v1/pods?sendInitialEvents=true", "", 422)]
#[case("GET", "/api/v1/pods?watch=1&sendInitialEvents=true", "", 422)]
#[tokio::test(start_paused = true)]
async fn malformed_requests_get_their_code(#[case] method: &str, #[case] path: &str, #[case] body: &str, #[case] code: u16) {
    let (_api, client) = cluster();
    let request = http::Request::builder().method(method).uri(path).body(Body::from(body.as_bytes().to_vec())).unwrap();
    let response = client.send(request).await.unwrap();
    assert_eq!(response.status().as_u16(), code);
    let status: Value = serde_json::from_slice(&response.into_body().collect_bytes().await.unwrap()).unwrap();
    assert_eq!((status["kind"].as_str(), status["code"].as_u64()), (Some("Status"), Some(u64::from(code))));
}

#[tokio::test(start_paused = true)]
async fn a_body_of_more_than_three_mebibytes_is_refused() {
    let (_api, client) = cluster();
    let map = json!({"metadata": {"name": "big"}, "data": {"key": "x".repeat(3 * 1024 * 1024)}});
    let request =
        http::Request::post("/api/v1/namespaces/shop/configmaps").body(Body::from(map.to_string().into_bytes())).unwrap();
    assert_eq!(client.send(request).await.unwrap().status().as_u16(), 413);
}

#[tokio::test(start_paused = true)]
async fn a_kind_without_its_controller_is_a_limit() {
    let (api, _client) = cluster();
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let ingress = json!({"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}});
    api.create(resource::INGRESSES, "shop", ingress).unwrap();
    let limits = api.limits.since(0);
    assert_eq!((limits.len(), limits[0].construct.as_str()), (1, "networking.k8s.io/v1 Ingress"));
}
