//! Logs of the changes of parts of one resource: of a namespace, of a node. A watch of a part reads its own lane.
//! A lane exists as long as somebody follows it; the log of all changes is the store's.

use super::{Change, LOG_LENGTH, Part};
use crate::json::At as _;
use crate::sim::latest;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};

#[derive(Debug)]
struct Lane {
    log: VecDeque<Change>,
    /// The log holds every change of the part after this revision.
    since: u64,
    latest: latest::Sender<u64>,
}

/// The lanes of one resource. Their order is nowhere seen: each is found by its key.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    namespaces: HashMap<String, Lane>,
    nodes: HashMap<String, Lane>,
}

impl Lanes {
    /// Follows a part from `revision` on; none for all of a resource, which has no lane.
    pub(super) fn subscribe(&mut self, part: &Part, revision: u64) -> Option<latest::Receiver<u64>> {
        let (lanes, key) = match part {
            Part::All => return None,
            Part::Namespace(namespace) => (&mut self.namespaces, namespace),
            Part::Node(node) => (&mut self.nodes, node),
        };
        let new = || Lane { log: VecDeque::new(), since: revision, latest: latest::Sender::new(revision) };
        Some(lanes.entry(key.clone()).or_insert_with(new).latest.subscribe())
    }

    /// The changes of a part after a revision, as far as its lane goes back.
    pub(super) fn changes_after(&self, part: &Part, revision: u64) -> Option<Vec<Change>> {
        let lane = match part {
            Part::All => return None,
            Part::Namespace(namespace) => self.namespaces.get(namespace)?,
            Part::Node(node) => self.nodes.get(node)?,
        };
        let start = lane.log.partition_point(|change| change.revision <= revision);
        (revision >= lane.since).then(|| lane.log.range(start..).cloned().collect())
    }

    /// Adds a change to every lane that it concerns, and ends the lanes that nobody follows any more.
    pub(super) fn append(&mut self, change: &Change) {
        if !self.namespaces.is_empty()
            && let Some(namespace) = text(&change.object, "/metadata/namespace")
        {
            append(&mut self.namespaces, namespace, change);
        }
        if !self.nodes.is_empty() {
            let now = text(&change.object, "/spec/nodeName");
            let before = change.previous.as_ref().and_then(|previous| text(previous, "/spec/nodeName"));
            for node in now.into_iter().chain(before.filter(|before| Some(*before) != now)) {
                append(&mut self.nodes, node, change);
            }
        }
    }

    /// Forgets every change up to a revision.
    pub(super) fn clear(&mut self, revision: u64) {
        for lane in self.namespaces.values_mut().chain(self.nodes.values_mut()) {
            lane.log.clear();
            lane.since = revision;
        }
    }
}

fn append(lanes: &mut HashMap<String, Lane>, key: &str, change: &Change) {
    let Some(lane) = lanes.get_mut(key) else { return };
    if !lane.latest.is_followed() {
        lanes.remove(key);
        return;
    }
    lane.log.push_back(change.clone());
    if lane.log.len() > LOG_LENGTH
        && let Some(oldest) = lane.log.pop_front()
    {
        lane.since = lane.since.max(oldest.revision);
    }
    lane.latest.send_replace(change.revision);
}

fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.at(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::super::{ChangeKind, Store};
    use super::*;
    use crate::sim::api::resource::PODS;
    use serde_json::json;

    fn put(store: &Store, namespace: &str, name: &str, node: &str) {
        let object = json!({"metadata": {"namespace": namespace, "name": name}, "spec": {"nodeName": node}});
        store.put(PODS, namespace, name, object);
    }

    fn names(changes: Vec<Change>) -> Vec<(ChangeKind, String)> {
        changes.into_iter().map(|change| (change.kind, change.object["metadata"]["name"].as_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn a_part_sees_its_own_changes_from_any_revision() {
        let store = Store::default();
        put(&store, "a", "early", "n1");
        let (in_a, on_1) = (Part::Namespace("a".to_owned()), Part::Node("n1".to_owned()));
        let (_a, mut node) = (store.subscribe_part(PODS, &in_a), store.subscribe_part(PODS, &on_1));
        put(&store, "a", "late", "n2");
        put(&store, "b", "other", "n1");
        put(&store, "b", "other", "n2");
        let added = |name: &str| (ChangeKind::Added, name.to_owned());
        assert_eq!(names(store.changes_of_part(PODS, &in_a, 0).unwrap()), [added("early"), added("late")]);
        assert_eq!(names(store.changes_of_part(PODS, &in_a, 1).unwrap()), [added("late")]);
        let moved = (ChangeKind::Modified, "other".to_owned());
        assert_eq!(names(store.changes_of_part(PODS, &on_1, 1).unwrap()), [added("other"), moved]);
        assert_eq!(node.get_and_mark(), 4);
    }

    #[test]
    fn a_lane_that_nobody_follows_ends() {
        let store = Store::default();
        let part = Part::Node("n1".to_owned());
        drop(store.subscribe_part(PODS, &part));
        put(&store, "a", "x", "n1");
        assert!(store.lock().shelves[&PODS].lanes.nodes.is_empty());
        assert_eq!(names(store.changes_of_part(PODS, &part, 0).unwrap()).len(), 1);
    }

    #[test]
    fn a_compacted_log_expires_its_lanes() {
        let store = Store::default();
        let part = Part::Namespace("a".to_owned());
        let _following = store.subscribe_part(PODS, &part);
        put(&store, "a", "x", "n1");
        store.compact(PODS);
        assert!(store.changes_of_part(PODS, &part, 0).is_err());
        assert!(store.changes_of_part(PODS, &part, 1).unwrap().is_empty());
    }
}
