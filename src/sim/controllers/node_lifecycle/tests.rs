//! Tests of lost nodes and what becomes of their pods, on a paused clock with whole kubelets.

use super::super::object::{is_deleting, list};
use super::super::testing::deployment;
use super::*;
use crate::sim::api::resource::{DEPLOYMENTS, EVENTS, NAMESPACES};
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;

async fn cluster(nodes: usize, tolerate: i64) -> Simulation {
    let profile = Profile::default().with_nodes(nodes);
    let cluster = Simulation::start(3, "2026-01-01T00:00:00Z".parse().unwrap(), profile);
    cluster.api.create(NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
    pass(1.0).await;
    let mut app = deployment(2, "busybox");
    let spec = &mut app["spec"]["template"]["spec"];
    spec["containers"][0]["command"] = json!(["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 1; done"]);
    spec["tolerations"] = json!(
        ["not-ready", "unreachable"]
            .map(|key| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": tolerate}))
    );
    cluster.api.create(DEPLOYMENTS, "shop", app).unwrap();
    pass(20.0).await;
    cluster
}

async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

fn taints(cluster: &Simulation, node: &str) -> Vec<String> {
    let node = cluster.api.get(NODES, "", node).unwrap();
    let key =
        |taint: &Value| format!("{}:{}", text(taint, "/key").trim_start_matches("node.kubernetes.io/"), text(taint, "/effect"));
    list(&node, "/spec/taints").iter().map(key).collect()
}

fn state(cluster: &Simulation, node: &str) -> String {
    ready(&cluster.api.get(NODES, "", node).unwrap()).unwrap().to_owned()
}

fn reasons(cluster: &Simulation, reason: &str) -> Vec<String> {
    let events = cluster.api.list(EVENTS, None);
    let mut told: Vec<_> =
        events.iter().filter(|event| event["reason"] == reason).map(|event| text(event, "/message").to_owned()).collect();
    told.sort_unstable();
    told
}

fn pods_on(cluster: &Simulation, node: &str) -> Vec<Object> {
    let pods = cluster.api.list(PODS, Some("shop"));
    pods.into_iter().filter(|pod| text(pod, "/spec/nodeName") == node).collect()
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_tainted_its_pods_marked_and_evicted_when_their_patience_ends() {
    let cluster = cluster(3, 20).await;
    let node = "embedded-worker";
    assert_eq!(pods_on(&cluster, node).len(), 1);
    cluster.nodes[node].pause().unwrap();
    pass(39.0).await;
    assert_eq!((state(&cluster, node).as_str(), taints(&cluster, node).len()), ("True", 0));
    pass(17.0).await;
    assert_eq!(state(&cluster, node), "Unknown");
    assert_eq!(taints(&cluster, node), ["unreachable:NoSchedule", "unreachable:NoExecute"]);
    let pod = pods_on(&cluster, node).remove(0);
    let status = condition(&pod["status"], "Ready").cloned().unwrap();
    assert_eq!((text(&status, "/status"), text(&status, "/reason")), ("False", ""));
    assert_eq!(condition(&pod["status"], "ContainersReady").unwrap()["status"], "True");
    assert!(reasons(&cluster, "NodeNotReady").contains(&"Node is not ready".to_owned()));
    assert!(reasons(&cluster, "NodeNotReady").contains(&format!("Node {node} status is now: NodeNotReady")));
    pass(22.0).await;
    let pod = pods_on(&cluster, node).remove(0);
    assert!(is_deleting(&pod));
    assert_eq!(condition(&pod["status"], "DisruptionTarget").unwrap()["reason"], "DeletionByTaintManager");
    assert_eq!(reasons(&cluster, "TaintManagerEviction"), [format!("Marking for deletion Pod shop/{}", name(&pod))]);
    pass(5.0).await;
    assert_eq!(pods_on(&cluster, "embedded-worker2").len(), 2);
    cluster.nodes[node].unpause().unwrap();
    pass(30.0).await;
    assert_eq!((state(&cluster, node).as_str(), taints(&cluster, node)), ("True", Vec::new()));
    assert!(pods_on(&cluster, node).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_in_time_keeps_its_pods() {
    let cluster = cluster(3, 300).await;
    let node = "embedded-worker";
    let before = name(&pods_on(&cluster, node)[0]).to_owned();
    cluster.nodes[node].cut_from_api_server().unwrap();
    pass(110.0).await;
    assert_eq!(state(&cluster, node), "Unknown");
    cluster.nodes[node].mend().unwrap();
    pass(30.0).await;
    assert_eq!((state(&cluster, node).as_str(), taints(&cluster, node)), ("True", Vec::new()));
    let pod = pods_on(&cluster, node).remove(0);
    assert_eq!(name(&pod), before);
    assert_eq!(condition(&pod["status"], "Ready").unwrap()["status"], "True");
    assert_eq!(reasons(&cluster, "TaintManagerEviction"), [format!("Cancelling deletion of Pod shop/{before}")]);
}

#[tokio::test(start_paused = true)]
async fn when_no_node_is_left_nobody_is_evicted() {
    let cluster = cluster(1, 20).await;
    let node = "embedded-control-plane";
    cluster.nodes[node].pause().unwrap();
    pass(300.0).await;
    assert_eq!((state(&cluster, node).as_str(), taints(&cluster, node)), ("Unknown", vec!["unreachable:NoSchedule".to_owned()]));
    assert!(pods_on(&cluster, node).iter().all(|pod| !is_deleting(pod)));
    let revision = cluster.api.store.revision();
    pass(3_000.0).await;
    assert_eq!(cluster.api.store.revision(), revision, "a lost cluster writes nothing more");
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_deleted_node_are_collected_and_cordons_are_taints() {
    let cluster = cluster(3, 300).await;
    let node = "embedded-worker";
    let cordon = |on: bool| {
        cluster.api.modify(NODES, "", node, Subresource::Main, |node| node["spec"]["unschedulable"] = json!(on)).unwrap();
    };
    cordon(true);
    pass(0.2).await;
    assert_eq!(taints(&cluster, node), ["unschedulable:NoSchedule"]);
    cordon(false);
    pass(0.2).await;
    assert!(taints(&cluster, node).is_empty());
    cluster.nodes[node].power_off().unwrap();
    cluster.api.delete(NODES, "", node, &crate::sim::api::DeleteOptions::default()).unwrap();
    pass(30.0).await;
    assert_eq!(pods_on(&cluster, node).len(), 1);
    pass(60.0).await;
    assert!(pods_on(&cluster, node).is_empty());
    assert_eq!(pods_on(&cluster, "embedded-worker2").len(), 2);
}
