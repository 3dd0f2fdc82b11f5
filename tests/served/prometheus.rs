//! A real Prometheus that scrapes a served cluster, and a real alert rule that fires on a simulated crash loop.

use crate::server::{Cluster, program, start};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// The rule of `shared/cluster`, with its window shortened by the speed of the simulation.
const RULES: &str = r#"
groups:
  - name: comeback
    interval: 1s
    rules:
      - alert: PodCrashLooping
        expr: increase(kube_pod_container_status_restarts_total[12s]) > 1
        annotations: {summary: "{{ $labels.namespace }}/{{ $labels.pod }} keeps restarting"}
      - alert: HighMemory
        expr: max by (namespace, pod, container) (container_memory_working_set_bytes{container!=""}) / on(namespace, pod, container) max by (namespace, pod, container) (kube_pod_container_resource_limits{resource="memory"}) > 0.9
"#;

fn settings(address: &str, alertmanager: &str, nodes: &[&str]) -> String {
    let job = |name: &str, path: &str| {
        format!(
            "  - job_name: {name}\n    honor_labels: true\n    scheme: https\n    metrics_path: {path}\n    \
             authorization: {{credentials_file: token}}\n    tls_config: {{ca_file: ca.crt}}\n    static_configs: [{{targets: [\"{address}\"]}}]\n"
        )
    };
    let mut text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [rules.yaml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: [\"{alertmanager}\"]}}]}}]}}\nscrape_configs:\n"
    );
    text += &job("kube-state-metrics", "/metrics/kube-state");
    text += &job("apiserver", "/metrics");
    for node in nodes {
        text += &job(&format!("cadvisor-{node}"), &format!("/api/v1/nodes/{node}/proxy/metrics/cadvisor"));
        text += &job(&format!("resource-{node}"), &format!("/api/v1/nodes/{node}/proxy/metrics/resource"));
    }
    text
}

/// What Prometheus answers on its HTTP API.
async fn asked(port: u16, path: &str) -> Option<Value> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// In the place of an Alertmanager: the alerts of one request.
async fn alerts(listener: &TcpListener) -> Vec<Value> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while stream.read_line(&mut line).await.unwrap() > 2 {
        if let Some(("content-length", value)) = line.to_lowercase().split_once(':') {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn an_alert_fires_on_a_simulated_crash_loop() {
    // Where `shared/cluster/monitoring up` unpacks Debian's package; the second place holds the package alone.
    let places = ["monitoring/debian/usr/bin", "serve-prometheus/debian/usr/bin"];
    let Some(prometheus) = program("prometheus", &places) else { return };
    let cluster = Cluster::start(10.0).await;
    let pods: Api<Pod> = Api::default_namespaced(cluster.client().await);
    let pod = |name: &str, script: &str| -> Pod {
        let resources = json!({"limits": {"memory": "64Mi"}});
        let container = json!({"name": "app", "image": "busybox", "command": ["sh", "-c", script], "resources": resources});
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"containers": [container]}})).unwrap()
    };

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = kube::config::Kubeconfig::from_yaml(cluster.served.kubeconfig()).unwrap();
    let authority = kubeconfig.clusters[0].cluster.as_ref().unwrap().certificate_authority_data.clone().unwrap();
    let authority: k8s_openapi::ByteString = serde_json::from_value(json!(authority)).unwrap();
    let token = serde_json::to_value(kubeconfig.auth_infos[0].auth_info.as_ref().unwrap()).unwrap();
    let write = |name: &str, contents: &[u8]| std::fs::write(folder.path().join(name), contents).unwrap();
    write("ca.crt", &authority.0);
    write("token", token["token"].as_str().unwrap().as_bytes());
    write("rules.yaml", RULES.as_bytes());
    let address = cluster.served.address().to_string();
    let alertmanager = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = alertmanager.local_addr().unwrap().to_string();
    write("prometheus.yaml", settings(&address, &receiver, &["control-plane", "worker", "worker2"]).as_bytes());
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let arguments = [
        format!("--config.file={}", at("prometheus.yaml")),
        format!("--storage.tsdb.path={}", at("data")),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let log = folder.path().join("log");
    let _prometheus = start(&prometheus, &arguments, &log);

    pods.create(&PostParams::default(), &pod("crashing", "sleep 1; exit 1")).await.unwrap();
    let hungry = "dd if=/dev/zero of=/dev/shm/fill bs=1M count=61 2>/dev/null; sleep 100000";
    pods.create(&PostParams::default(), &pod("hungry", hungry)).await.unwrap();
    let firing = async {
        let mut awaited = BTreeSet::from([("PodCrashLooping", "crashing"), ("HighMemory", "hungry")]);
        while !awaited.is_empty() {
            for alert in alerts(&alertmanager).await {
                awaited.retain(|(name, pod)| alert["labels"]["alertname"] != *name || alert["labels"]["pod"] != *pod);
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(90), firing).await.is_err() {
        let alerts = asked(port, "/api/v1/alerts").await;
        panic!("the alerts do not fire: {alerts:?}\n{}", std::fs::read_to_string(&log).unwrap_or_default());
    }
    let targets = asked(port, "/api/v1/targets").await.unwrap();
    let targets = targets["data"]["activeTargets"].as_array().unwrap().clone();
    assert!(targets.len() == 8 && targets.iter().all(|target| target["health"] == "up"), "{targets:?}");
    cluster.served.stop().unwrap();
}
