//! Whether a node is one that a pod may be on, by its taints, labels and name. Pure, for scheduler and daemon sets alike.
//! Resources, neighbours and volumes are not looked at here.

use super::super::controllers::object::{list, text};
use super::super::controllers::selector::{matches_expression, matches_map};
use serde_json::{Value, json};

const REQUIRED: &str = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// Whether a pod (or a template of one) tolerates a taint.
pub(crate) fn tolerates(pod: &Value, taint: &Value) -> bool {
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

/// `nodeSelector` and required node affinity of a pod (or a template of one), for a node of this name and these labels.
pub(crate) fn selects(pod: &Value, name: &str, labels: &Value) -> bool {
    matches_map(pod.pointer("/spec/nodeSelector"), Some(labels))
        && pod
            .pointer(REQUIRED)
            .filter(|required| !required.is_null())
            .is_none_or(|required| list(required, "/nodeSelectorTerms").iter().any(|term| matches_term(term, name, labels)))
}

/// Whether a term of a node selector matches; one without any requirement matches no node.
pub(crate) fn matches_term(term: &Value, name: &str, labels: &Value) -> bool {
    let (expressions, names) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
    let fields = || json!({"metadata.name": name});
    expressions.len() + names.len() > 0
        && expressions.iter().all(|expression| matches_expression(expression, Some(labels)))
        && names.iter().all(|expression| matches_expression(expression, Some(&fields())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(json!({"operator": "Exists"}), true)]
    #[case(json!({"key": "role", "operator": "Exists"}), true)]
    #[case(json!({"key": "other", "operator": "Exists"}), false)]
    #[case(json!({"key": "role", "value": "db"}), true)]
    #[case(json!({"key": "role", "value": "web"}), false)]
    // A toleration without a key means all taints only where it asks for no value.
    #[case(json!({"value": "db"}), false)]
    #[case(json!({"key": "role", "value": "db", "effect": "NoExecute"}), false)]
    fn tolerations(#[case] toleration: Value, #[case] expected: bool) {
        let pod = json!({"spec": {"tolerations": [toleration]}});
        assert_eq!(tolerates(&pod, &json!({"key": "role", "value": "db", "effect": "NoSchedule"})), expected);
    }

    #[rstest]
    #[case(json!({}), true)]
    #[case(json!({"nodeSelector": {"disk": "ssd"}}), true)]
    #[case(json!({"nodeSelector": {"disk": "hdd"}}), false)]
    #[case(json!([{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]), true)]
    #[case(json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["other"]}]}]), false)]
    #[case(json!([{}]), false)]
    #[case(json!([{}, {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]), true)]
    fn selectors(#[case] wanted: Value, #[case] expected: bool) {
        let spec = if wanted.is_array() {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": wanted}}}})
        } else {
            wanted
        };
        assert_eq!(selects(&json!({"spec": spec}), "n1", &json!({"disk": "ssd"})), expected);
    }
}
