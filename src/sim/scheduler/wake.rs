//! What the scheduler's informers make of changes: they keep the cache and wake pods that may fit now.
//! Which news help whom is in `waiting`.

use super::super::api::WatchItem;
use super::super::controllers::object::{is_pod_finished, key, name, uid};
use super::super::controllers::queue::Key;
use super::super::store::ChangeKind;
use super::info::{NodeInfo, PodInfo, node_of};
use super::waiting::PodNews;
use super::{Scheduler, State, is_waiting};
use crate::json::At as _;
use serde_json::Value;
use std::sync::Arc;

/// What of a node decides whether pods fit it: heartbeats and conditions do not.
fn offers(node: &Value) -> [Option<&Value>; 5] {
    ["/metadata/labels", "/spec/taints", "/spec/unschedulable", "/status/allocatable", "/status/images"].map(|part| node.at(part))
}

impl Scheduler {
    /// A pod to schedule wakes itself, when it is new or its spec or labels changed; one that has a node may help others.
    pub(super) fn woken_by_pod(&self, item: &WatchItem) -> Vec<Key> {
        let pod = &item.object;
        if item.kind != ChangeKind::Deleted && is_waiting(pod) {
            let same = |part: &str| item.previous.as_deref().is_some_and(|before| before.at(part) == pod.at(part));
            return if same("/spec") && same("/metadata/labels") { Vec::new() } else { vec![key(pod)] };
        }
        self.with_state(|state| state.observe(item))
    }

    /// A node that offers something else than before may help.
    pub(super) fn woken_by_node(&self, item: &WatchItem) -> Vec<Key> {
        let node = &item.object;
        self.with_state(|state| {
            if item.kind == ChangeKind::Deleted {
                state.cache.remove_node(name(node));
                return Vec::new();
            }
            let known =
                state.cache.known(name(node)).and_then(|id| state.cache.nodes.get(id)).filter(|info| info.object.is_some());
            if item.previous.as_deref().is_some_and(|before| offers(before) == offers(node)) && known.is_some() {
                return Vec::new();
            }
            let before = item.previous.as_ref().filter(|_| known.is_some()).map(|previous| {
                let mut info = NodeInfo::default();
                info.set(previous);
                info
            });
            state.cache.set_node(name(node), node);
            let mut now = NodeInfo::default();
            now.set(node);
            state.waiting.by_node(before.as_ref(), &now)
        })
    }

    /// Pods wait for their claims.
    pub(super) fn woken_by_claim(&self, item: &WatchItem) -> Vec<Key> {
        if item.kind == ChangeKind::Deleted {
            return Vec::new();
        }
        self.with_state(|state| state.waiting.by_volume(Some(&item.object)))
    }

    /// Any volume that comes or changes may be the one that is missing, and so may a new class.
    pub(super) fn woken_by_volume(&self, item: &WatchItem) -> Vec<Key> {
        let new = item.kind == ChangeKind::Added && item.previous.is_none();
        let is_class = item.object.get("provisioner").is_some();
        if item.kind == ChangeKind::Deleted || is_class && !new {
            return Vec::new();
        }
        self.with_state(|state| state.waiting.by_volume(None))
    }
}

impl State {
    /// Keeps the cache with a pod that has a node, has ended or is gone; says who may fit now.
    fn observe(&mut self, item: &WatchItem) -> Vec<Key> {
        let pod = &item.object;
        let gone = item.kind == ChangeKind::Deleted || is_pod_finished(pod);
        if item.kind == ChangeKind::Deleted {
            self.waiting.failed.remove(&key(pod));
            self.cache.nominated.remove(uid(pod));
        }
        if node_of(pod).is_empty() {
            // Deleted, or gated again, before it was bound: an assumed place is given up by its binding.
            return Vec::new();
        }
        if gone {
            let Some(left) = self.cache.displace(uid(pod)) else { return Vec::new() };
            return self.waiting.by_pod(&self.cache.api().clone(), &left, PodNews::Gone);
        }
        let before = self.cache.pod(uid(pod)).cloned().filter(|_| !self.cache.is_assumed(uid(pod)));
        self.cache.observe(pod);
        self.waiting.failed.remove(&key(pod));
        let Some(now) = self.cache.pod(uid(pod)).cloned() else { return Vec::new() };
        news(before.as_deref(), &now).map(|news| self.waiting.by_pod(&self.cache.api().clone(), &now, news)).unwrap_or_default()
    }
}

/// What is new about a placed pod that could help another.
fn news(before: Option<&PodInfo>, now: &Arc<PodInfo>) -> Option<PodNews> {
    let Some(before) = before else { return Some(PodNews::Placed) };
    let (old, new) = (&before.requests, &now.requests);
    if new.cpu < old.cpu || new.memory < old.memory || new.storage < old.storage {
        return Some(PodNews::Shrunk);
    }
    let relabelled = before.object.at("/metadata/labels") != now.object.at("/metadata/labels");
    let deleting = before.is_deleting() != now.is_deleting();
    (relabelled || deleting).then_some(PodNews::Relabelled)
}
