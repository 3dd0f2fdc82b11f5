//! Why a pod cannot run on a node, in the words of the scheduler's plugins, in their order.
//! Neighbours, spread and volumes have files of their own.

use super::super::api::ApiServer;
use super::super::controllers::object::{list, text};
use super::cache::Cache;
use super::info::{NodeInfo, PodInfo, collide};
use super::neighbours::Neighbours;
use super::node_match;
use super::spread::Spread;
use super::volumes::Volumes;
use crate::json::At as _;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

/// The plugin that refused: it decides which news are worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Plugin {
    /// `spec.unschedulable`
    NodeUnschedulable,
    /// Taints.
    TaintToleration,
    /// Node selector and node affinity.
    NodeAffinity,
    /// Ports of the host.
    NodePorts,
    /// Resources.
    NodeResourcesFit,
    /// Claims that one pod alone may use.
    VolumeRestrictions,
    /// Claims and volumes.
    VolumeBinding,
    /// Topology spread.
    PodTopologySpread,
    /// Affinity between pods.
    InterPodAffinity,
}

/// Why one node was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Who refused.
    pub plugin: Plugin,
    /// Its reasons.
    pub reasons: Vec<Cow<'static, str>>,
    /// Whether removing pods from the node could change that.
    pub resolvable: bool,
}

impl Refusal {
    /// A refusal that no removal of pods could change.
    pub(super) fn final_(plugin: Plugin, reason: &'static str) -> Self {
        Self { plugin, reasons: vec![Cow::Borrowed(reason)], resolvable: false }
    }

    /// A refusal that might not be if other pods were gone.
    pub(super) fn for_now(plugin: Plugin, reason: &'static str) -> Self {
        Self { resolvable: true, ..Self::final_(plugin, reason) }
    }
}

/// What an attempt knows of the cluster before it looks at nodes.
#[derive(Clone, Debug)]
pub(super) struct Cycle {
    /// The pod to place.
    pub pod: Arc<PodInfo>,
    spread: Spread,
    neighbours: Neighbours,
    /// Its volumes.
    pub volumes: Arc<Volumes>,
}

impl Cycle {
    /// Gathers it.
    ///
    /// # Errors
    /// The objection of the pod's volumes to every node.
    pub(super) fn new(cache: &mut Cache, pod: &Arc<PodInfo>) -> Result<Self, (Plugin, String)> {
        let volumes = Arc::new(Volumes::of(cache, pod)?);
        Ok(Self { pod: Arc::clone(pod), spread: Spread::of(cache, pod), neighbours: Neighbours::of(cache, pod), volumes })
    }

    /// Takes another pod into account that comes to a node, or goes (`by` -1).
    pub(super) fn change(&mut self, api: &ApiServer, other: &PodInfo, node: &NodeInfo, by: i64) {
        self.spread.change(api, &self.pod, other, node, by);
        self.neighbours.change(api, &self.pod, other, node, by);
    }

    /// The first objection to a node, also with the pods of at least the same priority that are nominated for it.
    pub(super) fn refusal(&self, cache: &Cache, id: usize, node: &NodeInfo) -> Option<Refusal> {
        let uid = self.pod.uid();
        let mut nominated = cache
            .nominated
            .iter()
            .filter(|(other, (on, info))| *on == id && *other != uid && info.priority >= self.pod.priority)
            .peekable();
        if nominated.peek().is_some() {
            let (mut node, mut cycle) = (node.clone(), self.clone());
            for (_, (_, info)) in nominated {
                node.add(info);
                cycle.change(cache.api(), info, &node, 1);
            }
            if let Some(refusal) = cycle.objection(cache.api(), &node) {
                return Some(refusal);
            }
        }
        self.objection(cache.api(), node)
    }

    fn objection(&self, api: &ApiServer, node: &NodeInfo) -> Option<Refusal> {
        let pod = &self.pod;
        if node.cordoned && !tolerates(pod, &cordon()) {
            return Some(Refusal::final_(Plugin::NodeUnschedulable, "node(s) were unschedulable"));
        }
        if !tolerates_all(pod, node) {
            return Some(Refusal::final_(Plugin::TaintToleration, "node(s) had untolerated taint(s)"));
        }
        if !selects(pod, node) {
            return Some(Refusal::final_(Plugin::NodeAffinity, "node(s) didn't match Pod's node affinity/selector"));
        }
        let taken = |wanted| node.pods.values().any(|other| other.ports.iter().any(|port| collide(wanted, port)));
        if pod.ports.iter().any(taken) {
            let why = "node(s) didn't have free ports for the requested pod ports";
            return Some(Refusal::for_now(Plugin::NodePorts, why));
        }
        does_not_fit(pod, node)
            .or_else(|| self.volumes.refusal(node))
            .or_else(|| self.spread.refusal(node))
            .or_else(|| self.neighbours.refusal(api, pod, node))
    }
}

fn cordon() -> Value {
    json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
}

fn does_not_fit(pod: &PodInfo, node: &NodeInfo) -> Option<Refusal> {
    let (mut reasons, mut resolvable): (Vec<Cow<'static, str>>, _) = (Vec::new(), true);
    if node.most_pods.is_some_and(|most| i64::try_from(node.pods.len()).unwrap_or(i64::MAX) + 1 > most) {
        reasons.push(Cow::Borrowed("Too many pods"));
    }
    let (offered, used, wanted) = (&node.allocatable, &node.requested, &pod.requests);
    let usual = [
        ("Insufficient cpu", wanted.cpu, offered.cpu, used.cpu),
        ("Insufficient memory", wanted.memory, offered.memory, used.memory),
        ("Insufficient ephemeral-storage", wanted.storage, offered.storage, used.storage),
    ];
    for (reason, wanted, offered, used) in usual {
        if wanted > 0 && wanted > offered - used {
            reasons.push(Cow::Borrowed(reason));
            resolvable &= wanted <= offered;
        }
    }
    for (name, wanted) in wanted.other.iter().filter(|(_, wanted)| **wanted > 0) {
        let of = |amounts: &super::resources::Bundle| amounts.other.get(name).copied().unwrap_or(0);
        if *wanted > of(offered) - of(used) {
            reasons.push(Cow::Owned(format!("Insufficient {name}")));
            resolvable &= *wanted <= of(offered);
        }
    }
    (!reasons.is_empty()).then_some(Refusal { plugin: Plugin::NodeResourcesFit, reasons, resolvable })
}

/// Whether a pod would fit an empty node of that size.
pub(super) fn could_ever_fit(pod: &PodInfo, node: &NodeInfo) -> bool {
    let empty = NodeInfo {
        object: node.object.clone(),
        allocatable: node.allocatable.clone(),
        most_pods: node.most_pods,
        ..NodeInfo::default()
    };
    does_not_fit(pod, &empty).is_none()
}

/// Whether a pod tolerates a taint.
pub(super) fn tolerates(pod: &PodInfo, taint: &Value) -> bool {
    node_match::tolerates(&pod.object, taint)
}

/// Whether a pod tolerates all taints of a node that keep pods away.
pub(super) fn tolerates_all(pod: &PodInfo, node: &NodeInfo) -> bool {
    node.taints.iter().all(|taint| !matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute") || tolerates(pod, taint))
}

/// `nodeSelector` and required node affinity.
pub(super) fn selects(pod: &PodInfo, node: &NodeInfo) -> bool {
    !pod.choosy || node_match::selects(&pod.object, node.name(), &node.labels)
}

/// Whether one of the terms of a node selector matches.
pub(super) fn matches_terms(terms: &[Value], node: &NodeInfo) -> bool {
    terms.iter().any(|term| matches_term(term, node))
}

/// Whether a term of a node selector matches; one without any requirement matches no node.
pub(super) fn matches_term(term: &Value, node: &NodeInfo) -> bool {
    node_match::matches_term(term, node.name(), &node.labels)
}

/// The nodes that a pod's node affinity names outright, as those of a daemon set do; none when any node may be.
pub(super) fn named(pod: &PodInfo) -> Option<Vec<&str>> {
    let terms = pod.object.at("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")?;
    let mut names = Vec::new();
    for term in terms.as_array()? {
        let field = list(term, "/matchFields").iter().find(|field| {
            text(field, "/key") == "metadata.name" && text(field, "/operator") == "In" && list(field, "/values").len() == 1
        })?;
        names.extend(list(field, "/values").iter().filter_map(Value::as_str));
    }
    Some(names)
}
