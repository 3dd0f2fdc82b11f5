//! The object store: one resourceVersion counter, ordered keys, a bounded log of changes that watches read.
//! Knows nothing of validation, admission or subresources: that is `api`. The logs of parts of a resource are in `store/lanes`.

pub mod encoding;
mod lanes;

use super::api::resource::Resource;
use crate::json::At as _;
use crate::sim::latest;
use bytes::Bytes;
use lanes::Lanes;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// An immutable version of an object; shared by the store, the log and every watcher.
pub type Object = Arc<Value>;

/// Changes kept per resource; an older watch ends in 410 `Expired` (`kubernetes-behaviour.md` 1.4).
const LOG_LENGTH: usize = 20_000;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created.
    Added,
    /// It was replaced by another version.
    Modified,
    /// It was removed; the object is its last state under the revision of its removal.
    Deleted,
}

/// One entry of the change log.
#[derive(Clone, Debug)]
pub struct Change {
    /// The revision of this change.
    pub revision: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// The object after the change (its last state for `Deleted`).
    pub object: Object,
    /// The object before the change.
    pub previous: Option<Object>,
    line: Arc<OnceLock<Bytes>>,
}

impl Change {
    fn new(revision: u64, kind: ChangeKind, object: &Object, previous: Option<Object>) -> Self {
        Self { revision, kind, object: Arc::clone(object), previous, line: Arc::default() }
    }

    /// The change as a line of a watch's stream. Encoded when it is first asked for, then shared by every copy of the change.
    #[must_use]
    pub fn line(&self) -> Bytes {
        let encode = || {
            let kind = match self.kind {
                ChangeKind::Added => "ADDED",
                ChangeKind::Modified => "MODIFIED",
                ChangeKind::Deleted => "DELETED",
            };
            Bytes::from(format!("{{\"type\":\"{kind}\",\"object\":{}}}\n", self.object))
        };
        self.line.get_or_init(encode).clone()
    }
}

/// A part of a resource's objects that can be followed without looking at the changes of the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All objects.
    All,
    /// Those of one namespace.
    Namespace(String),
    /// Those that are bound to one node (`spec.nodeName`): pods.
    Node(String),
}

impl Part {
    /// Whether an object belongs to the part.
    #[must_use]
    pub fn holds(&self, object: &Value) -> bool {
        let is = |pointer: &str, wanted: &str| object.at(pointer).and_then(Value::as_str) == Some(wanted);
        match self {
            Self::All => true,
            Self::Namespace(namespace) => is("/metadata/namespace", namespace),
            Self::Node(node) => is("/spec/nodeName", node),
        }
    }

    /// Whether a change concerns the part: the object belongs to it, or did.
    fn sees(&self, change: &Change) -> bool {
        self.holds(&change.object) || change.previous.as_ref().is_some_and(|previous| self.holds(previous))
    }
}

/// A watch that asked for a revision older than the log goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The revision asked for.
    pub requested: u64,
    /// The oldest revision that the log can continue from.
    pub oldest: u64,
}

type Key = (String, String);

/// An object's place in the order of a list: namespace (empty when cluster-scoped) and name.
#[must_use]
pub fn key_of(object: &Value) -> (String, String) {
    let text = |pointer: &str| object.at(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/metadata/namespace"), text("/metadata/name"))
}

#[derive(Debug)]
struct Shelf {
    objects: BTreeMap<Key, Object>,
    /// What was encoded of them, and which version.
    encodings: BTreeMap<Key, (Object, Bytes)>,
    log: VecDeque<Change>,
    forgotten: u64,
    latest: latest::Sender<u64>,
    lanes: Lanes,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            encodings: BTreeMap::new(),
            log: VecDeque::new(),
            forgotten: 0,
            latest: latest::Sender::new(0),
            lanes: Lanes::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    revision: u64,
    shelves: HashMap<Resource, Shelf>,
}

/// All objects of a simulated cluster.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster's present revision.
    pub fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// One object; `namespace` is empty for cluster-scoped resources.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Object> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().shelves.get(&resource)?.objects.get(&key).cloned()
    }

    /// All objects of a resource in key order, with the revision at which they were read.
    pub fn list(&self, resource: Resource, namespace: Option<&str>) -> (u64, Vec<Object>) {
        let inner = self.lock();
        let objects = inner.shelves.get(&resource).map(|shelf| match namespace {
            None => shelf.objects.values().cloned().collect(),
            Some(namespace) => shelf
                .objects
                .range((namespace.to_owned(), String::new())..)
                .take_while(|((candidate, _), _)| candidate == namespace)
                .map(|(_, object)| Arc::clone(object))
                .collect(),
        });
        (inner.revision, objects.unwrap_or_default())
    }

    /// All objects of a resource as they were at a past `revision`, in key order.
    ///
    /// # Errors
    /// [`Expired`] when the log no longer reaches back that far.
    pub fn list_at(&self, resource: Resource, namespace: Option<&str>, revision: u64) -> Result<Vec<Object>, Expired> {
        let changes = self.changes_after(resource, revision)?;
        let present = self.list(resource, namespace).1;
        let mut objects: BTreeMap<Key, Object> = present.into_iter().map(|object| (key_of(&object), object)).collect();
        for change in changes.into_iter().rev() {
            let key = key_of(&change.object);
            if namespace.is_some_and(|namespace| key.0 != namespace) {
                continue;
            }
            match change.previous {
                Some(previous) => objects.insert(key, previous),
                None => objects.remove(&key),
            };
        }
        Ok(objects.into_values().collect())
    }

    /// Writes a version of an object, stamps its resourceVersion and logs the change.
    /// A version equal to the stored one (but for resourceVersion) writes nothing, as etcd3's store does.
    pub fn put(&self, resource: Resource, namespace: &str, name: &str, mut object: Value) -> Object {
        let mut inner = self.lock();
        let key = (namespace.to_owned(), name.to_owned());
        let previous = inner.shelves.get(&resource).and_then(|shelf| shelf.objects.get(&key)).cloned();
        if let Some(stored) = &previous {
            if let Some(version) = stored.at("/metadata/resourceVersion") {
                object["metadata"]["resourceVersion"] = version.clone();
            }
            if **stored == object {
                return Arc::clone(stored);
            }
        }
        inner.revision += 1;
        let revision = inner.revision;
        object["metadata"]["resourceVersion"] = Value::String(revision.to_string());
        let object = Arc::new(object);
        let kind = if previous.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
        let shelf = inner.shelves.entry(resource).or_default();
        shelf.objects.insert(key, Arc::clone(&object));
        shelf.append(Change::new(revision, kind, &object, previous));
        object
    }

    /// Removes an object and logs its last state under a new revision.
    pub fn remove(&self, resource: Resource, namespace: &str, name: &str) -> Option<Object> {
        let mut inner = self.lock();
        let key = (namespace.to_owned(), name.to_owned());
        let shelf = inner.shelves.get_mut(&resource)?;
        let previous = shelf.objects.remove(&key)?;
        shelf.encodings.remove(&key);
        inner.revision += 1;
        let revision = inner.revision;
        let mut last = (*previous).clone();
        last["metadata"]["resourceVersion"] = Value::String(revision.to_string());
        let object = Arc::new(last);
        let shelf = inner.shelves.entry(resource).or_default();
        shelf.append(Change::new(revision, ChangeKind::Deleted, &object, Some(previous)));
        Some(object)
    }

    /// All changes of a resource after `revision`, in order.
    ///
    /// # Errors
    /// [`Expired`] when the log no longer reaches back that far.
    pub fn changes_after(&self, resource: Resource, revision: u64) -> Result<Vec<Change>, Expired> {
        let mut changes = Vec::new();
        self.each_change_after(resource, revision, |change| changes.push(change.clone()))?;
        Ok(changes)
    }

    /// Shows all changes of a resource after `revision`, in order, without a copy of them. `look` must not use the store.
    ///
    /// # Errors
    /// [`Expired`] when the log no longer reaches back that far.
    pub fn each_change_after(&self, resource: Resource, revision: u64, mut look: impl FnMut(&Change)) -> Result<(), Expired> {
        let inner = self.lock();
        let Some(shelf) = inner.shelves.get(&resource) else { return Ok(()) };
        if revision < shelf.forgotten {
            return Err(Expired { requested: revision, oldest: shelf.forgotten + 1 });
        }
        let start = shelf.log.partition_point(|change| change.revision <= revision);
        shelf.log.range(start..).for_each(&mut look);
        Ok(())
    }

    /// The objects of a part in key order, with the revision at which they were read.
    pub fn list_part(&self, resource: Resource, part: &Part) -> (u64, Vec<Object>) {
        match part {
            Part::All => self.list(resource, None),
            Part::Namespace(namespace) => self.list(resource, Some(namespace)),
            Part::Node(_) => {
                let (revision, mut objects) = self.list(resource, None);
                objects.retain(|object| part.holds(object));
                (revision, objects)
            }
        }
    }

    /// All changes after `revision` that concern a part, in order. What happened since somebody first followed the part
    /// costs no more than its own changes.
    ///
    /// # Errors
    /// [`Expired`] when the log no longer reaches back that far.
    pub fn changes_of_part(&self, resource: Resource, part: &Part, revision: u64) -> Result<Vec<Change>, Expired> {
        if let Some(shelf) = self.lock().shelves.get(&resource)
            && let Some(changes) = shelf.lanes.changes_after(part, revision)
        {
            return Ok(changes);
        }
        let mut changes = self.changes_after(resource, revision)?;
        changes.retain(|change| part.sees(change));
        Ok(changes)
    }

    /// A receiver that changes with every change that concerns a part.
    pub fn subscribe_part(&self, resource: Resource, part: &Part) -> latest::Receiver<u64> {
        let mut inner = self.lock();
        let revision = inner.revision;
        let shelf = inner.shelves.entry(resource).or_default();
        shelf.lanes.subscribe(part, revision).unwrap_or_else(|| shelf.latest.subscribe())
    }

    /// A receiver that changes with every change of the resource; its value is the newest revision.
    pub fn subscribe(&self, resource: Resource) -> latest::Receiver<u64> {
        self.lock().shelves.entry(resource).or_default().latest.subscribe()
    }

    /// Forgets a resource's log, so that watches from the past end in 410.
    pub fn compact(&self, resource: Resource) {
        let mut inner = self.lock();
        let revision = inner.revision;
        let shelf = inner.shelves.entry(resource).or_default();
        shelf.log.clear();
        shelf.lanes.clear(revision);
        shelf.forgotten = revision;
    }

    /// Every resource that has objects.
    pub fn resources(&self) -> Vec<Resource> {
        let inner = self.lock();
        let mut resources: Vec<_> =
            inner.shelves.iter().filter(|(_, shelf)| !shelf.objects.is_empty()).map(|(resource, _)| *resource).collect();
        resources.sort_unstable();
        resources
    }
}

impl Shelf {
    fn append(&mut self, change: Change) {
        let revision = change.revision;
        self.lanes.append(&change);
        self.log.push_back(change);
        if self.log.len() > LOG_LENGTH
            && let Some(oldest) = self.log.pop_front()
        {
            self.forgotten = oldest.revision;
        }
        self.latest.send_replace(revision);
    }
}
