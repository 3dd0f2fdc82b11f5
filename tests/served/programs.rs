//! A whole trial on a served cluster whose fault is kubectl, and whose effect is an alert of a Prometheus (of which only the answers
//! are here: that the real one fires on a served cluster is shown in `prometheus`).

use crate::server::{Cluster, PATIENCE, program};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers as Prometheus: one rule, which fires while a Deployment `pool` wants no pods.
async fn prometheus(client: kube::Client) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let deployments: Api<Deployment> = Api::all(client.clone());
            let found = deployments.list(&ListParams::default().fields("metadata.name=pool")).await.unwrap();
            let gone = found.items.iter().find(|pool| pool.spec.as_ref().unwrap().replicas == Some(0));
            let alert = |pool: &Deployment| {
                json!({ "labels": { "alertname": "PoolGone", "namespace": pool.metadata.namespace }, "state": "firing",
                    "activeAt": "2026-11-21T17:00:00Z" })
            };
            let data = if String::from_utf8_lossy(&request[..length]).contains("/api/v1/rules") {
                json!({ "groups": [{ "rules": [{ "type": "alerting", "name": "PoolGone", "query": "kube_deployment_spec_replicas == 0" }] }] })
            } else {
                json!({ "alerts": gone.into_iter().map(alert).collect::<Vec<_>>() })
            };
            let body = json!({ "status": "success", "data": data }).to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_breaks_an_alert_fires_and_kubectl_mends() {
    let Some(kubectl) = program("kubectl", &["bin"]) else { return };
    let cluster = Cluster::start(5.0).await;
    let url = prometheus(cluster.client().await).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.served.kubeconfig()).unwrap();
    let context = kube::config::Kubeconfig::from_yaml(cluster.served.kubeconfig()).unwrap().current_context.unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/faults-pool.yaml");
    let kubectl = kubectl.display();
    let scale = |replicas: u32| format!("[{kubectl}, scale, deployment/pool, \"--replicas={replicas}\"]");
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: by-hand }}\nspec:\n  summary: By hand\n  \
         workload: {{ manifests: [{manifest}] }}\n  steady: {{ until: [{{ ready: {{ deployment: pool }} }}], hold: 2s }}\n  \
         fault: [{{ command: {{ run: {}, undo: {}, for: 4s }} }}]\n  \
         effect: {{ until: [{{ alert: {{ name: PoolGone, url: \"{url}\", every: 1s }} }}], within: 30s }}\n  \
         recover: {{ until: [{{ ready: {{ deployment: pool, atLeast: 2 }} }}], rto: 30s, hold: 3s, within: 1m }}\n",
        scale(0),
        scale(2),
    );
    let scenario = folder.path().join("by-hand.yaml");
    std::fs::write(&scenario, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_comeback"));
    command.arg("run").arg(&scenario).args(["--cluster", &format!("context:{context}"), "--report", "json"]);
    command.env("KUBECONFIG", &kubeconfig).current_dir(folder.path());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::time::timeout(PATIENCE * 2, run).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    let trial = &result["scenarios"][0]["trials"][0];
    assert_eq!(trial["verdict"], "recovered", "{trial:#}\n{told}");
    assert!(trial["stamps"]["alertFiring"]["at"].as_f64().unwrap() > trial["stamps"]["requested"]["at"].as_f64().unwrap());
    assert_eq!(trial["leftovers"], json!([]));
    let notes = trial["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains("alert firing")), "{notes:?}");
    cluster.served.stop().unwrap();
}
