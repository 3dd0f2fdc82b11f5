//! kube's own client over TLS: objects, watches, logs, exec, and what comes of wrong credentials.

use crate::server::{Cluster, PATIENCE};
use comeback::sim::serve::Notice;
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{AttachParams, DeleteParams, LogParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use serde_json::json;
use tokio::io::AsyncReadExt;

fn pod(name: &str, script: &str) -> Pod {
    let container = json!({"name": "app", "image": "busybox", "command": ["sh", "-c", script]});
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"containers": [container]}})).unwrap()
}

#[tokio::test]
async fn a_pod_is_made_watched_read_entered_and_deleted() {
    let cluster = Cluster::start(10.0).await;
    let client = cluster.client().await;
    let nodes: Api<Node> = Api::all(client.clone());
    assert_eq!(nodes.list(&kube::api::ListParams::default()).await.unwrap().items.len(), 3);
    let pods: Api<Pod> = Api::default_namespaced(client);
    pods.create(&PostParams::default(), &pod("app", "echo one; sleep 2; echo two; sleep 1000")).await.unwrap();
    let running = await_condition(pods.clone(), "app", conditions::is_pod_running());
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();

    let lines = pods.log_stream("app", &LogParams { follow: true, ..LogParams::default() }).await.unwrap().lines();
    let lines: Vec<String> = tokio::time::timeout(PATIENCE, lines.take(2).try_collect()).await.unwrap().unwrap();
    assert_eq!(lines, ["one", "two"]);

    let mut attached = pods.exec("app", ["echo", "from", "inside"], &AttachParams::default()).await.unwrap();
    let mut out = String::new();
    attached.stdout().unwrap().read_to_string(&mut out).await.unwrap();
    assert_eq!(out, "from inside\n");

    let uid = pods.get("app").await.unwrap().metadata.uid.unwrap();
    pods.delete("app", &DeleteParams::default().grace_period(1)).await.unwrap();
    let gone = await_condition(pods, "app", conditions::is_deleted(&uid));
    tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
    let limits: Vec<Notice> = cluster.notices.lock().unwrap().iter().filter(|n| matches!(n, Notice::Limit(_))).cloned().collect();
    assert_eq!(limits, []);
    cluster.served.stop().unwrap();
}

#[tokio::test]
async fn a_token_suffices_a_wrong_one_does_not_and_nobody_gets_nothing() {
    let cluster = Cluster::start(10.0).await;
    let change = |change: fn(&mut kube::config::AuthInfo)| {
        let mut kubeconfig = kube::config::Kubeconfig::from_yaml(cluster.served.kubeconfig()).unwrap();
        change(kubeconfig.auth_infos[0].auth_info.as_mut().unwrap());
        async move {
            let options = kube::config::KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
            let nodes: Api<Node> = Api::all(kube::Client::try_from(config).unwrap());
            nodes.list(&kube::api::ListParams::default()).await
        }
    };
    let without_certificate: fn(&mut kube::config::AuthInfo) = |user| {
        user.client_certificate_data = None;
        user.client_key_data = None;
    };
    assert_eq!(change(without_certificate).await.unwrap().items.len(), 3);
    let wrong = change(|user| *user = serde_json::from_value(json!({"token": "guessed"})).unwrap()).await.unwrap_err();
    assert!(matches!(wrong, kube::Error::Api(status) if status.code == 401));
    let nobody = change(|user| *user = kube::config::AuthInfo::default()).await.unwrap_err();
    let kube::Error::Api(status) = nobody else { unreachable!("{nobody}") };
    let refusal =
        "nodes is forbidden: User \"system:anonymous\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
    assert_eq!((status.code, status.message.as_str()), (403, refusal));
    cluster.served.stop().unwrap();
}
