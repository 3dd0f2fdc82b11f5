//! Tests of budgets and of evictions against them, on a paused clock.

use super::super::testing::{Cluster, deployment, set_ready};
use super::*;
use crate::sim::api::DeleteOptions;

fn budget(spec: Value) -> Value {
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {"app": "app"}});
    json!({"metadata": {"name": "pdb"}, "spec": spec})
}

fn numbers(cluster: &Cluster) -> [i64; 4] {
    let status = cluster.get(POD_DISRUPTION_BUDGETS, "pdb")["status"].clone();
    ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"].map(|field| integer(&status, &format!("/{field}")))
}

fn evict(cluster: &Cluster, pod: &str) -> Result<(), (u16, String)> {
    let granted = cluster.api.evict("shop", pod, &DeleteOptions::default());
    granted.map_err(|error| (error.code, error.details.unwrap()["causes"][0]["message"].as_str().unwrap().to_owned()))
}

fn names(cluster: &Cluster) -> Vec<String> {
    cluster.all(PODS).iter().filter(|pod| !is_deleting(pod)).map(|pod| name(pod).to_owned()).collect()
}

#[rstest::rstest]
#[case(json!({"minAvailable": 2}), [4, 2, 4, 2])]
#[case(json!({"minAvailable": "60%"}), [4, 3, 4, 1])]
#[case(json!({"maxUnavailable": 1}), [4, 3, 4, 1])]
#[case(json!({"maxUnavailable": "30%"}), [4, 2, 4, 2])]
#[tokio::test(start_paused = true)]
async fn a_budget_counts_what_is_healthy(#[case] spec: Value, #[case] expected: [i64; 4]) {
    let cluster = Cluster::start();
    let made = cluster.create(POD_DISRUPTION_BUDGETS, budget(spec));
    assert_eq!(made["status"], json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}));
    cluster.pass(0.5).await;
    assert_eq!(cluster.events("NoPods"), ["No matching pods found x2"]);
    cluster.create(DEPLOYMENTS, deployment(4, "v1"));
    cluster.pass(3.0).await;
    assert_eq!(numbers(&cluster), expected);
    let judged = condition(&cluster.get(POD_DISRUPTION_BUDGETS, "pdb")["status"], "DisruptionAllowed").cloned().unwrap();
    assert_eq!((text(&judged, "/status"), text(&judged, "/reason"), text(&judged, "/message")), ("True", "SufficientPods", ""));
}

#[tokio::test(start_paused = true)]
async fn evictions_stop_where_the_budget_ends() {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(3, "v1"));
    cluster.create(POD_DISRUPTION_BUDGETS, budget(json!({"minAvailable": 2})));
    let pods = || names(&cluster);
    cluster.pass(3.0).await;
    let [first, second, ..] = pods().try_into().map(|pods: [String; 3]| pods).unwrap();
    evict(&cluster, &first).unwrap();
    let target = condition(&cluster.get(PODS, &first)["status"], "DisruptionTarget").cloned().unwrap();
    assert_eq!((text(&target, "/reason"), text(&target, "/message")), ("EvictionByEvictionAPI", "Eviction API: evicting"));
    assert!(is_deleting(&cluster.get(PODS, &first)));
    let (code, why) = evict(&cluster, &second).unwrap_err();
    assert_eq!((code, why.as_str()), (429, "The disruption budget pdb does not allow evicting pods currently"));
    cluster.pass(0.1).await;
    let (_, why) = evict(&cluster, &second).unwrap_err();
    assert_eq!(why, "The disruption budget pdb needs 2 healthy pods and has 2 currently");
    cluster.pass(3.0).await;
    evict(&cluster, &second).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_pod_may_go_only_if_the_rest_is_well_or_the_policy_says_so() {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(2, "v1"));
    cluster.create(POD_DISRUPTION_BUDGETS, budget(json!({"minAvailable": 2})));
    cluster.pass(3.0).await;
    let pod = names(&cluster)[0].clone();
    set_ready(&cluster.api, "shop", &pod, false);
    cluster.pass(0.5).await;
    assert_eq!(numbers(&cluster), [1, 2, 2, 0]);
    assert_eq!(evict(&cluster, &pod).unwrap_err().0, 429);
    cluster.change(POD_DISRUPTION_BUDGETS, "pdb", |budget| budget["spec"]["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow"));
    evict(&cluster, &pod).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_changed_budget_is_processed_first() {
    let cluster = Cluster::start();
    cluster.create(DEPLOYMENTS, deployment(2, "v1"));
    cluster.create(POD_DISRUPTION_BUDGETS, budget(json!({"minAvailable": 1})));
    cluster.pass(3.0).await;
    cluster.change(POD_DISRUPTION_BUDGETS, "pdb", |budget| budget["spec"]["minAvailable"] = json!(0));
    let (code, why) = evict(&cluster, &names(&cluster)[0]).unwrap_err();
    assert_eq!((code, why.as_str()), (429, "The disruption budget pdb is still being processed by the server."));
}
