//! The Node object of a kubelet, its Lease, and the events of its start.
//! Pods are not here.

use super::agent::{Agent, lock};
use super::conditions::condition_of;
use super::disk::{NODE_FS_AVAILABLE, share};
use super::pressure::Pressure;
use crate::sim::api::Subresource;
use crate::sim::api::resource::{LEASES, NODES};
use crate::sim::clock::{format_micros, format_seconds};
use crate::sim::events::EventType::{self, Normal, Warning};
use crate::sim::events::ObjectRef;
use crate::sim::heartbeat::Pulse;
use crate::sim::profile::Cgroup;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// The release whose texts and timings are simulated.
const VERSION: &str = "v1.36.2";
/// How long the node's lease lasts, in seconds.
const LEASE_SECONDS: u32 = 40;
const ALLOCATABLE: &str = "Updated Node Allocatable limit across pods";
const CGROUP_V1: &str = "cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future release. Please migrate to cgroup v2. More information at https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1";
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// Type, status, reason and message of a node's conditions when all is well.
const HEALTH: [[&str; 4]; 4] = [
    Pressure::Memory.condition(false),
    Pressure::Disk.condition(false),
    ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ["Ready", "True", "KubeletReady", "kubelet is posting ready status"],
];
/// What the kubelet says when a condition turns to that.
const STATES: [&str; 4] = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID", "NodeReady"];
/// The node's status is reported at least this often (seconds): at the first look after that, of one each 10 s and a little.
const REPORT_LOOKS: u64 = 30;

impl Agent {
    /// Registers the node: the object, its status, its lease, the events of a start.
    pub(super) fn register(&self) {
        let name = &self.node.name;
        // A node of that name from an earlier start is kept, as the real kubelet does.
        let created = self.api.create(NODES, "", self.node_object()).is_ok();
        self.node_event(Normal, "Starting", "Starting kubelet.");
        if self.profile.cgroup == Cgroup::V1 {
            self.node_event(Warning, "CgroupV1", CGROUP_V1);
        }
        if !created {
            self.node_event(Normal, "NodeAllocatableEnforced", ALLOCATABLE);
        }
        for state in &STATES[..3] {
            self.say_state(state);
        }
        if created {
            self.node_event(Normal, "NodeAllocatableEnforced", ALLOCATABLE);
            self.say_state("NodeReady");
        }
        let rebooted =
            !created && self.api.get(NODES, "", name).is_ok_and(|node| node["status"]["nodeInfo"]["bootID"] != self.boot_id());
        if rebooted {
            self.node_event(Warning, "Rebooted", &format!("Node {name} has been rebooted, boot id: {}", self.boot_id()));
        }
        if created {
            // A creation does not carry a status.
            let status = self.node_status(&Value::Null);
            let _written = self.api.modify(NODES, "", name, Subresource::Status, |node| node["status"] = status);
        } else {
            self.report_health();
        }
    }

    /// Reports that the node is well: what others or an earlier trouble wrote is put right.
    pub(super) fn report_health(&self) {
        if let Some(trouble) = self.trouble() {
            return self.report_trouble(&trouble);
        }
        let Ok(node) = self.api.get(NODES, "", &self.node.name) else { return };
        let shown = &node["status"];
        let mut changed = shown["nodeInfo"]["bootID"] != self.boot_id()
            || shown["nodeInfo"]["containerRuntimeVersion"] != self.runtime_version();
        for ([kind, status, ..], state) in self.health().iter().zip(self.states()) {
            if condition_of(shown, kind).is_none_or(|condition| condition["status"] != *status) {
                changed = true;
                self.say_state(state);
            }
        }
        if changed {
            let status = self.node_status(shown);
            let _written = self.api.modify(NODES, "", &self.node.name, Subresource::Status, |node| {
                if let (Value::Object(target), Value::Object(source)) = (&mut node["status"], &status) {
                    target.extend(source.clone());
                }
            });
            lock(&self.reported).0 = Instant::now();
        }
    }

    /// Reports that the node is not ready, as a kubelet does that has just woken: it patches what it remembers of its node, so
    /// that of the other conditions only the times change.
    pub(super) fn report_trouble(&self, trouble: &str) {
        let now = self.api.clock.seconds();
        let Ok(node) = self.api.get(NODES, "", &self.node.name) else { return };
        let shown = condition_of(&node["status"], "Ready").cloned().unwrap_or_default();
        let version = self.runtime_version();
        let told = node["status"]["nodeInfo"]["containerRuntimeVersion"] == version;
        if shown["status"] == "False" && shown["message"] == trouble && told {
            return;
        }
        let since = if shown["status"] == "False" { shown["lastTransitionTime"].clone() } else { json!(now) };
        if shown["status"] != "False" {
            self.say_state("NodeNotReady");
        }
        let _written = self.api.modify(NODES, "", &self.node.name, Subresource::Status, |node| {
            node["status"]["nodeInfo"]["containerRuntimeVersion"] = json!(version);
            for condition in node["status"]["conditions"].as_array_mut().into_iter().flatten() {
                condition["lastHeartbeatTime"] = json!(now);
                if condition["type"] == "Ready" {
                    condition["status"] = json!("False");
                    condition["reason"] = json!("KubeletNotReady");
                    condition["message"] = json!(trouble);
                    condition["lastTransitionTime"] = since.clone();
                }
            }
        });
    }

    /// When the last regular report of the node's status was due.
    fn last_report(&self) -> Instant {
        let until = self.api.heartbeats.last_renewal(&self.node.name).unwrap_or_else(Instant::now);
        let mut reported = lock(&self.reported);
        loop {
            let (last, count) = *reported;
            let looks = (0..REPORT_LOOKS).map(|look| {
                let unit = self.api.random.unit(&self.node.name, "status-report", count * REPORT_LOOKS + look);
                10_000.0 + 400.0 * unit
            });
            let next = last + Duration::from_secs_f64(looks.sum::<f64>() / 1_000.0);
            if next > until {
                return last;
            }
            *reported = (next, count + 1);
        }
    }

    /// The identity of the machine's present boot; the kernel's, where nodes share one.
    fn boot_id(&self) -> String {
        let boots = if self.profile.shared_kernel { 0 } else { self.host.switches().boots };
        self.api.random.uid(&self.node.name, boots)
    }

    /// The conditions of the node now.
    fn health(&self) -> [[&'static str; 4]; 4] {
        let mut health = HEALTH;
        for (condition, pressure) in health.iter_mut().zip(Pressure::ALL) {
            *condition = pressure.condition(self.is_under(pressure));
        }
        health
    }

    /// What the kubelet says of each condition now.
    fn states(&self) -> [&'static str; 4] {
        let mut states = STATES;
        for (state, pressure) in states.iter_mut().zip(Pressure::ALL) {
            *state = pressure.state(self.is_under(pressure));
        }
        states
    }

    fn say_state(&self, state: &str) {
        self.node_event(Normal, state, &format!("Node {} status is now: {state}", self.node.name));
    }

    pub(super) fn node_event(&self, kind: EventType, reason: &str, message: &str) {
        // The kubelet refers to its node by name: the uid of the reference is the node's name.
        let node = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.node.name.clone(),
            uid: self.node.name.clone(),
            ..ObjectRef::default()
        };
        self.recorder.event(&node, kind, reason, message);
    }

    fn node_object(&self) -> Value {
        let name = &self.node.name;
        let mut labels = json!({
            "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
        });
        let mut spec = json!({"providerID": format!("embedded://{name}")});
        if self.node.control_plane {
            labels[CONTROL_PLANE] = json!("");
            spec["taints"] = json!([{"key": CONTROL_PLANE, "effect": "NoSchedule"}]);
        }
        json!({
            "metadata": {
                "name": name, "labels": labels,
                "annotations": {
                    "node.alpha.kubernetes.io/ttl": "0",
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                },
            },
            "spec": spec,
            "status": self.node_status(&Value::Null),
        })
    }

    /// The status of a node that is well, after `previous`.
    fn node_status(&self, previous: &Value) -> Value {
        let now = self.api.clock.seconds();
        let cpu = if self.node.cpu_millis.is_multiple_of(1_000) {
            (self.node.cpu_millis / 1_000).to_string()
        } else {
            format!("{}m", self.node.cpu_millis)
        };
        let capacity = json!({
            "cpu": cpu, "ephemeral-storage": format!("{}Ki", self.node.disk_bytes / 1024), "hugepages-1Gi": "0", "hugepages-2Mi": "0",
            "memory": format!("{}Ki", self.node.memory_bytes / 1024), "pods": "110",
        });
        let mut allocatable = capacity.clone();
        // What the kubelet begins to evict for is nobody's to have.
        let disk = self.node.disk_bytes;
        allocatable["ephemeral-storage"] = json!((disk - share(disk, NODE_FS_AVAILABLE)).to_string());
        let conditions = self.health().map(|[kind, status, reason, message]| {
            let since = condition_of(previous, kind).filter(|condition| condition["status"] == status);
            let since = since.map_or_else(|| json!(now), |condition| condition["lastTransitionTime"].clone());
            json!({
                "type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": since,
                "reason": reason, "message": message,
            })
        });
        let machine = self.api.random.hex(&self.node.name, "machine", 0, 32);
        json!({
            "capacity": capacity, "allocatable": allocatable, "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": self.host_ip}, {"type": "Hostname", "address": self.node.name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10_250}},
            "nodeInfo": {
                "machineID": machine, "systemUUID": machine, "bootID": self.boot_id(),
                "kernelVersion": "6.18.0-embedded", "osImage": "comeback embedded cluster",
                "containerRuntimeVersion": self.runtime_version(), "kubeletVersion": VERSION, "kubeProxyVersion": "",
                "operatingSystem": "linux", "architecture": "amd64",
            },
            "images": [{"names": ["docker.io/library/busybox:1.36"], "sizeBytes": 2_181_898}],
            "runtimeHandlers": [{"name": "", "features": {"recursiveReadOnlyMounts": true, "userNamespaces": false}}],
            "features": {"supplementalGroupsPolicy": true},
        })
    }
}

impl Pulse for Agent {
    fn bring_up_to_date(&self) {
        let name = &self.node.name;
        let Some(renewed) = self.api.heartbeats.last_renewal(name) else { return };
        let renewed = format_micros(self.api.clock.timestamp_of(renewed));
        let kept = self.api.modify(LEASES, "kube-node-lease", name, Subresource::Main, |lease| {
            lease["spec"]["renewTime"] = json!(renewed);
        });
        if let (Err(_), Ok(node)) = (kept, self.api.get(NODES, "", name)) {
            let uid = &node["metadata"]["uid"];
            let lease = json!({
                "metadata": {
                    "name": name,
                    "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}],
                },
                "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed},
            });
            let _leased = self.api.create(LEASES, "kube-node-lease", lease);
        }
        let reported = json!(format_seconds(self.api.clock.timestamp_of(self.last_report())));
        // Conditions that somebody else wrote keep their times.
        let _reported = self.api.modify(NODES, "", name, Subresource::Status, |node| {
            for condition in node["status"]["conditions"].as_array_mut().into_iter().flatten() {
                let ours = self.health().iter().any(|[kind, status, reason, _]| {
                    condition["type"] == *kind && condition["status"] == *status && condition["reason"] == *reason
                });
                if ours && condition["lastHeartbeatTime"].as_str() < reported.as_str() {
                    condition["lastHeartbeatTime"] = reported.clone();
                }
            }
        });
    }
}
