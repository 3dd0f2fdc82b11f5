//! The pod status as the kubelet generates it at the start of each sync, and its way into the API.
//! What it says is `generate`'s; phase and conditions are computed in `conditions`.

mod generate;

use super::conditions::{Facts, OWNED, condition_of};
use super::pod::{PodRecord, ProbeKind, State, is_sidecar};
use crate::json::At as _;
use crate::sim::api::Subresource;
use crate::sim::api::resource::PODS;
use crate::sim::profile::Cgroup;
use generate::{generate, ready};
use serde_json::{Value, json};
use std::sync::Arc;

/// What cgroup v1 says of the memory of a pod that has no limit (2^63, in whole pages).
const UNLIMITED: &str = "9007199254740988Ki";
/// Of 86 recorded readiness probes on fresh containers, 79 found the new status already written.
const RACE_WON: f64 = 79.0 / 86.0;

/// Generates the status of now and writes it if it differs; `terminal`: no container runs any more. Returns the phase that
/// the containers add up to, which is written only when nothing can run any more.
/// Readiness probes of started containers that are not ready are triggered on the way.
pub(super) fn update(record: &PodRecord, terminal: bool) -> &'static str {
    let race = record.unit("readiness-race");
    let (status, phase) = {
        let mut state = record.state();
        let (mut status, seen, phase) = generate(&state, &record.agent.host_ip, &record.agent.api.clock.seconds(), terminal);
        if record.agent.profile.cgroup == Cgroup::V1 && phase == "Running" && status["resources"]["limits"]["memory"].is_null() {
            // What is known to run is asked for its limits at the next sync, whatever that is for.
            if state.pod["status"]["phase"] == "Running" {
                status["resources"]["limits"]["memory"] = json!(UNLIMITED);
            } else {
                state.refresh = true;
            }
        }
        for (name, now) in &seen {
            let ready = container_statuses(&status).any(|c| c["name"] == name.as_str() && c["ready"] == true);
            if now.started && !ready {
                let fresh = state.seen.get(name).is_none_or(|before| before.id != now.id);
                if fresh && race >= RACE_WON {
                    state.lost_race.insert(name.clone());
                }
                if let Some(trigger) = state.triggers.get(name) {
                    trigger.notify_one();
                }
            }
        }
        state.seen = seen;
        (status, phase)
    };
    write(record, status);
    phase
}

/// All container statuses of a pod status.
pub(super) fn container_statuses(status: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"].into_iter().filter_map(|list| status[list].as_array()).flatten()
}

/// Writes a status: a final phase only once the pod's work is finished, conditions of others kept in front.
pub(super) fn write(record: &PodRecord, mut status: Value) {
    let (uid, finished) = {
        let state = record.state();
        if !state.finished && matches!(status["phase"].as_str(), Some("Succeeded" | "Failed")) {
            let phase = state.written["phase"].as_str().unwrap_or("Pending");
            status["phase"] = json!(phase);
        }
        if state.written == status {
            return;
        }
        (record.uid.clone(), status.clone())
    };
    record.state().written = finished;
    send(record, &uid, &status);
}

/// Puts a status into the API, unless the API server cannot be reached: then the status manager tries later.
fn send(record: &PodRecord, uid: &str, status: &Value) {
    if !record.agent.host.link.get() {
        return;
    }
    // A pod that is gone (404), or replaced under its name (other uid), needs no status.
    let sent = record.agent.api.modify(PODS, &record.namespace, &record.name, Subresource::Status, |pod| {
        if pod.at("/metadata/uid").and_then(Value::as_str) != Some(uid) {
            return;
        }
        let foreign: Vec<Value> = pod["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|condition| !is_ours(&condition["type"], status))
            .cloned()
            .collect();
        if let (Value::Object(target), Value::Object(source)) = (&mut pod["status"], status) {
            for (key, value) in source {
                target.insert(key.clone(), value.clone());
            }
            if source.get("podIP").is_none() {
                target.remove("podIP");
                target.remove("podIPs");
            }
        } else {
            pod["status"] = status.clone();
        }
        if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
            conditions.retain(|condition| is_ours(&condition["type"], status));
            conditions.splice(0..0, foreign);
        }
    });
    record.state().sent = sent.ok();
}

/// Whether the kubelet alone says what a condition of this type says in `status`.
fn is_ours(kind: &Value, status: &Value) -> bool {
    let resizing = ["PodResizePending", "PodResizeInProgress"];
    OWNED.iter().chain(&resizing).any(|owned| kind == owned)
        || (kind == "DisruptionTarget"
            && condition_of(status, "DisruptionTarget").is_some_and(|ours| ours["reason"] == "TerminationByKubelet"))
}

/// Whether the API shows another status than the kubelet wrote last.
fn is_changed(record: &PodRecord) -> bool {
    let (written, sent) = {
        let state = record.state();
        if state.sent.as_ref().is_some_and(|sent| Arc::ptr_eq(sent, &state.pod)) || state.written.get("hostIP").is_none() {
            return false;
        }
        (state.written.clone(), state.sent.clone())
    };
    let Ok(pod) = record.agent.api.get(PODS, &record.namespace, &record.name) else { return false };
    if sent.is_some_and(|sent| Arc::ptr_eq(&sent, &pod)) || pod["metadata"]["uid"] != record.uid.as_str() {
        return false;
    }
    let shown = &pod["status"];
    let same = |kind: &&str| {
        let (ours, theirs) = (condition_of(&written, kind), condition_of(shown, kind));
        ["status", "reason", "message"]
            .iter()
            .all(|key| ours.and_then(|condition| condition.get(*key)) == theirs.and_then(|condition| condition.get(*key)))
    };
    let keys = ["phase", "containerStatuses", "initContainerStatuses", "podIP"];
    !OWNED.iter().all(same) || keys.iter().any(|key| written.get(*key) != shown.get(*key))
}

/// Writes the status again if the API shows another one.
pub(super) fn reconcile(record: &PodRecord) {
    if is_changed(record) {
        let written = record.state().written.clone();
        send(record, &record.uid, &written);
    }
}

/// Has the status written again, at the status manager's next tick, if the API shows another one.
pub(super) fn reconcile_later(record: &Arc<PodRecord>) {
    if record.state().reconciling || !is_changed(record) {
        return;
    }
    record.state().reconciling = true;
    let (at, record) = (record.agent.next_reconcile(), Arc::clone(record));
    let tasks = record.agent.tasks.clone();
    tasks.spawn(async move {
        tokio::time::sleep_until(at).await;
        // A kubelet that skips its pods does not see what others make of their statuses.
        record.agent.runtime().await;
        record.state().reconciling = false;
        reconcile(&record);
    });
}

/// Puts a probe's verdict into the written status at once, as the status manager does.
pub(super) fn set_probe_result(record: &Arc<PodRecord>, container: &str, kind: ProbeKind, success: bool) {
    let status = {
        let state = record.state();
        let mut status = state.written.clone();
        let field = if kind == ProbeKind::Startup { "started" } else { "ready" };
        let mut found = false;
        for list in ["initContainerStatuses", "containerStatuses"] {
            for entry in status.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                if entry["name"] == container && entry["state"].get("running").is_some() && entry[field] != success {
                    entry[field] = json!(success);
                    found = true;
                }
            }
        }
        if !found {
            return;
        }
        refresh_readiness(&state, &mut status, &record.agent.api.clock.seconds());
        status
    };
    if kind == ProbeKind::Startup
        && let Some(seen) = record.state().seen.get_mut(container)
    {
        seen.started = success;
    }
    write(record, status);
}

fn refresh_readiness(state: &State, status: &mut Value, now: &str) {
    let empty = Vec::new();
    let sidecar = |name: &Value| state.spec.init_containers.iter().flatten().any(|c| is_sidecar(c) && *name == c.name.as_str());
    let init: Vec<(Value, bool)> = status["initContainerStatuses"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .map(|entry| (entry.clone(), sidecar(&entry["name"])))
        .collect();
    let containers = status["containerStatuses"].as_array().cloned().unwrap_or_default();
    let facts = Facts { init: &init, containers: &containers, restart_policy: state.restart_policy(), terminal: false };
    let containers_ready = facts.containers_ready(facts.phase());
    let pod_ready = ready(state, &containers_ready);
    let previous = status.clone();
    let generation = status["observedGeneration"].clone();
    for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
        match condition["type"].as_str() {
            Some("Ready") => *condition = pod_ready.condition("Ready", &generation, &previous, now),
            Some("ContainersReady") => {
                *condition = containers_ready.condition("ContainersReady", &generation, &previous, now);
            }
            _ => {}
        }
    }
}
