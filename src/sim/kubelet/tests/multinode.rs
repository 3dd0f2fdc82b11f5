//! The recorded story of `multinode/*` as a whole cluster tells it: controllers, scheduler and three nodes together.
//! Single switches are tested in `nodes`.

use crate::sim::api::resource::{DAEMON_SETS, DEPLOYMENTS, NAMESPACES, NODES, PODS};
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const WORKER: &str = "embedded-worker";

fn template(tolerations: &Value) -> Value {
    let app = json!({
        "name": "app", "image": "docker.io/library/busybox:1.36", "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap \"exit 0\" TERM; while :; do sleep 1; done"],
    });
    let spread = json!([{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "app"}}}]);
    json!({
        "metadata": {"labels": {"app": "app"}},
        "spec": {"containers": [app], "tolerations": tolerations, "topologySpreadConstraints": spread},
    })
}

/// Three nodes with the recorded workloads: a Deployment whose pods tolerate a lost node for 20 s, and a `DaemonSet`.
async fn cluster() -> Simulation {
    let cluster = Simulation::start(7, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default().with_nodes(3));
    cluster.api.create(NAMESPACES, "", json!({"metadata": {"name": "t"}})).unwrap();
    sleep(Duration::from_secs(2)).await;
    let lost = |key: &str| json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20});
    let selector = json!({"matchLabels": {"app": "app"}});
    let fast = template(&json!([lost("not-ready"), lost("unreachable")]));
    let spec = json!({"replicas": 3, "selector": selector, "template": fast});
    cluster.api.create(DEPLOYMENTS, "t", json!({"metadata": {"name": "app"}, "spec": spec})).unwrap();
    let spec = json!({"selector": selector, "template": template(&json!([]))});
    cluster.api.create(DAEMON_SETS, "t", json!({"metadata": {"name": "agent"}, "spec": spec})).unwrap();
    sleep(Duration::from_secs(30)).await;
    cluster
}

/// The pods of one controller on the worker.
fn on_worker(cluster: &Simulation, owner: &str) -> Vec<Object> {
    let pods = cluster.api.list(PODS, Some("t"));
    let of = |pod: &Object| {
        pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(owner)) && pod["spec"]["nodeName"] == WORKER
    };
    pods.into_iter().filter(of).collect()
}

fn condition(object: &Value, kind: &str) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default();
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

fn node_ready(cluster: &Simulation) -> String {
    condition(&cluster.api.get(NODES, "", WORKER).unwrap(), "Ready").1
}

/// Seconds until something holds, looked at ten times a second.
async fn until(limit: u32, holds: impl Fn() -> bool) -> f64 {
    for tenth in 0..limit * 10 {
        if holds() {
            return f64::from(tenth) / 10.0;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("not within {limit} s");
}

#[tokio::test(start_paused = true)]
async fn a_paused_worker_is_lost_evicted_and_comes_back() {
    let cluster = cluster().await;
    let worker = &cluster.nodes[WORKER];
    let evicted = on_worker(&cluster, "app").len();
    assert!(evicted > 0 && on_worker(&cluster, "agent").len() == 1);
    worker.pause().unwrap();
    let unknown = until(60, || node_ready(&cluster) == "NodeStatusUnknown").await;
    assert!((39.0..56.0).contains(&unknown), "{unknown}");
    sleep(Duration::from_secs(1)).await;
    assert!(on_worker(&cluster, "app").iter().all(|pod| condition(pod, "Ready").0 == "False"));
    let deleting = || on_worker(&cluster, "app").iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_some()).count();
    let marked = until(30, || deleting() == evicted).await;
    assert!((18.0..21.0).contains(&marked), "{marked}");
    sleep(Duration::from_mins(5)).await;
    assert_eq!(deleting(), evicted, "they stay while nobody can end them");
    assert_eq!(cluster.api.get(DEPLOYMENTS, "t", "app").unwrap()["status"]["readyReplicas"], 3);
    worker.unpause().unwrap();
    let not_ready = until(3, || node_ready(&cluster) == "KubeletNotReady").await;
    let gone = until(10, || deleting() == 0).await;
    assert!(not_ready < 1.0 && gone < 4.5, "{not_ready} {gone}");
    let ready = until(20, || node_ready(&cluster) == "KubeletReady").await;
    assert!((5.0..11.0).contains(&ready), "{ready}");
    sleep(Duration::from_secs(20)).await;
    let node = cluster.api.get(NODES, "", WORKER).unwrap();
    assert!(node["spec"]["taints"].as_array().is_none_or(Vec::is_empty), "{}", node["spec"]);
    let daemon = &on_worker(&cluster, "agent")[0];
    assert_eq!(
        (condition(daemon, "Ready").0.as_str(), &daemon["status"]["containerStatuses"][0]["restartCount"]),
        ("True", &json!(0))
    );
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_power_comes_back_with_its_daemon_restarted() {
    let cluster = cluster().await;
    let worker = &cluster.nodes[WORKER];
    worker.power_off().unwrap();
    let unknown = until(60, || node_ready(&cluster) == "NodeStatusUnknown").await;
    assert!((39.0..56.0).contains(&unknown), "{unknown}");
    sleep(Duration::from_mins(1)).await;
    worker.power_on().unwrap();
    let ready = until(5, || node_ready(&cluster) == "KubeletReady").await;
    assert!(ready < 1.5, "{ready}");
    let restarted = until(10, || {
        let pods = on_worker(&cluster, "agent");
        pods.len() == 1 && pods[0]["status"]["containerStatuses"][0]["restartCount"] == 1
    });
    let restarted = restarted.await;
    assert!((0.5..4.0).contains(&restarted), "{restarted}");
    until(10, || on_worker(&cluster, "app").iter().all(|pod| pod["metadata"].get("deletionTimestamp").is_none())).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_cut_off_is_evicted_on_paper_and_mends() {
    let cluster = cluster().await;
    let worker = &cluster.nodes[WORKER];
    let evicted = on_worker(&cluster, "app").len();
    worker.cut_from_api_server().unwrap();
    until(60, || node_ready(&cluster) == "NodeStatusUnknown").await;
    sleep(Duration::from_mins(1)).await;
    let deleting = || on_worker(&cluster, "app").iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_some()).count();
    assert_eq!(deleting(), evicted);
    worker.mend().unwrap();
    let ready = until(10, || node_ready(&cluster) == "KubeletReady").await;
    assert!((0.5..4.0).contains(&ready), "{ready}");
    until(5, || deleting() == 0).await;
    until(12, || on_worker(&cluster, "agent").iter().all(|pod| condition(pod, "Ready").0 == "True")).await;
}
