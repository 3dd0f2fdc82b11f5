//! Tests of the three ways of deletion, with the controllers and the stand-in kubelet at work.

use super::super::testing::{Cluster, deployment};
use super::*;
use crate::sim::api::resource::{CONFIG_MAPS, DEPLOYMENTS, PODS, REPLICA_SETS};
use rstest::rstest;
use serde_json::json;

async fn deleted(propagation: Propagation) -> (Cluster, Vec<Resource>) {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(2, "v1"));
    cluster.pass(2.0).await;
    let options = DeleteOptions { propagation, ..DeleteOptions::default() };
    let mut watches = [DEPLOYMENTS, REPLICA_SETS, PODS].map(|resource| (resource, cluster.api.watch(resource, None)));
    cluster.api.delete(DEPLOYMENTS, "shop", "app", &options).unwrap();
    cluster.pass(5.0).await;
    let mut ends = Vec::new();
    for (resource, watch) in &mut watches {
        while let Ok(Some(item)) = tokio::time::timeout(std::time::Duration::from_millis(1), watch.next()).await {
            if item.kind == ChangeKind::Deleted {
                ends.push((text(&item.object, "/metadata/resourceVersion").parse::<u64>().unwrap(), *resource));
            }
        }
    }
    ends.sort_unstable();
    (cluster, ends.into_iter().map(|(_, resource)| resource).collect())
}

#[rstest]
#[case(Propagation::Background, &[DEPLOYMENTS, REPLICA_SETS, PODS, PODS])]
#[case(Propagation::Foreground, &[PODS, PODS, REPLICA_SETS, DEPLOYMENTS])]
#[case(Propagation::Orphan, &[DEPLOYMENTS])]
#[tokio::test(start_paused = true)]
async fn dependents_follow_precede_or_stay(#[case] propagation: Propagation, #[case] expected: &[Resource]) {
    let (cluster, ends) = deleted(propagation).await;
    assert_eq!(ends, expected);
    if propagation == Propagation::Orphan {
        assert!(cluster.all(REPLICA_SETS)[0]["metadata"].get("ownerReferences").is_none());
        assert_eq!(cluster.all(PODS).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_of_another_uid_counts_as_absent_and_a_living_one_keeps_its_dependent() {
    let cluster = Cluster::start();
    let owner = cluster.create(CONFIG_MAPS, json!({"metadata": {"name": "owner"}}));
    let reference = |uid: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid});
    let kept = json!([reference("other"), reference(uid(&owner))]);
    cluster.create(CONFIG_MAPS, json!({"metadata": {"name": "lost", "ownerReferences": [reference("other")]}}));
    cluster.create(CONFIG_MAPS, json!({"metadata": {"name": "kept", "ownerReferences": kept}}));
    cluster.pass(1.0).await;
    assert!(cluster.api.get(CONFIG_MAPS, "shop", "lost").is_err());
    let kept = cluster.get(CONFIG_MAPS, "kept");
    assert_eq!(owners(&kept), [reference(uid(&owner))]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_in_another_namespace_counts_as_absent_and_is_warned_of() {
    let cluster = Cluster::start();
    cluster.api.create(resource::NAMESPACES, "", json!({"metadata": {"name": "other"}})).unwrap();
    let owner = cluster.api.create(CONFIG_MAPS, "other", json!({"metadata": {"name": "owner"}})).unwrap();
    cluster.pass(1.0).await;
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid(&owner)}]);
    cluster.create(CONFIG_MAPS, json!({"metadata": {"name": "lost", "ownerReferences": reference}}));
    let class = json!({"metadata": {"name": "class", "ownerReferences": reference}, "value": 1});
    cluster.api.create(resource::PRIORITY_CLASSES, "", class).unwrap();
    cluster.pass(2.0).await;
    assert!(cluster.api.get(CONFIG_MAPS, "shop", "lost").is_err());
    assert!(cluster.api.get(resource::PRIORITY_CLASSES, "", "class").is_ok(), "nobody can say in which namespace its owner is");
    let said: Vec<_> = [("shop", "lost"), ("default", "class")]
        .map(|(namespace, about)| {
            let events = cluster.api.list(EVENTS, Some(namespace));
            let event = events.into_iter().find(|event| event["involvedObject"]["name"] == about).unwrap();
            (event["type"].clone(), event["reason"].clone(), text(&event, "/message").to_owned())
        })
        .to_vec();
    let message = |namespace: &str| {
        let uid = uid(&owner);
        format!(
            "ownerRef [v1/ConfigMap, namespace: {namespace}, name: owner, uid: {uid}] does not exist in namespace \"{namespace}\""
        )
    };
    let warning = |namespace: &str| (json!("Warning"), json!("OwnerRefInvalidNamespace"), message(namespace));
    assert_eq!(said, [warning("shop"), warning("")]);
}
