//! The rolling update of a `DaemonSet`: old pods are replaced within `maxUnavailable`, or joined by new ones within `maxSurge`.
//! Nodes are taken in the order of their names.

use super::super::deployment::numbers::resolve;
use super::super::object::{is_deleting, name, text};
use super::placement::{Fit, fit};
use super::{Changes, Sync};
use crate::json::At as _;
use crate::sim::api::ApiError;
use crate::sim::store::Object;
use serde_json::Value;
use std::collections::BTreeMap;

/// By how many pods a set may exceed one per node, when it wants `wanted`.
pub(super) fn surge(set: &Value, wanted: i64) -> i64 {
    let surge = set.at("/spec/updateStrategy/rollingUpdate/maxSurge").filter(|surge| !surge.is_null());
    surge
        .filter(|_| text(set, "/spec/updateStrategy/type") == "RollingUpdate")
        .map_or(0, |surge| resolve(Some(surge), wanted, true))
}

fn max_unavailable(set: &Value, wanted: i64) -> i64 {
    let unavailable = set.at("/spec/updateStrategy/rollingUpdate/maxUnavailable").filter(|count| !count.is_null());
    unavailable.map_or(0, |count| resolve(Some(count), wanted, true))
}

fn first(mut candidates: Vec<String>, count: i64) -> Vec<String> {
    candidates.truncate(usize::try_from(count).unwrap_or_default());
    candidates
}

impl Sync<'_> {
    /// Takes the next step of the rollout.
    pub(super) async fn roll(&self, mut pods: BTreeMap<String, Vec<Object>>) -> Result<(), ApiError> {
        let mut wanted = 0;
        for node in self.nodes.iter().filter(|node| fit(self.set, node) == Fit::Runs) {
            wanted += 1;
            pods.entry(name(node).to_owned()).or_default();
        }
        let surge = surge(self.set, wanted);
        let mut unavailable = max_unavailable(self.set, wanted);
        if wanted > 0 && surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        let changes = if surge == 0 { self.replace(&pods, unavailable) } else { self.join(&pods, surge, wanted) };
        self.carry_out(changes).await
    }

    /// The staying new and old pod of a node; none when it has two of a kind, which the main loop has to mend first.
    fn new_and_old<'a>(&self, pods: &'a [Object]) -> Option<(Option<&'a Object>, Option<&'a Object>)> {
        let (new, old): (Vec<_>, Vec<_>) = pods.iter().filter(|pod| !is_deleting(pod)).partition(|pod| self.is_updated(pod));
        (new.len() < 2 && old.len() < 2).then(|| (new.first().copied(), old.first().copied()))
    }

    fn replace(&self, pods: &BTreeMap<String, Vec<Object>>, max_unavailable: i64) -> Changes {
        let (mut unavailable, mut at_once, mut candidates) = (0, Vec::new(), Vec::new());
        for present in pods.values() {
            match self.new_and_old(present) {
                None | Some((None, None) | (Some(_), Some(_))) => unavailable += 1,
                Some((Some(new), None)) => unavailable += i64::from(!self.is_available(new)),
                Some((None, Some(old))) if !self.is_available(old) => {
                    at_once.push(name(old).to_owned());
                    unavailable += 1;
                }
                Some((None, Some(_))) if unavailable >= max_unavailable => {}
                Some((None, Some(old))) => candidates.push(name(old).to_owned()),
            }
        }
        at_once.extend(first(candidates, max_unavailable - unavailable));
        Changes { create: Vec::new(), delete: at_once }
    }

    fn join(&self, pods: &BTreeMap<String, Vec<Object>>, max_surge: i64, wanted: i64) -> Changes {
        let (mut delete, mut misplaced, mut at_once, mut candidates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut surge, mut available) = (0, 0);
        for (node, present) in pods {
            let Some((new, old)) = self.new_and_old(present) else {
                surge += 1;
                continue;
            };
            available += i64::from(old.or(new).is_some_and(|pod| self.is_available(pod)));
            let Some(old) = old else { continue };
            let runs = self.nodes.iter().any(|known| name(known) == node && fit(self.set, known) == Fit::Runs);
            match new {
                Some(new) if self.is_available(new) => delete.push(name(old).to_owned()),
                Some(_) => surge += 1,
                None if !self.is_available(old) && !runs => delete.push(name(old).to_owned()),
                None if !self.is_available(old) => at_once.push(node.clone()),
                None if !runs => misplaced.push(name(old).to_owned()),
                None if surge < max_surge => candidates.push(node.clone()),
                None => {}
            }
        }
        delete.extend(first(misplaced, available - wanted));
        at_once.extend(first(candidates, max_surge - surge));
        Changes { create: at_once, delete }
    }
}
