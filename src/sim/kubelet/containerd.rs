//! A kubelet whose container runtime is stopped: what it says of its node and when, and how it goes on afterwards, as recorded
//! (`fixtures/traces/runtime--*`). The switch is thrown in `control`; what cannot be done meanwhile waits in `Agent::syncing`.

use super::agent::{Agent, lock};
use super::backoff::go_duration;
use super::wake::{NODE_STATUS, RELIST_DOWN, RUNTIME_DOWN};
use crate::sim::events::EventType::Warning;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// What whoever asks a stopped runtime is told.
pub(in crate::sim) const SILENT: &str = "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: no such file or directory\"";

/// The kubelet asks its runtime this often whether it is well.
const LOOK: Duration = Duration::from_secs(5);
/// The loop of a kubelet that skips its pods sleeps for up to so long at a time.
const LOOP: Duration = Duration::from_secs(5);
/// The kubelet collects dead containers this often.
const CONTAINER_GC: Duration = Duration::from_mins(1);
/// What the loop, back at work, takes for its pods (recorded: half a second after the node's status).
const RESUME: Duration = Duration::from_millis(300);

impl Agent {
    /// Why the node is not ready, while it is not.
    pub(super) fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    /// How the kubelet names its container runtime.
    pub(super) fn runtime_version(&self) -> &'static str {
        if self.host.containerd.get() { "containerd://2.3.7" } else { "containerd://Unknown" }
    }

    /// Waits until the kubelet can work with its runtime.
    pub(super) async fn runtime(&self) {
        // The agent keeps the sender.
        let _usable = self.usable.subscribe().wait_for(|usable| *usable).await;
    }

    /// The container runtime has just stopped.
    pub(super) fn runtime_stopped(self: &Arc<Self>) {
        let (stopped, relisted) = (Instant::now(), self.relist.after(Instant::now()) - self.relist.period());
        self.usable.send_replace(false);
        let down = stopped + RUNTIME_DOWN - self.draw("runtime-look", (Duration::ZERO, LOOK));
        let agent = Arc::clone(self);
        self.tasks.spawn(async move { agent.go_on_when_back(down).await });
        let agent = Arc::clone(self);
        self.tasks.spawn(async move { agent.report_runtime(down, relisted).await });
        let agent = Arc::clone(self);
        self.tasks.spawn(async move { agent.collect_in_vain().await });
    }

    async fn runtime_back(&self) {
        // The host keeps the sender.
        let _back = self.host.containerd.subscribe().wait_for(|runs| *runs).await;
    }

    /// Pods are served again: at once, unless the runtime was already called down.
    async fn go_on_when_back(&self, down: Instant) {
        self.runtime_back().await;
        if Instant::now() >= down {
            sleep(self.draw("runtime-back", (Duration::ZERO, LOOK))).await;
            // Stopped again: that stop has its own end.
            if !self.host.containerd.get() {
                return;
            }
            *lock(&self.trouble) = None;
            sleep(self.draw("runtime-loop", (RESUME, LOOP))).await;
        }
        if self.host.containerd.get() {
            self.usable.send_replace(true);
        }
    }

    /// Looks at the node's status as ever, with something to tell each time, until all is told.
    async fn report_runtime(&self, down: Instant, relisted: Instant) {
        let mut pause = self.draw("runtime-status", (Duration::ZERO, NODE_STATUS.0));
        loop {
            sleep(pause).await;
            let now = Instant::now();
            let back = self.host.containerd.get();
            if now >= down && (!back || self.trouble().is_some()) {
                *lock(&self.trouble) = Some(trouble(now.saturating_duration_since(relisted)));
            }
            self.reach().await;
            self.report_health();
            if back && self.trouble().is_none() {
                return;
            }
            pause = self.draw("node-status", NODE_STATUS);
        }
    }

    /// Each minute the kubelet fails to collect dead containers.
    async fn collect_in_vain(&self) {
        let mut next = Instant::now() + self.draw("container-gc", (Duration::ZERO, CONTAINER_GC));
        loop {
            tokio::select! {
                biased;
                () = self.runtime_back() => return,
                () = sleep_until(next) => self.node_event(Warning, "ContainerGCFailed", SILENT),
            }
            next += CONTAINER_GC;
        }
    }
}

/// What the kubelet says of a runtime that it last listed the containers of so long ago.
pub(super) fn trouble(since: Duration) -> String {
    let down = "container runtime is down";
    if since <= RELIST_DOWN {
        return down.to_owned();
    }
    format!("[{down}, PLEG is not healthy: pleg was last seen active {} ago; threshold is 3m0s]", go_duration(since))
}
