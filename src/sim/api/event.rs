//! The two faces of an Event: core/v1 as it is stored, events.k8s.io/v1 as that group shows it.
//! Recording events is not done here.

use serde_json::{Map, Value, json};

/// (core/v1, events.k8s.io/v1) names of fields that differ.
const NAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// The group whose events are the core group's.
pub(super) const GROUP: &str = "events.k8s.io";

/// A stored event as events.k8s.io/v1 shows it.
pub(super) fn to_group(event: &Value) -> Value {
    renamed(event, "events.k8s.io/v1", |name| NAMES.iter().find(|(core, _)| *core == name).map(|(_, group)| *group))
}

/// An event of events.k8s.io/v1 as it is stored.
pub(super) fn to_core(event: &Value) -> Value {
    renamed(event, "v1", |name| NAMES.iter().find(|(_, group)| *group == name).map(|(core, _)| *core))
}

fn renamed(event: &Value, api_version: &str, other: impl Fn(&str) -> Option<&'static str>) -> Value {
    let fields: Map<String, Value> = event
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (other(name).unwrap_or(name).to_owned(), value.clone()))
        .collect();
    let mut event = Value::Object(fields);
    event["apiVersion"] = json!(api_version);
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_faces_say_the_same() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "message": "m", "involvedObject": {"name": "p"}, "count": 2, "reason": "R"});
        let group = to_group(&core);
        assert_eq!(
            group,
            json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "m", "regarding": {"name": "p"}, "deprecatedCount": 2, "reason": "R"})
        );
        assert_eq!(to_core(&group), core);
    }
}
