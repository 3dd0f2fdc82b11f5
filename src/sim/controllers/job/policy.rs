//! What a Job's policies say: which failures of pods count, end the Job or one index, and when it is done early. Pure.
//! Limits on the number of failures are `sync`'s business.

use super::super::object::{integer, list, text};
use super::indexes::Indexes;
use super::place;
use crate::json::At as _;
use serde_json::Value;

/// What a failed pod means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The Job fails with this message.
    pub(super) message: Option<String>,
    /// It counts towards the limits.
    pub(super) counts: bool,
    /// Its index fails at once.
    pub(super) fails_index: bool,
}

/// What the Job's podFailurePolicy says of a failed pod: the first rule that matches decides.
pub(super) fn failure(job: &Value, pod: &Value) -> Failure {
    for (index, rule) in list(job, "/spec/podFailurePolicy/rules").iter().enumerate() {
        let action = text(rule, "/action");
        let Some(what) = matched(rule, pod) else { continue };
        return Failure {
            message: (action == "FailJob").then(|| format!("{what} matching {action} rule at index {index}")),
            counts: action != "Ignore",
            fails_index: action == "FailIndex",
        };
    }
    Failure { message: None, counts: true, fails_index: false }
}

fn matched(rule: &Value, pod: &Value) -> Option<String> {
    if let Some(wanted) = rule.get("onExitCodes").filter(|wanted| wanted.is_object()) {
        let statuses = list(pod, "/status/containerStatuses").iter().chain(list(pod, "/status/initContainerStatuses"));
        let mut exits = statuses.filter_map(|status| Some((status, status.at("/state/terminated")?["exitCode"].as_i64()?)));
        return exits.find(|(status, code)| is_wanted(wanted, status, *code)).map(|(status, code)| {
            format!("Container {} for pod {} failed with exit code {code}", text(status, "/name"), place(pod))
        });
    }
    let patterns = list(rule, "/onPodConditions");
    let has = |condition: &&Value| {
        patterns.iter().any(|pattern| ["type", "status"].iter().all(|field| pattern[*field] == condition[*field]))
    };
    let condition = list(pod, "/status/conditions").iter().find(has)?;
    Some(format!("Pod {} has condition {}", place(pod), text(condition, "/type")))
}

fn is_wanted(wanted: &Value, status: &Value, code: i64) -> bool {
    let of_container = wanted.get("containerName").is_none_or(|name| name.is_null() || *name == status["name"]);
    let among = list(wanted, "/values").iter().any(|value| value.as_i64() == Some(code));
    of_container && code != 0 && among == (text(wanted, "/operator") == "In")
}

/// The message of the first rule of a successPolicy that the succeeded indexes fulfil.
pub(super) fn success(job: &Value, succeeded: &Indexes) -> Option<String> {
    let completions = integer(job, "/spec/completions");
    if succeeded.0.is_empty() {
        return None;
    }
    let is_met = |rule: &Value| {
        let count = rule.get("succeededCount").and_then(Value::as_i64);
        match rule.get("succeededIndexes").and_then(Value::as_str) {
            Some(text) => {
                let wanted = Indexes::parse(text, completions);
                let done = Indexes(wanted.0.intersection(&succeeded.0).copied().collect()).total();
                wanted.total() > 0 && (done == wanted.total() || count.is_some_and(|count| done >= count))
            }
            None => count.is_some_and(|count| succeeded.total() >= count),
        }
    };
    let met = list(job, "/spec/successPolicy/rules").iter().position(is_met)?;
    Some(format!("Matched rules at index {met}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [3, 42]}}),
        Some("Container app for pod shop/j-1 failed with exit code 42 matching FailJob rule at index 0"), true)]
    #[case(json!({"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [42]}}), None, true)]
    #[case(json!({"action": "FailJob", "onExitCodes": {"containerName": "other", "operator": "In", "values": [42]}}), None, true)]
    #[case(json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}), None, false)]
    #[case(json!({"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}),
        Some("Pod shop/j-1 has condition DisruptionTarget matching FailJob rule at index 0"), true)]
    #[case(json!({"action": "Count", "onExitCodes": {"operator": "In", "values": [42]}}), None, true)]
    fn the_first_rule_that_matches_decides(#[case] rule: Value, #[case] message: Option<&str>, #[case] counts: bool) {
        let job = json!({"spec": {"podFailurePolicy": {"rules": [rule]}}});
        let pod = json!({"metadata": {"namespace": "shop", "name": "j-1"}, "status": {
            "conditions": [{"type": "DisruptionTarget", "status": "True"}],
            "containerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 42}}}]}});
        let failure = failure(&job, &pod);
        assert_eq!((failure.message.as_deref(), failure.counts), (message, counts));
    }

    #[rstest]
    #[case(json!({"succeededIndexes": "0-2"}), "0-2,5", true)]
    #[case(json!({"succeededIndexes": "0-2"}), "0,2,5", false)]
    #[case(json!({"succeededIndexes": "0-2", "succeededCount": 2}), "0,2,5", true)]
    #[case(json!({"succeededCount": 2}), "7,8", true)]
    #[case(json!({"succeededCount": 2}), "7", false)]
    #[case(json!({"succeededCount": 0}), "", false)]
    fn a_success_policy_is_met(#[case] rule: Value, #[case] succeeded: &str, #[case] expected: bool) {
        let job = json!({"spec": {"completions": 10, "successPolicy": {"rules": [rule]}}});
        assert_eq!(success(&job, &Indexes::parse(succeeded, 10)).is_some(), expected);
    }
}
