//! The shapes of new objects beside those of a recorded real cluster (`shared/traces/healthy`, first ADDED lines).
//! Behaviour over time is the fidelity test's.

use super::{ApiServer, Resource, resource};
use crate::sim::clock::Clock;
use crate::sim::random::Random;
use serde_json::{Value, json};

const RECORDED: &str = include_str!("recorded/healthy.json");

/// What the server chose by itself, different in every cluster.
fn without_chosen(object: &Value) -> Value {
    let text = object.to_string();
    let token = text.split("kube-api-access-").nth(1).map(|rest| rest.chars().take(5).collect::<String>());
    let text = token.map_or_else(|| text.clone(), |token| text.replace(&token, "xxxxx"));
    let mut object: Value = serde_json::from_str(&text).unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(object["metadata"].as_object_mut().unwrap().remove(field).is_some(), "{field} is set");
    }
    object
}

#[rstest::rstest]
#[case(resource::DEPLOYMENTS, "Deployment")]
#[case(resource::REPLICA_SETS, "ReplicaSet")]
#[case(resource::PODS, "Pod")]
#[case(resource::SERVICES, "Service")]
#[tokio::test(start_paused = true)]
async fn new_objects_have_the_recorded_shape(#[case] resource: Resource, #[case] kind: &str) {
    let all: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let case = all.iter().find(|case| case["recorded"]["kind"] == kind).unwrap();
    let api = ApiServer::new(Clock::starting_at("2026-11-20T23:39:52Z".parse().unwrap()), Random::new(1));
    let namespace = case["recorded"]["metadata"]["namespace"].as_str().unwrap();
    let mut made = without_chosen(&api.create(resource, namespace, case["sent"].clone()).unwrap());
    let recorded = without_chosen(&case["recorded"]);
    if kind == "Service" {
        for field in ["clusterIP", "clusterIPs"] {
            made["spec"][field] = recorded["spec"][field].clone();
        }
    }
    let made = if kind == "Deployment" {
        // The recording was made with kubectl apply, which writes its own annotation.
        let mut made = made;
        made["metadata"]["annotations"] = recorded["metadata"]["annotations"].clone();
        made
    } else {
        made
    };
    assert_eq!(made, recorded);
    assert_ne!(made, json!({}));
}
