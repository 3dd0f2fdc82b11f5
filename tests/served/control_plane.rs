//! The real kube-controller-manager and kube-scheduler in place of the simulation's own.

use crate::server::{Cluster, program, start};
use comeback::sim::profile::Without;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

/// How long something may take, in real time: leader election and informers come first.
const PATIENCE: Duration = Duration::from_mins(2);

/// Asks until the answer is yes.
async fn until<F: Future<Output = bool>>(what: &str, log: &std::path::Path, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, asking).await.is_err() {
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        panic!("not in time: {what}\n{}", tail.join("\n"));
    }
    println!("ok: {what}");
}

fn template(restart: &str, script: &str) -> Value {
    let container = json!({"name": "app", "image": "busybox:1.37", "command": ["sh", "-c", script]});
    json!({"metadata": {"labels": {"app": "app"}}, "spec": {"restartPolicy": restart, "containers": [container]}})
}

#[tokio::test]
async fn the_real_control_plane_runs_against_it() {
    let (Some(manager), Some(scheduler)) = (program("kube-controller-manager", &["bin"]), program("kube-scheduler", &["bin"]))
    else {
        return;
    };
    let cluster = Cluster::with(1.0, Without { controllers: true, scheduler: true }).await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, cluster.served.kubeconfig()).unwrap();
    let common = [
        "--kubeconfig",
        &config.display().to_string(),
        "--kube-api-content-type=application/json",
        "--leader-elect=true",
        "--v=1",
    ]
    .map(ToOwned::to_owned);
    let manager_log = folder.path().join("manager.log");
    let more = ["--secure-port=0", "--concurrent-deployment-syncs=2", "--controllers=*"].map(ToOwned::to_owned);
    let _manager = start(&manager, &[common.to_vec(), more.to_vec()].concat(), &manager_log);
    let scheduler_log = folder.path().join("scheduler.log");
    let _scheduler = start(&scheduler, &[common.to_vec(), vec!["--secure-port=0".to_owned()]].concat(), &scheduler_log);

    let client = cluster.client().await;
    let spaces: Api<Namespace> = Api::all(client.clone());
    let space = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    spaces.create(&PostParams::default(), &space).await.unwrap();
    let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(client.clone(), "shop");
    until("the namespace gets its service account", &manager_log, || async { accounts.get("default").await.is_ok() }).await;

    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "app"}}, "template": template("Always", "sleep 1000")});
    let deployment = serde_json::from_value(json!({"metadata": {"name": "app"}, "spec": spec})).unwrap();
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let available = || async {
        let status = deployments.get("app").await.unwrap().status.unwrap_or_default();
        status.available_replicas == Some(2)
    };
    until("a Deployment comes up", &manager_log, available).await;

    let pods: Api<Pod> = Api::namespaced(client.clone(), "shop");
    let before: Vec<_> =
        pods.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|pod| pod.metadata.uid).collect();
    let first = pods.list(&ListParams::default()).await.unwrap().items.remove(0).metadata.name.unwrap();
    pods.delete(&first, &DeleteParams::default().grace_period(1)).await.unwrap();
    let replaced = || async {
        let now = pods.list(&ListParams::default()).await.unwrap();
        let new = now.iter().any(|pod| pod.metadata.uid.as_ref().is_some_and(|uid| !before.contains(uid)));
        new && available().await
    };
    until("a pod is replaced", &scheduler_log, replaced).await;

    let jobs: Api<Job> = Api::namespaced(client.clone(), "shop");
    let job = json!({"metadata": {"name": "once"}, "spec": {"template": template("Never", "exit 0")}});
    jobs.create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await.unwrap();
    let complete = || async {
        let conditions = jobs.get("once").await.unwrap().status.and_then(|status| status.conditions).unwrap_or_default();
        conditions.iter().any(|condition| condition.type_ == "Complete" && condition.status == "True")
    };
    until("a Job completes", &manager_log, complete).await;

    spaces.delete("shop", &DeleteParams::default()).await.unwrap();
    until("the namespace goes", &manager_log, || async { spaces.get_opt("shop").await.unwrap().is_none() }).await;
    cluster.served.stop().unwrap();
}
