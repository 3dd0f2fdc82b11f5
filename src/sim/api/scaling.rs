//! `HorizontalPodAutoscaler`s of autoscaling/v1 and v2: the same object, with the CPU target in a field of its own in v1.
//! What v1 cannot say travels in the annotations that Kubernetes uses for it.

use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

fn is_cpu_utilization(metric: &Value, value: &str) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu" && metric.pointer(value).is_some_and(|v| !v.is_null())
}

/// A stored autoscaler as v1 shows it.
pub(super) fn to_first(object: &Value) -> Value {
    const TARGET: &str = "/resource/target/averageUtilization";
    const NOW: &str = "/resource/current/averageUtilization";
    let mut shown = object.clone();
    shown["apiVersion"] = json!("autoscaling/v1");
    if let Some(spec) = shown.get_mut("spec").and_then(Value::as_object_mut) {
        let (cpu, others) = divided(spec.remove("metrics"), TARGET);
        if let Some(target) = cpu {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), target);
        }
        let behavior = spec.remove("behavior");
        annotate(&mut shown, METRICS, (!others.is_empty()).then_some(Value::Array(others)));
        annotate(&mut shown, BEHAVIOR, behavior);
    }
    if let Some(status) = shown.get_mut("status").and_then(Value::as_object_mut) {
        let (cpu, others) = divided(status.remove("currentMetrics"), NOW);
        if let Some(current) = cpu {
            status.insert("currentCPUUtilizationPercentage".to_owned(), current);
        }
        let conditions = status.remove("conditions");
        annotate(&mut shown, CURRENT, (!others.is_empty()).then_some(Value::Array(others)));
        annotate(&mut shown, CONDITIONS, conditions);
    }
    shown
}

/// The CPU utilization of a list of metrics, and the other metrics.
fn divided(metrics: Option<Value>, pointer: &str) -> (Option<Value>, Vec<Value>) {
    let Some(Value::Array(metrics)) = metrics else { return (None, Vec::new()) };
    let (cpu, others): (Vec<Value>, Vec<Value>) = metrics.into_iter().partition(|metric| is_cpu_utilization(metric, pointer));
    (cpu.first().and_then(|metric| metric.pointer(pointer).cloned()), others)
}

fn annotate(object: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        object["metadata"]["annotations"][name] = json!(value.to_string());
    }
}

/// Takes an annotation that stands for a field away.
fn annotated(object: &mut Value, name: &str) -> Option<Value> {
    let annotations = object.pointer_mut("/metadata/annotations")?.as_object_mut()?;
    let text = annotations.remove(name)?;
    let empty = annotations.is_empty();
    if empty && let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("annotations");
    }
    serde_json::from_str(text.as_str()?).ok()
}

/// An autoscaler of v1 as it is stored.
pub(super) fn from_first(mut object: Value) -> Value {
    object["apiVersion"] = json!("autoscaling/v2");
    let cpu = |percentage: Value, place: &str, kind: Option<&str>| {
        let mut value = json!({"averageUtilization": percentage});
        if let Some(kind) = kind {
            value["type"] = json!(kind);
        }
        json!({"type": "Resource", "resource": {"name": "cpu", place: value}})
    };
    let sides = [
        ("spec", "targetCPUUtilizationPercentage", "metrics", METRICS, "target", Some("Utilization")),
        ("status", "currentCPUUtilizationPercentage", "currentMetrics", CURRENT, "current", None),
    ];
    for (part, percentage, list, annotation, place, kind) in sides {
        let others = annotated(&mut object, annotation);
        let Some(fields) = object.get_mut(part).and_then(Value::as_object_mut) else { continue };
        let mut metrics: Vec<Value> = match others {
            Some(Value::Array(others)) => others,
            _ => Vec::new(),
        };
        metrics.extend(fields.remove(percentage).filter(|value| !value.is_null()).map(|value| cpu(value, place, kind)));
        put(fields, list, (!metrics.is_empty()).then_some(Value::Array(metrics)));
    }
    let behavior = annotated(&mut object, BEHAVIOR);
    let conditions = annotated(&mut object, CONDITIONS);
    for (part, field, value) in [("spec", "behavior", behavior), ("status", "conditions", conditions)] {
        if let Some(fields) = object.get_mut(part).and_then(Value::as_object_mut) {
            put(fields, field, value);
        }
    }
    object
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_say_the_same() {
        let first = json!({
            "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
            "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}, "status": {"currentReplicas": 1},
        });
        let second = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
            "spec": {"maxReplicas": 3, "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
            ]},
            "status": {"currentReplicas": 1},
        });
        assert_eq!(from_first(first.clone()), second);
        assert_eq!(to_first(&second), first);
    }

    #[test]
    fn what_the_first_version_cannot_say_survives_it() {
        let memory = json!({"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}});
        let object = json!({
            "apiVersion": "autoscaling/v2", "metadata": {"name": "web"},
            "spec": {"maxReplicas": 3, "metrics": [memory], "behavior": {"scaleDown": {"selectPolicy": "Max"}}},
            "status": {"conditions": [{"type": "AbleToScale", "status": "True"}]},
        });
        let first = to_first(&object);
        assert_eq!(first["spec"], json!({"maxReplicas": 3}));
        assert_eq!(from_first(first), object);
    }
}
