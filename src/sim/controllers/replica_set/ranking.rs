//! Which pods of a `ReplicaSet` go first when it has too many (`ActivePodsWithRanks` of the real controller).
//! Pure.

use super::super::object::{annotation, is_pod_active, is_pod_ready, list, ready_since, text, time, uid};
use crate::sim::store::Object;
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The `count` pods that a scale-down deletes first. `related` are the pods of all `ReplicaSet`s of the same owner.
pub(in crate::sim::controllers) fn first_to_go(pods: &[Object], related: &[Object], now: Timestamp, count: usize) -> Vec<Object> {
    let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in related.iter().filter(|pod| is_pod_active(pod)) {
        *on_node.entry(text(pod, "/spec/nodeName")).or_default() += 1;
    }
    // The order below is not transitive in every corner, so the standard sort may refuse it; this is the sort that the
    // real controller's library uses for short lists.
    let mut ranked: Vec<Object> = Vec::with_capacity(pods.len());
    for pod in pods {
        let place = ranked.iter().rposition(|placed| compare(pod, placed, &on_node, now) != Ordering::Less);
        ranked.insert(place.map_or(0, |place| place + 1), Object::clone(pod));
    }
    ranked.truncate(count);
    ranked
}

fn compare(a: &Value, b: &Value, on_node: &BTreeMap<&str, usize>, now: Timestamp) -> Ordering {
    let assigned = |pod: &Value| !text(pod, "/spec/nodeName").is_empty();
    let phase = |pod: &Value| match text(pod, "/status/phase") {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let cost = |pod: &Value| {
        annotation(pod, "controller.kubernetes.io/pod-deletion-cost").and_then(|cost| cost.parse::<i32>().ok()).unwrap_or(0)
    };
    let neighbours = |pod: &Value| on_node.get(text(pod, "/spec/nodeName")).copied().unwrap_or_default();
    let restarts = |pod: &Value| {
        let statuses = list(pod, "/status/containerStatuses").iter().chain(list(pod, "/status/initContainerStatuses"));
        statuses.filter_map(|status| status["restartCount"].as_i64()).max().unwrap_or_default()
    };
    assigned(a)
        .cmp(&assigned(b))
        .then_with(|| phase(a).cmp(&phase(b)))
        .then_with(|| is_pod_ready(a).cmp(&is_pod_ready(b)))
        .then_with(|| cost(a).cmp(&cost(b)))
        .then_with(|| neighbours(b).cmp(&neighbours(a)))
        .then_with(|| newer_first(a, b, ready_since, now))
        .then_with(|| restarts(b).cmp(&restarts(a)))
        .then_with(|| newer_first(a, b, |pod| time(pod, "/metadata/creationTimestamp"), now))
}

/// Ages are compared by the whole part of their logarithm; in one bucket the uid decides.
fn newer_first(a: &Value, b: &Value, since: fn(&Value) -> Option<Timestamp>, now: Timestamp) -> Ordering {
    let (Some(since_a), Some(since_b)) = (since(a), since(b)) else { return Ordering::Equal };
    if since_a == since_b {
        return Ordering::Equal;
    }
    let bucket = |since: Timestamp| u128::try_from(now.duration_since(since).as_nanos()).ok().and_then(u128::checked_ilog2);
    bucket(since_a).cmp(&bucket(since_b)).then_with(|| uid(a).cmp(uid(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;

    fn pod(name: &str, changes: &[(&str, Value)]) -> Object {
        let mut pod = json!({
            "metadata": {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {}},
            "spec": {"nodeName": "n1"},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "containerStatuses": [{"restartCount": 0}],
            },
        });
        for (pointer, value) in changes {
            *pod.pointer_mut(pointer).unwrap() = value.clone();
        }
        Arc::new(pod)
    }

    #[rstest]
    #[case::unassigned("/spec/nodeName", json!(""))]
    #[case::pending("/status/phase", json!("Pending"))]
    #[case::not_ready("/status/conditions/0/status", json!("False"))]
    #[case::cheaper("/metadata/annotations", json!({"controller.kubernetes.io/pod-deletion-cost": "-1"}))]
    #[case::ready_later("/status/conditions/0/lastTransitionTime", json!("2026-01-01T00:50:00Z"))]
    #[case::restarted("/status/containerStatuses/0/restartCount", json!(3))]
    #[case::younger("/metadata/creationTimestamp", json!("2026-01-01T00:50:00Z"))]
    fn the_worse_pod_goes_first(#[case] pointer: &str, #[case] value: Value) {
        let pods = [pod("a", &[]), pod("b", &[(pointer, value)]), pod("c", &[])];
        let gone = first_to_go(&pods, &pods, "2026-01-01T01:00:00Z".parse().unwrap(), 1);
        assert_eq!(gone[0]["metadata"]["name"], "b");
    }

    #[test]
    fn a_crowded_node_gives_its_pods_up_first() {
        let node = |name: &str, node: &str| pod(name, &[("/spec/nodeName", json!(node))]);
        let pods = [node("a", "n1"), node("b", "n2"), node("c", "n2")];
        let gone = first_to_go(&pods, &pods, "2026-01-01T01:00:00Z".parse().unwrap(), 1);
        assert_eq!(gone[0]["metadata"]["name"], "b");
    }

    #[test]
    fn ages_in_one_bucket_fall_back_to_the_uid() {
        let pods = [pod("b", &[("/status/conditions/0/lastTransitionTime", json!("2026-01-01T00:00:10Z"))]), pod("a", &[])];
        let gone = first_to_go(&pods, &pods, "2026-01-01T01:00:00Z".parse().unwrap(), 1);
        assert_eq!(gone[0]["metadata"]["name"], "a");
    }
}
