//! A Job's status while a sync changes it: counters, conditions, and the pods that end but are not counted yet.
//! When it is written is decided in `track`.

use super::super::object::condition;
use super::texts;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A condition that holds from now on.
pub(super) fn holds(kind: &str, reason: &str, message: &str, now: &str) -> Value {
    json!({
        "type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now, "reason": reason, "message": message,
    })
}

/// Sets a counter; zero is left out.
pub(super) fn set_count(status: &mut Value, field: &str, count: i64) {
    let Some(fields) = status.as_object_mut() else { return };
    if count == 0 {
        fields.remove(field);
    } else {
        fields.insert(field.to_owned(), json!(count));
    }
}

/// Appends a condition.
pub(super) fn append(status: &mut Value, wanted: Value) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    if let Some(conditions) = status["conditions"].as_array_mut() {
        conditions.push(wanted);
    }
}

/// Makes a condition what is wanted; one that would be False and is not there is not added. Says whether anything changed.
pub(super) fn ensure(status: &mut Value, wanted: Value) -> bool {
    let same = |present: &Value| ["status", "reason", "message"].iter().all(|field| present[*field] == wanted[*field]);
    let kind = wanted["type"].as_str().unwrap_or_default();
    match condition(status, kind) {
        Some(present) if same(present) => false,
        None if wanted["status"] == "False" => false,
        None => {
            append(status, wanted);
            true
        }
        Some(_) => {
            for present in status["conditions"].as_array_mut().into_iter().flatten() {
                if present["type"] == wanted["type"] {
                    *present = wanted.clone();
                }
            }
            true
        }
    }
}

/// The uids of pods that ended in this way and are not counted yet.
pub(super) fn uncounted(status: &Value, how: &str) -> Vec<String> {
    texts(status, &format!("/uncountedTerminatedPods/{how}"))
}

/// Notes a pod as ended but not counted.
pub(super) fn note_uncounted(status: &mut Value, how: &str, uid: &str) {
    let mut uids = uncounted(status, how);
    uids.push(uid.to_owned());
    status["uncountedTerminatedPods"][how] = json!(uids);
}

/// Counts the noted pods whose finalizer is gone. Says whether there were any.
pub(super) fn count_freed(status: &mut Value, tracked: &BTreeSet<String>) -> bool {
    let mut counted = false;
    for how in ["succeeded", "failed"] {
        let noted = uncounted(status, how);
        let left: Vec<_> = noted.iter().filter(|uid| tracked.contains(*uid)).cloned().collect();
        if left.len() == noted.len() {
            continue;
        }
        counted = true;
        let freed = i64::try_from(noted.len() - left.len()).unwrap_or_default();
        let before = status[how].as_i64().unwrap_or_default();
        set_count(status, how, before + freed);
        if let Some(fields) = status["uncountedTerminatedPods"].as_object_mut() {
            fields.remove(how);
            if !left.is_empty() {
                fields.insert(how.to_owned(), json!(left));
            }
        }
    }
    counted
}
