//! Tests of the controller with ReplicaSets, scheduler and stand-in kubelet on a paused clock.

use super::super::object::{condition, integer};
use super::super::testing::{Cluster, deployment};
use super::*;

fn conditions(cluster: &Cluster) -> Vec<String> {
    let app = cluster.get(DEPLOYMENTS, "app");
    let conditions = list(&app, "/status/conditions");
    conditions.iter().map(|c| format!("{}={} {}", text(c, "/type"), text(c, "/status"), text(c, "/reason"))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_bound_pods_and_then_available() {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(3, "v1"));
    cluster.pass(0.3).await;
    let sets = cluster.all(REPLICA_SETS);
    assert_eq!(sets.len(), 1);
    let set_name = text(&sets[0], "/metadata/name").to_owned();
    assert_eq!(
        sets[0]["metadata"]["annotations"],
        json!({
            "deployment.kubernetes.io/desired-replicas": "3", "deployment.kubernetes.io/max-replicas": "4", REVISION: "1",
        })
    );
    let pods = cluster.all(PODS);
    assert_eq!(pods.len(), 3);
    assert!(pods.iter().all(|pod| text(pod, "/spec/nodeName") == "n1"));
    assert_eq!(conditions(&cluster), ["Available=False MinimumReplicasUnavailable", "Progressing=True ReplicaSetUpdated"]);
    cluster.pass(1.0).await;
    assert_eq!(conditions(&cluster), ["Available=True MinimumReplicasAvailable", "Progressing=True NewReplicaSetAvailable"]);
    let app = cluster.get(DEPLOYMENTS, "app");
    let mut status = app["status"].clone();
    status.as_object_mut().unwrap().remove("conditions");
    assert_eq!(
        status,
        json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
        "availableReplicas": 3, "terminatingReplicas": 0})
    );
    assert_eq!(annotation_of(&app), Some("1"));
    assert_eq!(cluster.events("ScalingReplicaSet"), [format!("Scaled up replica set {set_name} from 0 to 3 x1")]);
    assert_eq!(cluster.events("Scheduled").len(), 3);
    assert_eq!(integer(&sets[0], "/spec/replicas"), 3);
    assert!(condition(&app["status"], "ReplicaFailure").is_none());
}

fn annotation_of(object: &Value) -> Option<&str> {
    super::super::object::annotation(object, REVISION)
}
