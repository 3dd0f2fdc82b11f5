//! Label selectors and node selectors as objects carry them, matched against labels.
//! The text form of selectors in URLs belongs to `api`.

use super::object::{list, text};
use serde_json::Value;

/// Whether a `LabelSelector` (matchLabels and matchExpressions) matches; an absent selector matches nothing, an empty one all.
pub(crate) fn matches(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(selector) = selector.filter(|selector| selector.is_object()) else { return false };
    matches_map(selector.get("matchLabels"), labels)
        && list(selector, "/matchExpressions").iter().all(|expression| matches_expression(expression, labels))
}

/// Whether all pairs of a plain map (`nodeSelector`, a Service's selector) are among the labels.
pub(crate) fn matches_map(wanted: Option<&Value>, labels: Option<&Value>) -> bool {
    wanted
        .and_then(Value::as_object)
        .is_none_or(|wanted| wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value)))
}

/// Whether one requirement (`key`, `operator`, `values`) holds; `Gt` and `Lt` compare whole numbers.
pub(crate) fn matches_expression(expression: &Value, labels: Option<&Value>) -> bool {
    let value = labels.and_then(|labels| labels.get(text(expression, "/key"))).and_then(Value::as_str);
    let values = list(expression, "/values");
    let among = || value.is_some_and(|value| values.iter().any(|candidate| candidate == value));
    let numbers = || {
        let bound: i64 = values.first()?.as_str()?.parse().ok()?;
        Some((value?.parse::<i64>().ok()?, bound))
    };
    match text(expression, "/operator") {
        "In" => among(),
        "NotIn" => !among(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(number, bound)| number > bound),
        "Lt" => numbers().is_some_and(|(number, bound)| number < bound),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({}), true)]
    #[case(json!({"matchLabels": {"app": "web"}}), true)]
    #[case(json!({"matchLabels": {"app": "db"}}), false)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["5", "6"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["5"]}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["5"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "none", "operator": "Exists"}]}), false)]
    #[case(json!({"matchExpressions": [{"key": "none", "operator": "DoesNotExist"}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "Gt", "values": ["4"]}]}), true)]
    #[case(json!({"matchExpressions": [{"key": "tier", "operator": "Lt", "values": ["5"]}]}), false)]
    fn selectors_match_as_in_kubernetes(#[case] selector: Value, #[case] expected: bool) {
        assert_eq!(matches(Some(&selector), Some(&json!({"app": "web", "tier": "5"}))), expected);
    }

    #[test]
    fn an_absent_selector_matches_nothing() {
        assert!(!matches(None, Some(&json!({"app": "web"}))));
    }
}
