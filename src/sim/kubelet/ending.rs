//! Pods that the kubelet itself brings to an end: evicted ones, and those past their deadline.
//! Who is evicted is decided in `eviction` and `storage`; deletion is the business of `terminate`.

use super::pod::{PodRecord, ProbeKind};
use super::status;
use super::worker::Worker;
use crate::sim::events::EventType::{Normal, Warning};
use crate::sim::latest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, sleep_until};

const DEADLINE: &str = "DeadlineExceeded";
const DEADLINE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";
/// What the kubelet gives an evicted pod between TERM and KILL (seconds).
const EVICTION_GRACE: i64 = 1;
/// From a stopped sandbox to the status that says so.
const SANDBOX_STOP: Duration = Duration::from_millis(180);

/// Why the kubelet ends a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The status' reason.
    pub(super) reason: &'static str,
    /// The status' message.
    pub(super) message: String,
    /// The grace in seconds; absent: the pod's own.
    pub(super) grace: Option<i64>,
    /// Whether the pod has failed whatever its containers say.
    pub(super) failed: bool,
    /// `DisruptionTarget`, where the pod has to go for the node's sake.
    pub(super) condition: Option<Value>,
}

impl PodRecord {
    /// Evicts the pod; `disrupted`: for the sake of the node.
    pub(super) fn evict(&self, message: &str, disrupted: bool) {
        let now = self.agent.api.clock.seconds();
        let generation = self.state().pod["metadata"]["generation"].clone();
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message,
            "observedGeneration": generation, "lastProbeTime": null, "lastTransitionTime": now,
        });
        self.event(None, Warning, "Evicted", message);
        self.end(Ending {
            reason: "Evicted",
            message: message.to_owned(),
            grace: Some(EVICTION_GRACE),
            failed: false,
            condition: disrupted.then_some(condition),
        });
    }

    /// Has the pod's worker end it; a pod that ends already goes on as it does.
    fn end(&self, ending: Ending) {
        {
            let mut state = self.state();
            if state.ending.is_some() || state.finished || state.deleting() {
                return;
            }
            state.ending = Some(ending);
        }
        self.ending.send_replace(true);
    }

    /// Watches the deadline of the pod as its spec now has it.
    pub(super) fn watch_deadline(self: &Arc<Self>) {
        let (seconds, start) = {
            let state = self.state();
            let Some(seconds) = state.spec.active_deadline_seconds else { return };
            (seconds, state.start_time.clone())
        };
        // The kubelet writes the start itself.
        let Ok(start) = start.parse() else { return };
        let allowed = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        let due = self.agent.queue.from(self.agent.api.clock.instant_of(start) + allowed);
        let record = Arc::clone(self);
        self.agent.tasks.spawn(async move {
            sleep_until(due).await;
            let unchanged = record.state().spec.active_deadline_seconds == Some(seconds);
            if unchanged {
                let message = DEADLINE_MESSAGE.to_owned();
                record.end(Ending { reason: DEADLINE, message, grace: None, failed: true, condition: None });
            }
        });
    }

    /// A status is generated for a pod past its deadline: each time the kubelet says so.
    fn say_deadline(&self) {
        let late = self.state().ending.as_ref().is_some_and(|ending| ending.failed);
        if late {
            self.event(None, Normal, DEADLINE, DEADLINE_MESSAGE);
        }
    }
}

/// Waits until the kubelet ends the pod itself. The record keeps the sender, so there is no other way out.
pub(super) async fn asked(ending: &mut latest::Receiver<bool>) {
    let _asked = ending.wait_for(|asked| *asked).await;
}

impl Worker {
    /// Ends the pod as its record's ending says.
    pub(super) async fn end(&mut self) {
        let record = Arc::clone(&self.record);
        record.agent.syncing().await;
        record.say_deadline();
        self.stop_probers(&[ProbeKind::Readiness]);
        record.say_deadline();
        status::update(&record, false);
        self.stop_containers().await;
        sleep(record.latency("sandbox-stop", SANDBOX_STOP)).await;
        record.say_deadline();
        self.leave_sandbox();
        status::update(&record, true);
        let evicted = record.state().ending.as_ref().is_some_and(|ending| ending.reason == "Evicted");
        if evicted {
            record.agent.collect_containers(&record);
        }
        self.stop_probers(&[]);
        sleep(record.latency("cleanup", record.agent.profile.latencies.cleanup)).await;
        record.say_deadline();
    }
}
