//! The probe workers of a pod: one per probe, on a period of its own, across restarts of its container.
//! A single attempt lives in `probe`; what follows from a result is decided in `sync`.

use super::conditions::condition_of;
use super::instance::Instance;
use super::pod::{PodRecord, ProbeKind, ProbeResult, container_named, is_sidecar};
use super::probe::{self, Attempt};
use super::status::{container_statuses, set_probe_result};
use super::worker::Worker;
use crate::sim::events::EventType::Warning;
use k8s_openapi::api::core::v1::{Container, PodSpec, Probe};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

/// Attempts at a probe that cannot be made.
const TRIES: usize = 3;

impl ProbeKind {
    /// As events name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
            Self::Startup => "Startup",
        }
    }

    /// The result of an instance that was not probed yet.
    const fn initial(self) -> ProbeResult {
        match self {
            Self::Liveness => ProbeResult::Success,
            Self::Readiness => ProbeResult::Failure,
            Self::Startup => ProbeResult::Unknown,
        }
    }
}

impl Worker {
    /// Starts the probe workers, once.
    pub(super) fn start_probers(&mut self, spec: &PodSpec) {
        if !self.probers.is_empty() {
            return;
        }
        let sidecars = spec.init_containers.iter().flatten().filter(|container| is_sidecar(container));
        for container in sidecars.chain(&spec.containers) {
            let probes = [
                (ProbeKind::Startup, &container.startup_probe),
                (ProbeKind::Liveness, &container.liveness_probe),
                (ProbeKind::Readiness, &container.readiness_probe),
            ];
            for (kind, probe) in probes {
                let Some(probe) = probe.clone() else { continue };
                let trigger = Arc::new(Notify::new());
                if kind == ProbeKind::Readiness {
                    self.record.state().triggers.insert(container.name.clone(), Arc::clone(&trigger));
                }
                let worker = Prober::new(Arc::clone(&self.record), container.name.clone(), kind, probe);
                let task = self.record.agent.tasks.spawn(worker.run(trigger));
                self.probers.push((kind, task));
            }
        }
    }

    /// Stops all probe workers but those of the named sorts.
    pub(super) fn stop_probers(&mut self, but: &[ProbeKind]) {
        self.probers.retain(|(kind, task)| {
            let stays = but.contains(kind);
            if !stays {
                task.abort();
            }
            stays
        });
    }
}

/// The worker of one probe.
struct Prober {
    record: Arc<PodRecord>,
    container: String,
    kind: ProbeKind,
    probe: Probe,
    /// The instance that it looks at.
    id: String,
    on_hold: bool,
    last: Option<bool>,
    run_length: i32,
}

impl Prober {
    fn new(record: Arc<PodRecord>, container: String, kind: ProbeKind, probe: Probe) -> Self {
        Self { record, container, kind, probe, id: String::new(), on_hold: false, last: None, run_length: 0 }
    }

    async fn run(mut self, trigger: Arc<Notify>) {
        let period = Duration::from_secs(u64::try_from(self.probe.period_seconds.unwrap_or(10).max(1)).unwrap_or(10));
        let age = self.record.agent.age();
        if age.is_some_and(|age| age < period) {
            // Lest a new kubelet runs all its probes at once.
            sleep(period.mul_f64(self.record.unit("probe-phase"))).await;
        }
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while self.tick().await {
            tokio::select! {
                biased;
                () = trigger.notified() => ticks.reset(),
                _ = ticks.tick() => {}
            }
        }
    }

    /// One tick. False when the worker has nothing left to do.
    async fn tick(&mut self) -> bool {
        let (seen, never, spec) = {
            let mut state = self.record.state();
            if self.kind == ProbeKind::Readiness && state.lost_race.remove(&self.container) {
                return true;
            }
            let seen = state.seen.get(&self.container).cloned();
            (seen, state.restart_policy() == "Never", Arc::clone(&state.spec))
        };
        let (Some(seen), Some(container)) = (seen, container_named(&spec, &self.container)) else { return true };
        if seen.id != self.id {
            self.id.clone_from(&seen.id);
            self.on_hold = false;
            let known = self.record.state().results.contains_key(&(self.kind, seen.id.clone()));
            if !known {
                self.set(self.kind.initial());
            }
        }
        if self.on_hold {
            return true;
        }
        let Some(since) = seen.running_since else {
            self.set(ProbeResult::Failure);
            return !(seen.terminated && never);
        };
        let delay = u64::try_from(self.probe.initial_delay_seconds.unwrap_or(0)).unwrap_or_default();
        if since.elapsed().as_secs() < delay || seen.started == (self.kind == ProbeKind::Startup) {
            return true;
        }
        let Some(success) = self.attempt(container).await else { return true };
        self.judge(success);
        true
    }

    /// Runs the probe; says what failed. `None` when the result is thrown away.
    async fn attempt(&self, container: &Container) -> Option<bool> {
        let instance = {
            let state = self.record.state();
            let instances = state.instances.get(&self.container)?;
            instances.iter().find(|instance| instance.id == self.id).cloned()?
        };
        let name = self.kind.name();
        let mut error = ("unknown", String::new());
        for _ in 0..TRIES {
            match probe::run(&self.record, container, &instance, &self.probe).await {
                Attempt::Success => return Some(true),
                Attempt::Failure(output) => {
                    let message = format!("{name} probe failed: {output}");
                    self.record.container_event(&self.container, Warning, "Unhealthy", &message);
                    return Some(false);
                }
                Attempt::Warning(output) => {
                    let message = format!("{name} probe warning: {output}");
                    self.record.container_event(&self.container, Warning, "ProbeWarning", &message);
                    return Some(true);
                }
                Attempt::Error(text) => error = ("unknown", text),
                Attempt::BrokenOff(text) => error = ("failure", text),
            }
        }
        let message = format!("{name} probe errored and resulted in {} state: {}", error.0, error.1);
        self.record.container_event(&self.container, Warning, "Unhealthy", &message);
        None
    }

    /// Counts equal results; at the threshold the result counts.
    fn judge(&mut self, success: bool) {
        self.run_length = if self.last == Some(success) { self.run_length + 1 } else { 1 };
        self.last = Some(success);
        let threshold =
            if success { self.probe.success_threshold.unwrap_or(1) } else { self.probe.failure_threshold.unwrap_or(3) };
        if self.run_length < threshold {
            return;
        }
        self.set(if success { ProbeResult::Success } else { ProbeResult::Failure });
        if self.kind == ProbeKind::Startup || (self.kind == ProbeKind::Liveness && !success) {
            self.on_hold = true;
            self.run_length = 0;
        }
    }

    /// Publishes a result; a change is told to the status and to the pod's worker.
    fn set(&self, result: ProbeResult) {
        let changed = {
            let mut state = self.record.state();
            state.results.insert((self.kind, self.id.clone()), result) != Some(result)
        };
        if !changed {
            return;
        }
        match self.kind {
            ProbeKind::Liveness if result != ProbeResult::Failure => return,
            ProbeKind::Liveness => {}
            ProbeKind::Readiness | ProbeKind::Startup => {
                set_probe_result(&self.record, &self.container, self.kind, result == ProbeResult::Success);
            }
        }
        self.record.request_sync();
    }
}

/// What probes of containers that run on under a new kubelet are taken to have found: what the status says. Where the pod is
/// called not ready meanwhile, a readiness probe must first pass again.
pub(super) fn adopted_results(
    pod: &Value,
    instances: &BTreeMap<String, Vec<Instance>>,
) -> BTreeMap<(ProbeKind, String), ProbeResult> {
    let mut results = BTreeMap::new();
    let is_ready = condition_of(&pod["status"], "Ready").is_some_and(|ready| ready["status"] == "True");
    for entry in container_statuses(&pod["status"]) {
        let newest = instances.get(entry["name"].as_str().unwrap_or_default()).and_then(|all| all.last());
        let Some(newest) = newest.filter(|newest| newest.running()) else { continue };
        if entry["containerID"] != newest.container_id() {
            continue;
        }
        results.insert((ProbeKind::Liveness, newest.id.clone()), ProbeResult::Success);
        for (kind, field) in [(ProbeKind::Readiness, "ready"), (ProbeKind::Startup, "started")] {
            if entry[field] == true && (is_ready || kind != ProbeKind::Readiness) {
                results.insert((kind, newest.id.clone()), ProbeResult::Success);
            }
        }
    }
    results
}
