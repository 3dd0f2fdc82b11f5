//! When each node's kubelet last renewed its lease: known to all, written only where somebody could see it.
//! What silences a kubelet is decided in `kubelet::control`, what follows from silence in the node lifecycle controller.
//!
//! A kubelet renews its lease every ten seconds for ever. Nobody in the control plane needs more than the time of the last
//! renewal, which is a function of the seed; so it is computed. Lease objects, and the heartbeat times in node statuses, are
//! brought up to date when a client of the API reads them, and written at each renewal only while such a client watches them.

use super::api::resource::{LEASES, NODES, Resource};
use super::latest;
use super::random::Random;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// A quarter of the lease's 40 s.
const RENEWAL: Duration = Duration::from_secs(10);
/// The jitter that the kubelet adds to each period: up to this share of it.
const JITTER: f64 = 0.04;

/// What a kubelet writes of its heartbeat.
pub(crate) trait Pulse: std::fmt::Debug + Send + Sync {
    /// Brings the lease and the node's status up to what the last renewals wrote.
    fn bring_up_to_date(&self);
}

#[derive(Debug)]
struct Beat {
    last: Instant,
    count: u64,
    silent: bool,
    pulse: Weak<dyn Pulse>,
}

#[derive(Debug)]
struct Inner {
    beats: Mutex<BTreeMap<String, Beat>>,
    turns: latest::Sender<u64>,
    watchers: latest::Sender<usize>,
    random: Random,
}

/// The heartbeats of all nodes. Clones are the same.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    inner: Arc<Inner>,
}

/// Held by a client's watch of leases or nodes for as long as it lasts.
#[derive(Debug)]
pub struct Witness {
    watchers: latest::Sender<usize>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.watchers.send_modify(|count| *count -= 1);
    }
}

impl Beat {
    /// The renewal after the last one.
    fn next(&self, random: Random, node: &str) -> Instant {
        let period = RENEWAL.mul_f64(1.0 + JITTER * random.unit(node, "lease-renewal", self.count));
        // Whole milliseconds: tokio's timers know nothing finer.
        self.last + Duration::from_millis(u64::try_from(period.as_millis()).unwrap_or_default())
    }

    /// Catches up with the renewals that were due by now.
    fn advance(&mut self, random: Random, node: &str) {
        let now = Instant::now();
        while !self.silent && self.next(random, node) <= now {
            self.last = self.next(random, node);
            self.count += 1;
        }
    }
}

impl Heartbeats {
    /// No nodes yet; the renewals' jitter is drawn from `random`.
    #[must_use]
    pub fn new(random: Random) -> Self {
        let inner = Inner { beats: Mutex::default(), turns: latest::Sender::new(0), watchers: latest::Sender::new(0), random };
        Self { inner: Arc::new(inner) }
    }

    fn beats(&self) -> MutexGuard<'_, BTreeMap<String, Beat>> {
        self.inner.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kubelet of `node` renews its lease now, and then regularly until [`Heartbeats::silence`].
    pub(crate) fn begin(&self, node: &str, pulse: Weak<dyn Pulse>) {
        {
            let mut beats = self.beats();
            let count = beats.get(node).map_or(0, |beat| beat.count + 1);
            beats.insert(node.to_owned(), Beat { last: Instant::now(), count, silent: false, pulse });
        }
        self.inner.turns.send_modify(|turns| *turns += 1);
    }

    /// The kubelet of `node` can renew its lease no more.
    pub(crate) fn silence(&self, node: &str) {
        if let Some(beat) = self.beats().get_mut(node) {
            beat.advance(self.inner.random, node);
            beat.silent = true;
        }
        self.inner.turns.send_modify(|turns| *turns += 1);
    }

    /// Forgets a node whose object was deleted.
    pub fn forget(&self, node: &str) {
        self.beats().remove(node);
        self.inner.turns.send_modify(|turns| *turns += 1);
    }

    /// When the kubelet of `node` last renewed its lease; `None` for a node that no kubelet of this cluster serves.
    #[must_use]
    pub fn last_renewal(&self, node: &str) -> Option<Instant> {
        let mut beats = self.beats();
        let beat = beats.get_mut(node)?;
        beat.advance(self.inner.random, node);
        Some(beat.last)
    }

    /// When the next renewal of `node` is due; `None` while it is silent or unknown.
    #[must_use]
    pub fn next_renewal(&self, node: &str) -> Option<Instant> {
        let mut beats = self.beats();
        let beat = beats.get_mut(node)?;
        beat.advance(self.inner.random, node);
        (!beat.silent).then(|| beat.next(self.inner.random, node))
    }

    /// Whether the kubelet of `node` cannot renew its lease now; a node without a kubelet of this cluster counts as silent.
    #[must_use]
    pub fn silent(&self, node: &str) -> bool {
        self.beats().get(node).is_none_or(|beat| beat.silent)
    }

    /// A receiver that changes when a node falls silent, is heard again, or is new.
    #[must_use]
    pub fn subscribe(&self) -> latest::Receiver<u64> {
        self.inner.turns.subscribe()
    }

    /// How many clients watch what heartbeats write.
    #[must_use]
    pub fn witnesses(&self) -> latest::Receiver<usize> {
        self.inner.watchers.subscribe()
    }

    /// A client is about to read objects of this resource: what heartbeats write of it is written now.
    pub fn read(&self, resource: Resource) {
        if resource != LEASES && resource != NODES {
            return;
        }
        let pulses: Vec<_> = self.beats().values().filter_map(|beat| beat.pulse.upgrade()).collect();
        for pulse in pulses {
            pulse.bring_up_to_date();
        }
    }

    /// A client begins to watch a resource: while it holds what this returns, each heartbeat is written when it happens.
    #[must_use]
    pub fn watch(&self, resource: Resource) -> Option<Witness> {
        if resource != LEASES && resource != NODES {
            return None;
        }
        self.read(resource);
        self.inner.watchers.send_modify(|count| *count += 1);
        Some(Witness { watchers: self.inner.watchers.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[derive(Debug)]
    struct Nothing;

    impl Pulse for Nothing {
        fn bring_up_to_date(&self) {}
    }

    #[tokio::test(start_paused = true)]
    async fn renewals_are_ten_seconds_and_a_little_apart_until_the_node_falls_silent() {
        let heartbeats = Heartbeats::new(Random::new(1));
        let pulse: Arc<dyn Pulse> = Arc::new(Nothing);
        assert_eq!(heartbeats.last_renewal("a"), None);
        heartbeats.begin("a", Arc::downgrade(&pulse));
        let mut before = heartbeats.last_renewal("a").unwrap();
        for _ in 0..200 {
            let next = heartbeats.next_renewal("a").unwrap();
            let gap = next.duration_since(before);
            assert!(gap >= RENEWAL && gap < RENEWAL.mul_f64(1.0 + JITTER), "{gap:?}");
            tokio::time::sleep_until(next).await;
            assert_eq!(heartbeats.last_renewal("a"), Some(next));
            before = next;
        }
        sleep(Duration::from_secs(3)).await;
        heartbeats.silence("a");
        sleep(Duration::from_mins(3)).await;
        assert_eq!(heartbeats.last_renewal("a"), Some(before));
        assert!(heartbeats.silent("a"));
        heartbeats.begin("a", Arc::downgrade(&pulse));
        assert_eq!(heartbeats.last_renewal("a"), Some(Instant::now()));
        assert!(!heartbeats.silent("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn only_watches_of_nodes_and_leases_are_witnesses() {
        let heartbeats = Heartbeats::new(Random::new(1));
        let witnesses = heartbeats.witnesses();
        let held = [heartbeats.watch(LEASES), heartbeats.watch(NODES)];
        assert!(heartbeats.watch(super::super::api::resource::PODS).is_none());
        assert_eq!(witnesses.get(), 2);
        drop(held);
        assert_eq!(witnesses.get(), 0);
    }
}
