//! Whole behaviours of the kubelet on a paused clock: pods are bound by hand, the API server is asked directly.
//! Expected sequences are those of `shared/traces`; laws of single parts are tested beside them.

mod configuration;
mod disk;
mod endings;
mod environment;
mod ephemeral;
mod images;
mod lifecycle;
mod multinode;
mod nodes;
mod probes;
mod restarts;
mod volumes;

use super::Runtime;
use super::control::NodeControl;
use crate::sim::api::resource::{EVENTS, PODS};
use crate::sim::api::{ApiServer, DeleteOptions};
use crate::sim::clock::Clock;
use crate::sim::limits::Limits;
use crate::sim::network::Network;
use crate::sim::profile::Profile;
use crate::sim::random::Random;
use crate::sim::store::{ChangeKind, Object};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

/// A cluster of one node whose pods' changes are recorded.
pub(super) struct World {
    pub(super) api: Arc<ApiServer>,
    pub(super) limits: Limits,
    pub(super) runtime: Runtime,
    pub(super) nodes: BTreeMap<String, NodeControl>,
    changes: Arc<Mutex<Vec<(Duration, ChangeKind, Object)>>>,
}

impl World {
    /// A cluster with the usual profile.
    pub(super) fn new(seed: u64) -> Self {
        Self::with_profile(seed, &Profile::default())
    }

    /// A cluster with this profile.
    pub(super) fn with_profile(seed: u64, profile: &Profile) -> Self {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let api = ApiServer::new(clock, Random::new(seed));
        let (limits, runtime) = (Limits::default(), Runtime::default());
        let network = Network::new(&api, &limits);
        let start = |node| super::start(&api, node, profile, &runtime, &network, &limits);
        let nodes = profile.nodes.iter().map(|node| (node.name.clone(), start(node))).collect();
        let changes = Arc::new(Mutex::new(Vec::new()));
        let (sink, mut watch) = (Arc::clone(&changes), api.watch(PODS, None));
        tokio::spawn(async move {
            while let Some(item) = watch.next().await {
                sink.lock().unwrap().push((clock.elapsed(), item.kind, item.object));
            }
        });
        Self { api, limits, runtime, nodes, changes }
    }

    /// Creates a pod `p` bound to the node, with these spec fields beside the defaults.
    pub(super) fn pod(&self, spec: &Value) -> Object {
        let mut full = json!({
            "nodeName": "embedded-control-plane", "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "serviceAccountName": "default",
        });
        for (key, value) in spec.as_object().unwrap() {
            full[key] = value.clone();
        }
        let status = json!({"phase": "Pending", "qosClass": "BestEffort", "conditions": [
            {"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
        let pod = json!({"metadata": {"name": "p", "labels": {"app": "p"}}, "spec": full, "status": status});
        self.api.create(PODS, "t", pod).unwrap()
    }

    /// The pod now.
    pub(super) fn get(&self) -> Object {
        self.api.get(PODS, "t", "p").unwrap()
    }

    /// Deletes the pod, with its own grace or another.
    pub(super) fn delete(&self, grace: Option<i64>) {
        self.api.delete(PODS, "t", "p", &DeleteOptions { grace_seconds: grace, ..DeleteOptions::default() }).unwrap();
    }

    /// Lets this many virtual seconds pass.
    pub(super) async fn pass(&self, seconds: f64) {
        sleep(Duration::from_secs_f64(seconds)).await;
    }

    /// The distinct states that the pod went through: phase and, per container, state, reason, restarts, readiness.
    pub(super) fn states(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for (_, kind, object) in self.changes.lock().unwrap().iter() {
            let line = if *kind == ChangeKind::Deleted { "gone".to_owned() } else { projection(object) };
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        lines
    }

    /// Every change with its time.
    pub(super) fn timeline(&self) -> Vec<String> {
        let changes = self.changes.lock().unwrap();
        changes
            .iter()
            .map(|(at, kind, object)| {
                let conditions: Vec<String> = object["status"]["conditions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|c| {
                        format!(
                            "{}={}{}",
                            c["type"].as_str().unwrap().chars().filter(|c| c.is_uppercase()).collect::<String>(),
                            &c["status"].as_str().unwrap()[..1],
                            c["reason"].as_str().map(|r| format!("({r})")).unwrap_or_default()
                        )
                    })
                    .collect();
                format!(
                    "{:8.2} {kind:?} og={} ip={} [{}] {}",
                    at.as_secs_f64(),
                    object["status"]["observedGeneration"],
                    object["status"]["podIP"],
                    conditions.join(","),
                    projection(object)
                )
            })
            .collect()
    }

    /// When the pod first (at or after `from` seconds) was in a state that contains `text`, in seconds.
    pub(super) fn when(&self, from: f64, text: &str) -> f64 {
        let changes = self.changes.lock().unwrap();
        let found = changes.iter().find(|(at, kind, object)| {
            let line = if *kind == ChangeKind::Deleted { "gone".to_owned() } else { projection(object) };
            at.as_secs_f64() >= from && line.contains(text)
        });
        found
            .unwrap_or_else(|| {
                panic!(
                    "never {text}: {:#?}",
                    changes.iter().map(|(at, _, o)| format!("{:?} {}", at, projection(o))).collect::<Vec<_>>()
                )
            })
            .0
            .as_secs_f64()
    }

    /// The reasons of what is said about a node.
    pub(super) fn node_events(&self, node: &str) -> Vec<String> {
        let events = self.api.list(EVENTS, Some("default"));
        let about = events.iter().filter(|event| event["involvedObject"]["name"] == node);
        about.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The events of the pod in order of their first occurrence: type, reason, count, message.
    pub(super) fn events(&self) -> Vec<String> {
        let mut events = self.api.list(EVENTS, Some("t"));
        events.sort_by_key(|event| event["metadata"]["uid"].to_string());
        events.sort_by_key(|event| event["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap());
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        events
            .iter()
            .map(|e| format!("{} {} x{} {}", text(e, "type"), text(e, "reason"), e["count"], text(e, "message")))
            .collect()
    }
}

fn projection(pod: &Value) -> String {
    let status = &pod["status"];
    let mut line = status["phase"].as_str().unwrap_or_default().to_owned();
    if pod["metadata"].get("deletionTimestamp").is_some() {
        line.push_str(" deleting");
    }
    for container in super::status::container_statuses(status) {
        let (state, detail) = container["state"].as_object().unwrap().iter().next().unwrap();
        let reason = detail["reason"].as_str().unwrap_or_default();
        let last = container["lastState"]["terminated"]["reason"].as_str().unwrap_or("-");
        let ready = if container["ready"] == true { "ready" } else { "unready" };
        line.push_str(&format!(
            " {}:{state}:{reason}:{}:{ready}:{last}",
            container["name"].as_str().unwrap(),
            container["restartCount"]
        ));
    }
    line
}

/// A container `app` of busybox that runs a script.
pub(super) fn script(text: &str) -> Value {
    json!({"name": "app", "image": "docker.io/library/busybox:1.36", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", text]})
}
