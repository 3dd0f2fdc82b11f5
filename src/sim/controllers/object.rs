//! Reading objects as controllers do: paths, owners, labels, conditions, pod predicates.
//! Nothing here writes to the API.

use super::queue::Key;
use crate::json::At as _;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The text at a JSON pointer, empty when there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer, 0 when there is none.
pub(crate) fn integer(object: &Value, pointer: &str) -> i64 {
    object.at(pointer).and_then(Value::as_i64).unwrap_or_default()
}

/// The list at a JSON pointer, empty when there is none.
pub(crate) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// An object's name.
pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// An object's namespace.
pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// An object's uid.
pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// Namespace and name.
pub(crate) fn key(object: &Value) -> Key {
    (namespace(object).to_owned(), name(object).to_owned())
}

/// Whether a deletion was asked for.
pub(crate) fn is_deleting(object: &Value) -> bool {
    object.at("/metadata/deletionTimestamp").is_some()
}

/// The owner reference that is marked `controller`.
pub(crate) fn controller_of(object: &Value) -> Option<&Value> {
    list(object, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == true)
}

/// Whether `owner` controls `object`.
pub(crate) fn is_controlled_by(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|reference| text(reference, "/uid") == uid(owner))
}

/// The controlling owner reference that an owner puts on what it makes.
pub(crate) fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// An annotation.
pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.at("/metadata/annotations")?.get(name)?.as_str()
}

/// Sets an annotation; says whether that changed anything.
pub(crate) fn annotate(object: &mut Value, name: &str, value: &str) -> bool {
    if annotation(object, name) == Some(value) {
        return false;
    }
    if !object["metadata"]["annotations"].is_object() {
        object["metadata"]["annotations"] = json!({});
    }
    object["metadata"]["annotations"][name] = json!(value);
    true
}

/// The time at a JSON pointer.
pub(crate) fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// The condition of a type in a status (not in the object).
pub(crate) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(status, "/conditions").iter().find(|condition| condition["type"] == kind)
}

/// Whether a pod's Ready condition is True.
pub(crate) fn is_pod_ready(pod: &Value) -> bool {
    condition(&pod["status"], "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// Since when a pod is Ready.
pub(crate) fn ready_since(pod: &Value) -> Option<Timestamp> {
    condition(&pod["status"], "Ready")
        .filter(|ready| ready["status"] == "True")
        .and_then(|ready| time(ready, "/lastTransitionTime"))
}

/// Whether a pod has reached its final phase.
pub(crate) fn is_pod_finished(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a pod counts as a replica: neither finished nor being deleted.
pub(crate) fn is_pod_active(pod: &Value) -> bool {
    !is_pod_finished(pod) && !is_deleting(pod)
}

/// The conditions without one type.
pub(crate) fn without_condition(status: &mut Value, kind: &str) {
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        conditions.retain(|condition| condition["type"] != kind);
        if conditions.is_empty()
            && let Some(status) = status.as_object_mut()
        {
            status.remove("conditions");
        }
    }
}

/// Sets a condition as the apps controllers do: nothing when status and reason are the same; else it moves to the end,
/// keeping its transition time when only the reason changed.
pub(crate) fn set_condition(status: &mut Value, mut wanted: Value) {
    let kind = text(&wanted, "/type").to_owned();
    if let Some(current) = condition(status, &kind)
        && current["status"] == wanted["status"]
    {
        if current["reason"] == wanted["reason"] {
            return;
        }
        wanted["lastTransitionTime"] = current["lastTransitionTime"].clone();
    }
    without_condition(status, &kind);
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.push(wanted);
    }
}

/// A status object without its zero counters, as `omitempty` leaves them out.
pub(crate) fn counters(pairs: &[(&str, i64)]) -> Value {
    let mut status = json!({});
    for &(name, count) in pairs {
        if count != 0 {
            status[name] = json!(count);
        }
    }
    status
}
