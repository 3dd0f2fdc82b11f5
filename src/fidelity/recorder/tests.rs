//! A recording of the embedded cluster itself, replayed: what the recorder writes is what the replay reads.

use super::Recorder;
use crate::fidelity::kubectl::{self, Kubectl};
use crate::fidelity::recording::Recording;
use crate::fidelity::replay;
use crate::fidelity::tolerances::Tolerances;
use crate::sim::api::client;
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static BEGAN: tokio::time::Instant = tokio::time::Instant::now();
}

/// Simulated seconds; the recorder's clock is the caller's.
fn now() -> f64 {
    1_800_000_000.0 + BEGAN.with(tokio::time::Instant::elapsed).as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn what_is_recorded_can_be_replayed() {
    now();
    let cluster = Simulation::start(7, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
    let client = client(Arc::clone(&cluster.api), cluster.runtime.clone(), &cluster.profile).unwrap();
    let kubectl = Kubectl::new(client.clone());
    let container = json!({"name": "app", "image": "busybox:1.36", "command": ["sh", "-c", "sleep 9; exit 3"]});
    let template = json!({"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "app"}}, "template": template});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let app =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": "shop"}, "spec": spec});
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("shop");
    let recorder = Recorder { client, namespace: "shop".to_owned(), now };
    let doing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        kubectl.apply(&[namespace, app]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(100)).await;
        let words = ["-n", "shop", "scale", "deploy/app", "--replicas=2"].map(ToOwned::to_owned);
        kubectl::run(&kubectl, &words, &Recording::default()).await.unwrap();
        tokio::time::sleep(Duration::from_mins(2)).await;
    };
    let recorded = recorder.record(&target, doing).await.unwrap();
    assert_eq!(recorded.actions, 2);
    let recording = Recording::read(&target).unwrap();
    assert_eq!((recording.namespace.as_str(), recording.facts.len()), ("shop", recorded.facts));
    assert_eq!(recording.actions[0].command, "kubectl apply -f manifest.yaml");
    assert!(
        recording.actions[1].command.starts_with("kubectl -n $NS patch deployments app --type=json"),
        "{:?}",
        recording.actions
    );
    assert!(!std::fs::read_to_string(target.join("pods.jsonl")).unwrap().contains("managedFields"));
    // On a thread of its own: a replay has a runtime of its own.
    let report = std::thread::spawn(move || {
        let tolerances = Tolerances::shipped().unwrap();
        let seeds = (1..=12).map(|seed| replay::replay(&recording, seed, &tolerances).unwrap()).collect::<Vec<_>>();
        crate::fidelity::compare(&recording, &seeds, &tolerances)
    });
    let report = report.join().unwrap();
    assert!(report.states > 20);
    let text: Vec<String> = report.divergences.iter().map(ToString::to_string).collect();
    assert_eq!(text, Vec::<String>::new());
}
