//! Tests of a whole cluster on a paused clock: containers that burn processor time, and an autoscaler that sees it.

use super::super::object::{condition, name};
use super::*;
use crate::sim::api::resource::{DEPLOYMENTS, EVENTS, NAMESPACES};
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;

async fn cluster(command: &[&str], spec: Value) -> Simulation {
    let cluster = Simulation::start(3, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
    cluster.api.create(NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resources = json!({"requests": {"cpu": "200m"}, "limits": {"cpu": "400m"}});
    let container = json!({"name": "app", "image": "busybox", "command": command, "resources": resources});
    let template = json!({"metadata": {"labels": {"app": "app"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}});
    let deployment = json!({"replicas": 1, "selector": {"matchLabels": {"app": "app"}}, "template": template});
    cluster.api.create(DEPLOYMENTS, "shop", json!({"metadata": {"name": "app"}, "spec": deployment})).unwrap();
    let mut autoscaler = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}, "maxReplicas": 3,
        "metrics": [{"type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
    });
    for (field, value) in spec.as_object().unwrap() {
        autoscaler[field] = value.clone();
    }
    let autoscaler = json!({"metadata": {"name": "app"}, "spec": autoscaler});
    cluster.api.create(HORIZONTAL_POD_AUTOSCALERS, "shop", autoscaler).unwrap();
    cluster
}

fn replicas(cluster: &Simulation) -> i64 {
    integer(&cluster.api.get(DEPLOYMENTS, "shop", "app").unwrap(), "/spec/replicas")
}

fn status(cluster: &Simulation) -> Value {
    cluster.api.get(HORIZONTAL_POD_AUTOSCALERS, "shop", "app").unwrap()["status"].clone()
}

fn told(cluster: &Simulation, reason: &str) -> Vec<String> {
    let mut events = cluster.api.list(EVENTS, Some("shop"));
    events.sort_by_key(|event| name(event).to_owned());
    events.iter().filter(|event| event["reason"] == reason).map(|event| text(event, "/message").to_owned()).collect()
}

fn reason(status: &Value, kind: &str) -> String {
    let found = condition(status, kind).map(|found| format!("{} {}", text(found, "/status"), text(found, "/reason")));
    found.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_busy_pod_gets_company_up_to_the_maximum() {
    let cluster = cluster(&["sh", "-c", "while :; do :; done"], json!({})).await;
    tokio::time::sleep(Duration::from_secs(17)).await;
    let seen = status(&cluster);
    assert_eq!(reason(&seen, "AbleToScale"), "True SucceededGetScale");
    assert_eq!(reason(&seen, "ScalingActive"), "False FailedGetResourceMetric", "one sample is no rate");
    assert_eq!(
        told(&cluster, "FailedGetResourceMetric"),
        ["failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API"]
    );
    tokio::time::sleep(Duration::from_secs(45)).await;
    assert_eq!(replicas(&cluster), 3);
    let told = told(&cluster, "SuccessfulRescale");
    assert_eq!(told[0], "New size: 3; reason: cpu resource utilization (percentage of request) above target");
    let seen = status(&cluster);
    assert_eq!(reason(&seen, "ScalingActive"), "True ValidMetricFound");
    assert_eq!(text(&seen, "/currentMetrics/0/resource/name"), "cpu");
    assert!(seen["lastScaleTime"].is_string());
}

#[tokio::test(start_paused = true)]
async fn an_idle_workload_shrinks_after_its_stabilization_window() {
    let cluster = cluster(&["sleep", "100000"], json!({})).await;
    cluster.api.modify(DEPLOYMENTS, "shop", "app", Subresource::Main, |app| app["spec"]["replicas"] = json!(3)).unwrap();
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(replicas(&cluster), 3);
    assert_eq!(reason(&status(&cluster), "AbleToScale"), "True ScaleDownStabilized");
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert_eq!(replicas(&cluster), 1);
    assert_eq!(told(&cluster, "SuccessfulRescale"), ["New size: 1; reason: All metrics below target"]);
    assert_eq!(reason(&status(&cluster), "ScalingLimited"), "True TooFewReplicas");
}

#[tokio::test(start_paused = true)]
async fn policies_limit_the_speed_and_a_size_beyond_the_bounds_is_brought_back() {
    let policies = json!([{"type": "Pods", "value": 1, "periodSeconds": 60}]);
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0, "policies": policies}});
    let cluster = cluster(&["sleep", "100000"], json!({"behavior": behavior, "maxReplicas": 4})).await;
    cluster.api.modify(DEPLOYMENTS, "shop", "app", Subresource::Main, |app| app["spec"]["replicas"] = json!(6)).unwrap();
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!(replicas(&cluster), 4);
    assert_eq!(told(&cluster, "SuccessfulRescale"), ["New size: 4; reason: Current number of replicas above Spec.MaxReplicas"]);
    tokio::time::sleep(Duration::from_secs(80)).await;
    assert_eq!(replicas(&cluster), 3);
    assert_eq!(reason(&status(&cluster), "ScalingLimited"), "True ScaleDownLimit");
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert_eq!(replicas(&cluster), 1);
}
