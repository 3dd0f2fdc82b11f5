//! The Node object of a kubelet, its Lease, and the events of its start.
//! Pods are not here.

use super::agent::Agent;
use crate::sim::api::Subresource;
use crate::sim::api::resource::{LEASES, NODES};
use crate::sim::events::EventType::Normal;
use crate::sim::events::ObjectRef;
use serde_json::{Value, json};

/// The release whose texts and timings are simulated.
const VERSION: &str = "v1.36.2";
/// How long the node's lease lasts, in seconds.
const LEASE_SECONDS: u32 = 40;
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

impl Agent {
    /// Registers the node: the object, its status, its lease, the events of a start.
    ///
    /// The lease is written once: nothing in the embedded cluster outlives its kubelets, so a renewal would tell nothing.
    pub(super) fn register(&self) {
        let name = &self.node.name;
        // A node of that name from an earlier start is kept, as the real kubelet does.
        let _registered = self.api.create(NODES, "", self.node_object());
        let written = self.api.modify(NODES, "", name, Subresource::Status, |node| node["status"] = self.node_status());
        let uid = written.ok().and_then(|node| node["metadata"]["uid"].as_str().map(ToOwned::to_owned)).unwrap_or_default();
        let lease = json!({
            "metadata": {
                "name": name,
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}],
            },
            "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": self.api.clock.micros()},
        });
        let _leased = self.api.create(LEASES, "kube-node-lease", lease);
        self.node_event("Starting", "Starting kubelet.");
        for state in ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"] {
            self.node_event(state, &format!("Node {name} status is now: {state}"));
        }
        self.node_event("NodeAllocatableEnforced", "Updated Node Allocatable limit across pods");
        self.node_event("NodeReady", &format!("Node {name} status is now: NodeReady"));
    }

    fn node_event(&self, reason: &str, message: &str) {
        // The kubelet refers to its node by name: the uid of the reference is the node's name.
        let node = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.node.name.clone(),
            uid: self.node.name.clone(),
            ..ObjectRef::default()
        };
        self.recorder.event(&node, Normal, reason, message);
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
            "status": self.node_status(),
        })
    }

    fn node_status(&self) -> Value {
        let now = self.api.clock.seconds();
        let cpu = if self.node.cpu_millis.is_multiple_of(1_000) {
            (self.node.cpu_millis / 1_000).to_string()
        } else {
            format!("{}m", self.node.cpu_millis)
        };
        let capacity = json!({
            "cpu": cpu, "ephemeral-storage": "264212084Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0",
            "memory": format!("{}Ki", self.node.memory_bytes / 1024), "pods": "110",
        });
        let conditions = [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ]
        .map(|(kind, status, reason, message)| {
            json!({
                "type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now,
                "reason": reason, "message": message,
            })
        });
        let machine = self.api.random.hex(&self.node.name, "machine", 0, 32);
        json!({
            "capacity": capacity, "allocatable": capacity, "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": self.host_ip}, {"type": "Hostname", "address": self.node.name}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10_250}},
            "nodeInfo": {
                "machineID": machine, "systemUUID": machine, "bootID": self.api.random.uid(&self.node.name, 0),
                "kernelVersion": "6.18.0-embedded", "osImage": "comeback embedded cluster",
                "containerRuntimeVersion": "containerd://2.3.7", "kubeletVersion": VERSION, "kubeProxyVersion": "",
                "operatingSystem": "linux", "architecture": "amd64",
            },
            "images": [{"names": ["docker.io/library/busybox:1.36"], "sizeBytes": 2_181_898}],
            "runtimeHandlers": [{"name": "", "features": {"recursiveReadOnlyMounts": true, "userNamespaces": false}}],
            "features": {"supplementalGroupsPolicy": true},
        })
    }
}
