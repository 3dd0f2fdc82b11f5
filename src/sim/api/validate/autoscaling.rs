//! Validation of `HorizontalPodAutoscaler`s: sizes, target, metrics, behaviour.
//! What they do with them is the controller's.

use super::names;
use crate::sim::api::field::FieldError;
use crate::sim::api::quantity;
use serde_json::{Value, json};

/// The longest period of a policy, in seconds.
const LONGEST_PERIOD: i64 = 1_800;
/// The longest stabilization window, in seconds.
const LONGEST_WINDOW: i64 = 3_600;
/// Metric types with their fields, in the order in which the server names them.
const SOURCES: [(&str, &str); 5] = [
    ("ContainerResource", "containerResource"),
    ("External", "external"),
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
];
/// The order in which the fields are looked at.
const ORDER: [&str; 5] = ["object", "external", "pods", "resource", "containerResource"];

fn number(parent: &Value, name: &str) -> Option<i64> {
    parent.get(name).and_then(Value::as_i64)
}

fn word<'a>(parent: &'a Value, name: &str) -> &'a str {
    parent.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_set(parent: &Value, name: &str) -> bool {
    parent.get(name).is_some_and(|value| !value.is_null())
}

fn items<'a>(parent: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    parent.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Checks the spec of an autoscaler.
pub(super) fn autoscaler(spec: &Value, errors: &mut Vec<FieldError>) {
    let (least, most) = (number(spec, "minReplicas"), number(spec, "maxReplicas").unwrap_or(0));
    if let Some(least) = least.filter(|least| *least < 1) {
        errors.push(FieldError::invalid("spec.minReplicas", &json!(least), "must be greater than or equal to 1"));
    }
    match most {
        0 => errors.push(FieldError::required("spec.maxReplicas", "must be set and greater than 0")),
        ..0 => errors.push(FieldError::invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to 1")),
        _ => {}
    }
    if least.is_some_and(|least| most < least) {
        errors.push(FieldError::invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`"));
    }
    reference(&spec["scaleTargetRef"], "spec.scaleTargetRef", errors);
    for (index, metric) in items(spec, "metrics").enumerate() {
        check_metric(metric, &format!("spec.metrics[{index}]"), errors);
    }
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = spec.pointer(&format!("/behavior/{direction}")).filter(|rules| rules.is_object()) {
            check_rules(rules, &format!("spec.behavior.{direction}"), errors);
        }
    }
}

fn reference(reference: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for field in ["kind", "name"] {
        let value = word(reference, field);
        if value.is_empty() {
            errors.push(FieldError::required(format!("{path}.{field}"), ""));
        } else if let Some(why) = names::path_segment(value) {
            errors.push(FieldError::invalid(format!("{path}.{field}"), &json!(value), &why));
        }
    }
}

fn check_rules(rules: &Value, path: &str, errors: &mut Vec<FieldError>) {
    const SELECT: &[&str] = &["Disabled", "Max", "Min"];
    if let Some(window) = number(rules, "stabilizationWindowSeconds") {
        let field = format!("{path}.stabilizationWindowSeconds");
        if window < 0 {
            errors.push(FieldError::invalid(field, &json!(window), "must be greater than or equal to zero"));
        } else if window > LONGEST_WINDOW {
            let why = format!("must be less than or equal to {LONGEST_WINDOW}");
            errors.push(FieldError::invalid(field, &json!(window), &why));
        }
    }
    if let Some(policy) = rules.get("selectPolicy").and_then(Value::as_str).filter(|policy| !SELECT.contains(policy)) {
        errors.push(FieldError::not_supported(format!("{path}.selectPolicy"), &json!(policy), SELECT));
    }
    if items(rules, "policies").next().is_none() {
        errors.push(FieldError::required(format!("{path}.policies"), "must specify at least one Policy"));
    }
    for (index, policy) in items(rules, "policies").enumerate() {
        let path = format!("{path}.policies[{index}]");
        let kind = word(policy, "type");
        if !["Pods", "Percent"].contains(&kind) {
            errors.push(FieldError::not_supported(format!("{path}.type"), &json!(kind), &["Percent", "Pods"]));
        }
        for field in ["value", "periodSeconds"] {
            let value = number(policy, field).unwrap_or(0);
            if value <= 0 {
                errors.push(FieldError::invalid(format!("{path}.{field}"), &json!(value), "must be greater than zero"));
            }
        }
        if let Some(period) = number(policy, "periodSeconds").filter(|period| *period > LONGEST_PERIOD) {
            let why = format!("must be less than or equal to {LONGEST_PERIOD}");
            errors.push(FieldError::invalid(format!("{path}.periodSeconds"), &json!(period), &why));
        }
    }
}

fn check_metric(metric: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let kind = word(metric, "type");
    let types = SOURCES.map(|(name, _)| name);
    if kind.is_empty() {
        errors.push(FieldError::required(format!("{path}.type"), "must specify a metric source type"));
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == kind).map(|(_, field)| *field);
    let unsupported = || FieldError::not_supported(format!("{path}.type"), &json!(kind), &types);
    if expected.is_none() {
        errors.push(unsupported());
    }
    let present: Vec<&str> = ORDER.into_iter().filter(|field| is_set(metric, field)).collect();
    if let Some(first) = present.first() {
        check_source(&metric[*first], first, &format!("{path}.{first}"), errors);
    }
    match expected {
        Some(field) if !present.contains(&field) => {
            errors.push(FieldError::required(format!("{path}.{field}"), "must populate information for the given metric source"));
        }
        Some(_) => {}
        // The server says it a second time when it looks for the field.
        None => errors.push(unsupported()),
    }
    if present.len() > 1 {
        for other in present.iter().filter(|field| Some(**field) != expected) {
            errors.push(FieldError::forbidden(format!("{path}.{other}"), "must populate the given metric source only"));
        }
    }
}

fn check_source(source: &Value, field: &str, path: &str, errors: &mut Vec<FieldError>) {
    let target = &source["target"];
    let has = |name: &str| is_set(target, name);
    let lacks = |name: &str, why: &str| FieldError::required(format!("{path}.target.{name}"), why);
    match field {
        "object" => {
            reference(&source["describedObject"], &format!("{path}.describedObject"), errors);
            identifier(&source["metric"], path, errors);
            check_target(target, path, errors);
            if !has("value") && !has("averageValue") {
                errors.push(lacks("averageValue", "must set either a target value or averageValue"));
            }
        }
        "external" => {
            identifier(&source["metric"], path, errors);
            check_target(target, path, errors);
            match (has("value"), has("averageValue")) {
                (false, false) => {
                    errors.push(lacks("averageValue", "must set either a target value for metric or a per-pod target"));
                }
                (true, true) => {
                    let why = "may not set both a target value for metric and a per-pod target";
                    errors.push(FieldError::forbidden(format!("{path}.target.value"), why));
                }
                _ => {}
            }
        }
        "pods" => {
            identifier(&source["metric"], path, errors);
            check_target(target, path, errors);
            if !has("averageValue") {
                errors.push(lacks("averageValue", "must specify a positive target averageValue"));
            }
        }
        _ => {
            if word(source, "name").is_empty() {
                errors.push(FieldError::required(format!("{path}.name"), "must specify a resource name"));
            }
            if field == "containerResource" && word(source, "container").is_empty() {
                errors.push(FieldError::required(format!("{path}.container"), "must specify a container"));
            }
            check_target(target, path, errors);
            match (has("averageUtilization"), has("averageValue")) {
                (false, false) => {
                    errors.push(lacks("averageUtilization", "must set either a target raw value or a target utilization"));
                }
                (true, true) => {
                    let why = "may not set both a target raw value and a target utilization";
                    errors.push(FieldError::forbidden(format!("{path}.target.averageValue"), why));
                }
                _ => {}
            }
        }
    }
}

fn identifier(metric: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = word(metric, "name");
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.metric.name"), "must specify a metric name"));
    } else if let Some(why) = names::path_segment(name) {
        errors.push(FieldError::invalid(format!("{path}.metric.name"), &json!(name), &why));
    }
}

fn check_target(target: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let kind = word(target, "type");
    if kind.is_empty() {
        errors.push(FieldError::required(format!("{path}.target.type"), "must specify a metric target type"));
    }
    if !["Utilization", "Value", "AverageValue"].contains(&kind) {
        let why = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(format!("{path}.target.type"), &json!(kind), why));
    }
    for field in ["value", "averageValue"] {
        let given = target.get(field).filter(|value| !value.is_null());
        let is_positive = |value: &Value| match value {
            Value::String(text) => quantity::parse(text).is_some_and(|amount| amount > 0),
            other => other.as_f64().is_some_and(|number| number > 0.0),
        };
        if let Some(value) = given.filter(|value| !is_positive(value)) {
            errors.push(FieldError::invalid(format!("{path}.target.{field}"), value, "must be positive"));
        }
    }
    if let Some(percent) = number(target, "averageUtilization").filter(|percent| *percent < 1) {
        errors.push(FieldError::invalid(format!("{path}.target.averageUtilization"), &json!(percent), "must be greater than 0"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn valid() -> Value {
        json!({
            "minReplicas": 1, "maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
            "behavior": {"scaleUp": {"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}},
        })
    }

    /// Each case changes one field of a valid spec.
    #[rstest]
    #[case("/maxReplicas", json!(5), "")]
    #[case("/minReplicas", json!(0), "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1")]
    #[case("/maxReplicas", json!(-1), "spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1; spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`")]
    #[case("/maxReplicas", json!(0), "spec.maxReplicas: Required value: must be set and greater than 0; spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`")]
    #[case("/minReplicas", json!(6), "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`")]
    #[case("/scaleTargetRef/name", json!(""), "spec.scaleTargetRef.name: Required value")]
    #[case("/scaleTargetRef/kind", json!("a/b"), "spec.scaleTargetRef.kind: Invalid value: \"a/b\": may not contain '/'")]
    #[case("/metrics/0/type", json!("CPU"), "spec.metrics[0].type: Unsupported value: \"CPU\": supported values: \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"; spec.metrics[0].type: Unsupported value: \"CPU\": supported values: \"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"")]
    #[case("/metrics/0/type", json!("Pods"), "spec.metrics[0].pods: Required value: must populate information for the given metric source")]
    #[case("/metrics/0/resource/name", json!(""), "spec.metrics[0].resource.name: Required value: must specify a resource name")]
    #[case("/metrics/0/resource/target/averageUtilization", json!(0), "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0")]
    #[case("/metrics/0/resource/target/averageUtilization", json!(null), "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization")]
    #[case("/metrics/0/resource/target", json!({"type": "AverageValue", "averageValue": "0"}), "spec.metrics[0].resource.target.averageValue: Invalid value: \"0\": must be positive")]
    #[case("/metrics/0/resource/target/type", json!("Percent"), "spec.metrics[0].resource.target.type: Invalid value: \"Percent\": must be either Utilization, Value, or AverageValue")]
    #[case("/behavior/scaleUp/selectPolicy", json!("Most"), "spec.behavior.scaleUp.selectPolicy: Unsupported value: \"Most\": supported values: \"Disabled\", \"Max\", \"Min\"")]
    #[case("/behavior/scaleUp/policies", json!([]), "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy")]
    #[case("/behavior/scaleUp/policies/0/type", json!("Steps"), "spec.behavior.scaleUp.policies[0].type: Unsupported value: \"Steps\": supported values: \"Percent\", \"Pods\"")]
    #[case("/behavior/scaleUp/policies/0/value", json!(0), "spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero")]
    #[case("/behavior/scaleUp/policies/0/periodSeconds", json!(1801), "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800")]
    #[case("/behavior/scaleUp", json!({"stabilizationWindowSeconds": 3601, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}), "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600")]
    fn each_rule_has_its_text(#[case] pointer: &str, #[case] value: Value, #[case] expected: &str) {
        let mut spec = valid();
        *spec.pointer_mut(pointer).unwrap() = value;
        let mut errors = Vec::new();
        autoscaler(&spec, &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.join("; "), expected);
    }

    #[test]
    fn one_source_alone_may_be_given() {
        let mut spec = valid();
        spec["metrics"][0]["pods"] = json!({"metric": {"name": "x"}, "target": {"type": "AverageValue", "averageValue": "1"}});
        let mut errors = Vec::new();
        autoscaler(&spec, &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["spec.metrics[0].pods: Forbidden: must populate the given metric source only"]);
    }
}
