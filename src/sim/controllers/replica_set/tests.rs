//! Tests of the controller with scheduler and stand-in kubelet on a paused clock.

use super::super::object::annotation;
use super::super::testing::{Cluster, set_ready};
use super::*;
use crate::sim::api::DeleteOptions;
use crate::sim::api::resource::RESOURCE_QUOTAS;

fn replica_set(replicas: i64) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}, "annotations": {"note": "x"}},
                "spec": {"containers": [{"name": "web", "image": "v1"}]}},
        },
    })
}

fn status(cluster: &Cluster) -> Value {
    cluster.get(REPLICA_SETS, "web")["status"].clone()
}

#[tokio::test(start_paused = true)]
async fn pods_carry_labels_annotations_and_owner_and_a_deleted_one_is_replaced_at_once() {
    let cluster = Cluster::start();
    let set = cluster.create(REPLICA_SETS, replica_set(2));
    cluster.pass(1.0).await;
    let pods = cluster.all(PODS);
    assert!(pods.iter().all(|pod| is_controlled_by(pod, &set) && name(pod).len() == "web-xxxxx".len()));
    assert!(pods.iter().all(|pod| annotation(pod, "note") == Some("x")));
    cluster.api.delete(PODS, "shop", name(&pods[0]), &DeleteOptions::default()).unwrap();
    cluster.pass(0.1).await;
    let expected = json!({"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 1, "availableReplicas": 1,
        "terminatingReplicas": 1, "observedGeneration": 1});
    assert_eq!(status(&cluster), expected, "the replacement is there while the old pod ends");
    assert_eq!(cluster.all(PODS).len(), 3);
    assert_eq!(cluster.events("SuccessfulCreate").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn orphans_are_adopted_and_relabelled_pods_released() {
    let cluster = Cluster::start();
    let orphan =
        json!({"metadata": {"name": "lone", "labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "v1"}]}});
    cluster.create(PODS, orphan);
    let set = cluster.create(REPLICA_SETS, replica_set(1));
    cluster.pass(1.0).await;
    assert_eq!(cluster.all(PODS).len(), 1);
    assert!(is_controlled_by(&cluster.get(PODS, "lone"), &set));
    cluster.change(PODS, "lone", |pod| pod["metadata"]["labels"] = json!({"app": "debug"}));
    cluster.pass(1.0).await;
    assert!(controller_of(&cluster.get(PODS, "lone")).is_none());
    assert_eq!(cluster.all(PODS).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_worst_pods_go_first_and_their_going_is_told() {
    let cluster = Cluster::start();
    cluster.create(REPLICA_SETS, replica_set(3));
    cluster.pass(1.0).await;
    let unready = name(&cluster.all(PODS)[1]).to_owned();
    set_ready(&cluster.api, "shop", &unready, false);
    cluster.change(REPLICA_SETS, "web", |set| set["spec"]["replicas"] = json!(2));
    cluster.pass(0.1).await;
    let going: Vec<_> = cluster.all(PODS).into_iter().filter(is_deleting).map(|pod| name(&pod).to_owned()).collect();
    assert_eq!(going, std::slice::from_ref(&unready));
    assert_eq!(cluster.events("SuccessfulDelete"), [format!("Deleted pod: {unready} x1")]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_available_when_it_was_ready_for_the_minimum() {
    let cluster = Cluster::start();
    let mut set = replica_set(1);
    set["spec"]["minReadySeconds"] = json!(10);
    cluster.create(REPLICA_SETS, set);
    cluster.pass(9.0).await;
    assert_eq!((integer(&status(&cluster), "/readyReplicas"), integer(&status(&cluster), "/availableReplicas")), (1, 0));
    cluster.pass(2.0).await;
    assert_eq!(integer(&status(&cluster), "/availableReplicas"), 1);
}

#[tokio::test(start_paused = true)]
async fn refused_pods_are_reported_once_as_a_condition_and_retried_with_back_off() {
    let cluster = Cluster::start();
    // Without its service account the server refuses every pod of the namespace.
    let mut set = replica_set(2);
    set["spec"]["template"]["spec"]["serviceAccountName"] = json!("robot");
    cluster.create(REPLICA_SETS, set);
    cluster.pass(20.0).await;
    let failed = condition(&status(&cluster), "ReplicaFailure").cloned().unwrap();
    assert_eq!((text(&failed, "/status"), text(&failed, "/reason")), ("True", "FailedCreate"));
    assert!(text(&failed, "/message").contains("serviceaccount \"robot\" not found"), "{failed}");
    // 5, 10, 20, ... ms after each other: twelve attempts in 20 s and the informers' own; one message each, so they combine.
    let told = cluster.events("FailedCreate");
    assert_eq!(told.len(), 10, "{told:?}");
    assert!(told[0].starts_with("Error creating: pods \"web-"), "{told:?}");
    assert!(told[9].starts_with("(combined from similar events): Error creating: pods \"web-"), "{told:?}");
    cluster.create(crate::sim::api::resource::SERVICE_ACCOUNTS, json!({"metadata": {"name": "robot"}}));
    cluster.pass(0.5).await;
    assert_eq!(cluster.all(PODS).len(), 0, "nothing wakes it before its back-off ends");
    cluster.pass(25.0).await;
    assert_eq!(cluster.all(PODS).len(), 2);
    assert!(condition(&status(&cluster), "ReplicaFailure").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_quota_lets_some_pods_in_and_raising_it_does_not_wake_the_set() {
    let cluster = Cluster::start();
    cluster.create(RESOURCE_QUOTAS, json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}));
    cluster.create(REPLICA_SETS, replica_set(4));
    cluster.pass(2.0).await;
    assert_eq!(integer(&status(&cluster), "/replicas"), 2);
    let message = text(condition(&status(&cluster), "ReplicaFailure").unwrap(), "/message").to_owned();
    let expected = "is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2";
    assert!(message.starts_with("pods \"web-") && message.ends_with(expected), "{message}");
    cluster.change(RESOURCE_QUOTAS, "q", |quota| quota["spec"]["hard"]["pods"] = json!("3"));
    cluster.pass(1.0).await;
    assert_eq!(integer(&status(&cluster), "/replicas"), 2);
    cluster.pass(200.0).await;
    assert_eq!(integer(&status(&cluster), "/replicas"), 3);
    let kept = text(condition(&status(&cluster), "ReplicaFailure").unwrap(), "/message").to_owned();
    assert_eq!(kept, message, "a condition that stands is not rewritten");
}
