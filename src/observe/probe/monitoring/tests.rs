//! Against a server that has the Route, or has it not.

use super::*;
use crate::scenario::{LoadOptions, load};
use http::{Request, Response};
use kube::client::Body;
use rstest::rstest;
use serde_json::{Value, json};

/// A server whose Route `thanos-querier` is this.
fn client(route: Option<Value>) -> kube::Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        assert_eq!(request.uri().path(), "/apis/route.openshift.io/v1/namespaces/openshift-monitoring/routes/thanos-querier");
        let absent = || json!({ "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "no" });
        let (code, body) = route.clone().map_or_else(|| (404, absent()), |route| (200, route));
        let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
        async move { Ok::<_, std::convert::Infallible>(answer.unwrap()) }
    });
    kube::Client::new(service, "n")
}

fn route(tls: bool, admitted: &str) -> Value {
    let ingress = json!({ "host": "thanos.apps.example", "conditions": [{ "type": "Admitted", "status": admitted }] });
    let spec = if tls { json!({ "tls": { "termination": "reencrypt" } }) } else { json!({}) };
    json!({ "apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": { "name": "thanos-querier" },
        "spec": spec, "status": { "ingress": [ingress] } })
}

/// A plan that asks the Prometheus at this address, if any.
fn plan(url: Option<&str>) -> Plan {
    let mut plan = Plan::clone(&load(&["builtin:pod-deleted".to_owned()], &LoadOptions::default()).unwrap().plans[0]);
    let mut condition = json!({ "prometheus": { "query": "up" } });
    if let Some(url) = url {
        condition["prometheus"]["url"] = json!(url);
    }
    plan.recover.until.push(serde_json::from_value(condition).unwrap());
    plan
}

#[tokio::test]
async fn openshifts_own_is_found_by_its_route_and_asked_with_a_token() {
    let token = SecretString::from("sha256~planted-token");
    let found = Monitoring::of(&client(Some(route(true, "True"))), Some(&token), &plan(None)).await.unwrap();
    assert_eq!(found.server(None).unwrap().url, "https://thanos.apps.example");
    assert_eq!(found.server(Some("http://p:9090")).unwrap().url, "http://p:9090");
    assert!(!format!("{found:?}").contains("planted"));
}

#[tokio::test]
async fn nobody_looks_for_it_where_every_condition_names_its_own() {
    let none = Monitoring::of(&client(None), None, &plan(Some("http://p:9090"))).await.unwrap();
    assert_eq!(none.server(Some("http://p:9090")).unwrap().url, "http://p:9090");
    assert!(none.server(None).is_err());
}

#[rstest]
#[case::absent(None, true, "none that a router has admitted")]
#[case::refused(Some(route(true, "False")), true, "none that a router has admitted")]
#[case::anybody_could_listen(Some(route(false, "True")), true, "without TLS")]
#[case::client_certificate(Some(route(true, "True")), false, "no token to ask it with")]
#[tokio::test]
async fn what_is_in_the_way_is_said(#[case] route: Option<Value>, #[case] token: bool, #[case] why: &str) {
    let token = token.then(|| SecretString::from("sha256~planted-token"));
    let error = Monitoring::of(&client(route), token.as_ref(), &plan(None)).await.unwrap_err().to_string();
    assert!(error.contains(why) && error.contains("thanos-querier") && !error.contains("planted"), "{error}");
}
