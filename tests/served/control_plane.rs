//! The real kube-controller-manager and kube-scheduler in place of the simulation's own.

use crate::server::{Cluster, program, runs, start};
use comeback::sim::profile::Without;
use futures::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::runtime::wait::conditions::is_job_completed;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

/// How long something may take, in real time: leader election and informers come first.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits for what a watch will show; else the end of the log of who should have done it.
async fn until<T, E: std::fmt::Debug>(what: &str, log: &Path, seen: impl Future<Output = Result<T, E>>) {
    if let Ok(seen) = tokio::time::timeout(PATIENCE, seen).await {
        seen.unwrap();
    } else {
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
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "shop");
    let given = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    until("the namespace gets its service account", &manager_log, given).await;

    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "shop");
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "app"}}, "template": template("Always", "sleep 1000")});
    let deployment = serde_json::from_value(json!({"metadata": {"name": "app"}, "spec": spec})).unwrap();
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let available = |deployment: Option<&Deployment>| {
        deployment.and_then(|deployment| deployment.status.as_ref()).is_some_and(|status| status.available_replicas == Some(2))
    };
    until("a Deployment comes up", &manager_log, Box::pin(await_condition(deployments.clone(), "app", available))).await;

    let pods: Api<Pod> = Api::namespaced(client.clone(), "shop");
    let before: Vec<_> =
        pods.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|pod| pod.metadata.uid).collect();
    let first = pods.list(&ListParams::default()).await.unwrap().items.remove(0).metadata.name.unwrap();
    pods.delete(&first, &DeleteParams::default().grace_period(1)).await.unwrap();
    let new = |pod: &Pod| pod.metadata.uid.as_ref().is_some_and(|uid| !before.contains(uid)) && runs(Some(pod));
    let mut seen = pin!(watcher(pods, watcher::Config::default()).applied_objects());
    let replaced = async {
        while !seen.try_next().await?.as_ref().is_some_and(new) {}
        Ok::<_, watcher::Error>(())
    };
    until("a pod is replaced", &scheduler_log, replaced).await;
    until("the Deployment is whole again", &manager_log, Box::pin(await_condition(deployments, "app", available))).await;

    let jobs: Api<Job> = Api::namespaced(client.clone(), "shop");
    let job = json!({"metadata": {"name": "once"}, "spec": {"template": template("Never", "exit 0")}});
    jobs.create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await.unwrap();
    until("a Job completes", &manager_log, Box::pin(await_condition(jobs, "once", is_job_completed()))).await;

    spaces.delete("shop", &DeleteParams::default()).await.unwrap();
    let gone = await_condition(spaces, "shop", |space: Option<&Namespace>| space.is_none());
    until("the namespace goes", &manager_log, gone).await;
    cluster.served.stop().unwrap();
}
