//! Affinity and anti-affinity between pods: whether a node has the right neighbours, and how much they are liked.
//! Reads counts that `cache` keeps; knows nothing of other rules.

use super::super::api::ApiServer;
use super::cache::{Cache, Held};
use super::filter::{Plugin, Refusal};
use super::info::{NodeInfo, PodInfo};
use super::term::{Peers, Term};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A place: a label of nodes and one of its values.
type Place = (String, String);

/// How many pods there are in each place that matter to the pod being scheduled.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbours {
    /// Placed pods that object to the pod.
    objecting: BTreeMap<Place, i64>,
    /// Placed pods that all required terms of affinity mean.
    wanted: BTreeMap<Place, i64>,
    /// Placed pods that required terms of anti-affinity mean.
    unwanted: BTreeMap<Place, i64>,
}

fn tally(cache: &Cache, key: &str, by_node: &[i64], into: &mut BTreeMap<Place, i64>) {
    for (node, count) in cache.nodes.iter().zip(by_node).filter(|(_, count)| **count != 0) {
        if let Some(value) = node.label(key) {
            *into.entry((key.to_owned(), value.to_owned())).or_default() += count;
        }
    }
}

fn change(counts: &mut BTreeMap<Place, i64>, term: &Term, node: &NodeInfo, by: i64) {
    if let Some(value) = node.label(&term.topology_key) {
        let place = (term.topology_key.clone(), value.to_owned());
        let count = counts.entry(place.clone()).or_default();
        *count += by;
        if *count == 0 {
            counts.remove(&place);
        }
    }
}

impl Neighbours {
    /// What matters to `pod` now.
    pub(super) fn of(cache: &mut Cache, pod: &PodInfo) -> Self {
        let mut found = Self::default();
        if !pod.affinity.is_empty() {
            let all: Vec<Peers> = pod.affinity.iter().map(|term| term.peers.clone()).collect();
            let by_node = cache.counted(&all, true);
            for term in &pod.affinity {
                tally(cache, &term.topology_key, &by_node, &mut found.wanted);
            }
        }
        for term in &pod.anti_affinity {
            let by_node = cache.counted(std::slice::from_ref(&term.peers), true);
            tally(cache, &term.topology_key, &by_node, &mut found.unwanted);
        }
        for Held { term, by_node } in cache.objections.values() {
            if term.peers.contain(cache.api(), &pod.object) {
                tally(cache, &term.topology_key, by_node, &mut found.objecting);
            }
        }
        found
    }

    /// Takes another pod into account that comes to a node, or goes (`by` -1).
    pub(super) fn change(&mut self, api: &ApiServer, pod: &PodInfo, other: &PodInfo, node: &NodeInfo, by: i64) {
        if !pod.affinity.is_empty() && pod.affinity.iter().all(|term| term.peers.contain(api, &other.object)) {
            for term in &pod.affinity {
                change(&mut self.wanted, term, node, by);
            }
        }
        for term in pod.anti_affinity.iter().filter(|term| term.peers.contain(api, &other.object)) {
            change(&mut self.unwanted, term, node, by);
        }
        for term in other.anti_affinity.iter().filter(|term| term.peers.contain(api, &pod.object)) {
            change(&mut self.objecting, term, node, by);
        }
    }

    /// The objection of the neighbours on a node, or none.
    pub(super) fn refusal(&self, api: &ApiServer, pod: &PodInfo, node: &NodeInfo) -> Option<Refusal> {
        let count = |counts: &BTreeMap<Place, i64>, key: &str| {
            let value = node.label(key)?;
            Some(counts.get(&(key.to_owned(), value.to_owned())).copied().unwrap_or(0))
        };
        if !pod.affinity.is_empty() {
            let everywhere = pod.affinity.iter().all(|term| node.label(&term.topology_key).is_some());
            let met = pod.affinity.iter().all(|term| count(&self.wanted, &term.topology_key).unwrap_or(0) > 0);
            // The first pod of a group that wants its own kind may go anywhere.
            let first = || self.wanted.is_empty() && pod.affinity.iter().all(|term| term.peers.contain(api, &pod.object));
            if !everywhere || !met && !first() {
                return Some(Refusal::final_(Plugin::InterPodAffinity, "node(s) didn't match pod affinity rules"));
            }
        }
        if pod.anti_affinity.iter().any(|term| count(&self.unwanted, &term.topology_key).unwrap_or(0) > 0) {
            return Some(Refusal::for_now(Plugin::InterPodAffinity, "node(s) didn't match pod anti-affinity rules"));
        }
        let objects = |((key, value), count): (&Place, &i64)| *count > 0 && node.label(key) == Some(value);
        let refused = self.objecting.iter().any(objects);
        refused.then(|| Refusal::for_now(Plugin::InterPodAffinity, "node(s) didn't satisfy existing pods anti-affinity rules"))
    }
}

/// How much each node's neighbours are liked, before it is brought to 0..100; none when nobody has a preference.
pub(super) fn scores(cache: &mut Cache, pod: &PodInfo, nodes: &[usize]) -> Option<Vec<i64>> {
    let mut liked: BTreeMap<Place, i64> = BTreeMap::new();
    for term in &pod.preferences {
        let by_node: Vec<_> =
            cache.counted(std::slice::from_ref(&term.peers), true).iter().map(|count| count * term.weight).collect();
        tally(cache, &term.topology_key, &by_node, &mut liked);
    }
    for Held { term, by_node } in cache.preferences.values() {
        if term.peers.contain(cache.api(), &pod.object) {
            let by_node: Vec<_> = by_node.iter().map(|count| count * term.weight).collect();
            tally(cache, &term.topology_key, &by_node, &mut liked);
        }
    }
    if liked.is_empty() {
        return None;
    }
    let mut by_key: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    for ((key, value), weight) in &liked {
        by_key.entry(key).or_default().insert(value, *weight);
    }
    let score = |node: &NodeInfo| -> i64 { by_key.iter().filter_map(|(key, values)| values.get(node.label(key)?)).sum() };
    let raw: Vec<i64> = nodes.iter().filter_map(|id| cache.nodes.get(*id)).map(score).collect();
    let (least, most) = (raw.iter().min().copied().unwrap_or(0), raw.iter().max().copied().unwrap_or(0));
    Some(raw.iter().map(|score| if most > least { 100 * (score - least) / (most - least) } else { 0 }).collect())
}

/// Whether a change of another pod could help one that its neighbours refused.
pub(super) fn could_help(api: &ApiServer, pod: &Arc<PodInfo>, other: &PodInfo) -> bool {
    let means = |terms: &[Term], pod: &PodInfo| terms.iter().any(|term| term.peers.contain(api, &pod.object));
    means(&pod.affinity, other) || means(&pod.anti_affinity, other) || means(&other.anti_affinity, pod)
}
