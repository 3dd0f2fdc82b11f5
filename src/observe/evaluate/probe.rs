//! Conditions that are measured by trying: the last sample decides.
//! A failure says nothing where the pod that asks may not ask.

use super::{Frame, Seen, Truth};
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::text;
use crate::observe::probe::pod;
use crate::scenario::Condition;
use crate::selector::Selector;
use serde_json::Value;

pub(super) fn tried(condition: &Condition, frame: Frame<'_>) -> Seen {
    let what = match condition {
        Condition::Http(http) => format!("http {}{}", http.asked(), http.path),
        Condition::Tcp(tcp) => format!("tcp service/{}", tcp.service),
        Condition::Dns(dns) => format!("dns {}", dns.name),
        Condition::Exec(exec) => format!("exec `{}`", exec.command.join(" ")),
        Condition::Prometheus(prometheus) => format!("prometheus `{}`", prometheus.query),
        Condition::Alert(alert) => format!("alert {}", alert.name),
        Condition::Metric(metric) => format!("metric {}", metric.resource.name()),
        _ => "condition".to_owned(),
    };
    let Some(sample) = frame.index.sample(&condition.sample_key()) else {
        return Seen { truth: Truth::Unknown, text: format!("{what}: it was not tried yet"), server: None };
    };
    let said = if sample.text.is_empty() { String::new() } else { format!(": {}", sample.text) };
    let limited = condition.is_asked_from_a_pod().then(|| limiting_policy(frame.index)).flatten();
    let (truth, text) = match (sample.good, limited) {
        (Some(true), _) if said.is_empty() => (Truth::True, format!("{what}: succeeded in {} ms", sample.took.as_millis())),
        (Some(true), _) => (Truth::True, format!("{what}: holds{said}")),
        (Some(false), Some(policy)) => {
            let why = format!("NetworkPolicy {policy} limits the pod {} that asks", pod::NAME);
            (Truth::Unknown, format!("{what}: unknown: {why} (failed{said})"))
        }
        (Some(false), None) => (Truth::False, format!("{what}: failed{said}")),
        (None, _) => (Truth::Unknown, format!("{what}: unknown{said}")),
    };
    Seen { truth, text, server: None }
}

/// A policy on what the pod that asks may reach.
fn limiting_policy(index: &Index) -> Option<&str> {
    let limits = |policy: &Value| {
        let types = policy.at("/spec/policyTypes").and_then(Value::as_array);
        let egress = match types {
            Some(types) if !types.is_empty() => types.iter().any(|one| one == "Egress"),
            _ => policy.at("/spec/egress").is_some(),
        };
        let selector = policy.at("/spec/podSelector").and_then(Selector::from_api);
        egress && selector.is_none_or(|selector| selector.matches(&pod::labels()))
    };
    index.objects("NetworkPolicy").find(|policy| limits(policy)).map(|policy| text(policy, "/metadata/name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::evaluate::evaluate;
    use crate::observe::timeline::{Fact, Observation, Sample, Source};
    use rstest::rstest;
    use serde_json::json;
    use std::sync::Arc;
    use std::time::Duration;

    fn seen(good: Option<bool>, policy: Option<Value>, condition: Value) -> Truth {
        let condition: Condition = serde_json::from_value(condition).unwrap();
        let mut index = Index::new("c");
        let mut tried = Vec::new();
        condition.tried(&mut tried);
        let (probe, took) = (tried[0].sample_key(), Duration::from_millis(3));
        let sample = Fact::Sample(Sample { probe, number: 0, good, took, text: String::new(), alert: None });
        let policy = policy.map(|spec| {
            let metadata = json!({ "name": "p", "namespace": "n", "uid": "u" });
            Fact::Object(Arc::new(json!({ "kind": "NetworkPolicy", "metadata": metadata, "spec": spec })))
        });
        for (seq, fact) in [Some(sample), policy].into_iter().flatten().enumerate() {
            let at = Duration::from_secs(1);
            index.apply(&Observation { seq: seq as u64, at, source: Source::Watch, fact });
        }
        evaluate(&condition, Frame { index: &index, baseline: None, since: Duration::ZERO, standing: true }).truth
    }

    #[rstest]
    #[case::none(None, Truth::False)]
    #[case::everybody(Some(json!({ "podSelector": {}, "policyTypes": ["Egress"] })), Truth::Unknown)]
    #[case::by_rules(Some(json!({ "podSelector": {}, "egress": [] })), Truth::Unknown)]
    #[case::only_in(Some(json!({ "podSelector": {} })), Truth::False)]
    #[case::others(Some(json!({ "podSelector": { "matchLabels": { "app": "x" } }, "policyTypes": ["Egress"] })), Truth::False)]
    #[case::not_x(
        Some(json!({ "podSelector": { "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["x"] }] },
            "policyTypes": ["Ingress", "Egress"] })),
        Truth::Unknown
    )]
    fn a_failure_of_a_pod_that_may_not_ask_says_nothing(#[case] policy: Option<Value>, #[case] is: Truth) {
        let http = || json!({ "http": { "service": "web" } });
        assert_eq!(seen(Some(false), policy.clone(), http()), is);
        assert_eq!(seen(Some(false), policy.clone(), json!({ "not": http() })), !is);
        assert_eq!(seen(Some(true), policy.clone(), http()), Truth::True);
        assert_eq!(seen(None, policy.clone(), http()), Truth::Unknown);
        // A command runs in the workload's own pods: policies on them are what is tried.
        assert_eq!(seen(Some(false), policy, json!({ "exec": { "pod": "a", "command": ["x"] } })), Truth::False);
    }
}
