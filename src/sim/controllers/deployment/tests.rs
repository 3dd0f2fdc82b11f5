//! Tests of the controller with `ReplicaSet`s, scheduler and stand-in kubelet on a paused clock.

use super::super::object::{condition, integer};
use super::super::testing::{Cluster, deployment};
use super::*;
use rstest::rstest;

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

fn sizes(cluster: &Cluster) -> Vec<(String, i64)> {
    let mut sets = cluster.all(REPLICA_SETS);
    sets.sort_by_key(replica_sets::revision);
    let image = |set: &Value| text(set, "/spec/template/spec/containers/0/image").to_owned();
    sets.iter().map(|set| (image(set), integer(set, "/spec/replicas"))).collect()
}

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(image, size)| ((*image).to_owned(), *size)).collect()
}

fn set_image(cluster: &Cluster, image: &str) {
    cluster.change(DEPLOYMENTS, "app", |app| app["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image));
}

/// Follows a rollout and returns the most pods and the fewest available ones that its `ReplicaSet`s ever had.
async fn extremes(cluster: &Cluster, image: &str) -> (i64, i64) {
    let mut watch = cluster.api.watch(REPLICA_SETS, Some("shop"));
    set_image(cluster, image);
    let mut states = std::collections::BTreeMap::new();
    let (mut most, mut fewest) = (0, i64::MAX);
    while let Ok(Some(item)) = tokio::time::timeout(std::time::Duration::from_secs(20), watch.next()).await {
        let set = &item.object;
        states.insert(uid(set).to_owned(), (integer(set, "/spec/replicas"), integer(set, "/status/availableReplicas")));
        most = most.max(states.values().map(|state| state.0).sum());
        fewest = fewest.min(states.values().map(|state| state.1).sum());
    }
    (most, fewest)
}

#[rstest]
#[case(3, json!("25%"), json!("25%"), 4, 3)]
#[case(4, json!("25%"), json!("25%"), 5, 3)]
#[case(4, json!(0), json!(2), 4, 2)]
#[case(2, json!("100%"), json!(0), 4, 2)]
#[case(1, json!(0), json!("30%"), 1, 0)]
#[tokio::test(start_paused = true)]
async fn a_rollout_stays_within_surge_and_unavailability(
    #[case] replicas: i64,
    #[case] surge: Value,
    #[case] unavailable: Value,
    #[case] most: i64,
    #[case] fewest: i64,
) {
    let cluster = Cluster::start();
    let mut app = deployment(replicas, "v1");
    app["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": surge, "maxUnavailable": unavailable});
    cluster.create(DEPLOYMENTS, app);
    cluster.pass(3.0).await;
    assert_eq!(extremes(&cluster, "v2").await, (most, fewest));
    assert_eq!(sizes(&cluster), pairs(&[("v1", 0), ("v2", replicas)]));
    assert!(conditions(&cluster).contains(&"Progressing=True NewReplicaSetAvailable".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_bad_image_stops_the_rollout_until_its_deadline_and_a_rollback_revives_the_old_set() {
    let cluster = Cluster::start();
    let mut app = deployment(3, "v1");
    app["spec"]["progressDeadlineSeconds"] = json!(30);
    cluster.create(DEPLOYMENTS, app);
    cluster.pass(3.0).await;
    set_image(&cluster, "bad");
    cluster.pass(29.0).await;
    assert_eq!(conditions(&cluster), ["Available=True MinimumReplicasAvailable", "Progressing=True ReplicaSetUpdated"]);
    cluster.pass(2.5).await;
    assert_eq!(conditions(&cluster), ["Available=True MinimumReplicasAvailable", "Progressing=False ProgressDeadlineExceeded"]);
    assert_eq!(sizes(&cluster), pairs(&[("v1", 3), ("bad", 1)]));
    set_image(&cluster, "v1");
    cluster.pass(2.0).await;
    assert_eq!(sizes(&cluster), pairs(&[("bad", 0), ("v1", 3)]));
    let app = cluster.get(DEPLOYMENTS, "app");
    assert_eq!(annotation_of(&app), Some("3"));
    let revived = cluster.all(REPLICA_SETS).into_iter().find(|set| integer(set, "/spec/replicas") == 3).unwrap();
    assert_eq!(revived["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
    assert_eq!(conditions(&cluster), ["Available=True MinimumReplicasAvailable", "Progressing=True NewReplicaSetAvailable"]);
    let events = cluster.events("ScalingReplicaSet");
    assert!(events.last().unwrap().ends_with("from 1 to 0 x1"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn recreate_ends_every_old_pod_before_it_makes_a_new_one() {
    let cluster = Cluster::start();
    let mut app = deployment(2, "v1");
    app["spec"]["strategy"] = json!({"type": "Recreate"});
    cluster.create(DEPLOYMENTS, app);
    cluster.pass(3.0).await;
    set_image(&cluster, "v2");
    cluster.pass(0.25).await;
    assert_eq!(sizes(&cluster), pairs(&[("v1", 0)]));
    cluster.pass(2.0).await;
    assert_eq!(sizes(&cluster), pairs(&[("v1", 0), ("v2", 2)]));
    let created = cluster.all(PODS).iter().map(|pod| text(pod, "/metadata/creationTimestamp").to_owned()).min();
    assert_eq!(created.as_deref(), Some("2026-01-01T00:00:03Z"), "after the old pods ended");
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_scales_but_does_not_roll_out() {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(2, "v1"));
    cluster.pass(2.0).await;
    cluster.change(DEPLOYMENTS, "app", |app| {
        app["spec"]["paused"] = json!(true);
        app["spec"]["replicas"] = json!(4);
    });
    set_image(&cluster, "v2");
    cluster.pass(2.0).await;
    assert_eq!(sizes(&cluster), pairs(&[("v1", 4)]));
    assert!(conditions(&cluster).contains(&"Progressing=Unknown DeploymentPaused".to_owned()));
    cluster.change(DEPLOYMENTS, "app", |app| app["spec"]["paused"] = json!(false));
    cluster.pass(9.0).await;
    assert_eq!(sizes(&cluster), pairs(&[("v1", 0), ("v2", 4)]));
}

#[tokio::test(start_paused = true)]
async fn scaling_during_a_rollout_is_shared_in_proportion() {
    let cluster = Cluster::start();
    let mut app = deployment(10, "v1");
    app["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": 3, "maxUnavailable": 2});
    cluster.create(DEPLOYMENTS, app);
    cluster.pass(3.0).await;
    set_image(&cluster, "bad");
    cluster.pass(3.0).await;
    assert_eq!(sizes(&cluster), pairs(&[("v1", 8), ("bad", 5)]));
    cluster.change(DEPLOYMENTS, "app", |app| app["spec"]["replicas"] = json!(15));
    cluster.pass(3.0).await;
    assert_eq!(sizes(&cluster), pairs(&[("v1", 11), ("bad", 7)]), "the example of the documentation");
}

#[tokio::test(start_paused = true)]
async fn old_sets_beyond_the_history_limit_are_deleted() {
    let cluster = Cluster::start();
    let mut app = deployment(1, "v1");
    app["spec"]["revisionHistoryLimit"] = json!(1);
    cluster.create(DEPLOYMENTS, app);
    for image in ["v2", "v3", "v4"] {
        cluster.pass(4.0).await;
        set_image(&cluster, image);
    }
    cluster.pass(4.0).await;
    assert_eq!(sizes(&cluster), pairs(&[("v3", 0), ("v4", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_later_crash_flips_available_alone() {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(1, "v1"));
    cluster.pass(2.0).await;
    let pod = text(&cluster.all(PODS)[0], "/metadata/name").to_owned();
    super::super::testing::set_ready(&cluster.api, "shop", &pod, false);
    cluster.pass(1_000.0).await;
    assert_eq!(conditions(&cluster), ["Progressing=True NewReplicaSetAvailable", "Available=False MinimumReplicasUnavailable"]);
}
