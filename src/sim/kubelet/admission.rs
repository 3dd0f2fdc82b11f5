//! Whether this node takes a pod that was bound to it, and the end of a pod that it does not take.
//! The predicates themselves are the scheduler's.

use super::agent::Agent;
use super::pod::PodRecord;
use super::resources::qos_class;
use super::status;
use crate::sim::api::resource::NODES;
use crate::sim::events::EventType::Warning;
use crate::sim::scheduler::admission::{Misfit, check};
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What the refusal of a pod costs until its status is written (recorded: 15 to 120 ms).
const REFUSAL: Duration = Duration::from_millis(55);
/// For so long after a tick of the status manager refusals are told as they come.
const AFTER_TICK: Duration = Duration::from_millis(900);

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
pub(super) fn admit(record: &Arc<PodRecord>) -> bool {
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
    // Whoever replaces what was refused sees it by this status, so that it decides how many are made and refused.
    let (due, record) = (record.agent.refusal_due(), Arc::clone(record));
    let due = due.max(Instant::now() + record.latency("refusal", REFUSAL));
    let tasks = record.agent.tasks.clone();
    tasks.spawn(async move {
        sleep_until(due).await;
        record.agent.reach().await;
        status::write(&record, rejected);
    });
    false
}

impl Agent {
    /// When the status of a pod that is refused now is written at the earliest: in the second after a tick of the status manager, else at
    /// its next tick. Recorded on kind, a Deployment whose pods ask for more than their node has: 8 to 10 pods in the 0.9 s after each tick, one
    /// after the other, and none until the next.
    fn refusal_due(&self) -> Instant {
        let now = Instant::now();
        let next = self.statuses.after(now);
        let since = self.statuses.period().saturating_sub(next.duration_since(now));
        if since < AFTER_TICK { now } else { next }
    }
}
