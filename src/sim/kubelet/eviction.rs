//! The kubelet's eviction manager: when a node is short of memory or disk, whom it evicts, and what it says.
//! Limits of single pods are looked at in `storage`; how a pod is ended lives in `ending`.

use super::agent::Agent;
use super::pod::PodRecord;
use super::pressure::{Met, Pressure};
use super::resources::requested;
use crate::sim::events::EventType::Warning;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// A pressure that passed stays in the node's conditions for this long (`--eviction-pressure-transition-period`).
const TRANSITION: Duration = Duration::from_mins(5);
/// After an eviction the manager waits for the pod's end, for at most this long.
const CLEANUP: Duration = Duration::from_secs(30);

/// What each container of a pod uses of what the node is short of, in bytes.
fn used_by_containers(record: &PodRecord, pressure: Pressure) -> Vec<(String, u64)> {
    match pressure {
        Pressure::Memory => {
            record.agent.runtime.usage(&record.uid).into_iter().map(|usage| (usage.container, usage.memory)).collect()
        }
        Pressure::Disk => record.container_disk(),
    }
}

fn usage(record: &PodRecord, pressure: Pressure) -> u64 {
    let volumes = if pressure == Pressure::Disk { record.volume_disk() } else { 0 };
    used_by_containers(record, pressure).iter().map(|(_, bytes)| bytes).sum::<u64>() + volumes
}

fn wants(record: &PodRecord, pressure: Pressure) -> u64 {
    record.state().spec.containers.iter().map(|container| requested(container, pressure.resource())).sum()
}

fn is_critical(record: &PodRecord) -> bool {
    record.state().spec.priority.is_some_and(|priority| priority >= 2_000_000_000)
}

/// Bytes as the kubelet prints a quantity of its own: with the largest binary suffix that needs no fraction.
fn quantity(bytes: u64) -> String {
    let suffixes = [("Ti", 1_u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    let found = suffixes.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    found.map_or_else(|| bytes.to_string(), |(suffix, factor)| format!("{}{suffix}", bytes / factor))
}

/// The message of an eviction.
fn message(record: &PodRecord, met: &Met) -> String {
    let resource = met.pressure.resource();
    let mut text = format!(
        "The node was low on resource: {resource}. Threshold quantity: {}, available: {}. ",
        quantity(met.threshold),
        quantity(met.available)
    );
    let spec = Arc::clone(&record.state().spec);
    let all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let requests: BTreeMap<&str, u64> = all.map(|container| (container.name.as_str(), requested(container, resource))).collect();
    for (name, used) in used_by_containers(record, met.pressure) {
        let Some(request) = requests.get(name.as_str()).copied().filter(|request| used > *request) else { continue };
        text.push_str(&format!(
            "Container {name} was using {}, request is {}, has larger consumption of {resource}. ",
            quantity(used),
            quantity(request)
        ));
    }
    text
}

impl Agent {
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

    /// Watches what the node may be short of: looks every ten seconds while it is, and rests while it is not.
    pub(super) async fn serve_pressure(self: Arc<Self>) {
        let (memory, disk) = (self.host.memory(), self.host.disk.clone());
        let (mut memory, mut disk) = (memory.shortages(), disk.shortages());
        loop {
            if self.thresholds_met().is_empty() {
                // Memory and disk live as long as their machine.
                tokio::select! {
                    biased;
                    _ = memory.changed() => {}
                    _ = disk.changed() => {}
                }
            }
            let mut last: BTreeMap<Pressure, Instant> = BTreeMap::new();
            loop {
                sleep_until(self.housekeeping.after(Instant::now())).await;
                let (met, now) = (self.thresholds_met(), Instant::now());
                last.extend(met.iter().map(|met| (met.pressure, now)));
                last.retain(|_, seen| now.duration_since(*seen) < TRANSITION);
                for pressure in Pressure::ALL {
                    self.feel(pressure, last.contains_key(&pressure));
                }
                match met.first() {
                    Some(met) => self.relieve(met).await,
                    None if last.is_empty() => break,
                    None => {}
                }
            }
        }
    }

    /// Frees what can be freed without harm; if that does not suffice, evicts one pod.
    async fn relieve(self: &Arc<Self>, met: &Met) {
        self.node_event(Warning, "EvictionThresholdMet", &format!("Attempting to reclaim {}", met.pressure.resource()));
        if met.pressure == Pressure::Disk {
            self.delete_unused_containers();
            self.delete_images(u64::MAX);
            if self.thresholds_met().is_empty() {
                return;
            }
        }
        self.evict_one(met).await;
    }

    /// Evicts one pod: of those above their requests the one of the lowest priority, then the one that is most above.
    async fn evict_one(self: &Arc<Self>, met: &Met) {
        let running = self.records().into_iter().filter(|record| {
            let state = record.state();
            !state.finished
                && state.ending.is_none()
                && state.instances.values().flatten().any(super::instance::Instance::running)
        });
        let candidates = running.filter(|record| !is_critical(record)).map(|record| {
            let (used, wanted) = (usage(&record, met.pressure), wants(&record, met.pressure));
            let priority = record.state().spec.priority.unwrap_or(0);
            (used <= wanted, priority, Reverse(i128::from(used) - i128::from(wanted)), record.uid.clone(), record)
        });
        let Some((.., record)) = candidates.min_by(|a, b| (a.0, a.1, a.2, &a.3).cmp(&(b.0, b.1, b.2, &b.3))) else { return };
        let message = message(&record, met);
        record.evict(&message, true);
        let ended = async {
            while !record.state().finished {
                sleep(Duration::from_secs(1)).await;
            }
        };
        // A pod that takes longer to go is waited for no more.
        let _late = tokio::time::timeout(CLEANUP, ended).await;
    }

    /// Removes the containers of pods that have ended: their layers and logs.
    fn delete_unused_containers(&self) {
        for record in self.records() {
            let ended = record.state().finished;
            if ended {
                self.collect_containers(&record);
            }
        }
    }

    /// Removes the containers of a pod that has ended.
    pub(super) fn collect_containers(&self, record: &PodRecord) {
        self.release_images(record);
        record.state().collected = true;
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
