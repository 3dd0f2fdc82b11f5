//! Whether a node can take a pod that is bound to it already, as its kubelet asks: the general predicates, the first that fails.
//! What the kubelet makes of the answer lives in `kubelet`.

use super::super::controllers::object::text;
use super::super::store::Object;
use super::filter::{selects, tolerates};
use super::info::{NodeInfo, PodInfo, collide};

/// Why a node cannot take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The reason that the kubelet gives.
    pub(crate) reason: String,
    /// What it says.
    pub(crate) message: String,
}

fn lacking(resource: &str, requested: i64, used: i64, capacity: i64) -> Misfit {
    let message =
        format!("Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}");
    Misfit { reason: format!("OutOf{resource}"), message }
}

fn predicate(name: &str, why: &str) -> Misfit {
    Misfit { reason: name.to_owned(), message: format!("Predicate {name} failed: {why}") }
}

/// Whether `node` can take `pod` beside `others`.
///
/// # Errors
/// The first general predicate that fails.
pub(crate) fn check(pod: &Object, node: &Object, others: &[Object]) -> Result<(), Misfit> {
    let mut info = NodeInfo::default();
    info.set(node);
    for other in others {
        info.add(&PodInfo::new(other));
    }
    let pod = PodInfo::new(pod);
    let count = i64::try_from(info.pods.len()).unwrap_or(i64::MAX);
    if let Some(most) = info.most_pods.filter(|most| count >= *most) {
        return Err(lacking("pods", 1, count, most));
    }
    let (offered, used, wanted) = (&info.allocatable, &info.requested, &pod.requests);
    // The processor is counted in millicores, all else in whole units.
    for (name, unit, wanted, used, offered) in [
        ("cpu", 1, wanted.cpu, used.cpu, offered.cpu),
        ("memory", 1_000, wanted.memory, used.memory, offered.memory),
        ("ephemeral-storage", 1_000, wanted.storage, used.storage, offered.storage),
    ] {
        if wanted > 0 && wanted > offered - used {
            return Err(lacking(name, wanted / unit, used / unit, offered / unit));
        }
    }
    if !selects(&pod, &info) {
        return Err(predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));
    }
    let taken = |port| info.pods.values().flat_map(|other| &other.ports).any(|other| collide(port, other));
    if pod.ports.iter().any(taken) {
        return Err(predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports"));
    }
    let repels = |taint: &&serde_json::Value| text(taint, "/effect") == "NoExecute" && !tolerates(&pod, taint);
    if info.taints.iter().find(repels).is_some() {
        return Err(predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// Texts as a real 1.36.2 wrote them.
    #[rstest]
    #[case(json!({"containers": [{"resources": {"requests": {"cpu": "500"}}}]}), "OutOfcpu",
        "Node didn't have enough resource: cpu, requested: 500000, used: 20, capacity: 2000")]
    #[case(json!({"containers": [{"resources": {"requests": {"memory": "5000Gi"}}}]}), "OutOfmemory",
        "Node didn't have enough resource: memory, requested: 5368709120000, used: 31457280, capacity: 1073741824")]
    #[case(json!({"containers": [{}], "nodeSelector": {"nope": "yes"}}), "NodeAffinity",
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector")]
    #[case(json!({"containers": [{"ports": [{"containerPort": 80, "hostPort": 80}]}]}), "NodePorts",
        "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports")]
    fn a_pod_that_no_scheduler_placed_may_not_fit(#[case] spec: Value, #[case] reason: &str, #[case] message: &str) {
        let node = json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "110"}}});
        let other = json!({"metadata": {"uid": "o"}, "spec": {"containers": [{
            "resources": {"requests": {"cpu": "20m", "memory": "30Mi"}}, "ports": [{"containerPort": 80, "hostPort": 80}],
        }]}});
        let pod = json!({"metadata": {"uid": "p"}, "spec": spec});
        let found = check(&Arc::new(pod), &Arc::new(node), &[Arc::new(other)]).unwrap_err();
        assert_eq!((found.reason.as_str(), found.message.as_str()), (reason, message));
    }
}
