//! Pods and nodes as the scheduler looks at them: parsed once, added up incrementally.
//! Which pods are where is kept in `cache`.

use super::super::controllers::object::{integer, is_deleting, list, name, namespace, text, uid};
use super::super::store::Object;
use super::resources::{self, Bundle};
use super::term::Term;
use crate::json::At as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const NODE_AFFINITY: &str = "/spec/affinity/nodeAffinity";

/// A port of a host: address, protocol, number.
pub(super) type HostPort = (String, String, i64);

/// A pod and what scheduling asks of it.
#[derive(Debug)]
pub(super) struct PodInfo {
    /// The pod.
    pub object: Object,
    /// Its priority.
    pub priority: i64,
    /// What it requests.
    pub requests: Bundle,
    /// What it counts as in scores.
    pub usual: Bundle,
    /// Whether it says on which nodes it may be.
    pub choosy: bool,
    /// The ports of the host that it takes.
    pub ports: Vec<HostPort>,
    /// Required terms of affinity.
    pub affinity: Vec<Term>,
    /// Required terms of anti-affinity.
    pub anti_affinity: Vec<Term>,
    /// Preferred terms of affinity; those of anti-affinity have negative weights.
    pub preferences: Vec<Term>,
}

impl PodInfo {
    /// Reads a pod.
    pub(super) fn new(object: &Object) -> Arc<Self> {
        let (affinity, mut preferences) = Term::of(object, "podAffinity");
        let (anti_affinity, dislikes) = Term::of(object, "podAntiAffinity");
        preferences.extend(dislikes.into_iter().map(|term| Term { weight: -term.weight, ..term }));
        Arc::new(Self {
            object: Arc::clone(object),
            priority: integer(object, "/spec/priority"),
            requests: resources::requested(object),
            usual: resources::usual(object),
            choosy: object.at("/spec/nodeSelector").is_some() || object.at(NODE_AFFINITY).is_some(),
            ports: host_ports(object),
            affinity,
            anti_affinity,
            preferences,
        })
    }

    /// Its uid.
    pub(super) fn uid(&self) -> &str {
        uid(&self.object)
    }

    /// Its namespace.
    pub(super) fn namespace(&self) -> &str {
        namespace(&self.object)
    }

    /// Whether it is being deleted.
    pub(super) fn is_deleting(&self) -> bool {
        is_deleting(&self.object)
    }
}

fn host_ports(pod: &Value) -> Vec<HostPort> {
    let host_network = pod.at("/spec/hostNetwork") == Some(&Value::Bool(true));
    let sidecars = list(pod, "/spec/initContainers").iter().filter(|container| container["restartPolicy"] == "Always");
    list(pod, "/spec/containers")
        .iter()
        .chain(sidecars)
        .flat_map(|container| list(container, "/ports"))
        .filter_map(|port| {
            let number = port["hostPort"].as_i64().or_else(|| port["containerPort"].as_i64().filter(|_| host_network))?;
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            (number > 0).then(|| (port["hostIP"].as_str().unwrap_or("0.0.0.0").to_owned(), protocol.to_owned(), number))
        })
        .collect()
}

/// A node and what is on it.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeInfo {
    /// The node; none when pods name one that does not exist.
    pub object: Option<Object>,
    /// Its labels.
    pub labels: Value,
    /// Its taints.
    pub taints: Vec<Value>,
    /// Whether it is cordoned.
    pub cordoned: bool,
    /// What it offers.
    pub allocatable: Bundle,
    /// How many pods it takes; none when it does not say.
    pub most_pods: Option<i64>,
    /// What its pods request.
    pub requested: Bundle,
    /// What its pods count as in scores.
    pub usual: Bundle,
    /// Its pods, assumed ones too, by uid.
    pub pods: BTreeMap<String, Arc<PodInfo>>,
    /// Sizes of its images, by name.
    pub images: BTreeMap<String, i64>,
}

impl NodeInfo {
    /// Takes a node's present state.
    pub(super) fn set(&mut self, node: &Object) {
        self.allocatable = resources::allocatable(node);
        self.most_pods = self.allocatable.other.remove("pods").map(|thousandths| thousandths / 1000);
        self.images = list(node, "/status/images")
            .iter()
            .flat_map(|image| {
                let size = integer(image, "/sizeBytes");
                list(image, "/names").iter().filter_map(Value::as_str).map(move |name| (name.to_owned(), size))
            })
            .collect();
        self.labels = node.at("/metadata/labels").cloned().unwrap_or_default();
        self.taints = list(node, "/spec/taints").to_vec();
        self.cordoned = node.at("/spec/unschedulable") == Some(&Value::Bool(true));
        self.object = Some(Arc::clone(node));
    }

    /// Adds a pod.
    pub(super) fn add(&mut self, pod: &Arc<PodInfo>) {
        if self.pods.insert(pod.uid().to_owned(), Arc::clone(pod)).is_none() {
            self.requested.add(&pod.requests, 1);
            self.usual.add(&pod.usual, 1);
        }
    }

    /// Takes a pod away.
    pub(super) fn remove(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let pod = self.pods.remove(uid)?;
        self.requested.add(&pod.requests, -1);
        self.usual.add(&pod.usual, -1);
        Some(pod)
    }

    /// The value of a label of the node.
    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)?.as_str()
    }

    /// The node's name.
    pub(super) fn name(&self) -> &str {
        self.object.as_deref().map(name).unwrap_or_default()
    }
}

/// Whether two ports of a host exclude each other.
pub(super) fn collide(a: &HostPort, b: &HostPort) -> bool {
    (&a.1, a.2) == (&b.1, b.2) && (a.0 == b.0 || a.0 == "0.0.0.0" || b.0 == "0.0.0.0")
}

/// Whether a pod has its place or its end: what it asks for counts somewhere.
pub(super) fn node_of(pod: &Value) -> &str {
    text(pod, "/spec/nodeName")
}
