//! What containers use now, as metrics-server tells it: memory, and processor time over the last quarter of a minute.
//! A look at the past is kept per container that was asked about, and for no other.

use crate::sim::api::ApiServer;
use crate::sim::api::resource::{NODES, PODS};
use crate::sim::kubelet::{Runtime, SYSTEM_MEMORY, Usage};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How often metrics-server looks: seconds.
const WINDOW: f64 = 15.0;

/// Processor time at a moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    restart: u32,
    at: Timestamp,
    processor: f64,
}

/// What was seen before, by pod's uid and container.
#[derive(Debug, Default)]
pub struct Samples {
    seen: Mutex<BTreeMap<(String, String), (Sample, Sample)>>,
}

impl Samples {
    /// Cores that a container used lately, and over how many seconds that was.
    fn rate(&self, uid: &str, usage: &Usage, started: Timestamp, now: Timestamp) -> (f64, f64) {
        let present = Sample { restart: usage.restart, at: now, processor: usage.processor.as_secs_f64() };
        let begin = Sample { restart: usage.restart, at: started, processor: 0.0 };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (base, newer) = seen.entry((uid.to_owned(), usage.container.clone())).or_insert((begin, present));
        if newer.restart != usage.restart {
            (*base, *newer) = (begin, present);
        } else if seconds_between(newer.at, now) >= WINDOW {
            (*base, *newer) = (*newer, present);
        }
        let window = seconds_between(base.at, now);
        let cores = if window > 0.0 { (present.processor - base.processor).max(0.0) / window } else { 0.0 };
        (cores, window)
    }

    fn forget(&self, alive: &[String]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|(uid, _), _| alive.binary_search(uid).is_ok());
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

/// The text at a place of an object.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A timestamp in seconds of Unix, 0 for none.
pub(super) fn seconds_of(time: &str) -> f64 {
    time.parse::<Timestamp>().map_or(0.0, |at| at.as_duration().as_secs_f64())
}

fn quantities(cores: f64, memory: u64) -> Value {
    json!({"cpu": format!("{:.0}n", cores * 1e9), "memory": format!("{}Ki", memory / 1024)})
}

/// The `PodMetrics` of running pods (of one namespace).
#[must_use]
pub fn pods(api: &ApiServer, runtime: &Runtime, samples: &Samples, namespace: Option<&str>) -> Vec<Value> {
    let now = api.clock.now();
    let mut alive = runtime.pods();
    alive.sort();
    samples.forget(&alive);
    let measured = api.list(PODS, namespace).into_iter().filter_map(|pod| {
        let uid = text(&pod, "/metadata/uid");
        let mut window = 0.0_f64;
        let containers: Vec<Value> = runtime
            .usage(uid)
            .iter()
            .map(|usage| {
                let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
                let status = statuses.into_iter().find(|status| status["name"] == usage.container.as_str());
                let started = status.and_then(|status| text(status, "/state/running/startedAt").parse().ok()).unwrap_or(now);
                let (cores, over) = samples.rate(uid, usage, started, now);
                window = window.max(over);
                json!({"name": usage.container, "usage": quantities(cores, usage.memory)})
            })
            .collect();
        if containers.is_empty() {
            return None;
        }
        let mut metadata = json!({"creationTimestamp": api.clock.seconds()});
        for field in ["name", "namespace", "labels"] {
            if let Some(value) = pod["metadata"].get(field) {
                metadata[field] = value.clone();
            }
        }
        let window = format!("{window:.3}s");
        Some(json!({
            "kind": "PodMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": metadata,
            "timestamp": api.clock.seconds(), "window": window, "containers": containers,
        }))
    });
    measured.collect()
}

/// The `NodeMetrics` of all nodes: what their pods use, and the memory of what runs beside them.
#[must_use]
pub fn nodes(api: &ApiServer, runtime: &Runtime, samples: &Samples) -> Vec<Value> {
    let now = api.clock.now();
    let all = api.list(PODS, None);
    let measured = api.list(NODES, None).into_iter().map(|node| {
        let name = text(&node, "/metadata/name");
        let (mut cores, mut memory, mut window) = (0.0, SYSTEM_MEMORY, WINDOW);
        for pod in all.iter().filter(|pod| text(pod, "/spec/nodeName") == name) {
            let uid = text(pod, "/metadata/uid");
            let started = text(pod, "/status/startTime").parse().unwrap_or(now);
            for usage in runtime.usage(uid) {
                let (used, over) = samples.rate(uid, &usage, started, now);
                cores += used;
                memory += usage.memory;
                window = window.max(over);
            }
        }
        let mut metadata = json!({"name": name, "creationTimestamp": api.clock.seconds()});
        if let Some(labels) = node["metadata"].get("labels") {
            metadata["labels"] = labels.clone();
        }
        json!({
            "kind": "NodeMetrics", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": metadata,
            "timestamp": api.clock.seconds(), "window": format!("{window:.3}s"), "usage": quantities(cores, memory),
        })
    });
    measured.collect()
}
