//! What a pod's status says now, from what the kubelet knows of its containers.
//! When it is written, and what of it others may change, is `status`'s; phase and conditions are `conditions`'.

use crate::sim::kubelet::conditions::{Facts, OWNED, Verdict, condition_of};
use crate::sim::kubelet::ephemeral;
use crate::sim::kubelet::instance::Instance;
use crate::sim::kubelet::pod::{ProbeKind, ProbeResult, Seen, State, is_sidecar};
use crate::sim::kubelet::resources::{of_container, of_pod, qos_class};
use crate::sim::kubelet::security;
use k8s_openapi::api::core::v1::Container;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The status of a pod now, and what probe workers will see of it.
pub(super) fn generate(state: &State, host_ip: &str, now: &str, terminal: bool) -> (Value, BTreeMap<String, Seen>, &'static str) {
    let spec = &state.spec;
    let mut seen = BTreeMap::new();
    let default = if spec.init_containers.as_ref().is_none_or(Vec::is_empty) { "ContainerCreating" } else { "PodInitializing" };
    let init: Vec<(Value, bool)> = spec
        .init_containers
        .iter()
        .flatten()
        .map(|container| (container_status(state, container, default, true, &mut seen), is_sidecar(container)))
        .collect();
    let containers: Vec<Value> =
        spec.containers.iter().map(|container| container_status(state, container, default, false, &mut seen)).collect();
    let facts = Facts { init: &init, containers: &containers, restart_policy: state.restart_policy(), terminal };
    let late = state.ending.as_ref().is_some_and(|ending| ending.failed);
    let phase = if late { "Failed" } else { facts.phase() };
    let metadata = &state.pod["metadata"];
    let generation = &metadata["generation"];
    let previous = &state.written;
    let containers_ready = facts.containers_ready(phase);
    let verdicts = [
        Verdict::plain(state.sandbox.as_ref().is_some_and(|sandbox| sandbox.ready)),
        facts.initialized(phase),
        ready(state, &containers_ready),
        containers_ready,
        Verdict::plain(true),
    ];
    let mut conditions: Vec<Value> =
        OWNED.iter().zip(&verdicts).map(|(kind, verdict)| verdict.condition(kind, generation, previous, now)).collect();
    conditions.extend(state.ending.iter().filter_map(|ending| ending.condition.clone()));
    conditions.splice(0..0, state.resize.conditions());
    let mut status = json!({
        "observedGeneration": generation, "phase": phase, "conditions": conditions,
        "hostIP": host_ip, "hostIPs": [{"ip": host_ip}], "startTime": state.start_time,
        "containerStatuses": containers,
        "qosClass": state.pod["status"].get("qosClass").cloned().unwrap_or_else(|| json!(qos_class(&spec.containers))),
        "resources": of_pod(&state.resize.of_pod(&spec.containers)),
    });
    let allocated: Vec<Container> = spec.containers.iter().map(|container| state.resize.allocated(container)).collect();
    if let Some(requests) = of_pod(&allocated).get("requests").cloned() {
        status["allocatedResources"] = requests;
    }
    if let (Some(ending), "Failed", true) = (&state.ending, phase, terminal) {
        status["reason"] = json!(ending.reason);
        status["message"] = json!(ending.message);
    }
    if let Some(sandbox) = &state.sandbox {
        status["podIP"] = json!(sandbox.ip);
        status["podIPs"] = json!([{"ip": sandbox.ip}]);
    }
    let debuggers = ephemeral::containers(spec);
    if !debuggers.is_empty() {
        status["ephemeralContainerStatuses"] = debuggers.iter().map(|container| ephemeral_status(state, container)).collect();
    }
    if !init.is_empty() {
        status["initContainerStatuses"] = init.into_iter().map(|(status, _)| status).collect();
    }
    (status, seen, phase)
}

/// The status of an ephemeral container: nobody asks whether it is ready.
fn ephemeral_status(state: &State, container: &Container) -> Value {
    let mut status = container_status(state, container, "ContainerCreating", false, &mut BTreeMap::new());
    status["ready"] = json!(false);
    if let Some(fields) = status.as_object_mut() {
        fields.remove("started");
    }
    status
}

/// `Ready`: the containers, and the readiness gates.
pub(super) fn ready(state: &State, containers_ready: &Verdict) -> Verdict {
    if !containers_ready.status {
        return containers_ready.clone();
    }
    let missing: Vec<String> = state
        .spec
        .readiness_gates
        .iter()
        .flatten()
        .filter_map(|gate| match condition_of(&state.pod["status"], &gate.condition_type) {
            None => Some(format!("corresponding condition of pod readiness gate \"{}\" does not exist.", gate.condition_type)),
            Some(condition) if condition["status"] != "True" => Some(format!(
                "the status of pod readiness gate \"{}\" is not \"True\", but {}",
                gate.condition_type,
                condition["status"].as_str().unwrap_or_default()
            )),
            Some(_) => None,
        })
        .collect();
    if missing.is_empty() {
        return Verdict::plain(true);
    }
    Verdict { status: false, reason: "ReadinessGatesNotReady", message: missing.join(", ") }
}

fn container_status(state: &State, container: &Container, default: &str, init: bool, seen: &mut BTreeMap<String, Seen>) -> Value {
    let instances = state.instances.get(&container.name).map(Vec::as_slice).unwrap_or_default();
    let newest = instances.last();
    let started = newest.is_some_and(|newest| newest.running() && probe_started(state, container, &newest.id));
    let ready = match newest {
        Some(newest) if init && !is_sidecar(container) => newest.finish.as_ref().is_some_and(|finish| finish.code == 0),
        Some(newest) if started => {
            container.readiness_probe.is_none()
                || state.results.get(&(ProbeKind::Readiness, newest.id.clone())) == Some(&ProbeResult::Success)
        }
        _ => false,
    };
    let mut last = json!({});
    let mut shown = newest.map_or_else(|| json!({"waiting": {"reason": default}}), Instance::state);
    if let Some(before) = instances.iter().rev().nth(1) {
        last = before.state();
    }
    let restarted =
        newest.is_none_or(|newest| newest.finish.as_ref().is_some_and(|finish| state.restarts(container, finish.code)));
    if let Some(waiting) = state.waiting.get(&container.name).filter(|_| restarted && !state.deleting()) {
        if shown.get("terminated").is_some() {
            last = shown;
        }
        shown = json!({"waiting": {"reason": waiting.reason, "message": waiting.message}});
    }
    let mut status = Map::new();
    let mut put = |key: &str, value: Value| status.insert(key.to_owned(), value);
    put("name", json!(container.name));
    put("state", shown);
    put("lastState", last);
    put("ready", json!(ready));
    put("restartCount", json!(newest.map_or(0, |newest| newest.attempt)));
    put("image", json!(newest.map_or_else(|| container.image.clone().unwrap_or_default(), |newest| newest.image.clone())));
    put("imageID", json!(newest.map_or("", |newest| &newest.image_id)));
    put("started", json!(started));
    if let Some(newest) = newest {
        put("containerID", json!(newest.container_id()));
        put("resources", of_container(state.resize.in_force(container).resources.as_ref()));
        let allocated = state.resize.allocated(container).resources.and_then(|resources| resources.requests);
        if let Some(requests) = allocated.filter(|requests| !requests.is_empty()) {
            put("allocatedResources", json!(requests));
        }
        put("user", user(state, container));
        seen.insert(
            container.name.clone(),
            Seen {
                id: newest.id.clone(),
                running_since: newest.started.as_ref().filter(|_| newest.running()).map(|(at, _)| *at),
                terminated: !newest.running(),
                started,
            },
        );
    }
    let mounts: Vec<Value> = container.volume_mounts.iter().flatten().map(mount_status).collect();
    if !mounts.is_empty() {
        put("volumeMounts", json!(mounts));
    }
    Value::Object(status)
}

/// Who the container's first process runs as.
fn user(state: &State, container: &Container) -> Value {
    let access = security::access(&state.spec, container);
    let groups: BTreeSet<i64> = access.groups.into_iter().chain([access.group]).collect();
    json!({"linux": {"uid": access.user, "gid": access.group, "supplementalGroups": groups}})
}

fn mount_status(mount: &k8s_openapi::api::core::v1::VolumeMount) -> Value {
    let mut value = json!({"name": mount.name, "mountPath": mount.mount_path});
    if mount.read_only == Some(true) {
        value["readOnly"] = json!(true);
        value["recursiveReadOnly"] = json!(mount.recursive_read_only.as_deref().unwrap_or("Disabled"));
    }
    value
}

/// Whether the startup probe (if there is one) has passed for this instance.
fn probe_started(state: &State, container: &Container, id: &str) -> bool {
    container.startup_probe.is_none() || state.results.get(&(ProbeKind::Startup, id.to_owned())) == Some(&ProbeResult::Success)
}
