//! Metrics of a cluster in which something crashes and something works hard.

use super::{kube_state, kubelet, usage};
use crate::sim::api::resource::{DEPLOYMENTS, PODS};
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;
use serde_json::json;
use std::time::Duration;

const NODE: &str = "embedded-control-plane";

async fn cluster(script: &str) -> Simulation {
    let simulation = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resources = json!({"limits": {"memory": "64Mi", "cpu": "500m"}});
    let container = json!({"name": "app", "image": "busybox", "command": ["sh", "-c", script], "resources": resources});
    let template = json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "app"}}, "template": template});
    simulation.api.create(DEPLOYMENTS, "default", json!({"metadata": {"name": "app"}, "spec": spec})).unwrap();
    simulation
}

/// The value of the first sample whose line has all of these parts.
fn value(text: &str, parts: &[&str]) -> Option<f64> {
    let line = text.lines().find(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_as_alert_rules_look_for_it() {
    let simulation = cluster("sleep 1; exit 3").await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let text = kube_state::metrics(&simulation.api);
    let pod = simulation.api.list(PODS, None)[0].clone();
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_f64().unwrap();
    assert!(restarts >= 2.0, "{restarts}");
    let of = |name: &str, part: &str| value(&text, &[&format!("{name}{{"), part]);
    assert_eq!(of("kube_pod_container_status_restarts_total", "container=\"app\""), Some(restarts));
    let states =
        ["waiting", "running", "terminated"].map(|state| of(&format!("kube_pod_container_status_{state}"), "container=\"app\""));
    assert_eq!(states.into_iter().flatten().filter(|value| *value > 0.5).count(), 1);
    assert_eq!(of("kube_pod_container_status_last_terminated_reason", "reason=\"Error\""), Some(1.0));
    assert_eq!(of("kube_pod_container_status_last_terminated_exitcode", "container=\"app\""), Some(3.0));
    assert_eq!(of("kube_pod_status_ready", "condition=\"true\""), Some(0.0));
    assert_eq!(of("kube_pod_container_resource_limits", "resource=\"memory\",unit=\"byte\""), Some(67_108_864.0));
    assert_eq!(of("kube_pod_container_resource_limits", "resource=\"cpu\",unit=\"core\""), Some(0.5));
    assert_eq!(of("kube_deployment_spec_replicas", "deployment=\"app\""), Some(1.0));
    assert_eq!(of("kube_deployment_status_replicas_available", "deployment=\"app\""), Some(0.0));
    assert_eq!(of("kube_node_status_condition", "condition=\"Ready\",status=\"true\""), Some(1.0));
    let families: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(families.iter().is_sorted() && families.contains(&"kube_pod_container_status_restarts_total counter"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_container_shows_its_limit_as_its_rate() {
    let simulation = cluster("while true; do :; done").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let samples = usage::Samples::default();
    let look = || usage::pods(&simulation.api, &simulation.runtime, &samples, Some("default"));
    assert_eq!(look().len(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let pods = look();
    let used = pods[0]["containers"][0]["usage"]["cpu"].as_str().unwrap().trim_end_matches('n').parse::<f64>().unwrap();
    assert!((used / 1e9 - 0.5).abs() < 0.05, "{pods:?}");
    let node = &usage::nodes(&simulation.api, &simulation.runtime, &samples)[0];
    assert_eq!((node["metadata"]["name"].as_str(), node["usage"]["memory"].is_string()), (Some(NODE), true));
    let text = kubelet::cadvisor(&simulation.api, &simulation.runtime, NODE);
    let total = value(&text, &["container_cpu_usage_seconds_total", "container=\"app\""]).unwrap();
    assert!((15.0..21.0).contains(&total), "{total}");
    assert!(value(&text, &["container_memory_working_set_bytes", "container=\"app\""]).unwrap() > 100_000.0);
    let text = kubelet::resource(&simulation.api, &simulation.runtime, NODE);
    assert_eq!(value(&text, &["pod_cpu_usage_seconds_total"]), Some(total));
}
