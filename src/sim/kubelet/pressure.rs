//! What a node can be short of: the conditions, events and thresholds of memory and disk.
//! Whom a kubelet evicts then is decided in `eviction`.
//!
//! Process numbers are not looked at: a kubelet has no threshold for `pid.available` unless it is given one.

use super::agent::{Agent, lock};
use super::disk::{IMAGE_FS_AVAILABLE, NODE_FS_AVAILABLE, share};
use super::host::MEMORY_THRESHOLD;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The kubelet writes what its eviction manager found with its next look at the node's status.
const NODE_STATUS: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(10));
/// The page and block size in which what is left is counted.
const PAGE: u64 = 4_096;

/// What a node is short of, in the order in which a kubelet sees to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pressure {
    Memory,
    Disk,
}

impl Pressure {
    pub(super) const ALL: [Self; 2] = [Self::Memory, Self::Disk];

    /// The resource that runs out.
    pub(super) const fn resource(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "ephemeral-storage",
        }
    }

    /// Type, status, reason and message of its condition.
    pub(super) const fn condition(self, short: bool) -> [&'static str; 4] {
        match (self, short) {
            (Self::Memory, true) => {
                ["MemoryPressure", "True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"]
            }
            (Self::Memory, false) => {
                ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"]
            }
            (Self::Disk, true) => ["DiskPressure", "True", "KubeletHasDiskPressure", "kubelet has disk pressure"],
            (Self::Disk, false) => ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
        }
    }

    /// What the kubelet says when the condition turns to that.
    pub(super) const fn state(self, short: bool) -> &'static str {
        match (self, short) {
            (Self::Memory, true) => "NodeHasInsufficientMemory",
            (Self::Memory, false) => "NodeHasSufficientMemory",
            (Self::Disk, true) => "NodeHasDiskPressure",
            (Self::Disk, false) => "NodeHasNoDiskPressure",
        }
    }
}

/// A threshold that is met: less than that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) pressure: Pressure,
    /// In bytes.
    pub(super) threshold: u64,
    /// In bytes.
    pub(super) available: u64,
}

impl Agent {
    /// The thresholds that are met now, in the kubelet's order. One disk holds everything: of its two thresholds the one for
    /// images is met first.
    pub(super) fn thresholds_met(&self) -> Vec<Met> {
        let disk = self.host.disk.clone();
        let (capacity, left) = (disk.capacity(), disk.available());
        let wanted = [
            Met { pressure: Pressure::Memory, threshold: MEMORY_THRESHOLD, available: self.host.memory().available() },
            Met { pressure: Pressure::Disk, threshold: share(capacity, IMAGE_FS_AVAILABLE), available: left },
            Met { pressure: Pressure::Disk, threshold: share(capacity, NODE_FS_AVAILABLE), available: left },
        ];
        let met = wanted.into_iter().filter(|met| met.available < met.threshold);
        met.map(|met| Met { available: met.available / PAGE * PAGE, ..met }).collect()
    }

    /// Whether the node is under a pressure, as its kubelet sees it.
    pub(super) fn is_under(&self, pressure: Pressure) -> bool {
        lock(&self.pressures).contains(&pressure)
    }

    /// Takes note of a pressure, or of its end; that is said with the kubelet's next look at its node.
    pub(super) fn feel(self: &Arc<Self>, pressure: Pressure, short: bool) {
        let is_new = if short { lock(&self.pressures).insert(pressure) } else { lock(&self.pressures).remove(&pressure) };
        if !is_new {
            return;
        }
        let agent = Arc::clone(self);
        self.tasks.spawn(async move {
            sleep(agent.draw("pressure", NODE_STATUS)).await;
            agent.reach().await;
            agent.report_health();
        });
    }

    /// Why a pod is not taken while the node is under pressure, if it is not.
    pub(super) fn pressure_against(&self, pod: &Value) -> Option<String> {
        let pressures = lock(&self.pressures).clone();
        let critical = pod["spec"]["priority"].as_i64().is_some_and(|priority| priority >= 2_000_000_000);
        if pressures.is_empty() || critical {
            return None;
        }
        // Short of memory alone, a node takes what asked for some, or tolerates that.
        let tolerates = pod["spec"]["tolerations"].as_array().into_iter().flatten().any(|toleration| {
            toleration["operator"] == "Exists"
                && (toleration.get("key").is_none() || toleration["key"] == "node.kubernetes.io/memory-pressure")
        });
        let asked = pod["status"]["qosClass"] != "BestEffort";
        if pressures.iter().all(|pressure| *pressure == Pressure::Memory) && (asked || tolerates) {
            return None;
        }
        let names: Vec<&str> = pressures.iter().map(|pressure| pressure.condition(true)[0]).collect();
        Some(format!("The node had condition: [{}]. ", names.join(" ")))
    }
}
