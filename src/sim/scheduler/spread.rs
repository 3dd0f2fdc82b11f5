//! Topology spread: how unevenly pods of a kind may lie over the values of a label, and which nodes make it more even.
//! Reads counts that `cache` keeps.

use super::super::api::resource::{REPLICA_SETS, REPLICATION_CONTROLLERS, SERVICES, STATEFUL_SETS};
use super::super::api::{ApiServer, Resource};
use super::super::controllers::object::{controller_of, integer, list, namespace, text};
use super::super::controllers::selector::matches_map;
use super::cache::Cache;
use super::filter::{Plugin, Refusal, selects, tolerates_all};
use super::info::{NodeInfo, PodInfo};
use super::term::{Peers, by_keys};
use crate::json::At as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";
/// What every pod of a workload or Service is spread by when it does not say: label and skew.
const USUAL: [(&str, i64); 2] = [(HOSTNAME, 3), (ZONE, 5)];

/// One constraint, with the pods counted per value of its label.
#[derive(Clone, Debug)]
struct Constraint {
    key: String,
    most_skew: i64,
    least_domains: i64,
    peers: Peers,
    counts_itself: i64,
    by_affinity: bool,
    by_taints: bool,
    counts: BTreeMap<String, i64>,
}

impl Constraint {
    fn parse(api: &ApiServer, pod: &PodInfo, constraint: &Value) -> Self {
        let mut selectors = vec![constraint["labelSelector"].clone()];
        selectors.extend(by_keys(&pod.object, list(constraint, "/matchLabelKeys"), "In"));
        let peers = Peers::within(pod.namespace(), selectors);
        Self {
            key: text(constraint, "/topologyKey").to_owned(),
            most_skew: integer(constraint, "/maxSkew"),
            least_domains: constraint["minDomains"].as_i64().unwrap_or(1),
            counts_itself: i64::from(peers.contain(api, &pod.object)),
            peers,
            by_affinity: text(constraint, "/nodeAffinityPolicy") != "Ignore",
            by_taints: text(constraint, "/nodeTaintsPolicy") == "Honor",
            counts: BTreeMap::new(),
        }
    }

    /// Whether pods on a node count.
    fn includes(&self, pod: &PodInfo, node: &NodeInfo) -> bool {
        (!self.by_affinity || selects(pod, node)) && (!self.by_taints || tolerates_all(pod, node))
    }

    fn least(&self) -> i64 {
        let domains = i64::try_from(self.counts.len()).unwrap_or(i64::MAX);
        if domains < self.least_domains { 0 } else { self.counts.values().min().copied().unwrap_or(0) }
    }
}

/// The constraints that must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread {
    constraints: Vec<Constraint>,
}

fn stated<'a>(pod: &'a PodInfo, action: &'a str) -> impl Iterator<Item = &'a Value> {
    list(&pod.object, "/spec/topologySpreadConstraints").iter().filter(move |entry| text(entry, "/whenUnsatisfiable") == action)
}

impl Spread {
    /// The constraints of `pod` with the present counts.
    pub(super) fn of(cache: &mut Cache, pod: &PodInfo) -> Self {
        let api = std::sync::Arc::clone(cache.api());
        let mut constraints: Vec<_> =
            stated(pod, "DoNotSchedule").map(|constraint| Constraint::parse(&api, pod, constraint)).collect();
        let keys: Vec<String> = constraints.iter().map(|constraint| constraint.key.clone()).collect();
        for constraint in &mut constraints {
            let by_node = cache.counted(std::slice::from_ref(&constraint.peers), false);
            for (id, node) in cache.existing() {
                if keys.iter().all(|key| node.label(key).is_some()) && constraint.includes(pod, node) {
                    let value = node.label(&constraint.key).unwrap_or_default().to_owned();
                    *constraint.counts.entry(value).or_default() += by_node.get(id).copied().unwrap_or(0);
                }
            }
        }
        Self { constraints }
    }

    /// Takes another pod into account that comes to a node, or goes (`by` -1).
    pub(super) fn change(&mut self, api: &ApiServer, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, by: i64) {
        for constraint in &mut self.constraints {
            let counts = !other.is_deleting() && constraint.peers.contain(api, &other.object) && constraint.includes(pod, node);
            if let Some(count) = node.label(&constraint.key).and_then(|value| constraint.counts.get_mut(value)).filter(|_| counts)
            {
                *count += by;
            }
        }
    }

    /// The constraint that a node would break, or none.
    pub(super) fn refusal(&self, node: &NodeInfo) -> Option<Refusal> {
        for constraint in &self.constraints {
            let Some(value) = node.label(&constraint.key) else {
                let why = "node(s) didn't match pod topology spread constraints (missing required label)";
                return Some(Refusal::final_(Plugin::PodTopologySpread, why));
            };
            let there = constraint.counts.get(value).copied().unwrap_or(0);
            if there + constraint.counts_itself - constraint.least() > constraint.most_skew {
                return Some(Refusal::for_now(Plugin::PodTopologySpread, "node(s) didn't match pod topology spread constraints"));
            }
        }
        None
    }
}

/// Whether a change of another pod could help one that its constraints refused.
pub(super) fn could_help(api: &ApiServer, pod: &PodInfo, other: &PodInfo) -> bool {
    stated(pod, "DoNotSchedule").any(|constraint| Constraint::parse(api, pod, constraint).peers.contain(api, &other.object))
}

/// The selectors of the workload and the Services of a pod: what the usual constraints count.
fn usual_selectors(api: &ApiServer, pod: &Value) -> Vec<Value> {
    let mut labels = serde_json::Map::new();
    for service in api.list(SERVICES, Some(namespace(pod))) {
        let selector = service.at("/spec/selector").and_then(Value::as_object).filter(|selector| !selector.is_empty());
        if let Some(selector) = selector
            && matches_map(service.at("/spec/selector"), pod.at("/metadata/labels"))
        {
            labels.extend(selector.clone());
        }
    }
    let mut selectors = Vec::new();
    if !labels.is_empty() {
        selectors.push(json!({"matchLabels": labels}));
    }
    let owner = controller_of(pod);
    let found = |resource: Resource| api.get(resource, namespace(pod), owner.map_or("", |owner| text(owner, "/name"))).ok();
    match owner.map(|owner| text(owner, "/kind")) {
        Some("ReplicaSet") => selectors.extend(found(REPLICA_SETS).map(|set| set["spec"]["selector"].clone())),
        Some("StatefulSet") => selectors.extend(found(STATEFUL_SETS).map(|set| set["spec"]["selector"].clone())),
        Some("ReplicationController") => selectors
            .extend(found(REPLICATION_CONTROLLERS).map(|controller| json!({"matchLabels": controller["spec"]["selector"]}))),
        _ => {}
    }
    selectors
}

/// What makes the pods lie evenly, 0 to 100 per node of `nodes`; none when the pod has no kind to be spread with.
pub(super) fn scores(cache: &mut Cache, pod: &PodInfo, nodes: &[usize]) -> Option<Vec<i64>> {
    let api = std::sync::Arc::clone(cache.api());
    let is_stated = !list(&pod.object, "/spec/topologySpreadConstraints").is_empty();
    let mut constraints: Vec<Constraint> = if is_stated {
        stated(pod, "ScheduleAnyway").map(|constraint| Constraint::parse(&api, pod, constraint)).collect()
    } else {
        let selectors = usual_selectors(&api, &pod.object);
        if selectors.is_empty() {
            return None;
        }
        let peers = Peers::within(pod.namespace(), selectors);
        let usual = |(key, skew): (&str, i64)| Constraint {
            key: key.to_owned(),
            most_skew: skew,
            least_domains: 1,
            peers: peers.clone(),
            counts_itself: 1,
            by_affinity: true,
            by_taints: false,
            counts: BTreeMap::new(),
        };
        USUAL.into_iter().map(usual).collect()
    };
    if constraints.is_empty() {
        return None;
    }
    let lacks = |constraints: &[Constraint], node: &NodeInfo| {
        is_stated && constraints.iter().any(|constraint| node.label(&constraint.key).is_none())
    };
    let counts: Vec<Vec<i64>> =
        constraints.iter().map(|constraint| cache.counted(std::slice::from_ref(&constraint.peers), false)).collect();
    let ignored: BTreeSet<usize> =
        nodes.iter().copied().filter(|id| cache.nodes.get(*id).is_some_and(|node| lacks(&constraints, node))).collect();
    let mut weights = Vec::new();
    let all = constraints.clone();
    for (constraint, by_node) in constraints.iter_mut().zip(&counts) {
        if constraint.key == HOSTNAME {
            weights.push(size_weight(nodes.len() - ignored.len()));
            continue;
        }
        for id in nodes.iter().filter(|id| !ignored.contains(id)) {
            let value = cache.nodes.get(*id).and_then(|node| node.label(&constraint.key)).unwrap_or_default();
            constraint.counts.insert(value.to_owned(), 0);
        }
        weights.push(size_weight(constraint.counts.len()));
        for (id, node) in cache.existing() {
            if lacks(&all, node) || !constraint.includes(pod, node) {
                continue;
            }
            if let Some(count) = constraint.counts.get_mut(node.label(&constraint.key).unwrap_or_default()) {
                *count += by_node.get(id).copied().unwrap_or(0);
            }
        }
    }
    let raw = nodes.iter().map(|id| {
        let node = cache.nodes.get(*id).filter(|_| !ignored.contains(id))?;
        let parts = constraints.iter().zip(&counts).zip(&weights).filter_map(|((constraint, by_node), weight)| {
            let value = node.label(&constraint.key)?;
            let there = if constraint.key == HOSTNAME { by_node.get(*id) } else { constraint.counts.get(value) };
            Some(approximate(there.copied().unwrap_or(0)) * weight + approximate(constraint.most_skew - 1))
        });
        Some(rounded(parts.sum::<f64>()))
    });
    let raw: Vec<Option<i64>> = raw.collect();
    let known = || raw.iter().copied().flatten();
    let (least, most) = (known().min().unwrap_or(0), known().max().unwrap_or(0));
    let normal = |score: Option<i64>| match score {
        None => 0,
        Some(_) if most == 0 => 100,
        Some(score) => 100 * (most + least - score) / most,
    };
    Some(raw.into_iter().map(normal).collect())
}

/// How much a label with `size` values weighs.
fn size_weight(size: usize) -> f64 {
    approximate(i64::try_from(size + 2).unwrap_or(i64::MAX)).ln()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of pods and nodes are far below 2^52")]
fn approximate(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "scores are far below 2^52")]
fn rounded(number: f64) -> i64 {
    number.round() as i64
}
