//! The worker of one pod: what wakes it, and when it may look again.
//! What it does when awake lives in `sync` and `terminate`.

use super::admission;
use super::backoff::{crash_loop_sleep, error_sleep};
use super::ending;
use super::pod::{Deletion, PodRecord, ProbeKind};
use super::sync::Outcome;
use crate::sim::latest;
use crate::sim::profile::Version;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// A pod that is only listed again each minute or so (times 1 to 1.5).
const RESYNC: Duration = Duration::from_mins(1);
/// Timers fire up to this late (tokio counts whole milliseconds).
const SAME_RELIST: Duration = Duration::from_millis(2);
/// From the end of a sync that changed containers to the relist that it asked for.
const ON_DEMAND: Duration = Duration::from_millis(8);

/// The worker of one pod.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) record: Arc<PodRecord>,
    pub(super) mounted: bool,
    pub(super) probers: Vec<(ProbeKind, AbortHandle)>,
    /// When the work queue gives the pod back.
    timer: Option<Instant>,
    /// When the runtime's view of the pod is newer than the last sync.
    fresh_from: Instant,
    synced: Instant,
}

/// Waits until the pod's deletion is asked for. The record keeps the sender, so there is no other way out.
async fn requested(deletion: &mut latest::Receiver<Deletion>) {
    let _deletion = deletion.wait_for(|deletion| deletion.requested).await;
}

impl Worker {
    /// A worker for a pod that was just bound.
    pub(super) fn new(record: Arc<PodRecord>) -> Self {
        let now = Instant::now();
        Self { record, mounted: false, probers: Vec::new(), timer: None, fresh_from: now, synced: now }
    }

    /// Serves the pod until it is gone.
    pub(super) async fn run(mut self) {
        let record = Arc::clone(&self.record);
        sleep(record.latency("informer", record.agent.profile.latencies.informer)).await;
        super::unsupported::report(&record);
        record.agent.syncing().await;
        let (mut deletion, mut ending) = (record.deletion.subscribe(), record.ending.subscribe());
        let finished = record.state().finished;
        let mut serving = !finished && (deletion.get().requested || admission::admit(&record));
        if serving {
            record.watch_deadline();
        }
        while serving {
            tokio::select! {
                biased;
                () = requested(&mut deletion) => serving = false,
                () = ending::asked(&mut ending) => {
                    self.end().await;
                    serving = false;
                }
                finished = self.step() => serving = !finished,
            }
        }
        // Both ways out of the loop end here: a finished pod waits for its deletion.
        requested(&mut deletion).await;
        self.terminate().await;
    }

    /// Waits for the next reason and syncs once. True when the pod has come to its own end.
    async fn step(&mut self) -> bool {
        self.wait().await;
        self.record.agent.syncing().await;
        match self.sync().await {
            Outcome::Terminal => {
                self.finish().await;
                true
            }
            outcome => {
                self.schedule(&outcome);
                false
            }
        }
    }

    async fn wait(&mut self) {
        let record = Arc::clone(&self.record);
        loop {
            if record.state().refresh && self.timer.is_none() {
                self.timer = Some(self.next_resync());
            }
            let due = {
                let state = record.state();
                let pending = state.pending.then_some(self.fresh_from);
                let relist = state.relists.first().map(|at| (*at).max(self.fresh_from));
                let timer = self.timer.map(|at| at.max(self.fresh_from));
                [pending, relist, timer].into_iter().flatten().min()
            };
            let now = Instant::now();
            match due {
                Some(at) if at <= now => {
                    self.consume(now);
                    return;
                }
                Some(at) => tokio::select! {
                    biased;
                    () = record.wake.notified() => {}
                    () = sleep_until(at) => {}
                },
                None => record.wake.notified().await,
            }
        }
    }

    /// Takes the reasons for a sync that begins now. A change that this very relist notices, while the sync had
    /// another reason, asks for one more sync afterwards.
    fn consume(&mut self, now: Instant) {
        let mut state = self.record.state();
        let mut reason = std::mem::take(&mut state.pending);
        while let Some(first) = state.relists.first().copied().filter(|first| *first <= now) {
            state.relists.remove(&first);
            if reason && now.duration_since(first) < SAME_RELIST {
                state.pending = true;
            }
            reason = true;
        }
        if self.timer.is_some_and(|at| at <= now) {
            self.timer = None;
        }
        state.refresh = false;
    }

    fn schedule(&mut self, outcome: &Outcome) {
        let agent = Arc::clone(&self.record.agent);
        let now = Instant::now();
        self.synced = now;
        self.fresh_from = agent.relist.after(now);
        self.timer = match outcome {
            Outcome::Done { acted } => {
                if *acted && agent.profile.version == Version::V1_36 {
                    self.relist_on_demand(now);
                }
                None
            }
            Outcome::CrashLoop { until } => {
                let remaining = until.saturating_duration_since(now);
                let rest = crash_loop_sleep(agent.profile.version, remaining, self.record.unit("retry"));
                Some(agent.queue.from(now + rest))
            }
            Outcome::Failed | Outcome::Terminal => Some(agent.queue.from(now + error_sleep(self.record.unit("retry")))),
        };
    }

    fn relist_on_demand(&mut self, now: Instant) {
        self.fresh_from = now + ON_DEMAND;
        let mut state = self.record.state();
        if !state.relists.is_empty() {
            state.relists.clear();
            state.pending = true;
        }
    }

    /// The first of the pod's idle resyncs that is still to come; the ones before it had nothing to do.
    fn next_resync(&self) -> Instant {
        let now = Instant::now();
        let mut at = self.synced;
        while at <= now {
            at = self.record.agent.queue.from(at + RESYNC.mul_f64(1.0 + self.record.unit("resync") / 2.0));
        }
        at
    }
}
