//! The memory of one node, shared by all its containers: how much is left, and whom the kernel kills when nothing is.
//! What the kubelet does before it comes to that lives in `kubelet`.

use super::machine::Machine;
use super::process::Process;
use crate::sim::latest;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Changes smaller than this are not summed up at once (bytes).
const GRAIN: u64 = 1024 * 1024;

/// A process that the kernel killed because its node had no memory left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// The name of its program.
    pub name: String,
    /// Its id, as the node sees it.
    pub pid: u32,
}

#[derive(Debug)]
struct Inner {
    /// What containers may take together.
    capacity: u64,
    /// With less than this left, memory is short.
    low: u64,
    used: AtomicU64,
    entered: AtomicU64,
    machines: Mutex<BTreeMap<u64, Weak<Machine>>>,
    /// How often memory became short.
    shortages: latest::Sender<u64>,
    victims: latest::Sender<Vec<Victim>>,
}

/// The memory of one node. Clones are the same.
#[derive(Clone, Debug)]
pub struct NodeMemory {
    inner: Arc<Inner>,
}

impl Default for NodeMemory {
    /// The memory of a node of the default profile.
    fn default() -> Self {
        Self::new(16 * 1024 * 1024 * 1024, 0)
    }
}

/// What one machine has told its node.
#[derive(Debug, Default)]
pub struct Account {
    id: AtomicU64,
    told: AtomicU64,
}

impl NodeMemory {
    /// Memory of which containers may take `capacity` bytes, and which is short with less than `low` left.
    #[must_use]
    pub fn new(capacity: u64, low: u64) -> Self {
        let inner = Inner {
            capacity,
            low,
            used: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            machines: Mutex::default(),
            shortages: latest::Sender::new(0),
            victims: latest::Sender::new(Vec::new()),
        };
        Self { inner: Arc::new(inner) }
    }

    fn machines(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<Machine>>> {
        self.inner.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> Vec<Arc<Machine>> {
        self.machines().values().filter_map(Weak::upgrade).collect()
    }

    /// Bytes that all containers take now, exactly.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.living().iter().map(|machine| machine.living_memory()).sum()
    }

    /// Bytes that are left.
    #[must_use]
    pub fn available(&self) -> u64 {
        self.inner.capacity.saturating_sub(self.used())
    }

    /// A receiver that changes when memory becomes short.
    #[must_use]
    pub fn shortages(&self) -> latest::Receiver<u64> {
        self.inner.shortages.subscribe()
    }

    /// All processes that the kernel killed because nothing was left, in order.
    #[must_use]
    pub fn victims(&self) -> latest::Receiver<Vec<Victim>> {
        self.inner.victims.subscribe()
    }

    /// A container takes memory from now on.
    pub(super) fn enter(&self, machine: &Arc<Machine>) {
        let id = self.inner.entered.fetch_add(1, Ordering::Relaxed) + 1;
        machine.account.id.store(id, Ordering::Relaxed);
        self.machines().insert(id, Arc::downgrade(machine));
    }

    /// A container has ended.
    pub(super) fn leave(&self, account: &Account) {
        self.machines().remove(&account.id.load(Ordering::Relaxed));
        self.inner.used.fetch_sub(account.told.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A container takes `bytes` now. Kills whom the kernel would kill if that is too much for the node.
    pub(super) fn tell(&self, account: &Account, bytes: u64) {
        let told = account.told.load(Ordering::Relaxed);
        if bytes.abs_diff(told) < GRAIN {
            return;
        }
        account.told.store(bytes, Ordering::Relaxed);
        let before = self.inner.used.fetch_add(bytes.wrapping_sub(told), Ordering::Relaxed);
        let used = before.wrapping_add(bytes.wrapping_sub(told));
        let short = self.inner.capacity.saturating_sub(self.inner.low);
        if used <= short {
            return;
        }
        if before <= short {
            self.inner.shortages.send_modify(|count| *count += 1);
        }
        if used > self.inner.capacity {
            self.relieve();
        }
    }

    /// Kills until what is left fits.
    fn relieve(&self) {
        while self.used() > self.inner.capacity {
            let processes = self.living().into_iter().flat_map(|machine| machine.processes());
            let victim =
                processes.filter(|process| !process.is_doomed()).max_by_key(|process| (self.badness(process), process.pid));
            let Some(victim) = victim else { return };
            let name = victim.argv().first().cloned().unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            // The node numbers processes for itself; containers see small numbers.
            let pid = 100_000
                + u32::try_from(victim.machine.account.id.load(Ordering::Relaxed) % 10_000).unwrap_or_default() * 10
                + victim.pid;
            self.inner.victims.send_modify(|victims| victims.push(Victim { name, pid }));
            victim.machine.kill_for_memory(&victim);
        }
    }

    /// The kernel's score: pages, and a share of all memory for each thousandth of the adjustment.
    fn badness(&self, process: &Process) -> i128 {
        let adjustment = i128::from(process.machine.spec.oom_score_adj) * i128::from(self.inner.capacity) / 1_000;
        i128::from(process.memory()) + adjustment
    }
}

#[cfg(test)]
mod tests {
    use super::super::Container;
    use super::super::trial::spec;
    use super::*;
    use std::time::Duration;
    use tokio::time::sleep;

    const MEBIBYTE: u64 = 1024 * 1024;

    /// Holds so many MiB from the second `delay` on.
    fn holder(node: &NodeMemory, mebibytes: u64, delay: u64, oom_score_adj: i64) -> Container {
        let script = format!("sleep {delay}; {{ head -c {mebibytes}m /dev/zero; sleep 1000; }} | tail");
        let mut spec = spec(&["sh", "-c", &script], Vec::new());
        spec.node_memory = node.clone();
        spec.oom_score_adj = oom_score_adj;
        Container::start(spec).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_node_loses_the_process_with_the_worst_score() {
        let node = NodeMemory::new(300 * MEBIBYTE, 50 * MEBIBYTE);
        let (mut shortages, victims) = (node.shortages(), node.victims());
        let guaranteed = holder(&node, 200, 0, -997);
        sleep(Duration::from_secs(3)).await;
        assert!(node.available() > 90 * MEBIBYTE, "{}", node.available());
        let modest = holder(&node, 10, 0, 1_000);
        let greedy = holder(&node, 150, 1, 500);
        assert!(tokio::time::timeout(Duration::from_secs(30), shortages.changed()).await.is_ok());
        sleep(Duration::from_secs(1)).await;
        assert!(!victims.get().is_empty(), "somebody had to die");
        let dead: Vec<bool> =
            [&guaranteed, &modest, &greedy].map(|c| c.exit().get().is_some_and(|exit| exit.oom_killed)).to_vec();
        assert!(!dead[0], "guaranteed pods are the last to go: {dead:?}");
        assert!(node.used() <= 300 * MEBIBYTE);
    }
}
