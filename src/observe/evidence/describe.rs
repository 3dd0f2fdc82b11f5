//! A namespace in words, as `kubectl describe` would put it: each workload's pods with states, ends, limits, conditions and events,
//! and the nodes as far as they were watched. Pure.

use crate::detect::related::group_of;
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::container::State;
use crate::observe::index::{ContainerRecord, ExitSeen, PodRecord, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// How many of the newest events of a pod are told.
const EVENTS: usize = 15;
/// How many of the newest ends of a container are told.
const ENDS: usize = 5;

/// The description of these pods, by workload, each of `told` by itself, and of the nodes.
pub(super) fn describe(index: &Index, pods: &[&PodRecord], told: &[&PodRecord]) -> String {
    let told: BTreeSet<&str> = told.iter().map(|pod| pod.reference.uid.as_str()).collect();
    let mut out = format!("at {} of the timeline\n", seconds(index.now()));
    let mut groups: BTreeMap<String, Vec<&PodRecord>> = BTreeMap::new();
    for pod in pods {
        groups.entry(group_of(index, pod)).or_default().push(pod);
    }
    for (group, mut pods) in groups {
        pods.sort_by_key(|pod| (pod.first_seen, pod.reference.name.clone()));
        let ready = pods.iter().filter(|pod| pod.deleted.is_none() && pod.ready).count();
        let there = pods.iter().filter(|pod| pod.deleted.is_none()).count();
        let _ = writeln!(out, "\n{group}: {ready} of {there} pods Ready, {} seen in all", pods.len());
        let told = pods.into_iter().filter(|pod| told.contains(pod.reference.uid.as_str()));
        told.for_each(|pod| describe_pod(&mut out, index, pod));
    }
    for node in index.objects("Node") {
        let _ = writeln!(out, "\nnode {}", text(node, "/metadata/name"));
        conditions(&mut out, node);
        for taint in node.at("/spec/taints").and_then(Value::as_array).into_iter().flatten() {
            let _ = writeln!(out, "    taint {}={}:{}", text(taint, "/key"), text(taint, "/value"), text(taint, "/effect"));
        }
    }
    out
}

fn describe_pod(out: &mut String, index: &Index, pod: &PodRecord) {
    let gone = match (pod.deleted, pod.terminating) {
        (Some(at), _) => format!(", gone at {}", seconds(at)),
        (None, Some(at)) => format!(", being deleted since {}", seconds(at)),
        _ => String::new(),
    };
    let node = pod.node.as_str();
    let node = if node.is_empty() { "no node".to_owned() } else { format!("node {node}") };
    let ready = if pod.ready { "Ready" } else { "not Ready" };
    let since = seconds(pod.ready_since);
    let _ = writeln!(out, "  pod {}: {}, {ready} since {since}, on {node}{gone}", pod.reference.name, pod.phase);
    for (field, what) in [("/status/reason", "reason"), ("/status/message", "message")] {
        let told = text(pod.object(), field);
        if !told.is_empty() {
            let _ = writeln!(out, "    {what}: {}", line(told));
        }
    }
    conditions(out, pod.object());
    pod.containers.values().for_each(|container| describe_container(out, pod, container));
    let mut events: Vec<_> = index.events_about(&pod.reference.uid).collect();
    events.sort_by_key(|event| event.last_seen);
    let left_out = events.len().saturating_sub(EVENTS);
    if left_out > 0 {
        let _ = writeln!(out, "    {left_out} older events are in events.txt");
    }
    for event in events.into_iter().skip(left_out) {
        let at = seconds(event.last_seen);
        let _ = writeln!(
            out,
            "    event at {at}: {} {} (x{}): {}",
            event.sort.type_,
            event.sort.reason,
            event.count,
            line(&event.message)
        );
    }
}

/// Conditions that are not as they should be.
fn conditions(out: &mut String, object: &Value) {
    for condition in object.at("/status/conditions").and_then(Value::as_array).into_iter().flatten() {
        let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
        let wanted = if kind.ends_with("Pressure") || matches!(kind, "DisruptionTarget" | "NetworkUnavailable") {
            "False"
        } else {
            "True"
        };
        if status != wanted {
            let why = format!("{} {}", text(condition, "/reason"), line(text(condition, "/message")));
            let _ = writeln!(out, "    condition {kind} is {status}: {}", why.trim());
        }
    }
}

fn describe_container(out: &mut String, pod: &PodRecord, container: &ContainerRecord) {
    let kind = if container.is_init { "init container" } else { "container" };
    let state = match &container.state {
        State::Unknown => "nothing known".to_owned(),
        State::Waiting(reason, message) => format!("waiting: {reason} {}", line(message)),
        State::Running(_) => if container.ready { "running, ready" } else { "running, not ready" }.to_owned(),
        State::Terminated(exit) => ended(exit),
    };
    let since = seconds(container.since);
    let _ = writeln!(
        out,
        "    {kind} {}: {} since {since}, restarted {} times",
        container.name,
        state.trim(),
        container.restart_count
    );
    let spec = pod.container_spec(&container.name).unwrap_or(&Value::Null);
    let _ = writeln!(out, "      image {}", text(spec, "/image"));
    for (field, what) in [("/resources/limits", "limits"), ("/resources/requests", "requests")] {
        let amounts = spec.at(field).and_then(Value::as_object).into_iter().flatten();
        let amounts: Vec<String> =
            amounts.map(|(name, amount)| format!("{name}={}", amount.as_str().unwrap_or_default())).collect();
        if !amounts.is_empty() {
            let _ = writeln!(out, "      {what} {}", amounts.join(", "));
        }
    }
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        if let Some(probe_spec) = spec.get(probe) {
            let _ = writeln!(out, "      {probe} {probe_spec}");
        }
    }
    for exit in container.exits.iter().skip(container.exits.len().saturating_sub(ENDS)) {
        let _ = writeln!(out, "      {} at {}", ended(exit), seconds(exit.at));
    }
}

fn ended(exit: &ExitSeen) -> String {
    let said = if exit.message.is_empty() { String::new() } else { format!(": {}", line(&exit.message)) };
    format!("ended with exit code {} ({}){said}", exit.exit_code, exit.reason)
}

fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn seconds(at: Duration) -> String {
    format!("{:.1}s", at.as_secs_f64())
}
