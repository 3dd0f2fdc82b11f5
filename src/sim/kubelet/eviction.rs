//! The kubelet's eviction manager for memory: when a node is short of it, whom it evicts, and what it says.
//! Storage is looked at in `storage`; how a pod is ended lives in `ending`.

use super::agent::{Agent, lock};
use super::host::MEMORY_THRESHOLD;
use super::pod::PodRecord;
use super::resources::requested;
use crate::sim::events::EventType::Warning;
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// A pressure that passed stays in the node's conditions for this long.
const TRANSITION: Duration = Duration::from_mins(5);
/// After an eviction the manager waits for the pod's end, for at most this long.
const CLEANUP: Duration = Duration::from_secs(30);
/// The kubelet writes what its eviction manager found with its next look at the node's status.
const NODE_STATUS: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(10));

/// What a pod uses of the node's memory, in bytes.
fn usage(record: &PodRecord) -> u64 {
    record.agent.runtime.usage(&record.uid).iter().map(|usage| usage.memory).sum()
}

fn wants(record: &PodRecord) -> u64 {
    record.state().spec.containers.iter().map(|container| requested(container, "memory")).sum()
}

/// Bytes as the kubelet prints a quantity of its own: with the largest binary suffix that needs no fraction.
fn quantity(bytes: u64) -> String {
    let suffixes = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1_u64 << 10)];
    let found = suffixes.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    found.map_or_else(|| bytes.to_string(), |(suffix, factor)| format!("{}{suffix}", bytes / factor))
}

/// The message of an eviction for memory.
fn message(record: &PodRecord, available: u64) -> String {
    let mut text = format!(
        "The node was low on resource: memory. Threshold quantity: {}, available: {}Ki. ",
        quantity(MEMORY_THRESHOLD),
        available / 1024
    );
    let spec = Arc::clone(&record.state().spec);
    for used in record.agent.runtime.usage(&record.uid) {
        let Some(container) = spec.containers.iter().find(|container| container.name == used.container) else { continue };
        let request = requested(container, "memory");
        if used.memory > request {
            text.push_str(&format!(
                "Container {} was using {}, request is {}, has larger consumption of memory. ",
                used.container,
                quantity(used.memory),
                quantity(request)
            ));
        }
    }
    text
}

impl Agent {
    /// Why a pod is not taken while the node is under pressure, if it is not.
    pub(super) fn pressure_against(&self, pod: &Value) -> Option<String> {
        if !*lock(&self.memory_pressure) {
            return None;
        }
        let best_effort = pod["status"]["qosClass"] == "BestEffort";
        let critical = pod["spec"]["priority"].as_i64().is_some_and(|priority| priority >= 2_000_000_000);
        let tolerates = pod["spec"]["tolerations"].as_array().into_iter().flatten().any(|toleration| {
            toleration["operator"] == "Exists"
                && (toleration.get("key").is_none() || toleration["key"] == "node.kubernetes.io/memory-pressure")
        });
        (best_effort && !critical && !tolerates).then(|| "The node had condition: [MemoryPressure]. ".to_owned())
    }

    /// Says what the kernel killed because the node had nothing left.
    pub(super) async fn serve_victims(self: Arc<Self>) {
        let mut victims = self.host.memory().victims();
        let mut said = victims.get_and_mark().len();
        while victims.changed().await.is_ok() {
            let all = victims.get_and_mark();
            for victim in all.get(said..).unwrap_or_default() {
                let text = format!("System OOM encountered, victim process: {}, pid: {}", victim.name, victim.pid);
                self.node_event(Warning, "SystemOOM", &text);
            }
            said = all.len();
        }
    }

    /// Watches the node's memory: looks every ten seconds while it is short, and rests while it is not.
    pub(super) async fn serve_memory(self: Arc<Self>) {
        let memory = self.host.memory();
        let mut shortages = memory.shortages();
        loop {
            // The memory lives as long as its machine.
            let _short = shortages.changed().await;
            let mut last = None;
            loop {
                sleep_until(self.housekeeping.after(Instant::now())).await;
                let available = memory.available();
                if available < MEMORY_THRESHOLD {
                    last = Some(Instant::now());
                    self.feel_pressure();
                    self.relieve_memory(available).await;
                } else if last.is_none_or(|last| last.elapsed() >= TRANSITION) {
                    break;
                }
            }
            if last.is_some() {
                *lock(&self.memory_pressure) = false;
                sleep(self.draw("pressure", NODE_STATUS)).await;
                self.reach().await;
                self.report_health();
            }
        }
    }

    /// Says that memory is short, once, with the kubelet's next look at its node.
    fn feel_pressure(self: &Arc<Self>) {
        if std::mem::replace(&mut *lock(&self.memory_pressure), true) {
            return;
        }
        let agent = Arc::clone(self);
        self.tasks.spawn(async move {
            sleep(agent.draw("pressure", NODE_STATUS)).await;
            agent.reach().await;
            agent.report_health();
        });
    }

    /// Evicts one pod: of those above their requests the one of the lowest priority, then the one that is most above.
    async fn relieve_memory(self: &Arc<Self>, available: u64) {
        self.node_event(Warning, "EvictionThresholdMet", "Attempting to reclaim memory");
        let running = self.records().into_iter().filter(|record| {
            let state = record.state();
            !state.finished
                && state.ending.is_none()
                && state.instances.values().flatten().any(super::instance::Instance::running)
        });
        let critical = |record: &PodRecord| record.state().spec.priority.is_some_and(|priority| priority >= 2_000_000_000);
        let candidates = running.filter(|record| !critical(record)).map(|record| {
            let (used, wanted) = (usage(&record), wants(&record));
            let priority = record.state().spec.priority.unwrap_or(0);
            (used <= wanted, priority, Reverse(i128::from(used) - i128::from(wanted)), record.uid.clone(), record)
        });
        let Some((.., record)) = candidates.min_by(|a, b| (a.0, a.1, a.2, &a.3).cmp(&(b.0, b.1, b.2, &b.3))) else { return };
        let message = message(&record, available);
        record.evict(&message, true);
        let ended = async {
            while record.state().instances.values().flatten().any(super::instance::Instance::running) {
                sleep(Duration::from_secs(1)).await;
            }
        };
        // A pod that takes longer to go is waited for no more.
        let _late = tokio::time::timeout(CLEANUP, ended).await;
    }
}

/// What the kubelet says when its node's memory is short, and when it is not any more.
pub(super) const fn memory_state(short: bool) -> [&'static str; 4] {
    if short {
        ["MemoryPressure", "True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"]
    } else {
        ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_those_of_the_kubelet() {
        assert_eq!(quantity(100 * 1024 * 1024), "100Mi");
        assert_eq!(quantity(1536), "1536");
        assert_eq!(quantity(3 * 1024), "3Ki");
        assert_eq!(quantity(0), "0");
    }
}
