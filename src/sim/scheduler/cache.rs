//! The scheduler's picture of the cluster, kept up by the changes of pods and nodes: no attempt looks through all pods.
//! Also counts, per node, the pods that selectors mean, and who objects to whom.

use super::super::api::ApiServer;
use super::super::store::Object;
use super::info::{NodeInfo, PodInfo, node_of};
use super::term::{Peers, Term};
use crate::json::At as _;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node's place in the cache; it stays the same while the cache lives.
pub(super) type NodeId = usize;

/// More counts than this are not kept; they are made anew when they are asked for.
const MOST_COUNTS: usize = 2_000;

/// How many of the pods that are meant are on each node.
#[derive(Clone, Debug)]
struct Count {
    peers: Vec<Peers>,
    with_deleting: bool,
    by_node: Vec<i64>,
}

/// Equal terms of pods that are placed, with their number per node.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The term.
    pub term: Term,
    /// How many pods on each node hold it.
    pub by_node: Vec<i64>,
}

/// Where a pod is counted.
#[derive(Clone, Debug)]
struct Placed {
    node: NodeId,
    assumed: bool,
}

/// Nodes, the pods on them, and what follows from both.
#[derive(Debug)]
pub(super) struct Cache {
    api: Arc<ApiServer>,
    /// All nodes, by place.
    pub nodes: Vec<NodeInfo>,
    ids: BTreeMap<String, NodeId>,
    placed: BTreeMap<String, Placed>,
    counts: BTreeMap<String, Count>,
    /// Required anti-affinity of placed pods.
    pub objections: BTreeMap<String, Held>,
    /// Preferences of placed pods; required affinity counts as a preference of 1.
    pub preferences: BTreeMap<String, Held>,
    /// How many nodes have an image.
    images: BTreeMap<String, i64>,
    /// Pods that wait for a node that preemption clears, by uid.
    pub nominated: BTreeMap<String, (NodeId, Arc<PodInfo>)>,
}

fn bump(by_node: &mut Vec<i64>, node: NodeId, by: i64) {
    if by_node.len() <= node {
        by_node.resize(node + 1, 0);
    }
    if let Some(count) = by_node.get_mut(node) {
        *count += by;
    }
}

fn hold(held: &mut BTreeMap<String, Held>, term: &Term, node: NodeId, by: i64) {
    let key = format!("{}/{}/{}", term.weight, term.topology_key, term.peers.key());
    let entry = held.entry(key.clone()).or_insert_with(|| Held { term: term.clone(), by_node: Vec::new() });
    bump(&mut entry.by_node, node, by);
    if by < 0 && entry.by_node.iter().all(|count| *count == 0) {
        held.remove(&key);
    }
}

impl Cache {
    /// An empty cache.
    pub(super) fn new(api: &Arc<ApiServer>) -> Self {
        Self {
            api: Arc::clone(api),
            nodes: Vec::new(),
            ids: BTreeMap::new(),
            placed: BTreeMap::new(),
            counts: BTreeMap::new(),
            objections: BTreeMap::new(),
            preferences: BTreeMap::new(),
            images: BTreeMap::new(),
            nominated: BTreeMap::new(),
        }
    }

    /// The API server, for what is looked up rarely.
    pub(super) fn api(&self) -> &Arc<ApiServer> {
        &self.api
    }

    /// The place of a node.
    pub(super) fn id(&mut self, name: &str) -> NodeId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        self.nodes.push(NodeInfo::default());
        self.ids.insert(name.to_owned(), self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// The place of a node that is known.
    pub(super) fn known(&self, name: &str) -> Option<NodeId> {
        self.ids.get(name).copied()
    }

    /// Takes a node's present state.
    pub(super) fn set_node(&mut self, name: &str, node: &Object) {
        self.remove_node(name);
        let id = self.id(name);
        if let Some(info) = self.nodes.get_mut(id) {
            info.set(node);
            for image in info.images.keys() {
                *self.images.entry(image.clone()).or_default() += 1;
            }
        }
    }

    /// How many nodes have an image.
    pub(super) fn nodes_with_image(&self, image: &str) -> i64 {
        self.images.get(image).copied().unwrap_or(0)
    }

    /// Forgets a node; its pods stay until they go themselves.
    pub(super) fn remove_node(&mut self, name: &str) {
        let id = self.id(name);
        if let Some(info) = self.nodes.get_mut(id) {
            info.object = None;
            for image in std::mem::take(&mut info.images).into_keys() {
                *self.images.entry(image).or_default() -= 1;
            }
        }
    }

    /// The nodes that exist, by place.
    pub(super) fn existing(&self) -> impl Iterator<Item = (NodeId, &NodeInfo)> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.object.is_some())
    }

    /// Counts a pod on the node that it is bound to, or assumed on.
    pub(super) fn place(&mut self, pod: &Arc<PodInfo>, node: &str, assumed: bool) {
        self.displace(pod.uid());
        let id = self.id(node);
        self.count(pod, id, 1);
        if let Some(info) = self.nodes.get_mut(id) {
            info.add(pod);
        }
        self.placed.insert(pod.uid().to_owned(), Placed { node: id, assumed });
    }

    /// Takes a pod from its node.
    pub(super) fn displace(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let placed = self.placed.remove(uid)?;
        let pod = self.nodes.get_mut(placed.node)?.remove(uid)?;
        self.count(&pod, placed.node, -1);
        Some(pod)
    }

    /// Whether a pod is assumed and not yet bound.
    pub(super) fn is_assumed(&self, uid: &str) -> bool {
        self.placed.get(uid).is_some_and(|placed| placed.assumed)
    }

    /// The pod as it was last counted.
    pub(super) fn pod(&self, uid: &str) -> Option<&Arc<PodInfo>> {
        self.nodes.get(self.placed.get(uid)?.node)?.pods.get(uid)
    }

    /// Takes the present state of a bound pod; parses it again only if something changed that scheduling looks at.
    pub(super) fn observe(&mut self, pod: &Object) {
        let uid = super::super::controllers::object::uid(pod);
        let known = self.placed.get(uid).is_some_and(|placed| !placed.assumed);
        let same = self.pod(uid).is_some_and(|before| known && looks_the_same(&before.object, pod));
        if !same {
            let info = PodInfo::new(pod);
            self.place(&info, node_of(pod), false);
        }
    }

    fn count(&mut self, pod: &Arc<PodInfo>, node: NodeId, by: i64) {
        let api = Arc::clone(&self.api);
        for count in self.counts.values_mut() {
            if count.takes(&api, pod) {
                bump(&mut count.by_node, node, by);
            }
        }
        for term in &pod.anti_affinity {
            hold(&mut self.objections, term, node, by);
        }
        for term in &pod.preferences {
            hold(&mut self.preferences, term, node, by);
        }
        for term in &pod.affinity {
            hold(&mut self.preferences, &Term { weight: 1, ..term.clone() }, node, by);
        }
    }

    /// How many pods on each node are among all `peers`; pods being deleted count only `with_deleting`.
    pub(super) fn counted(&mut self, peers: &[Peers], with_deleting: bool) -> Vec<i64> {
        let texts: Vec<_> = peers.iter().map(Peers::key).collect();
        let key = format!("{with_deleting}{}", texts.join("&"));
        let size = self.nodes.len();
        if !self.counts.contains_key(&key) {
            if self.counts.len() >= MOST_COUNTS {
                self.counts.clear();
            }
            let mut count = Count { peers: peers.to_vec(), with_deleting, by_node: vec![0; size] };
            for (id, node) in self.nodes.iter().enumerate() {
                let number = node.pods.values().filter(|pod| count.takes(&self.api, pod)).count();
                bump(&mut count.by_node, id, i64::try_from(number).unwrap_or(i64::MAX));
            }
            self.counts.insert(key.clone(), count);
        }
        let mut by_node = self.counts.get(&key).map(|count| count.by_node.clone()).unwrap_or_default();
        by_node.resize(size, 0);
        by_node
    }
}

impl Count {
    fn takes(&self, api: &ApiServer, pod: &PodInfo) -> bool {
        (self.with_deleting || !pod.is_deleting()) && self.peers.iter().all(|peers| peers.contain(api, &pod.object))
    }
}

/// Whether nothing changed that scheduling looks at.
fn looks_the_same(before: &Object, now: &Object) -> bool {
    let parts = ["/spec", "/metadata/labels", "/metadata/deletionTimestamp", "/status/startTime"];
    let resources = |pod: &Object| {
        super::super::controllers::object::list(pod, "/status/containerStatuses")
            .iter()
            .map(|status| (status.get("resources").cloned(), status.get("allocatedResources").cloned()))
            .collect::<Vec<_>>()
    };
    parts.iter().all(|part| before.at(part) == now.at(part)) && resources(before) == resources(now)
}
