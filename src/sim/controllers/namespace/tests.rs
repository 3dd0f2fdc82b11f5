//! Tests of filling and emptying, against what a real cluster was seen to do.

use super::super::testing::{Cluster, deployment};
use super::*;
use crate::sim::api::resource::{DEPLOYMENTS, EVENTS, REPLICA_SETS};

#[tokio::test(start_paused = true)]
async fn a_namespace_is_given_its_service_account_and_root_certificate() {
    let cluster = Cluster::start();
    cluster.pass(0.1).await;
    cluster.get(SERVICE_ACCOUNTS, "default");
    cluster.get(CONFIG_MAPS, ROOT_CA);
    cluster.api.delete(SERVICE_ACCOUNTS, "shop", "default", &DeleteOptions::default()).unwrap();
    cluster.pass(0.1).await;
    cluster.get(SERVICE_ACCOUNTS, "default");
}

fn summary(namespace: &Value) -> Vec<String> {
    let conditions = list(namespace, "/status/conditions").iter();
    conditions.filter(|c| c["status"] == "True").map(|c| format!("{}: {}", text(c, "/reason"), text(c, "/message"))).collect()
}

#[tokio::test(start_paused = true)]
async fn pods_go_first_after_five_seconds_and_the_rest_follows() {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(2, "v1"));
    cluster.pass(2.0).await;
    cluster.api.delete(NAMESPACES, "", "shop", &DeleteOptions::default()).unwrap();
    cluster.pass(4.9).await;
    assert_eq!((cluster.all(PODS).len(), cluster.all(DEPLOYMENTS).len()), (2, 1));
    assert!(cluster.all(PODS).iter().all(|pod| !is_deleting(pod)));
    cluster.pass(0.2).await;
    assert!(cluster.all(PODS).iter().all(is_deleting), "the replica set makes no new ones");
    cluster.pass(3.0).await;
    assert_eq!((cluster.all(PODS).len(), cluster.all(REPLICA_SETS).len()), (0, 1));
    let namespace = cluster.api.get(NAMESPACES, "", "shop").unwrap();
    assert_eq!(text(&namespace, "/status/phase"), "Terminating");
    assert_eq!(list(&namespace, "/status/conditions").len(), 5);
    assert_eq!(summary(&namespace), Vec::<String>::new());
    // The write of the conditions brings the next look after 5 s more.
    cluster.pass(3.0).await;
    assert!(cluster.api.get(NAMESPACES, "", "shop").is_err());
    for resource in [DEPLOYMENTS, REPLICA_SETS, CONFIG_MAPS, SERVICE_ACCOUNTS, EVENTS] {
        assert_eq!(cluster.all(resource).len(), 0, "{}", resource.plural);
    }
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_keeps_the_namespace_and_is_named() {
    let cluster = Cluster::start();
    cluster.create(CONFIG_MAPS, json!({"metadata": {"name": "stuck", "finalizers": ["example.com/x"]}}));
    cluster.api.delete(NAMESPACES, "", "shop", &DeleteOptions::default()).unwrap();
    cluster.pass(6.0).await;
    let namespace = cluster.api.get(NAMESPACES, "", "shop").unwrap();
    assert_eq!(
        summary(&namespace),
        [
            "SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances",
            "SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances",
        ]
    );
    cluster.change(CONFIG_MAPS, "stuck", |object| {
        object["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    cluster.pass(13.0).await;
    assert!(cluster.api.get(NAMESPACES, "", "shop").is_err());
}

#[tokio::test(start_paused = true)]
async fn slow_pods_are_looked_at_again_after_half_their_grace() {
    let cluster = Cluster::start();
    let slow = json!({"metadata": {"name": "slow"}, "spec": {"nodeName": "elsewhere", "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "app", "image": "v1"}]}});
    cluster.create(PODS, slow);
    // Held by a finalizer until 36 s, as a pod that ignores SIGTERM was held by its grace in the recording.
    cluster.change(PODS, "slow", |pod| pod["metadata"]["finalizers"] = json!(["example.com/x"]));
    cluster.pass(1.0).await;
    cluster.api.delete(NAMESPACES, "", "shop", &DeleteOptions::default()).unwrap();
    cluster.pass(36.0).await;
    cluster.change(PODS, "slow", |pod| {
        pod["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    cluster.pass(5.9).await;
    assert!(cluster.api.get(NAMESPACES, "", "shop").is_ok());
    // Looked at after 5 s, 5 s after the conditions were written, then every 30 / 2 + 1 s: at 42 s. Recorded: 42.3 s.
    cluster.pass(0.6).await;
    assert!(cluster.api.get(NAMESPACES, "", "shop").is_err());
}
