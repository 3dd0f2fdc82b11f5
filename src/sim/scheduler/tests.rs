//! Tests of the queue and of what an attempt writes, on a paused clock.

mod placing;

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
async fn five_minutes_are_counted_from_the_last_attempt() {
    let cluster = Cluster::start();
    cluster.create(PODS, pod("big", "100"));
    cluster.pass(120.0).await;
    let mut large = node("n2", "200");
    large["spec"]["taints"] = json!([{"key": "reserved", "effect": "NoSchedule"}]);
    cluster.api.create(NODES, "", large).unwrap();
    cluster.pass(1.0).await;
    let tries = || cluster.events("FailedScheduling").iter().map(|event| event.ends_with(" x2")).collect::<Vec<_>>();
    assert_eq!(tries(), [false, false], "the node was worth an attempt");
    cluster.pass(298.0).await;
    assert_eq!(tries(), [false, false]);
    cluster.pass(32.0).await;
    assert_eq!(tries(), [false, true]);
    cluster.pass(300.0).await;
    assert!(cluster.events("FailedScheduling").iter().any(|event| event.ends_with(" x3")), "ten looks later it is old enough");
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
async fn a_more_important_pod_takes_the_place_of_a_less_important_one() {
    let cluster = Cluster::start();
    cluster.create(PODS, pod("first", "3"));
    cluster.pass(1.0).await;
    cluster.create(PODS, pod("equal", "3"));
    let mut important = pod("important", "3");
    let class = json!({"metadata": {"name": "high"}, "value": 1000});
    cluster.api.create(super::super::api::resource::PRIORITY_CLASSES, "", class).unwrap();
    important["spec"]["priorityClassName"] = json!("high");
    let important = cluster.create(PODS, important);
    cluster.pass(0.1).await;
    let waiting = cluster.get(PODS, "important");
    assert_eq!(text(&waiting, "/status/nominatedNodeName"), "n1");
    assert_eq!(text(&scheduled(&cluster, "important"), "/message"), "0/1 nodes are available: 1 Insufficient cpu.");
    let victim = cluster.get(PODS, "first");
    let target = condition(&victim["status"], "DisruptionTarget").cloned().unwrap();
    assert_eq!(text(&target, "/message"), "default-scheduler: preempting to accommodate a higher priority pod");
    assert!(is_deleting(&victim));
    assert_eq!(cluster.events("Preempted"), [format!("Preempted by pod {} on node n1 x1", uid(&important))]);
    cluster.pass(2.0).await;
    let placed = cluster.get(PODS, "important");
    assert_eq!((text(&placed, "/spec/nodeName"), text(&placed, "/status/nominatedNodeName")), ("n1", ""));
    assert_eq!(text(&cluster.get(PODS, "equal"), "/spec/nodeName"), "");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_may_not_preempt_says_so() {
    let cluster = Cluster::start();
    cluster.create(PODS, pod("first", "3"));
    cluster.pass(1.0).await;
    let mut polite = pod("polite", "3");
    let class = json!({"metadata": {"name": "polite"}, "value": 1000, "preemptionPolicy": "Never"});
    cluster.api.create(super::super::api::resource::PRIORITY_CLASSES, "", class).unwrap();
    polite["spec"]["priorityClassName"] = json!("polite");
    cluster.create(PODS, polite);
    cluster.pass(1.0).await;
    let message = text(&scheduled(&cluster, "polite"), "/message").to_owned();
    insta::assert_snapshot!(message, @"0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.");
    assert!(!is_deleting(&cluster.get(PODS, "first")));
}

#[tokio::test(start_paused = true)]
async fn replicas_lie_evenly_over_nodes() {
    let cluster = Cluster::start();
    for name in ["n2", "n3"] {
        cluster.api.create(NODES, "", node(name, "4")).unwrap();
    }
    cluster.create(super::super::api::resource::DEPLOYMENTS, super::super::controllers::testing::deployment(6, "v1"));
    cluster.pass(5.0).await;
    let on = |name: &str| cluster.all(PODS).iter().filter(|pod| text(pod, "/spec/nodeName") == name).count();
    assert_eq!((on("n1"), on("n2"), on("n3")), (2, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn many_pods_at_once_are_bound_at_the_pace_of_the_schedulers_client() {
    let cluster = Cluster::start();
    cluster
        .api
        .create(NODES, "", {
            let mut large = node("n2", "400");
            large["status"]["allocatable"]["pods"] = json!("1000");
            large
        })
        .unwrap();
    for n in 0..200 {
        cluster.create(PODS, pod(&format!("p{n:03}"), "1"));
    }
    let bound = || cluster.all(PODS).iter().filter(|pod| !text(pod, "/spec/nodeName").is_empty()).count();
    cluster.pass(0.5).await;
    assert!((100..135).contains(&bound()), "{}", bound());
    cluster.pass(2.0).await;
    assert_eq!(bound(), 200);
}
