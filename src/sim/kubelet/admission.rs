//! Whether this node takes a pod that was bound to it, and the end of a pod that it does not take.
//! The predicates themselves are the scheduler's.

use super::pod::PodRecord;
use super::resources::qos_class;
use super::status;
use crate::sim::api::resource::NODES;
use crate::sim::events::EventType::Warning;
use crate::sim::scheduler::admission::{Misfit, check};
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::sync::Arc;

/// The pods of the node that count beside `record`.
pub(super) fn others(record: &PodRecord) -> Vec<Object> {
    let records = record.agent.records().into_iter().filter(|other| other.uid != record.uid);
    let active = records.filter(|other| {
        let state = other.state();
        state.admitted && !state.finished && state.ending.is_none()
    });
    active.map(|other| Arc::clone(&other.state().pod)).collect()
}

/// Whether the node takes the pod.
fn misfit(record: &PodRecord) -> Option<Misfit> {
    let pod = Arc::clone(&record.state().pod);
    if let Some(message) = record.agent.pressure_against(&pod) {
        return Some(Misfit { reason: "Evicted".to_owned(), message });
    }
    // A kubelet that cannot look its node up takes what it is given.
    let node = record.agent.api.get(NODES, "", &record.agent.node.name).ok()?;
    check(&pod, &node, &others(record)).err()
}

/// Takes the pod in, or turns it away for good: then it has failed, and its containers never run.
pub(super) fn admit(record: &PodRecord) -> bool {
    let misfit = {
        let known = { record.state().admitted };
        if known { None } else { misfit(record) }
    };
    let Some(Misfit { reason, message }) = misfit else {
        record.state().admitted = true;
        return true;
    };
    record.event(None, Warning, &reason, &message);
    let rejected = {
        let mut state = record.state();
        state.finished = true;
        json!({
            "observedGeneration": state.pod["metadata"]["generation"],
            "phase": "Failed", "reason": reason, "message": format!("Pod was rejected: {message}"),
            "startTime": state.start_time,
            "qosClass": state.pod["status"].get("qosClass").cloned().unwrap_or_else(|| Value::from(qos_class(&state.spec.containers))),
        })
    };
    status::write(record, rejected);
    false
}
