//! Tests of the controller with scheduler and stand-in kubelet on a paused clock.

use super::super::object::{is_deleting, list};
use super::super::testing::{Cluster, set_ready};
use super::*;
use crate::sim::api::DeleteOptions;
use crate::sim::api::resource::PERSISTENT_VOLUME_CLAIMS;

fn set(replicas: i64) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "v1"}]}},
        },
    })
}

fn status(cluster: &Cluster) -> Value {
    cluster.get(STATEFUL_SETS, "web")["status"].clone()
}

/// `name image` of the pods, those that end marked with `-`.
fn shown(cluster: &Cluster) -> Vec<String> {
    let pods = cluster.all(PODS);
    pods.iter()
        .map(|pod| format!("{}{} {}", if is_deleting(pod) { "-" } else { "" }, name(pod), text(pod, "/spec/containers/0/image")))
        .collect()
}

fn set_image(cluster: &Cluster, image: &str) {
    cluster.change(STATEFUL_SETS, "web", |set| set["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image));
}

#[tokio::test(start_paused = true)]
async fn pods_come_one_after_the_other_with_identity_and_go_in_reverse() {
    let cluster = Cluster::start();
    cluster.create(STATEFUL_SETS, set(3));
    cluster.pass(0.3).await;
    assert_eq!(shown(&cluster), ["web-0 v1"], "the second waits for the first");
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v1", "web-2 v1"]);
    let pod = cluster.get(PODS, "web-1");
    let revision = cluster.all(CONTROLLER_REVISIONS).pop().unwrap();
    let expected = json!({"app": "web", "apps.kubernetes.io/pod-index": "1", "controller-revision-hash": name(&revision),
        "statefulset.kubernetes.io/pod-name": "web-1"});
    assert_eq!(pod["metadata"]["labels"], expected);
    assert_eq!((text(&pod, "/spec/hostname"), text(&pod, "/spec/subdomain")), ("web-1", "web"));
    let expected = json!({"availableReplicas": 3, "collisionCount": 0, "currentReplicas": 3, "currentRevision": name(&revision),
        "observedGeneration": 1, "readyReplicas": 3, "replicas": 3, "updateRevision": name(&revision), "updatedReplicas": 3});
    assert_eq!(status(&cluster), expected);
    assert_eq!(cluster.events("SuccessfulCreate")[0], "Create Pod web-0 in StatefulSet web successful x1");
    cluster.change(STATEFUL_SETS, "web", |set| set["spec"]["replicas"] = json!(1));
    cluster.pass(0.1).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v1", "-web-2 v1"]);
    cluster.pass(2.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1"]);
    let told = cluster.events("SuccessfulDelete");
    assert_eq!(told, ["Delete Pod web-2 in StatefulSet web successful x1", "Delete Pod web-1 in StatefulSet web successful x1"]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_is_replaced_only_after_it_is_gone() {
    let cluster = Cluster::start();
    cluster.create(STATEFUL_SETS, set(2));
    cluster.pass(3.0).await;
    let before = cluster.get(PODS, "web-0");
    // A pod on a lost node stays until somebody removes it: nothing ends it here either.
    cluster.change(PODS, "web-0", |pod| pod["metadata"]["finalizers"] = json!(["example.org/lost"]));
    cluster.api.delete(PODS, "shop", "web-0", &DeleteOptions::default()).unwrap();
    cluster.pass(600.0).await;
    assert_eq!(cluster.get(PODS, "web-0")["metadata"]["uid"], before["metadata"]["uid"]);
    cluster.change(PODS, "web-0", |pod| {
        pod["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    cluster.pass(2.0).await;
    let after = cluster.get(PODS, "web-0");
    assert!(after["metadata"]["uid"] != before["metadata"]["uid"] && after["status"]["phase"] == "Running");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_goes_from_the_last_pod_to_the_partition() {
    let cluster = Cluster::start();
    let mut object = set(3);
    object["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}});
    cluster.create(STATEFUL_SETS, object);
    cluster.pass(3.0).await;
    set_image(&cluster, "v2");
    cluster.pass(0.1).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v1", "-web-2 v1"]);
    cluster.pass(5.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v2", "web-2 v2"]);
    let seen = status(&cluster);
    assert_eq!((integer(&seen, "/updatedReplicas"), integer(&seen, "/currentReplicas")), (2, 1));
    assert_ne!(seen["currentRevision"], seen["updateRevision"]);
    // Below the partition a pod comes back as it was.
    cluster.api.delete(PODS, "shop", "web-0", &DeleteOptions::default()).unwrap();
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster)[0], "web-0 v1");
    cluster.change(STATEFUL_SETS, "web", |set| set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(0));
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster)[0], "web-0 v2");
    let seen = status(&cluster);
    assert_eq!(seen["currentRevision"], seen["updateRevision"]);
    assert_eq!(cluster.all(CONTROLLER_REVISIONS).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broken_revision_stays_after_it_is_taken_back_until_its_pod_is_deleted() {
    let cluster = Cluster::start();
    cluster.create(STATEFUL_SETS, set(2));
    cluster.pass(3.0).await;
    set_image(&cluster, "bad");
    cluster.pass(5.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 bad"]);
    set_image(&cluster, "v1");
    cluster.pass(600.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 bad"], "the broken pod blocks its own replacement");
    let revisions = cluster.all(CONTROLLER_REVISIONS);
    let mut numbers: Vec<_> = revisions.iter().map(|revision| integer(revision, "/revision")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3], "the first revision was taken up again with a new number");
    cluster.api.delete(PODS, "shop", "web-1", &DeleteOptions::default()).unwrap();
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v1"]);
}

#[tokio::test(start_paused = true)]
async fn parallel_sets_do_not_wait_and_ordinals_may_start_elsewhere() {
    let cluster = Cluster::start();
    let mut object = set(3);
    object["spec"]["podManagementPolicy"] = json!("Parallel");
    object["spec"]["ordinals"] = json!({"start": 5});
    cluster.create(STATEFUL_SETS, object);
    cluster.pass(0.2).await;
    assert_eq!(shown(&cluster), ["web-5 v1", "web-6 v1", "web-7 v1"]);
    cluster.pass(1.0).await;
    set_ready(&cluster.api, "shop", "web-6", false);
    cluster.change(STATEFUL_SETS, "web", |set| set["spec"]["replicas"] = json!(1));
    cluster.pass(0.1).await;
    assert_eq!(shown(&cluster), ["web-5 v1", "-web-6 v1", "-web-7 v1"]);
}

#[tokio::test(start_paused = true)]
async fn the_next_pod_waits_until_the_one_before_was_ready_for_the_minimum() {
    let cluster = Cluster::start();
    let mut object = set(2);
    object["spec"]["minReadySeconds"] = json!(10);
    cluster.create(STATEFUL_SETS, object);
    cluster.pass(9.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1"]);
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v1"]);
    let seen = status(&cluster);
    assert_eq!((integer(&seen, "/readyReplicas"), integer(&seen, "/availableReplicas")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn on_delete_only_deleted_pods_get_the_new_revision_and_failed_ones_are_replaced() {
    let cluster = Cluster::start();
    let mut object = set(2);
    object["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    cluster.create(STATEFUL_SETS, object);
    cluster.pass(3.0).await;
    set_image(&cluster, "v2");
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v1"]);
    let fail = |pod: &mut Value| pod["status"] = json!({"phase": "Failed"});
    cluster.api.modify(PODS, "shop", "web-1", Subresource::Status, fail).unwrap();
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster), ["web-0 v1", "web-1 v2"]);
}

#[tokio::test(start_paused = true)]
async fn claims_come_first_and_follow_the_retention_policy() {
    let cluster = Cluster::start();
    let mut object = set(2);
    object["spec"]["podManagementPolicy"] = json!("Parallel");
    object["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenScaled": "Delete", "whenDeleted": "Retain"});
    object["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}]);
    object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    cluster.create(STATEFUL_SETS, object);
    cluster.pass(0.1).await;
    let claim = cluster.get(PERSISTENT_VOLUME_CLAIMS, "data-web-0");
    assert_eq!(claim["metadata"]["labels"], json!({"app": "web"}));
    let told = cluster.events("SuccessfulCreate");
    assert_eq!(told[0], "Create Claim data-web-0 Pod web-0 in StatefulSet web success x1");
    let pod = cluster.get(PODS, "web-0");
    assert_eq!(list(&pod, "/spec/volumes")[0], json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}));
    cluster.change(STATEFUL_SETS, "web", |set| set["spec"]["replicas"] = json!(1));
    cluster.pass(3.0).await;
    let claims = cluster.all(PERSISTENT_VOLUME_CLAIMS);
    assert_eq!(claims.iter().map(name).collect::<Vec<_>>(), ["data-web-0"], "the pod took its claim with it");
}
