//! What the objects of Chaos Mesh tell: their records, which alone say what was injected, and what of it is seen in the pods.
//! Their conditions are not to be trusted: `AllRecovered` is True where nothing was ever injected.

use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::PodRecord;
use crate::observe::index::container::State;
use crate::observe::index::text;
use crate::scenario::fault::ChaosMesh;
use serde_json::Value;
use std::time::Duration;

/// The effect of one `chaosMesh`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chaos {
    name: String,
    /// The kinds of the objects that act.
    acting: Vec<String>,
    /// Whether the object acts itself.
    itself: bool,
    since: Duration,
}

impl Chaos {
    pub(super) fn of(fault: &ChaosMesh, since: Duration) -> Self {
        Self { name: fault.name.clone(), acting: fault.acting(), itself: fault.is_experiment(), since }
    }

    /// Whether everything that it does is seen in pods themselves; if not, only consequences can show it.
    pub(super) fn is_of_pods(&self) -> bool {
        self.itself && self.acting == ["PodChaos"]
    }

    /// Whether it is injected, by its records and, of pods, by what the pods show; and what is seen.
    pub(super) fn look(&self, index: &Index) -> (bool, String) {
        let objects: Vec<&Value> = self.acting.iter().flat_map(|kind| index.objects(kind)).map(AsRef::as_ref).collect();
        let own = objects.into_iter().filter(|object| {
            let name = text(object, "/metadata/name");
            // What a Schedule makes is named after it; what a Workflow makes after its steps, and labelled with it.
            let workflow =
                object.get("metadata").and_then(|metadata| metadata.get("labels")?.get("chaos-mesh.org/workflow")?.as_str());
            let named = || name.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('-'));
            if self.itself { name == self.name } else { workflow.map_or_else(named, |workflow| workflow == self.name) }
        });
        let (mut injected, mut failure) = (Vec::new(), None);
        for object in own {
            let records = records(object);
            failure = failure.or_else(|| records.iter().find_map(last_failure));
            if !records.is_empty() && records.iter().all(is_injected) {
                injected.push((object, records));
            }
        }
        let Some((object, records)) = injected.first() else {
            let why = failure.map_or_else(String::new, |message| format!(": {message}"));
            return (false, format!("no record of Chaos Mesh says that it was injected{why}"));
        };
        let (kind, action) = (text(object, "/kind"), text(object, "/spec/action"));
        if !self.is_of_pods() {
            return (true, format!("Chaos Mesh: {kind} injected into {}", super::plural(records.len(), "target")));
        }
        match records.iter().map(|record| text(record, "/id")).find(|id| !self.shows(index, action, id)) {
            Some(id) => {
                (false, format!("Chaos Mesh says that {action} was injected into {id}, and nothing of it was seen there"))
            }
            None => (true, format!("{action} was injected into and seen in {}", super::plural(records.len(), "target"))),
        }
    }

    /// Whether a pod shows what its record says; `namespace/pod` or `namespace/pod/container`.
    fn shows(&self, index: &Index, action: &str, id: &str) -> bool {
        let mut parts = id.split('/').skip(1);
        let (Some(name), container) = (parts.next(), parts.next()) else { return false };
        let of_name = |pod: &&PodRecord| pod.reference.name == name && pod.first_seen <= self.since;
        index.all_pods().filter(of_name).any(|pod| {
            // What was going already goes for a reason of its own.
            if let Some(went) = pod.terminating.or(pod.deleted) {
                return went >= self.since;
            }
            let ended = pod.containers.values().filter(|one| container.is_none_or(|meant| meant == one.name)).any(|one| {
                let over = matches!(one.state, State::Terminated(_)) && one.since >= self.since;
                over || one.risen_since(self.since) > 0 || one.exits.iter().any(|exit| exit.at >= self.since)
            });
            action != "pod-kill" && (ended || action == "pod-failure" && !pod.ready && pod.ready_since >= self.since)
        })
    }
}

fn records(object: &Value) -> Vec<Value> {
    object.at("/status/experiment/containerRecords").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Injected now, or once: what lasts is `Not Injected` again when its time is over.
fn is_injected(record: &Value) -> bool {
    let count = record.get("injectedCount").and_then(Value::as_u64).unwrap_or(0);
    let applied = |event: &Value| text(event, "/operation") == "Apply" && text(event, "/type") == "Succeeded";
    let events = record.get("events").and_then(Value::as_array);
    text(record, "/phase") == "Injected" || count > 0 || events.into_iter().flatten().any(applied)
}

fn last_failure(record: &Value) -> Option<String> {
    let events = record.get("events").and_then(Value::as_array)?;
    let failed = events.iter().rev().find(|event| text(event, "/type") == "Failed")?;
    Some(text(failed, "/message").chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::timeline::{Fact, Observation, Source};
    use serde_json::json;
    use std::sync::Arc;

    fn index(objects: &[(u64, Value)]) -> Index {
        let mut index = Index::new("c");
        for (seq, (at, object)) in objects.iter().enumerate() {
            let fact = Fact::Object(Arc::new(object.clone()));
            index.apply(&Observation { seq: seq as u64, at: Duration::from_secs(*at), source: Source::Watch, fact });
        }
        index
    }

    fn chaos(records: &Value) -> Value {
        json!({ "apiVersion": "chaos-mesh.org/v1alpha1", "kind": "PodChaos",
            "metadata": { "name": "x", "namespace": "n", "uid": "c", "resourceVersion": "1" },
            "spec": { "action": "container-kill" }, "status": { "experiment": { "containerRecords": records } } })
    }

    fn pod(restarts: u32) -> Value {
        json!({ "kind": "Pod", "metadata": { "name": "p", "namespace": "n", "uid": "u", "resourceVersion": restarts.to_string() },
            "spec": { "containers": [{ "name": "app" }] }, "status": { "phase": "Running", "containerStatuses": [
                { "name": "app", "restartCount": restarts, "state": { "running": {} } }] } })
    }

    #[test]
    fn records_and_pods_must_both_show_it() {
        let fault: ChaosMesh = serde_json::from_value(json!({ "kind": "PodChaos", "name": "x", "spec": {} })).unwrap();
        let effect = Chaos::of(&fault, Duration::from_secs(5));
        let injected = json!([{ "id": "n/p/app", "phase": "Injected" }]);
        let looks = |objects: &[(u64, Value)]| effect.look(&index(objects));
        assert!(!looks(&[(1, pod(0)), (6, pod(1))]).0, "without a record it is somebody else's");
        let (seen, text) = looks(&[(1, pod(0)), (6, chaos(&injected))]);
        assert!(!seen && text.contains("nothing of it was seen"), "{text}");
        assert!(looks(&[(1, pod(0)), (6, chaos(&injected)), (7, pod(1))]).0);
        // A pod that was on its way out before does not show it, and one that goes since does.
        let going = |mut pod: Value| {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
            pod
        };
        assert!(!looks(&[(1, going(pod(0))), (6, chaos(&injected)), (7, going(pod(1)))]).0);
        assert!(looks(&[(1, pod(0)), (6, chaos(&injected)), (7, going(pod(1)))]).0);
        // One target of two is not all.
        let half = json!([{ "id": "n/p/app", "phase": "Injected" }, { "id": "n/q/app", "phase": "Not Injected" }]);
        assert!(!looks(&[(1, pod(0)), (6, chaos(&half)), (7, pod(1))]).0);
        let failed = json!([{ "id": "n/p/app", "phase": "Not Injected/Wait",
            "events": [{ "operation": "Apply", "type": "Failed", "message": "no netem" }] }]);
        assert!(looks(&[(1, pod(0)), (6, chaos(&failed))]).1.ends_with("injected: no netem"));
    }
}
