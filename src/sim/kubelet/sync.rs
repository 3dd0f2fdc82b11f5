//! One sync of a pod: status first, then volumes, kills, sandbox, init containers, containers, in the kubelet's order.
//! Starting a single container lives in `start`, the end of the pod in `terminate`.

use super::instance::Instance;
use super::pod::{ProbeKind, ProbeResult, Sandbox, State, is_sidecar};
use super::pod_network;
use super::private_registry;
use super::resize;
use super::start::StartError;
use super::status;
use super::sysctl;
use super::terminate::{Stop, stop_instance};
use super::worker::Worker;
use crate::sim::events::EventType::{Normal, Warning};
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Instant, sleep};

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Without an error; `acted`: containers were started or stopped.
    Done { acted: bool },
    /// The only errors were back-offs, of which the first ends then.
    CrashLoop { until: Instant },
    /// With another error.
    Failed,
    /// The pod has come to its own end.
    Terminal,
}

/// A container as the runtime showed it when the sync began.
#[derive(Clone, Debug)]
enum View {
    Absent,
    Running(Box<Instance>),
    Exited { code: i32 },
}

/// The runtime's view of a pod, which a sync works on to its end.
struct Snapshot {
    views: BTreeMap<String, View>,
    /// When the newest dead instance of each container ended.
    exits: BTreeMap<String, Instant>,
    /// Whether a container (other than an init container) was started in the present sandbox.
    started: bool,
}

impl Snapshot {
    fn of(state: &State) -> Self {
        let mut views = BTreeMap::new();
        let mut exits = BTreeMap::new();
        let present = |instance: &&Instance| state.sandbox.is_some() && instance.sandbox == state.sandboxes;
        let newest = |container: &Container| state.newest(&container.name);
        let started = state.spec.containers.iter().any(|container| newest(container).as_ref().is_some_and(present));
        let init = state.spec.init_containers.iter().flatten();
        for (container, in_any) in state.spec.containers.iter().map(|c| (c, true)).chain(init.map(|c| (c, false))) {
            // A new sandbox is initialised anew.
            let view = match newest(container).filter(|instance| in_any || present(instance)) {
                None => View::Absent,
                Some(instance) => match &instance.finish {
                    None => View::Running(Box::new(instance.clone())),
                    Some(finish) => View::Exited { code: finish.code },
                },
            };
            views.insert(container.name.clone(), view);
            if let Some(finish) = state.newest_exited(&container.name).and_then(|instance| instance.finish.as_ref()) {
                exits.insert(container.name.clone(), finish.at);
            }
        }
        Self { views, exits, started }
    }

    fn view(&self, container: &Container) -> &View {
        self.views.get(&container.name).unwrap_or(&View::Absent)
    }
}

/// Whether the image of a container was changed since this instance was made.
fn redefined(container: &Container, instance: &Instance) -> bool {
    container.image.as_deref().unwrap_or_default() != instance.written
}

/// What the starts of one sync came to.
#[derive(Default)]
pub(super) struct Tally {
    acted: bool,
    failed: bool,
    until: Option<Instant>,
}

impl Tally {
    /// Counts one start.
    pub(super) fn add(&mut self, result: Result<(), StartError>) {
        match result {
            Ok(()) => self.acted = true,
            Err(StartError::Failed) => self.failed = true,
            Err(StartError::CrashLoop { until }) => self.until = Some(self.until.map_or(until, |first| first.min(until))),
        }
    }

    fn outcome(&self) -> Outcome {
        match (self.failed, self.until) {
            (true, _) => Outcome::Failed,
            (false, Some(until)) => Outcome::CrashLoop { until },
            (false, None) => Outcome::Done { acted: self.acted },
        }
    }
}

impl Worker {
    /// Syncs the pod once.
    pub(super) async fn sync(&mut self) -> Outcome {
        let record = Arc::clone(&self.record);
        let (snapshot, spec) = {
            let state = record.state();
            (Snapshot::of(&state), Arc::clone(&state.spec))
        };
        resize::allocate(&record);
        if matches!(status::update(&record, false), "Succeeded" | "Failed") {
            return Outcome::Terminal;
        }
        self.mount(&spec).await;
        let lacking = private_registry::pull_secrets(&record).1;
        if !lacking.is_empty() {
            let names = lacking.join(", ");
            let message =
                format!("Unable to retrieve some image pull secrets ({names}); attempting to pull the image may not succeed.");
            record.event(None, Warning, "FailedToRetrieveImagePullSecret", &message);
        }
        self.start_probers(&spec);
        let mut tally = Tally::default();
        let mut killed = self.kill_unhealthy(&spec, &snapshot).await;
        let (resized, stopped) = self.put_into_force(&spec).await;
        if resized {
            record.containers_changed();
        }
        tally.acted |= resized || !killed.is_empty() || !stopped.is_empty();
        killed.extend(stopped.iter().cloned());
        if !self.ensure_sandbox(&spec).await {
            return Outcome::Failed;
        }
        self.start_ephemeral(&spec, &mut tally).await;
        if !self.initialize(&spec, &snapshot, &killed, &mut tally).await {
            return tally.outcome();
        }
        for container in &spec.containers {
            let due = match snapshot.view(container) {
                View::Absent => true,
                View::Running(instance) if killed.contains(&container.name) => {
                    redefined(container, instance) || stopped.contains(&container.name) || record.state().restarts(container, 1)
                }
                View::Running(_) => false,
                View::Exited { code } => record.state().restarts(container, *code),
            };
            if due {
                let exit = snapshot.exits.get(&container.name).copied();
                tally.add(self.start_container(container, exit).await);
            }
        }
        tally.outcome()
    }

    /// Kills what failed its liveness or startup probe, or has another image now; the names of the killed.
    async fn kill_unhealthy(&self, spec: &PodSpec, snapshot: &Snapshot) -> Vec<String> {
        let mut killed = Vec::new();
        let sidecars = spec.init_containers.iter().flatten().filter(|container| is_sidecar(container));
        for (container, label) in sidecars.map(|c| (c, "Init container")).chain(spec.containers.iter().map(|c| (c, "Container")))
        {
            let View::Running(instance) = snapshot.view(container) else { continue };
            let (what, probe) = match self.failed_probe(container, &instance.id) {
                _ if redefined(container, instance) => ("definition changed".to_owned(), None),
                Some((kind, probe)) => (format!("failed {kind} probe"), probe),
                None => continue,
            };
            let message = format!("{label} {} {what}, will be restarted", container.name);
            let grace = probe.or(spec.termination_grace_period_seconds).unwrap_or(30);
            let stop = Stop { message: &message, grace, deleting: false };
            stop_instance(&self.record, container, instance, &stop).await;
            killed.push(container.name.clone());
        }
        killed
    }

    /// Which probe condemns an instance, and the grace that this probe sets.
    fn failed_probe(&self, container: &Container, id: &str) -> Option<(&'static str, Option<i64>)> {
        let state = self.record.state();
        let failed = |kind| state.results.get(&(kind, id.to_owned())) == Some(&ProbeResult::Failure);
        let probes = [
            (ProbeKind::Liveness, "liveness", &container.liveness_probe),
            (ProbeKind::Startup, "startup", &container.startup_probe),
        ];
        probes.into_iter().find_map(|(kind, name, probe)| {
            let probe = probe.as_ref()?;
            failed(kind).then_some((name, probe.termination_grace_period_seconds))
        })
    }

    /// Makes the sandbox if there is none, and says so in the status. False when it cannot be made.
    async fn ensure_sandbox(&self, spec: &PodSpec) -> bool {
        let record = &self.record;
        let sandboxes = {
            let state = record.state();
            if state.sandbox.is_some() {
                return true;
            }
            state.sandboxes
        };
        if sandboxes > 0 {
            let message = "Pod sandbox changed, it will be killed and re-created.";
            record.event(None, Normal, "SandboxChanged", message);
        }
        sleep(record.latency("sandbox", record.agent.profile.latencies.sandbox.mul_f64(0.3))).await;
        if let Some(setting) = sysctl::refused(spec) {
            let tries = record.state().draw();
            let id = record.agent.api.random.hex(&record.uid, "refused-sandbox", tries, 64);
            let message = format!("Failed to create pod sandbox: {}", sysctl::refusal(&id, setting));
            record.event(None, Warning, "FailedCreatePodSandBox", &message);
            return false;
        }
        let address = record.agent.next_address();
        let network = pod_network::of_pod(record, address);
        let status = {
            let mut state = record.state();
            let mut status = state.written.clone();
            let now = record.agent.api.clock.seconds();
            for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
                if condition["type"] == "PodReadyToStartContainers" {
                    condition["status"] = json!("True");
                    condition["lastTransitionTime"] = json!(now);
                }
            }
            state.sandbox = Some(Sandbox { ip: network.address().to_string(), ready: true, network });
            state.sandboxes += 1;
            status
        };
        status::write(record, status);
        record.containers_changed();
        true
    }

    /// Brings the init containers forward by one step. True when the containers may start.
    async fn initialize(&self, spec: &PodSpec, snapshot: &Snapshot, killed: &[String], tally: &mut Tally) -> bool {
        let running_already = snapshot.started;
        for container in spec.init_containers.iter().flatten() {
            let exit = snapshot.exits.get(&container.name).copied();
            if is_sidecar(container) {
                match snapshot.view(container) {
                    View::Running(instance) if !killed.contains(&container.name) => {
                        let passed = container.startup_probe.is_none() || {
                            let key = (ProbeKind::Startup, instance.id.clone());
                            self.record.state().results.get(&key) == Some(&ProbeResult::Success)
                        };
                        if !passed && !running_already {
                            return false;
                        }
                    }
                    _ => {
                        tally.add(self.start_container(container, exit).await);
                        if !running_already {
                            return false;
                        }
                    }
                }
                continue;
            }
            if running_already {
                continue;
            }
            match snapshot.view(container) {
                View::Exited { code: 0 } => {}
                View::Running(_) => return false,
                View::Exited { code } if !self.record.state().restarts(container, *code) => return false,
                View::Absent | View::Exited { .. } => {
                    tally.add(self.start_container(container, exit).await);
                    return false;
                }
            }
        }
        true
    }
}
