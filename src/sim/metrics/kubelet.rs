//! What a kubelet serves on `/metrics/cadvisor` and `/metrics/resource`: memory and processor time of the containers of a node.
//! Names and labels are the real ones.

use super::exposition::Exposition;
use super::usage::{seconds_of, text};
use crate::sim::api::ApiServer;
use crate::sim::api::resource::PODS;
use crate::sim::kubelet::{Runtime, SYSTEM_MEMORY};
use crate::sim::store::Object;
use serde_json::Value;

/// The pods of a node.
fn pods_of(api: &ApiServer, node: &str) -> Vec<Object> {
    api.list(PODS, None).into_iter().filter(|pod| text(pod, "/spec/nodeName") == node).collect()
}

fn status_of<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["containerStatuses", "initContainerStatuses"]
        .iter()
        .filter_map(|list| pod["status"][*list].as_array())
        .flatten()
        .find(|status| status["name"] == container)
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point")]
const fn number(value: u64) -> f64 {
    value as f64
}

/// `/metrics/cadvisor` of a node.
#[must_use]
pub fn cadvisor(api: &ApiServer, runtime: &Runtime, node: &str) -> String {
    let mut out = Exposition::default();
    for pod in pods_of(api, node) {
        let (namespace, name, uid) =
            (text(&pod, "/metadata/namespace"), text(&pod, "/metadata/name"), text(&pod, "/metadata/uid"));
        let (mut memory, mut processor) = (0.0, 0.0);
        for usage in runtime.usage(uid) {
            let status = status_of(&pod, &usage.container);
            let of = |pointer: &str| status.map(|status| text(status, pointer)).unwrap_or_default();
            let id = of("/containerID").trim_start_matches("containerd://").to_owned();
            let path = format!("/kubepods/pod{uid}/{id}");
            let labels = [
                ("container", usage.container.as_str()),
                ("id", path.as_str()),
                ("image", of("/image")),
                ("name", id.as_str()),
                ("namespace", namespace),
                ("pod", name),
            ];
            let used = number(usage.memory);
            memory += used;
            processor += usage.processor.as_secs_f64();
            for metric in ["container_memory_working_set_bytes", "container_memory_usage_bytes", "container_memory_rss"] {
                out.gauge(metric, &labels, used);
            }
            out.gauge("container_spec_memory_limit_bytes", &labels, number(usage.memory_limit));
            out.gauge("container_start_time_seconds", &labels, seconds_of(of("/state/running/startedAt")));
            out.gauge("container_last_seen", &labels, seconds_of(&api.clock.seconds()));
            let with_cpu: Vec<(&str, &str)> = labels.iter().copied().chain([("cpu", "total")]).collect();
            out.counter("container_cpu_usage_seconds_total", &with_cpu, usage.processor.as_secs_f64());
        }
        // The pod's own cgroup, without a container.
        let path = format!("/kubepods/pod{uid}");
        let labels =
            [("container", ""), ("id", path.as_str()), ("image", ""), ("name", ""), ("namespace", namespace), ("pod", name)];
        out.gauge("container_memory_working_set_bytes", &labels, memory);
        let with_cpu: Vec<(&str, &str)> = labels.iter().copied().chain([("cpu", "total")]).collect();
        out.counter("container_cpu_usage_seconds_total", &with_cpu, processor);
    }
    out.render()
}

/// `/metrics/resource` of a node.
#[must_use]
pub fn resource(api: &ApiServer, runtime: &Runtime, node: &str) -> String {
    let mut out = Exposition::default();
    let (mut node_memory, mut node_processor) = (number(SYSTEM_MEMORY), 0.0);
    for pod in pods_of(api, node) {
        let (namespace, name, uid) =
            (text(&pod, "/metadata/namespace"), text(&pod, "/metadata/name"), text(&pod, "/metadata/uid"));
        let (mut memory, mut processor) = (0.0, 0.0);
        for usage in runtime.usage(uid) {
            let labels = [("container", usage.container.as_str()), ("namespace", namespace), ("pod", name)];
            let started = status_of(&pod, &usage.container).map(|status| text(status, "/state/running/startedAt"));
            memory += number(usage.memory);
            processor += usage.processor.as_secs_f64();
            out.counter("container_cpu_usage_seconds_total", &labels, usage.processor.as_secs_f64());
            out.gauge("container_memory_working_set_bytes", &labels, number(usage.memory));
            out.gauge("container_start_time_seconds", &labels, seconds_of(started.unwrap_or_default()));
        }
        let labels = [("namespace", namespace), ("pod", name)];
        out.counter("pod_cpu_usage_seconds_total", &labels, processor);
        out.gauge("pod_memory_working_set_bytes", &labels, memory);
        node_memory += memory;
        node_processor += processor;
    }
    out.counter("node_cpu_usage_seconds_total", &[], node_processor);
    out.gauge("node_memory_working_set_bytes", &[], node_memory);
    out.gauge("resource_scrape_error", &[], 0.0);
    out.render()
}
