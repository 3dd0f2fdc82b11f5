//! Tests of binding, provisioning, reclaiming and protection, on a paused clock.

use super::super::testing::Cluster;
use super::*;
use crate::json::At as _;
use crate::sim::api::DeleteOptions;
use crate::sim::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES};
use serde_json::json;

fn claim(cluster: &Cluster, name: &str, class: Option<&str>) -> Value {
    let mut spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    if let Some(class) = class {
        spec["storageClassName"] = json!(class);
    }
    cluster.create(PERSISTENT_VOLUME_CLAIMS, json!({"metadata": {"name": name}, "spec": spec}))
}

fn class(cluster: &Cluster, name: &str, provisioner: &str, mode: &str) {
    let marked = json!({"storageclass.kubernetes.io/is-default-class": if name == "standard" { "true" } else { "false" }});
    let class = json!({"metadata": {"name": name, "annotations": marked}, "provisioner": provisioner, "volumeBindingMode": mode});
    cluster.api.create(STORAGE_CLASSES, "", class).unwrap();
}

fn volume(cluster: &Cluster, name: &str) -> Value {
    (*cluster.api.get(PERSISTENT_VOLUMES, "", name).unwrap()).clone()
}

fn user(cluster: &Cluster, claim: &str) {
    let volume = json!({"name": "v", "persistentVolumeClaim": {"claimName": claim}});
    let spec = json!({"containers": [{"name": "app", "image": "v1"}], "volumes": [volume]});
    cluster.create(PODS, json!({"metadata": {"name": "user"}, "spec": spec}));
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_a_class_gets_a_volume_of_the_default_class() {
    let cluster = Cluster::start();
    class(&cluster, "standard", "kubernetes.io/host-path", "Immediate");
    let made = claim(&cluster, "data", None);
    assert_eq!((text(&made, "/spec/storageClassName"), text(&made, "/status/phase")), ("standard", "Pending"));
    assert_eq!(made["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    user(&cluster, "data");
    cluster.pass(1.0).await;
    let bound = cluster.get(PERSISTENT_VOLUME_CLAIMS, "data");
    let name_of = format!("pvc-{}", uid(&bound));
    assert_eq!(text(&bound, "/spec/volumeName"), name_of);
    assert_eq!(bound["status"], json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Mi"}}));
    assert_eq!(text(&volume(&cluster, &name_of), "/status/phase"), "Bound");
    assert_eq!(
        cluster.events("ProvisioningSucceeded"),
        [format!("Successfully provisioned volume {name_of} using kubernetes.io/host-path x1")]
    );
    let pod = cluster.get(PODS, "user");
    assert_eq!(text(&pod, "/spec/nodeName"), "n1");
    cluster.api.delete(PERSISTENT_VOLUME_CLAIMS, "shop", "data", &DeleteOptions::default()).unwrap();
    cluster.pass(30.0).await;
    assert!(cluster.get(PERSISTENT_VOLUME_CLAIMS, "data").at("/metadata/deletionTimestamp").is_some(), "it is in use");
    cluster.api.delete(PODS, "shop", "user", &DeleteOptions::default()).unwrap();
    cluster.pass(2.0).await;
    assert!(cluster.api.get(PERSISTENT_VOLUME_CLAIMS, "shop", "data").is_err());
    assert!(cluster.api.get(PERSISTENT_VOLUMES, "", &name_of).is_err(), "the policy is Delete");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_class_is_complained_of_every_fifteen_seconds() {
    let cluster = Cluster::start();
    claim(&cluster, "data", Some("none-such"));
    claim(&cluster, "bare", Some(""));
    cluster.pass(46.0).await;
    let told = cluster.events("ProvisioningFailed");
    assert!(told[0].starts_with("storageclass.storage.k8s.io \"none-such\" not found x"), "{told:?}");
    assert!(told[0].ends_with("x4") || told[0].ends_with("x5"), "{told:?}");
    let bare = cluster.events("FailedBinding");
    assert!(bare[0].starts_with("no persistent volumes available for this claim and no storage class is set x"), "{bare:?}");
    cluster.api.delete(PERSISTENT_VOLUME_CLAIMS, "shop", "data", &DeleteOptions::default()).unwrap();
    cluster.pass(1.0).await;
    assert!(cluster.api.get(PERSISTENT_VOLUME_CLAIMS, "shop", "data").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_class_that_waits_binds_on_the_node_that_the_scheduler_chose() {
    let cluster = Cluster::start();
    class(&cluster, "late", "kubernetes.io/host-path", "WaitForFirstConsumer");
    claim(&cluster, "data", Some("late"));
    cluster.pass(20.0).await;
    assert!(cluster.events("WaitForFirstConsumer")[0].starts_with("waiting for first consumer to be created before binding x"));
    assert_eq!(text(&cluster.get(PERSISTENT_VOLUME_CLAIMS, "data"), "/status/phase"), "Pending");
    user(&cluster, "data");
    cluster.pass(1.0).await;
    let bound = cluster.get(PERSISTENT_VOLUME_CLAIMS, "data");
    assert_eq!(text(&bound, "/status/phase"), "Bound");
    assert_eq!(annotation(&bound, "volume.kubernetes.io/selected-node"), Some("n1"));
    let pod = cluster.get(PODS, "user");
    assert_eq!((text(&pod, "/spec/nodeName"), text(&pod, "/status/nominatedNodeName")), ("n1", ""));
}

#[tokio::test(start_paused = true)]
async fn the_smallest_volume_that_fits_is_taken_and_kept_when_released() {
    let cluster = Cluster::start();
    for (name, size) in [("large", "5Gi"), ("right", "2Mi"), ("small", "1Ki")] {
        let spec = json!({"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": "manual", "hostPath": {"path": "/x"}});
        cluster.api.create(PERSISTENT_VOLUMES, "", json!({"metadata": {"name": name}, "spec": spec})).unwrap();
    }
    cluster.pass(1.0).await;
    assert_eq!(text(&volume(&cluster, "right"), "/status/phase"), "Available");
    claim(&cluster, "data", Some("manual"));
    cluster.pass(1.0).await;
    assert_eq!(text(&cluster.get(PERSISTENT_VOLUME_CLAIMS, "data"), "/spec/volumeName"), "right");
    cluster.api.delete(PERSISTENT_VOLUME_CLAIMS, "shop", "data", &DeleteOptions::default()).unwrap();
    cluster.pass(1.0).await;
    assert_eq!(text(&volume(&cluster, "right"), "/status/phase"), "Released");
    claim(&cluster, "lost", Some("manual"));
    cluster.pass(1.0).await;
    cluster.api.delete(PERSISTENT_VOLUMES, "", "large", &DeleteOptions::default()).unwrap();
    cluster.pass(1.0).await;
    assert_eq!(text(&cluster.get(PERSISTENT_VOLUME_CLAIMS, "lost"), "/status/phase"), "Bound", "a bound volume is protected");
}

#[tokio::test(start_paused = true)]
async fn what_one_pod_writes_another_reads() {
    use crate::sim::cluster::Simulation;
    use crate::sim::profile::Profile;
    let cluster = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
    cluster.api.create(PERSISTENT_VOLUME_CLAIMS, "default", json!({"metadata": {"name": "data"}, "spec": spec})).unwrap();
    for (pod, command) in [("writer", "echo hello > /v/x"), ("reader", "test \"$(cat /v/x)\" = hello")] {
        let mounts = json!([{"name": "v", "mountPath": "/v"}]);
        let container = json!({"name": "app", "image": "busybox", "command": ["sh", "-c", command], "volumeMounts": mounts});
        let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
        let spec = json!({"restartPolicy": "Never", "containers": [container], "volumes": volumes});
        cluster.api.create(PODS, "default", json!({"metadata": {"name": pod}, "spec": spec})).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(10)).await;
        let ended = cluster.api.get(PODS, "default", pod).unwrap();
        assert_eq!(text(&ended, "/status/phase"), "Succeeded", "{pod}");
        cluster.api.delete(PODS, "default", pod, &DeleteOptions::default()).unwrap();
    }
    assert!(cluster.limits.since(0).is_empty(), "{:?}", cluster.limits.since(0));
}
