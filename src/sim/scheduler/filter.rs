//! Why a pod cannot run on a node, in the words of the scheduler's plugins, and how a failed attempt is told. Pure.
//! Inter-pod affinity, topology spread and volumes are not looked at.

use super::super::controllers::object::{list, text};
use super::super::controllers::selector::{matches_expression, matches_map};
use super::resources::{Amounts, allocatable, requested};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Why one node was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The plugin's reasons.
    pub reasons: Vec<String>,
    /// Whether removing pods from the node could change that.
    pub resolvable: bool,
    /// Whether pods that leave the node are worth another attempt.
    pub by_pods: bool,
}

fn never(reason: &str) -> Refusal {
    Refusal { reasons: vec![reason.to_owned()], resolvable: false, by_pods: false }
}

/// The first plugin's objection to a node that has `pods` (assigned or assumed), or none.
pub(super) fn refusal(pod: &Value, node: &Value, pods: &[&Value]) -> Option<Refusal> {
    let cordon = serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    if node.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) && !tolerates(pod, &cordon) {
        return Some(never("node(s) were unschedulable"));
    }
    let untolerated = |taint: &&Value| matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute") && !tolerates(pod, taint);
    if list(node, "/spec/taints").iter().any(|taint| untolerated(&taint)) {
        return Some(never("node(s) had untolerated taint(s)"));
    }
    if !selects(pod, node) {
        return Some(never("node(s) didn't match Pod's node affinity/selector"));
    }
    let wanted = host_ports(pod);
    if pods.iter().any(|other| host_ports(other).iter().any(|port| wanted.iter().any(|wanted| collide(wanted, port)))) {
        let reason = "node(s) didn't have free ports for the requested pod ports".to_owned();
        return Some(Refusal { reasons: vec![reason], resolvable: true, by_pods: true });
    }
    does_not_fit(pod, node, pods)
}

fn does_not_fit(pod: &Value, node: &Value, pods: &[&Value]) -> Option<Refusal> {
    let offered = allocatable(node);
    let offer = |name: &str| offered.get(name).copied().unwrap_or(0);
    let mut used = Amounts::new();
    for other in pods {
        super::resources::add(&mut used, &requested(other, &Amounts::new()));
    }
    let (mut reasons, mut resolvable) = (Vec::new(), true);
    let count = i128::try_from(pods.len()).unwrap_or(i128::MAX) + 1;
    if offered.contains_key("pods") && count * 1000 > offer("pods") {
        reasons.push("Too many pods".to_owned());
    }
    let request = requested(pod, &Amounts::new());
    // The scheduler's own order: cpu, memory, ephemeral-storage, then the rest by name.
    let rank = |name: &str| ["cpu", "memory", "ephemeral-storage"].iter().position(|known| *known == name).unwrap_or(3);
    let mut names: Vec<_> = request.iter().filter(|(_, amount)| **amount > 0).collect();
    names.sort_by_key(|(name, _)| (rank(name), (*name).clone()));
    for (name, amount) in names {
        if *amount > offer(name) - used.get(name).copied().unwrap_or(0) {
            reasons.push(format!("Insufficient {name}"));
            resolvable &= *amount <= offer(name);
        }
    }
    (!reasons.is_empty()).then_some(Refusal { reasons, resolvable, by_pods: true })
}

fn tolerates(pod: &Value, taint: &Value) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let key = text(toleration, "/key");
        let effect = text(toleration, "/effect");
        (effect.is_empty() || effect == text(taint, "/effect"))
            && match text(toleration, "/operator") {
                "Exists" => key.is_empty() || key == text(taint, "/key"),
                _ => key == text(taint, "/key") && text(toleration, "/value") == text(taint, "/value"),
            }
    })
}

/// `nodeName`, `nodeSelector` and required node affinity.
fn selects(pod: &Value, node: &Value) -> bool {
    let labels = node.pointer("/metadata/labels");
    if !matches_map(pod.pointer("/spec/nodeSelector"), labels) {
        return false;
    }
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    if pod.pointer(required).is_none() {
        return true;
    }
    let fields =
        Value::Object(Map::from_iter([("metadata.name".to_owned(), Value::String(text(node, "/metadata/name").to_owned()))]));
    list(pod, &format!("{required}/nodeSelectorTerms")).iter().any(|term| {
        let (expressions, names) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
        // A term without any requirement matches no node.
        expressions.len() + names.len() > 0
            && expressions.iter().all(|expression| matches_expression(expression, labels))
            && names.iter().all(|expression| matches_expression(expression, Some(&fields)))
    })
}

type HostPort = (String, String, i64);

fn host_ports(pod: &Value) -> Vec<HostPort> {
    let host_network = pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true));
    let containers = list(pod, "/spec/containers");
    containers
        .iter()
        .flat_map(|container| list(container, "/ports"))
        .filter_map(|port| {
            let number = port["hostPort"].as_i64().or_else(|| port["containerPort"].as_i64().filter(|_| host_network))?;
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            (number > 0).then(|| (port["hostIP"].as_str().unwrap_or("0.0.0.0").to_owned(), protocol.to_owned(), number))
        })
        .collect()
}

fn collide(a: &HostPort, b: &HostPort) -> bool {
    (&a.1, a.2) == (&b.1, b.2) && (a.0 == b.0 || a.0 == "0.0.0.0" || b.0 == "0.0.0.0")
}

/// The message of a failed attempt, as event and condition carry it.
pub(super) fn message(pod: &Value, refusals: &[Refusal]) -> String {
    let nodes = refusals.len();
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let reasons = histogram(refusals.iter().flat_map(|refusal| &refusal.reasons).map(String::as_str));
    let preemption = if text(pod, "/spec/preemptionPolicy") == "Never" {
        "not eligible due to preemptionPolicy=Never.".to_owned()
    } else {
        let verdicts = histogram(refusals.iter().map(|refusal| {
            if refusal.resolvable {
                "No preemption victims found for incoming pod"
            } else {
                "Preemption is not helpful for scheduling"
            }
        }));
        format!("0/{nodes} nodes are available: {verdicts}.")
    };
    format!("0/{nodes} nodes are available: {reasons}. no new claims to deallocate, preemption: {preemption}")
}

fn histogram<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut lines: Vec<_> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.sort_unstable();
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn node() -> Value {
        json!({
            "metadata": {"name": "n1", "labels": {"disk": "ssd", "zone": "a"}},
            "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "2"}},
        })
    }

    fn pod(spec: &Value) -> Value {
        let mut spec = spec.clone();
        if spec.get("tolerations").is_none() {
            spec["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
        }
        json!({"spec": spec})
    }

    fn affinity(expression: &Value) -> Value {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}})
    }

    #[rstest]
    #[case(json!({}), None)]
    #[case(json!({"tolerations": []}), Some("node(s) had untolerated taint(s)"))]
    #[case(json!({"tolerations": [{"operator": "Exists"}]}), None)]
    #[case(json!({"tolerations": [{"key": "gpu", "value": "no"}]}), Some("node(s) had untolerated taint(s)"))]
    #[case(json!({"nodeSelector": {"disk": "ssd"}}), None)]
    #[case(json!({"nodeSelector": {"disk": "hdd"}}), Some("node(s) didn't match Pod's node affinity/selector"))]
    #[case(affinity(&json!({"key": "zone", "operator": "In", "values": ["a", "b"]})), None)]
    #[case(affinity(&json!({"key": "zone", "operator": "NotIn", "values": ["a"]})), Some("node(s) didn't match Pod's node affinity/selector"))]
    #[case(json!({"containers": [{"resources": {"requests": {"cpu": "3"}}}]}), Some("Insufficient cpu"))]
    #[case(json!({"containers": [{"resources": {"requests": {"cpu": "2"}}}]}), None)]
    #[case(json!({"containers": [{"resources": {"requests": {"memory": "2Gi"}}}]}), Some("Insufficient memory"))]
    #[case(json!({"containers": [{"resources": {"requests": {"example.com/fpga": "1"}}}]}), Some("Insufficient example.com/fpga"))]
    fn plugins_object_in_their_own_words(#[case] spec: Value, #[case] expected: Option<&str>) {
        let refusal = refusal(&pod(&spec), &node(), &[]);
        assert_eq!(refusal.map(|refusal| refusal.reasons.join(",")).as_deref(), expected);
    }

    #[test]
    fn pods_and_ports_run_out() {
        let with_port = pod(&json!({"containers": [{"ports": [{"hostPort": 80, "containerPort": 80}]}]}));
        let refused = refusal(&with_port, &node(), &[&with_port]).unwrap();
        assert_eq!(refused.reasons, ["node(s) didn't have free ports for the requested pod ports"]);
        let plain = pod(&json!({}));
        assert_eq!(refusal(&plain, &node(), &[&plain, &plain]).unwrap().reasons, ["Too many pods"]);
    }

    #[test]
    fn the_message_is_the_recorded_one() {
        let impossible = pod(&json!({"containers": [{"resources": {"requests": {"cpu": "100"}}}]}));
        let refused = refusal(&impossible, &node(), &[]).unwrap();
        insta::assert_snapshot!(message(&impossible, std::slice::from_ref(&refused)), @"0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
        let full =
            Refusal { reasons: vec!["Insufficient cpu".into(), "Insufficient memory".into()], resolvable: true, by_pods: true };
        insta::assert_snapshot!(message(&impossible, &[never("node(s) had untolerated taint(s)"), full.clone(), full]), @"0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.");
        insta::assert_snapshot!(message(&impossible, &[]), @"no nodes available to schedule pods");
    }
}
