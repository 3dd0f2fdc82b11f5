//! A registry that has nothing: busybox' httpd on port 5000 of every node, so that `localhost:5000/...` is "not found".

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::await_condition;
use serde_json::{from_value, json};
use std::time::Duration;

const NAME: &str = "comeback-test-registry";

/// Runs `work` while the registry is there.
pub fn with<T>(context: &str, work: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(start(context));
    let result = work();
    runtime.block_on(async {
        // Who looks at the cluster next must not find it half removed.
        remove(Api::all(client)).await;
    });
    result
}

/// Deletes the registry's namespace and returns once it is gone.
async fn remove(namespaces: Api<Namespace>) {
    let _ = namespaces.delete(NAME, &DeleteParams::default()).await;
    let gone = await_condition(namespaces, NAME, |namespace: Option<&Namespace>| namespace.is_none());
    tokio::time::timeout(Duration::from_mins(2), gone).await.unwrap().unwrap();
}

async fn start(context: &str) -> kube::Client {
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(Kubeconfig::read().unwrap(), &options).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    // What an interrupted test left goes first.
    if namespaces.get_opt(NAME).await.unwrap().is_some() {
        remove(namespaces.clone()).await;
    }
    let namespace = from_value(json!({"metadata": {"name": NAME}})).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let daemon_sets: Api<DaemonSet> = Api::namespaced(client.clone(), NAME);
    let registry = from_value(json!({
        "metadata": {"name": "registry"},
        "spec": {
            "selector": {"matchLabels": {"app": "registry"}},
            "template": {
                "metadata": {"labels": {"app": "registry"}},
                "spec": {
                    "hostNetwork": true,
                    "terminationGracePeriodSeconds": 0,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{"name": "registry", "image": "busybox:1.37", "command": ["httpd", "-f", "-p", "5000", "-h", "/var"]}],
                },
            },
        },
    }))
    .unwrap();
    daemon_sets.create(&PostParams::default(), &registry).await.unwrap();
    let ready = await_condition(daemon_sets, "registry", |set: Option<&DaemonSet>| {
        set.and_then(|set| set.status.as_ref())
            .is_some_and(|status| status.number_ready > 0 && status.number_ready == status.desired_number_scheduled)
    });
    tokio::time::timeout(Duration::from_mins(1), ready).await.unwrap().unwrap();
    client
}
