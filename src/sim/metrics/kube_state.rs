//! What kube-state-metrics tells of pods and nodes: names, labels and values as version 2 has them.
//! Workloads are in `workload_state`.

use super::exposition::Exposition;
use super::usage::{seconds_of, text};
use super::workload_state;
use crate::sim::api::ApiServer;
use crate::sim::api::quantity;
use crate::sim::api::resource::{NAMESPACES, NODES, PODS};
use serde_json::{Map, Value};

/// All metrics of the cluster's objects.
#[must_use]
pub fn metrics(api: &ApiServer) -> String {
    let mut out = Exposition::default();
    for pod in api.list(PODS, None) {
        self::pod(&mut out, &pod);
    }
    for node in api.list(NODES, None) {
        self::node(&mut out, &node);
    }
    for namespace in api.list(NAMESPACES, None) {
        let labels = [("namespace", text(&namespace, "/metadata/name"))];
        let phase = text(&namespace, "/status/phase");
        out.states("kube_namespace_status_phase", &labels, "phase", &["Active", "Terminating"], phase);
        out.gauge("kube_namespace_created", &labels, seconds_of(text(&namespace, "/metadata/creationTimestamp")));
    }
    workload_state::write(&mut out, api);
    out.render()
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == kind).map_or("", |condition| text(condition, "/status"))
}

fn pod(out: &mut Exposition, pod: &Value) {
    let labels = [
        ("namespace", text(pod, "/metadata/namespace")),
        ("pod", text(pod, "/metadata/name")),
        ("uid", text(pod, "/metadata/uid")),
    ];
    let with = |more: &[(&'static str, &str)], each: &mut dyn FnMut(&[(&str, &str)])| {
        let all: Vec<(&str, &str)> = labels.iter().copied().chain(more.iter().copied()).collect();
        each(&all);
    };
    let owner = pod.pointer("/metadata/ownerReferences/0");
    let owned = |field: &str| owner.map_or("<none>", |owner| text(owner, field));
    let host_network = pod.pointer("/spec/hostNetwork").and_then(Value::as_bool).unwrap_or_default().to_string();
    let about = [
        ("host_ip", text(pod, "/status/hostIP")),
        ("pod_ip", text(pod, "/status/podIP")),
        ("node", text(pod, "/spec/nodeName")),
        ("created_by_kind", owned("/kind")),
        ("created_by_name", owned("/name")),
        ("priority_class", text(pod, "/spec/priorityClassName")),
        ("host_network", host_network.as_str()),
    ];
    with(&about, &mut |labels| out.gauge("kube_pod_info", labels, 1.0));
    let is_controller = if owner.is_some() { "true" } else { "<none>" };
    let owners = [("owner_kind", owned("/kind")), ("owner_name", owned("/name")), ("owner_is_controller", is_controller)];
    with(&owners, &mut |labels| out.gauge("kube_pod_owner", labels, 1.0));
    out.gauge("kube_pod_created", &labels, seconds_of(text(pod, "/metadata/creationTimestamp")));
    for (name, pointer) in
        [("kube_pod_start_time", "/status/startTime"), ("kube_pod_deletion_timestamp", "/metadata/deletionTimestamp")]
    {
        if !text(pod, pointer).is_empty() {
            out.gauge(name, &labels, seconds_of(text(pod, pointer)));
        }
    }
    let phases = ["Pending", "Succeeded", "Failed", "Unknown", "Running"];
    out.states("kube_pod_status_phase", &labels, "phase", &phases, text(pod, "/status/phase"));
    for (name, kind) in [("kube_pod_status_ready", "Ready"), ("kube_pod_status_scheduled", "PodScheduled")] {
        let status = condition(pod, kind).to_ascii_lowercase();
        if !status.is_empty() {
            out.states(name, &labels, "condition", &["true", "false", "unknown"], &status);
        }
    }
    if condition(pod, "PodScheduled") == "False" {
        out.gauge("kube_pod_status_unschedulable", &labels, 1.0);
    }
    let reasons = ["Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"];
    out.states("kube_pod_status_reason", &labels, "reason", &reasons, text(pod, "/status/reason"));
    for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
        let node = text(pod, "/spec/nodeName");
        for (name, list) in
            [("kube_pod_container_resource_requests", "requests"), ("kube_pod_container_resource_limits", "limits")]
        {
            let amounts = container.pointer(&format!("/resources/{list}")).and_then(Value::as_object);
            let more = [("container", text(container, "/name")), ("node", node)];
            with(&more, &mut |labels| resources(out, name, labels, amounts));
        }
    }
    for status in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
        let container = text(status, "/name");
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("container", container)]).collect();
        self::container(out, status, &labels);
    }
}

fn container(out: &mut Exposition, status: &Value, labels: &[(&str, &str)]) {
    let truth = |truth: bool| if truth { 1.0 } else { 0.0 };
    let info: Vec<(&str, &str)> = labels
        .iter()
        .copied()
        .chain([
            ("image", text(status, "/image")),
            ("image_id", text(status, "/imageID")),
            ("container_id", text(status, "/containerID")),
        ])
        .collect();
    out.gauge("kube_pod_container_info", &info, 1.0);
    let restarts = status["restartCount"].as_f64().unwrap_or_default();
    out.counter("kube_pod_container_status_restarts_total", labels, restarts);
    out.gauge("kube_pod_container_status_ready", labels, truth(status["ready"] == true));
    let state = |state: &str| status.pointer(&format!("/state/{state}")).is_some();
    for (name, kind) in [
        ("kube_pod_container_status_waiting", "waiting"),
        ("kube_pod_container_status_running", "running"),
        ("kube_pod_container_status_terminated", "terminated"),
    ] {
        out.gauge(name, labels, truth(state(kind)));
    }
    if state("running") {
        let started = seconds_of(text(status, "/state/running/startedAt"));
        out.gauge("kube_pod_container_state_started", labels, started);
    }
    for (name, pointer) in [
        ("kube_pod_container_status_waiting_reason", "/state/waiting/reason"),
        ("kube_pod_container_status_terminated_reason", "/state/terminated/reason"),
        ("kube_pod_container_status_last_terminated_reason", "/lastState/terminated/reason"),
    ] {
        let reason = text(status, pointer);
        if !reason.is_empty() {
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("reason", reason)]).collect();
            out.gauge(name, &labels, 1.0);
        }
    }
    if let Some(code) = status.pointer("/lastState/terminated/exitCode").and_then(Value::as_f64) {
        out.gauge("kube_pod_container_status_last_terminated_exitcode", labels, code);
    }
    let ended = text(status, "/lastState/terminated/finishedAt");
    if !ended.is_empty() {
        out.gauge("kube_pod_container_status_last_terminated_timestamp", labels, seconds_of(ended));
    }
}

/// One gauge per resource, in its unit.
fn resources(out: &mut Exposition, name: &'static str, labels: &[(&str, &str)], amounts: Option<&Map<String, Value>>) {
    for (resource, amount) in amounts.into_iter().flatten() {
        let Some(thousandths) = amount.as_str().and_then(quantity::parse) else { continue };
        #[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
        let value = thousandths as f64 / 1_000.0;
        let unit = match resource.as_str() {
            "cpu" => "core",
            "memory" | "ephemeral-storage" | "storage" => "byte",
            name if name.starts_with("hugepages-") => "byte",
            _ => "integer",
        };
        let resource = resource.replace(['-', '.', '/'], "_");
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("resource", resource.as_str()), ("unit", unit)]).collect();
        out.gauge(name, &labels, value);
    }
}

fn node(out: &mut Exposition, node: &Value) {
    let labels = [("node", text(node, "/metadata/name"))];
    let info: Vec<(&str, &str)> = labels
        .iter()
        .copied()
        .chain([
            ("kubelet_version", text(node, "/status/nodeInfo/kubeletVersion")),
            ("container_runtime_version", text(node, "/status/nodeInfo/containerRuntimeVersion")),
            ("internal_ip", text(node, "/status/addresses/0/address")),
        ])
        .collect();
    out.gauge("kube_node_info", &info, 1.0);
    out.gauge("kube_node_created", &labels, seconds_of(text(node, "/metadata/creationTimestamp")));
    let unschedulable = node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or_default();
    out.gauge("kube_node_spec_unschedulable", &labels, if unschedulable { 1.0 } else { 0.0 });
    for condition in node["status"]["conditions"].as_array().into_iter().flatten() {
        let labels = [labels[0], ("condition", text(condition, "/type"))];
        let status = text(condition, "/status").to_ascii_lowercase();
        out.states("kube_node_status_condition", &labels, "status", &["true", "false", "unknown"], &status);
    }
    for taint in node["spec"]["taints"].as_array().into_iter().flatten() {
        let labels =
            [labels[0], ("key", text(taint, "/key")), ("value", text(taint, "/value")), ("effect", text(taint, "/effect"))];
        out.gauge("kube_node_spec_taint", &labels, 1.0);
    }
    for (name, list) in [("kube_node_status_capacity", "capacity"), ("kube_node_status_allocatable", "allocatable")] {
        resources(out, name, &labels, node["status"][list].as_object());
    }
}
