//! Tests of the queue and of what an attempt writes, on a paused clock.

use super::super::controllers::object::integer;
use super::super::controllers::testing::{Cluster, node};
use super::*;
use crate::sim::api::DeleteOptions;

fn pod(name: &str, cpu: &str) -> Value {
    let container = json!({"name": "app", "image": "v1", "resources": {"requests": {"cpu": cpu}}});
    json!({"metadata": {"name": name}, "spec": {"containers": [container]}})
}

fn scheduled(cluster: &Cluster, name: &str) -> Value {
    condition(&cluster.get(PODS, name)["status"], "PodScheduled").cloned().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_impossible_pod_is_told_why_and_tried_again_after_five_minutes() {
    let cluster = Cluster::start();
    cluster.create(PODS, pod("big", "100"));
    cluster.pass(1.0).await;
    let message = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: \
        1 Preemption is not helpful for scheduling.";
    let expected = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "observedGeneration": 1, "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    assert_eq!(scheduled(&cluster, "big"), expected);
    assert_eq!(cluster.events("FailedScheduling"), [format!("{message} x1")]);
    cluster.pass(298.0).await;
    assert_eq!(cluster.events("FailedScheduling"), [format!("{message} x1")]);
    cluster.pass(32.0).await;
    assert_eq!(cluster.events("FailedScheduling"), [format!("{message} x2")]);
    assert_eq!(integer(&cluster.get(PODS, "big"), "/metadata/generation"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_leaves_makes_room_and_a_new_node_too() {
    let cluster = Cluster::start();
    cluster.create(PODS, pod("first", "3"));
    cluster.pass(1.0).await;
    cluster.create(PODS, pod("second", "3"));
    cluster.pass(1.0).await;
    let message = text(&scheduled(&cluster, "second"), "/message").to_owned();
    assert!(message.ends_with("1 No preemption victims found for incoming pod."), "{message}");
    cluster.api.delete(PODS, "shop", "first", &DeleteOptions::default()).unwrap();
    cluster.pass(1.0).await;
    assert_eq!(text(&cluster.get(PODS, "second"), "/spec/nodeName"), "n1");
    cluster.create(PODS, pod("third", "3"));
    cluster.pass(1.0).await;
    cluster.api.create(NODES, "", node("n2", "4")).unwrap();
    cluster.pass(1.0).await;
    assert_eq!(text(&cluster.get(PODS, "third"), "/spec/nodeName"), "n2");
    assert!(cluster.events("Scheduled").contains(&"Successfully assigned shop/third to n2 x1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn pods_in_a_burst_do_not_take_the_same_room_and_spread_over_equal_nodes() {
    let cluster = Cluster::start();
    cluster.api.create(NODES, "", node("n2", "4")).unwrap();
    for n in 0..4 {
        cluster.create(PODS, pod(&format!("p{n}"), "2"));
    }
    cluster.create(PODS, pod("late", "2"));
    cluster.pass(1.0).await;
    let on = |name: &str| cluster.all(PODS).iter().filter(|pod| text(pod, "/spec/nodeName") == name).count();
    assert_eq!((on("n1"), on("n2"), on("")), (2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn only_its_own_pods_are_scheduled() {
    let cluster = Cluster::start();
    let mut foreign = pod("foreign", "1");
    foreign["spec"]["schedulerName"] = json!("another");
    cluster.create(PODS, foreign);
    cluster.pass(1.0).await;
    assert_eq!(text(&cluster.get(PODS, "foreign"), "/spec/nodeName"), "");
    assert_eq!(cluster.events("FailedScheduling"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn says_that_it_preempts_nobody() {
    let cluster = Cluster::start();
    cluster.create(PODS, pod("first", "3"));
    cluster.pass(1.0).await;
    cluster.create(PODS, pod("equal", "3"));
    cluster.pass(1.0).await;
    assert!(cluster.api.limits.since(0).is_empty());
    let mut important = pod("important", "3");
    important["spec"]["priority"] = json!(1000);
    cluster.create(PODS, important);
    cluster.pass(1.0).await;
    let said: Vec<_> = cluster.api.limits.since(0).into_iter().map(|limit| (limit.subject, limit.construct)).collect();
    assert_eq!(said, [("pod shop/important".to_owned(), "preemption of pods of lower priority".to_owned())]);
}
