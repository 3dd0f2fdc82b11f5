//! Tests of the controller with scheduler and stand-in kubelet on a paused clock.

use super::super::object::list;
use super::super::testing::{Cluster, node, set_ready};
use super::*;
use crate::sim::api::resource::CONTROLLER_REVISIONS;
use crate::sim::api::{DeleteOptions, Subresource};

fn set() -> Value {
    json!({
        "metadata": {"name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "agent", "image": "v1"}]}},
        },
    })
}

fn status(cluster: &Cluster) -> Value {
    cluster.get(DAEMON_SETS, "agent")["status"].clone()
}

/// `node image` of the pods in order, those that end marked with `-`.
fn shown(cluster: &Cluster) -> Vec<String> {
    let mark = |pod: &Value| if is_deleting(pod) { "-" } else { "" };
    let mut shown: Vec<_> = cluster
        .all(PODS)
        .iter()
        .map(|pod| format!("{}{} {}", mark(pod), text(pod, "/spec/nodeName"), text(pod, "/spec/containers/0/image")))
        .collect();
    shown.sort();
    shown
}

fn add_node(cluster: &Cluster, name: &str) {
    cluster.api.create(NODES, "", node(name, "4")).unwrap();
}

fn change_node(cluster: &Cluster, name: &str, change: impl FnOnce(&mut Value)) {
    cluster.api.modify(NODES, "", name, Subresource::Main, change).unwrap();
}

/// As a client's update does, which also counts the changes of the template.
fn set_image(cluster: &Cluster, image: &str) {
    cluster.change(DAEMON_SETS, "agent", |set| {
        let before = set.clone();
        set["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        let count = history::template_generation(&before).unwrap().parse::<i64>().unwrap() + 1;
        set["metadata"]["annotations"]["deprecated.daemonset.template.generation"] = json!(count.to_string());
    });
}

#[tokio::test(start_paused = true)]
async fn every_node_gets_a_pod_also_later_and_through_troubles_that_daemons_tolerate() {
    let cluster = Cluster::start();
    add_node(&cluster, "n2");
    cluster.create(DAEMON_SETS, set());
    cluster.pass(2.0).await;
    assert_eq!(shown(&cluster), ["n1 v1", "n2 v1"]);
    let expected = json!({"currentNumberScheduled": 2, "desiredNumberScheduled": 2, "numberAvailable": 2,
        "numberMisscheduled": 0, "numberReady": 2, "observedGeneration": 1, "updatedNumberScheduled": 2});
    assert_eq!(status(&cluster), expected);
    let pod = cluster.all(PODS).remove(0);
    let tolerations = list(&pod, "/spec/tolerations");
    assert_eq!(tolerations.len(), 6, "{tolerations:?}");
    assert!(tolerations.iter().all(|toleration| toleration.get("tolerationSeconds").is_none()));
    assert_eq!(label(&pod, GENERATION_LABEL), "1");
    add_node(&cluster, "n3");
    cluster.pass(2.0).await;
    assert_eq!(shown(&cluster).len(), 3);
    change_node(&cluster, "n3", |node| node["spec"]["taints"] = json!([{"key": "own", "effect": "NoSchedule"}]));
    cluster.pass(2.0).await;
    // The controller does not look at a node that its pods may stay on; any pod's news makes it count.
    assert_eq!(integer(&status(&cluster), "/numberMisscheduled"), 0);
    set_ready(&cluster.api, "shop", name(&pod), false);
    cluster.pass(0.1).await;
    let seen = status(&cluster);
    assert_eq!((integer(&seen, "/desiredNumberScheduled"), integer(&seen, "/numberMisscheduled")), (2, 1));
    assert_eq!(shown(&cluster).len(), 3, "what runs there may stay");
    change_node(&cluster, "n3", |node| node["spec"]["taints"] = json!([{"key": "own", "effect": "NoExecute"}]));
    cluster.pass(2.0).await;
    assert_eq!(shown(&cluster), ["n1 v1", "n2 v1"]);
}

#[tokio::test(start_paused = true)]
async fn a_rollout_replaces_one_node_after_the_other_and_keeps_its_history() {
    let cluster = Cluster::start();
    add_node(&cluster, "n2");
    cluster.create(DAEMON_SETS, set());
    cluster.pass(2.0).await;
    set_image(&cluster, "v2");
    cluster.pass(0.1).await;
    assert_eq!(shown(&cluster), ["-n1 v1", "n2 v1"]);
    cluster.pass(4.0).await;
    assert_eq!(shown(&cluster), ["n1 v2", "n2 v2"]);
    assert_eq!(cluster.all(CONTROLLER_REVISIONS).len(), 2);
    cluster.change(DAEMON_SETS, "agent", |set| set["spec"]["revisionHistoryLimit"] = json!(1));
    set_image(&cluster, "bad");
    cluster.pass(60.0).await;
    assert_eq!(shown(&cluster), ["n1 bad", "n2 v2"], "the broken pod holds the rollout up");
    assert_eq!(cluster.all(CONTROLLER_REVISIONS).len(), 2, "v1 is nobody's and above the limit");
    set_image(&cluster, "v2");
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster), ["n1 v2", "n2 v2"], "an unavailable old pod is replaced at once");
}

#[tokio::test(start_paused = true)]
async fn with_a_surge_the_old_pod_goes_when_the_new_one_is_available() {
    let cluster = Cluster::start();
    let mut object = set();
    object["spec"]["updateStrategy"] = json!({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    cluster.create(DAEMON_SETS, object);
    cluster.pass(2.0).await;
    set_image(&cluster, "v2");
    cluster.pass(0.3).await;
    assert_eq!(shown(&cluster), ["n1 v1", "n1 v2"]);
    cluster.pass(3.0).await;
    assert_eq!(shown(&cluster), ["n1 v2"]);
}

#[tokio::test(start_paused = true)]
async fn failed_pods_are_deleted_with_a_back_off_and_on_delete_nothing_else() {
    let cluster = Cluster::start();
    let mut object = set();
    object["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    cluster.create(DAEMON_SETS, object);
    cluster.pass(1.5).await;
    set_image(&cluster, "v2");
    cluster.pass(5.0).await;
    assert_eq!(shown(&cluster), ["n1 v1"]);
    let fail = |cluster: &Cluster| {
        let pod = name(&cluster.all(PODS)[0]).to_owned();
        cluster.api.modify(PODS, "shop", &pod, Subresource::Status, |pod| pod["status"] = json!({"phase": "Failed"})).unwrap();
        pod
    };
    let first = fail(&cluster);
    cluster.pass(0.2).await;
    assert_eq!(shown(&cluster), ["n1 v2"]);
    assert_eq!(
        cluster.events("FailedDaemonPod"),
        [format!("Found failed daemon pod shop/{first} on node n1, will try to kill it x1")]
    );
    cluster.pass(1.3).await;
    fail(&cluster);
    cluster.pass(1.0).await;
    let third = fail(&cluster);
    cluster.pass(1.8).await;
    assert!(cluster.api.get(PODS, "shop", &third).is_ok(), "it is looked at again when two more seconds have passed");
    cluster.pass(0.4).await;
    assert!(cluster.api.get(PODS, "shop", &third).is_err());
    cluster.pass(1.0).await;
    let pod = name(&cluster.all(PODS)[0]).to_owned();
    set_ready(&cluster.api, "shop", &pod, false);
    cluster.api.delete(PODS, "shop", &pod, &DeleteOptions::default()).unwrap();
    cluster.pass(2.0).await;
    assert_eq!(shown(&cluster), ["n1 v2"]);
}
