//! Resizing a pod in place: what is allocated to its containers, what is in force, and the way from one to the other.
//! Which resizes are allowed at all is decided by the API server.

use super::admission::others;
use super::pod::{PodRecord, State};
use super::resources::ContainerLimits;
use super::terminate::{Stop, stop_instance};
use super::worker::Worker;
use crate::sim::api::resource::NODES;
use crate::sim::events::EventType::{Normal, Warning};
use crate::sim::scheduler::admission::check;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The resources of each container of a pod.
type Resources = BTreeMap<String, ResourceRequirements>;

/// Something that a condition about a resize says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    reason: &'static str,
    message: String,
    generation: Value,
    since: String,
}

/// A pod's resources between wish and effect.
#[derive(Clone, Debug, Default)]
pub(super) struct Resize {
    /// What the pod began with.
    first: Resources,
    /// What the kubelet has set aside.
    allocated: Resources,
    /// What the runtime enforces.
    in_force: Resources,
    pending: Option<Remark>,
    in_progress: Option<Remark>,
}

fn all(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

fn wished(spec: &PodSpec) -> Resources {
    all(spec).map(|container| (container.name.clone(), container.resources.clone().unwrap_or_default())).collect()
}

impl Resize {
    /// A pod that was just admitted.
    pub(super) fn of(spec: &PodSpec) -> Self {
        let wished = wished(spec);
        Self { first: wished.clone(), allocated: wished.clone(), in_force: wished, ..Self::default() }
    }

    /// Whether it waits for room on the node.
    pub(super) const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// A container with the resources that were set aside for it.
    pub(super) fn allocated(&self, container: &Container) -> Container {
        Self::with(&self.allocated, container)
    }

    /// A container with the resources that are in force.
    pub(super) fn in_force(&self, container: &Container) -> Container {
        Self::with(&self.in_force, container)
    }

    /// The containers as the status of the whole pod counts them: the request of memory is not read back from the runtime.
    pub(super) fn of_pod(&self, containers: &[Container]) -> Vec<Container> {
        let one = |container: &Container| {
            let mut counted = self.in_force(container);
            let first = self.first.get(&container.name).and_then(|first| first.requests.as_ref()?.get("memory").cloned());
            if let (Some(requests), Some(first)) = (counted.resources.as_mut().and_then(|all| all.requests.as_mut()), first) {
                requests.insert("memory".to_owned(), first);
            }
            counted
        };
        containers.iter().map(one).collect()
    }

    fn with(resources: &Resources, container: &Container) -> Container {
        let mut container = container.clone();
        if let Some(resources) = resources.get(&container.name) {
            container.resources = Some(resources.clone());
        }
        container
    }

    /// A container was started with what is allocated to it.
    pub(super) fn started(&mut self, name: &str) {
        if let Some(allocated) = self.allocated.get(name).cloned() {
            self.in_force.insert(name.to_owned(), allocated);
        }
    }

    /// The conditions that a resize adds to the pod's.
    pub(super) fn conditions(&self) -> Vec<Value> {
        let remarks = [("PodResizePending", &self.pending), ("PodResizeInProgress", &self.in_progress)];
        let conditions = remarks.into_iter().filter_map(|(kind, remark)| {
            let remark = remark.as_ref()?;
            let mut condition = json!({
                "type": kind, "status": "True", "observedGeneration": remark.generation,
                "lastProbeTime": null, "lastTransitionTime": remark.since,
            });
            if !remark.reason.is_empty() {
                condition["reason"] = json!(remark.reason);
                condition["message"] = json!(remark.message);
            }
            Some(condition)
        });
        conditions.collect()
    }
}

/// What an event tells of a resize.
fn summary(spec: &PodSpec, generation: &Value, error: &str) -> String {
    let one =
        |container: &Container| json!({"name": container.name, "resources": container.resources.clone().unwrap_or_default()});
    let mut summary = Map::new();
    let init: Vec<Value> = spec.init_containers.iter().flatten().map(one).collect();
    if !init.is_empty() {
        summary.insert("initContainers".to_owned(), Value::from(init));
    }
    summary.insert("containers".to_owned(), spec.containers.iter().map(one).collect());
    summary.insert("generation".to_owned(), generation.clone());
    if !error.is_empty() {
        summary.insert("error".to_owned(), json!(error));
    }
    Value::Object(summary).to_string()
}

fn is_done(state: &State) -> bool {
    let resize = &state.resize;
    resize.in_force == resize.allocated
}

/// Sets aside what the pod's spec wants now, if the node has it; says when a resize begins, waits or is complete.
pub(super) fn allocate(record: &PodRecord) {
    let now = record.agent.api.clock.seconds();
    let (pod, spec, generation) = {
        let state = record.state();
        (Arc::clone(&state.pod), Arc::clone(&state.spec), state.pod["metadata"]["generation"].clone())
    };
    let wished = wished(&spec);
    let (wanted, finished) = {
        let mut state = record.state();
        let wanted = state.resize.allocated != wished;
        if !wanted {
            state.resize.pending = None;
        }
        let finished = !wanted && is_done(&state) && state.resize.in_progress.is_some();
        if finished {
            state.resize.in_progress = None;
        }
        (wanted, finished)
    };
    if finished {
        record.event(None, Normal, "ResizeCompleted", &format!("Pod resize completed: {}", summary(&spec, &generation, "")));
    }
    if !wanted {
        return;
    }
    let node = record.agent.api.get(NODES, "", &record.agent.node.name);
    let refused = node.ok().and_then(|node| check(&pod, &node, &others(record)).err());
    let remark = |reason, message: &str| Remark {
        reason,
        message: message.to_owned(),
        generation: generation.clone(),
        since: now.clone(),
    };
    match refused.filter(|misfit| misfit.reason.starts_with("OutOf")) {
        None => {
            {
                let mut state = record.state();
                state.resize.allocated = wished;
                state.resize.pending = None;
                state.resize.in_progress = Some(remark("", ""));
            }
            record.event(None, Normal, "ResizeStarted", &format!("Pod resize started: {}", summary(&spec, &generation, "")));
        }
        Some(misfit) => {
            let known = {
                let mut state = record.state();
                let before = state.resize.pending.replace(remark("Deferred", &misfit.message));
                if let (Some(before), Some(pending)) = (&before, &mut state.resize.pending) {
                    pending.since.clone_from(&before.since);
                }
                before.is_some_and(|before| before.generation == generation)
            };
            if !known {
                let text = summary(&spec, &generation, &misfit.message);
                record.event(None, Warning, "ResizeDeferred", &format!("Pod resize Deferred: {text}"));
            }
        }
    }
}

/// Whether a change between two definitions asks for a restart of the container.
fn restarts(container: &Container, from: &ResourceRequirements, to: &ResourceRequirements) -> bool {
    container.resize_policy.iter().flatten().filter(|policy| policy.restart_policy == "RestartContainer").any(|policy| {
        let of = |resources: &ResourceRequirements| {
            [&resources.requests, &resources.limits]
                .map(|list| list.as_ref().and_then(|list| list.get(&policy.resource_name).cloned()))
        };
        of(from) != of(to)
    })
}

impl Worker {
    /// Puts into force what is allocated. The names of the containers that must be started anew for it.
    pub(super) async fn put_into_force(&self, spec: &PodSpec) -> (bool, Vec<String>) {
        let (mut acted, mut stopped) = (false, Vec::new());
        for container in all(spec) {
            let found = {
                let state = self.record.state();
                let (from, to) = (state.resize.in_force.get(&container.name), state.resize.allocated.get(&container.name));
                match (from.cloned(), to.cloned(), state.newest(&container.name)) {
                    (Some(from), Some(to), Some(newest)) if from != to && newest.running() => Some((from, to, newest.clone())),
                    _ => None,
                }
            };
            let Some((from, to, instance)) = found else { continue };
            if restarts(container, &from, &to) {
                let message = format!("Container {} resize requires restart", container.name);
                let grace = spec.termination_grace_period_seconds.unwrap_or(30);
                stop_instance(&self.record, container, &instance, &Stop { message: &message, grace, deleting: false }).await;
                stopped.push(container.name.clone());
                continue;
            }
            let Some(process) = &instance.process else { continue };
            let limits = ContainerLimits::of(&Container { resources: Some(to.clone()), ..container.clone() });
            let usage = process.memory();
            if let Some(limit) = limits.memory.filter(|limit| usage > *limit) {
                let error = format!(
                    "attempting to set container \"{}\" memory limit ({limit}) below current usage ({usage})",
                    container.name
                );
                self.refuse(spec, &error);
                continue;
            }
            process.set_limits(limits.memory, limits.processor);
            self.record.state().resize.started(&container.name);
            acted = true;
        }
        (acted, stopped)
    }

    /// A limit that cannot be put into force is said once, and tried again with each sync.
    fn refuse(&self, spec: &PodSpec, error: &str) {
        let generation = {
            let mut state = self.record.state();
            let Some(remark) = state.resize.in_progress.as_mut().filter(|remark| remark.message != error) else { return };
            remark.reason = "Error";
            error.clone_into(&mut remark.message);
            remark.generation.clone()
        };
        let text = summary(spec, &generation, error);
        self.record.event(None, Warning, "ResizeError", &format!("Pod resize error: {text}"));
    }
}
