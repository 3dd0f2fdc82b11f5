//! Validation of a Job's podFailurePolicy and successPolicy.
//! What they mean is the Job controller's business.

use super::{non_negative, pod};
use crate::sim::api::field::FieldError;
use serde_json::{Value, json};

fn list<'a>(parent: &'a Value, pointer: &str) -> &'a [Value] {
    parent.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(parent: &'a Value, name: &str) -> &'a str {
    parent.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Checks the rules that say which failed pods count.
pub(super) fn failure_policy(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (index, rule) in list(spec, "/podFailurePolicy/rules").iter().enumerate() {
        let place = format!("{path}.podFailurePolicy.rules[{index}]");
        match text(rule, "action") {
            "" => errors.push(FieldError::required(
                format!("{place}.action"),
                "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
            )),
            "FailIndex" if spec.get("backoffLimitPerIndex").is_none_or(Value::is_null) => {
                let why = "requires the backoffLimitPerIndex to be set";
                errors.push(FieldError::invalid(format!("{place}.action"), &json!("FailIndex"), why));
            }
            _ => pod::choice(rule, &place, "action", &["Count", "FailIndex", "FailJob", "Ignore"], errors),
        }
        let codes = rule.get("onExitCodes").filter(|codes| codes.is_object());
        if let Some(codes) = codes {
            exit_codes(spec, codes, &format!("{place}.onExitCodes"), errors);
        }
        let conditions = list(rule, "/onPodConditions");
        for (index, pattern) in conditions.iter().enumerate() {
            pod::choice(pattern, &format!("{place}.onPodConditions[{index}]"), "status", &["False", "True", "Unknown"], errors);
        }
        let why = match (codes.is_some(), !conditions.is_empty()) {
            (true, true) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (false, false) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        let message = format!("Invalid value: {why}");
        errors.push(FieldError { reason: "FieldValueInvalid", field: place, message });
    }
}

fn exit_codes(spec: &Value, codes: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if text(codes, "operator").is_empty() {
        errors.push(FieldError::required(format!("{path}.operator"), "valid values: [\"In\" \"NotIn\"]"));
    } else {
        pod::choice(codes, path, "operator", &["In", "NotIn"], errors);
    }
    let container = text(codes, "containerName");
    let all = || list(spec, "/template/spec/containers").iter().chain(list(spec, "/template/spec/initContainers"));
    if !container.is_empty() && !all().any(|present| text(present, "name") == container) {
        let why = "must be one of the container or initContainer names in the pod template";
        errors.push(FieldError::invalid(format!("{path}.containerName"), &json!(container), why));
    }
    let values: Vec<i64> = list(codes, "/values").iter().filter_map(Value::as_i64).collect();
    if values.is_empty() {
        errors.push(FieldError::invalid(format!("{path}.values"), &json!([]), "at least one value is required"));
    }
    for (index, value) in values.iter().enumerate() {
        let place = format!("{path}.values[{index}]");
        if *value == 0 && text(codes, "operator") == "In" {
            errors.push(FieldError::invalid(place.clone(), &json!(0), "must not be 0 for the In operator"));
        }
        if values[..index].contains(value) {
            errors.push(FieldError::duplicate(place, &json!(value)));
        }
    }
    if !values.is_sorted() {
        errors.push(FieldError::invalid(format!("{path}.values"), &json!(values), "must be ordered"));
    }
}

/// Checks the rules that say when an indexed Job is done early.
pub(super) fn success_policy(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(policy) = spec.get("successPolicy").filter(|policy| policy.is_object()) else { return };
    let completions = spec.get("completions").and_then(Value::as_i64).unwrap_or_default();
    let rules = list(policy, "/rules");
    if rules.is_empty() {
        let why = "at least one rules must be specified when the successPolicy is specified";
        errors.push(FieldError::required(format!("{path}.successPolicy.rules"), why));
    }
    for (index, rule) in rules.iter().enumerate() {
        let place = format!("{path}.successPolicy.rules[{index}]");
        let count = rule.get("succeededCount").and_then(Value::as_i64);
        if count.is_none() && rule.get("succeededIndexes").is_none_or(Value::is_null) {
            let why = "at least one of succeededCount or succeededIndexes must be specified";
            errors.push(FieldError::required(place.clone(), why));
        }
        non_negative(rule, &place, "succeededCount", errors);
        if let Some(count) = count.filter(|count| *count > completions) {
            let why = format!("must be less than or equal to {completions} (the number of specified completions)");
            errors.push(FieldError::invalid(format!("{place}.succeededCount"), &json!(count), &why));
        }
    }
}
