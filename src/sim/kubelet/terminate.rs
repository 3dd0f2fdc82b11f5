//! Stopping containers, and the end of a pod: graceful deletion, forced deletion, pods that finish by themselves.
//! Restarts are not here.

use super::ephemeral;
use super::hook;
use super::instance::Instance;
use super::pod::{Deletion, PodRecord, ProbeKind, is_sidecar};
use super::status;
use super::worker::Worker;
use crate::sim::api::DeleteOptions;
use crate::sim::api::resource::PODS;
use crate::sim::events::EventType::{Normal, Warning};
use crate::sim::latest;
use crate::sim::program::{Exit, Signal};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// The kubelet gives the runtime at least this long between TERM and KILL.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// What a stop costs beside the waiting.
const OVERHEAD: Duration = Duration::from_millis(20);
/// From a stopped sandbox to the status that says so.
const SANDBOX_STOP: Duration = Duration::from_millis(180);

/// Why and how gently a container is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop<'a> {
    /// The message of the `Killing` event.
    pub(super) message: &'a str,
    /// Grace in seconds.
    pub(super) grace: i64,
    /// Whether the pod is being deleted: then a shorter grace of a later request counts.
    pub(super) deleting: bool,
}

fn seconds(grace: i64) -> Duration {
    Duration::from_secs(u64::try_from(grace).unwrap_or_default())
}

/// Stops one instance: event, preStop hook, TERM, and KILL when the grace has passed.
pub(super) async fn stop_instance(record: &Arc<PodRecord>, container: &Container, instance: &Instance, stop: &Stop<'_>) {
    let Some(process) = &instance.process else { return };
    record.container_event(&container.name, Normal, "Killing", stop.message);
    let begun = Instant::now();
    if stop.grace > 0
        && let Err(_why) = hook::pre_stop(record, container, instance, seconds(stop.grace)).await
    {
        record.container_event(&container.name, Warning, "FailedPreStopHook", "PreStopHook failed");
    }
    let least = Instant::now() + LEAST_GRACE;
    let mut deletion = record.deletion.subscribe();
    let mut exit = process.exit();
    process.signal(Signal::Term);
    loop {
        let grace = match (deletion.get_and_mark(), stop.deleting) {
            (Deletion { grace: Some(asked), .. }, true) => asked.min(stop.grace),
            _ => stop.grace,
        };
        let deadline = (begun + seconds(grace)).max(least);
        let timed_out = tokio::select! {
            biased;
            () = ended(&mut exit) => break,
            () = sleep_until(deadline) => true,
            Ok(()) = deletion.changed() => false,
        };
        if timed_out {
            process.signal(Signal::Kill);
            ended(&mut exit).await;
            break;
        }
    }
    let ended = exit.get();
    if let Some(ended) = ended {
        record.record_exit(&container.name, &instance.id, ended, process.ended_at().unwrap_or_else(Instant::now));
    }
    sleep(OVERHEAD).await;
}

/// Waits for a process' end. Its runtime keeps the sender until then, so there is no other way out.
async fn ended(exit: &mut latest::Receiver<Option<Exit>>) {
    let _exit = exit.wait_for(Option::is_some).await;
}

impl Worker {
    /// The pod has ended by itself: its sandbox goes, and its final phase is written.
    pub(super) async fn finish(&mut self) {
        let record = Arc::clone(&self.record);
        self.stop_probers(&[]);
        // A terminating sync begins with the next relist, as any other sync.
        sleep_until(record.agent.relist.after(Instant::now())).await;
        self.stop_containers().await;
        sleep(record.latency("sandbox-stop", SANDBOX_STOP) * 2).await;
        self.leave_sandbox();
        status::update(&record, true);
    }

    /// Takes the pod to its end after a deletion was asked for (or has happened already).
    pub(super) async fn terminate(mut self) {
        let record = Arc::clone(&self.record);
        self.stop_probers(&[ProbeKind::Readiness]);
        record.agent.syncing().await;
        sleep(record.latency("informer", record.agent.profile.latencies.informer)).await;
        if !record.state().finished {
            status::update(&record, false);
            self.mount_in_vain();
            let running = self.stop_containers().await;
            if !running {
                sleep(record.latency("sandbox-stop", SANDBOX_STOP)).await;
            }
            self.leave_sandbox();
            if !self.never_ran().is_empty() {
                // What was never found cannot be called ended before the runtime was listed once more.
                record.state().finished = false;
            }
            status::update(&record, true);
        }
        self.stop_probers(&[]);
        let cleanup = record.latency("cleanup", record.agent.profile.latencies.cleanup).mul_f64(0.5);
        let gone = Instant::now() + cleanup;
        sleep_until(record.agent.relist.after(Instant::now()).max(gone)).await;
        // Nothing is removed that the API server was not told the end of.
        record.agent.reach().await;
        if !record.deletion.get().removed {
            status::reconcile(&record);
            self.write_lost_containers();
            let options = DeleteOptions { grace_seconds: Some(0), uid: Some(record.uid.clone()), ..DeleteOptions::default() };
            // Gone already, or another pod under the same name: nothing is left to do.
            let _gone = record.agent.api.delete(PODS, &record.namespace, &record.name, &options);
        }
        record.agent.forget(&record.uid);
    }

    /// Stops all running containers, sidecars last and in reverse order. Whether any ran.
    pub(super) async fn stop_containers(&self) -> bool {
        let record = &self.record;
        let spec = Arc::clone(&record.state().spec);
        let deletion = record.deletion.get();
        let own = record.state().ending.as_ref().and_then(|ending| ending.grace);
        let grace = deletion.grace.or(own).or(spec.termination_grace_period_seconds).unwrap_or(30);
        let debuggers = ephemeral::containers(&spec);
        let (sidecars, others): (Vec<_>, Vec<_>) =
            spec.init_containers.iter().flatten().chain(&spec.containers).chain(&debuggers).partition(|one| is_sidecar(one));
        let running = |container: &&Container| {
            let state = record.state();
            state.newest(&container.name).filter(|instance| instance.running()).cloned()
        };
        let mut any = false;
        let stops = others.iter().filter_map(|container| running(container).map(|instance| (*container, instance)));
        let stops: Vec<_> = stops
            .map(|(container, instance)| async move {
                let message = format!("Stopping container {}", container.name);
                stop_instance(record, container, &instance, &Stop { message: &message, grace, deleting: true }).await;
            })
            .collect();
        any |= !stops.is_empty();
        join_all(stops).await;
        for container in sidecars.iter().rev() {
            if let Some(instance) = running(container) {
                any = true;
                let message = format!("Stopping container {}", container.name);
                stop_instance(record, container, &instance, &Stop { message: &message, grace, deleting: true }).await;
            }
        }
        any
    }

    pub(super) fn leave_sandbox(&self) {
        let mut state = self.record.state();
        if let Some(sandbox) = &mut state.sandbox {
            sandbox.ready = false;
            self.record.agent.network.network().detach(&self.record.uid);
        }
        state.finished = true;
    }

    /// The containers that never got as far as an instance.
    fn never_ran(&self) -> Vec<String> {
        let state = self.record.state();
        if matches!(state.written["phase"].as_str(), Some("Succeeded" | "Failed")) && state.instances.is_empty() {
            // It had ended before this kubelet came.
            return Vec::new();
        }
        let all = state.spec.init_containers.iter().flatten().chain(&state.spec.containers);
        all.filter(|container| state.newest(&container.name).is_none()).map(|container| container.name.clone()).collect()
    }

    /// Containers that were never found get the kubelet's own verdict: 137 `ContainerStatusUnknown`.
    fn write_lost_containers(&self) {
        let lost = self.never_ran();
        if lost.is_empty() {
            return;
        }
        let status = {
            let mut state = self.record.state();
            state.finished = true;
            let mut status = state.written.clone();
            for list in ["initContainerStatuses", "containerStatuses"] {
                for entry in status.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                    if lost.iter().any(|name| entry["name"] == name.as_str()) {
                        entry["state"] = json!({"terminated": {
                            "exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": null, "finishedAt": null,
                            "message": "The container could not be located when the pod was terminated",
                        }});
                    }
                }
            }
            if !matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")) {
                status["phase"] = Value::from("Failed");
            }
            status
        };
        status::write(&self.record, status);
    }
}
