//! What a kubelet does after it slept, was cut off, or is new: its heartbeat, its node's readiness, its first syncs.
//! The Node object itself is written in `node`.

use super::agent::Agent;
use super::containerd::trouble;
use super::status;
use crate::sim::heartbeat::Pulse;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Without news of the runtime for so long, a kubelet calls it down.
pub(super) const RUNTIME_DOWN: Duration = Duration::from_secs(30);
/// Without a relist for so long, a kubelet calls its pod lifecycle events unhealthy.
pub(super) const RELIST_DOWN: Duration = Duration::from_mins(3);
/// From the last list of the runtime's containers to the pause (recorded).
const SINCE_RELIST: Duration = Duration::from_millis(365);
/// From waking to the first status of the node (recorded: 0.5 s), of its pods (0.6 to 0.75 s), and to the first sync (1.4 s).
const WAKE_NODE: (Duration, Duration) = (Duration::from_millis(400), Duration::from_millis(550));
const WAKE_PODS: (Duration, Duration) = (Duration::from_millis(580), Duration::from_millis(740));
const WAKE_SYNC: (Duration, Duration) = (Duration::from_millis(1_300), Duration::from_millis(1_450));
/// From a new kubelet's first event to the first sync of its pods (recorded: 1.2 s, and 1.9 s after a boot).
const START_SYNC: (Duration, Duration) = (Duration::from_millis(1_150), Duration::from_millis(1_900));
/// From the healing of a partition to the kubelet's next heartbeat and node status (recorded: 0.8 and 3.2 s).
const MEND_LEASE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1_800));
const MEND_NODE: (Duration, Duration) = (Duration::from_millis(600), Duration::from_millis(3_400));
/// The kubelet looks at its node's status this often, and a little later each time.
pub(super) const NODE_STATUS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(10_400));

impl Agent {
    /// A draw of this kubelet.
    pub(super) fn draw(&self, purpose: &str, (low, high): (Duration, Duration)) -> Duration {
        let n = self.draws.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.api.random.between(&self.node.name, purpose, n, low, high)
    }

    /// Starts the kubelet's tasks: at once, or when the API server can first be reached.
    pub(super) fn start(self: &Arc<Self>) {
        if self.is_first() {
            self.register();
            self.serve();
            return;
        }
        self.stall(self.draw("start-sync", START_SYNC));
        let agent = Arc::clone(self);
        self.tasks.spawn(async move {
            agent.reach().await;
            agent.register();
            agent.serve();
        });
    }

    /// Waits until the API server can be reached.
    pub(super) async fn reach(&self) {
        // The host keeps the sender.
        let _link = self.host.link.subscribe().wait_for(|up| *up).await;
    }

    fn serve(self: &Arc<Self>) {
        self.beat();
        self.tasks.spawn(Arc::clone(self).serve_heartbeats());
        self.spawn();
    }

    /// The kubelet renews its lease now and from now on.
    fn beat(self: &Arc<Self>) {
        let pulse: Weak<dyn Pulse> = Arc::<Self>::downgrade(self);
        self.api.heartbeats.begin(&self.node.name, pulse);
        self.bring_up_to_date();
    }

    /// The kubelet can renew its lease no more: what it wrote last stays.
    pub(super) fn fall_silent(&self) {
        if self.api.heartbeats.silent(&self.node.name) {
            return;
        }
        self.bring_up_to_date();
        self.api.heartbeats.silence(&self.node.name);
    }

    /// Keeps pods from being synced for a while.
    fn stall(&self, pause: Duration) {
        *super::agent::lock(&self.stalled) = Some(Instant::now() + pause);
    }

    /// Waits until pods may be synced.
    pub(super) async fn syncing(&self) {
        loop {
            self.runtime().await;
            let until = super::agent::lock(&self.stalled).filter(|until| *until > Instant::now());
            match until {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    /// When the status of a pod that somebody else changed is put right: at the status manager's next tick. After a long
    /// sleep that tick is overdue.
    pub(super) fn next_reconcile(&self) -> Instant {
        let now = Instant::now();
        let waking = super::agent::lock(&self.woken).filter(|at| *at >= now);
        waking.unwrap_or_else(|| self.statuses.after(now))
    }

    /// The node was paused for `slept` and goes on now.
    pub(super) fn woken(self: &Arc<Self>, slept: Duration) {
        if slept > self.statuses.period() {
            *super::agent::lock(&self.woken) = Some(Instant::now() + self.draw("wake-pods", WAKE_PODS));
        }
        if slept > RUNTIME_DOWN {
            self.stall(self.draw("wake-sync", WAKE_SYNC));
        }
        let agent = Arc::clone(self);
        self.tasks.spawn(async move {
            agent.reach().await;
            agent.beat();
            if slept <= RUNTIME_DOWN {
                return;
            }
            sleep(agent.draw("wake-node", WAKE_NODE)).await;
            agent.report_trouble(&trouble(slept + SINCE_RELIST));
            sleep(agent.draw("node-status", NODE_STATUS)).await;
            agent.reach().await;
            agent.report_health();
        });
    }

    /// The API server can be reached again.
    pub(super) fn reconnected(self: &Arc<Self>) {
        let (lease, node) = (self.draw("mend-lease", MEND_LEASE), self.draw("mend-node", MEND_NODE));
        let agent = Arc::clone(self);
        self.tasks.spawn(async move {
            sleep(lease).await;
            agent.reach().await;
            agent.beat();
        });
        let agent = Arc::clone(self);
        self.tasks.spawn(async move {
            sleep(node).await;
            agent.reach().await;
            agent.report_health();
        });
        for record in self.records() {
            status::reconcile_later(&record);
        }
    }

    /// Writes each heartbeat while somebody watches.
    async fn serve_heartbeats(self: Arc<Self>) {
        let (mut witnesses, mut turns) = (self.api.heartbeats.witnesses(), self.api.heartbeats.subscribe());
        // Both senders live as long as the API server.
        while witnesses.wait_for(|count| *count > 0).await.is_ok() {
            let Some(next) = self.api.heartbeats.next_renewal(&self.node.name) else {
                let _turned = turns.changed().await;
                continue;
            };
            tokio::select! {
                biased;
                _ = witnesses.changed() => {}
                _ = turns.changed() => {}
                () = sleep_until(next) => self.bring_up_to_date(),
            }
        }
    }
}
