//! The garbage collector: what has lost all its owners goes, in the way that was asked for (`kubernetes-behaviour.md` 1.6).
//! Kinds that are not built in are not followed.

#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{is_deleting, list, name, namespace, text, uid};
use super::queue::Key;
use crate::sim::api::resource::{self, EVENTS, LEASES};
use crate::sim::api::{ApiError, DeleteOptions, Propagation, Resource, Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::{ChangeKind, Object};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Who depends on whom.
#[derive(Debug, Default)]
struct Graph {
    /// Keys of the objects that name an owner, by the owner's uid.
    dependents: BTreeMap<String, BTreeSet<Key>>,
    /// Keys of all objects, by uid.
    known: BTreeMap<String, Key>,
}

struct Collector {
    context: Arc<Context>,
    graph: Mutex<Graph>,
}

/// Starts the collector.
pub(super) fn start(context: &Arc<Context>) {
    let collector = Arc::new(Collector { context: Arc::clone(context), graph: Mutex::default() });
    for (index, resource) in resource::ALL.iter().enumerate().filter(|(_, resource)| ![EVENTS, LEASES].contains(*resource)) {
        let collector = Arc::clone(&collector);
        context.inform(*resource, move |_, item| collector.concerned(index, item));
    }
    let tasks = collector.context.api.gate.control_plane.clone();
    tasks.spawn(async move {
        loop {
            let key = collector.context.queue.next().await;
            match collector.visit(&key).await {
                Ok(()) => collector.context.queue.forget(&key),
                Err(_) => collector.context.queue.retry(key),
            }
        }
    });
}

/// The queue knows two texts; the first also carries the resource, by its place in discovery.
fn key_of(index: usize, object: &Value) -> Key {
    (format!("{index}/{}", namespace(object)), name(object).to_owned())
}

fn parts(key: &Key) -> Option<(Resource, &str, &str)> {
    let (index, namespace) = key.0.split_once('/')?;
    Some((*resource::ALL.get(index.parse::<usize>().ok()?)?, namespace, &key.1))
}

fn owners(object: &Value) -> &[Value] {
    list(object, "/metadata/ownerReferences")
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(object, "/metadata/finalizers").iter().any(|present| present == finalizer)
}

/// Whether the object waits for its dependents to go first.
fn waits_for_dependents(object: &Value) -> bool {
    is_deleting(object) && has_finalizer(object, FOREGROUND)
}

impl Collector {
    fn with_graph<T>(&self, change: impl FnOnce(&mut Graph) -> T) -> T {
        change(&mut self.graph.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps the graph and names who is to be looked at: the object itself if it has owners or waits, its dependents when
    /// it begins to wait or is gone, and owners that wait for it.
    fn concerned(&self, index: usize, item: &WatchItem) -> Vec<Key> {
        let (object, key) = (&item.object, key_of(index, &item.object));
        let gone = item.kind == ChangeKind::Deleted;
        self.with_graph(|graph| {
            let mut keys = Vec::new();
            for former in item.previous.iter().flat_map(|previous| owners(previous)) {
                if let Some(dependents) = graph.dependents.get_mut(text(former, "/uid")) {
                    dependents.remove(&key);
                }
            }
            if gone {
                graph.known.remove(uid(object));
            } else {
                graph.known.insert(uid(object).to_owned(), key.clone());
                for owner in owners(object) {
                    graph.dependents.entry(text(owner, "/uid").to_owned()).or_default().insert(key.clone());
                }
            }
            let before = item.previous.as_deref();
            let is_new_waiting = waits_for_dependents(object) && !before.is_some_and(waits_for_dependents);
            if gone || is_new_waiting {
                keys.extend(graph.dependents.get(uid(object)).into_iter().flatten().cloned());
            }
            let owners_changed = before.is_none_or(|before| owners(before) != owners(object));
            let waits = is_deleting(object) && (has_finalizer(object, FOREGROUND) || has_finalizer(object, ORPHAN));
            if !gone && (waits || owners_changed && !owners(object).is_empty()) {
                keys.push(key);
            }
            let waiting = owners(object).iter().filter_map(|owner| graph.known.get(text(owner, "/uid")));
            if gone || owners_changed {
                keys.extend(
                    waiting.filter(|owner| self.look_up(owner).is_some_and(|owner| waits_for_dependents(&owner))).cloned(),
                );
            }
            keys
        })
    }

    fn look_up(&self, key: &Key) -> Option<Object> {
        let (resource, namespace, name) = parts(key)?;
        self.context.api.get(resource, namespace, name).ok()
    }

    fn dependents(&self, object: &Value) -> Vec<(Key, Object)> {
        let keys = self.with_graph(|graph| graph.dependents.get(uid(object)).cloned().unwrap_or_default());
        keys.into_iter().filter_map(|key| self.look_up(&key).map(|object| (key, object))).collect()
    }

    async fn visit(&self, key: &Key) -> Result<(), ApiError> {
        let Some(object) = self.look_up(key) else { return Ok(()) };
        if is_deleting(&object) && has_finalizer(&object, ORPHAN) {
            return self.orphan(key, &object).await;
        }
        if waits_for_dependents(&object) {
            return self.finish_foreground(key, &object).await;
        }
        if is_deleting(&object) || owners(&object).is_empty() {
            return Ok(());
        }
        self.collect(key, &object).await
    }

    /// Deletes an object whose owners are all gone or waiting; drops references to such owners when another one lives.
    async fn collect(&self, key: &Key, object: &Object) -> Result<(), ApiError> {
        let mut lost = Vec::new();
        let mut is_waited_for = false;
        for owner in owners(object) {
            let found = self.owner(object, owner);
            match found {
                None => {
                    self.report_elsewhere(object, owner);
                    lost.push(text(owner, "/uid").to_owned());
                }
                Some(found) if waits_for_dependents(&found) && owner["blockOwnerDeletion"] == true => {
                    is_waited_for = true;
                    lost.push(text(owner, "/uid").to_owned());
                }
                Some(_) => {}
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        if lost.len() < owners(object).len() {
            return self.change(key, |object| drop_owners(object, &lost)).await;
        }
        let propagation = if has_finalizer(object, ORPHAN) {
            Propagation::Orphan
        } else if has_finalizer(object, FOREGROUND) || is_waited_for && !self.dependents(object).is_empty() {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        let Some((resource, namespace, name)) = parts(key) else { return Ok(()) };
        self.context.before_write(key).await;
        let options = DeleteOptions { propagation, uid: Some(uid(object).to_owned()), ..DeleteOptions::default() };
        match self.context.api.delete(resource, namespace, name, &options) {
            // Gone, or another object of that name by now.
            Err(error) if !matches!(error.code, 404 | 409) => Err(error),
            _ => Ok(()),
        }
    }

    /// The owner that a reference names, if it still exists under that uid.
    fn owner(&self, object: &Value, reference: &Value) -> Option<Object> {
        let Some(resource) = resource::by_kind(text(reference, "/apiVersion"), text(reference, "/kind")) else {
            // A kind that is not followed: its objects are found in the store, if at all, and never missed.
            return Some(Object::default());
        };
        let namespace = if resource.namespaced { namespace(object) } else { "" };
        if resource.namespaced && namespace.is_empty() {
            // Nobody can say in which namespace to look: such an object is never collected.
            self.report_elsewhere(object, reference);
            return Some(Object::default());
        }
        let found = self.context.api.get(resource, namespace, text(reference, "/name")).ok()?;
        (uid(&found) == text(reference, "/uid")).then_some(found)
    }

    /// Warns of a reference to an object that is known, and lives in another namespace: it counts as absent.
    fn report_elsewhere(&self, object: &Value, reference: &Value) {
        let owner = self.with_graph(|graph| graph.known.get(text(reference, "/uid")).cloned());
        let place = owner.as_ref().and_then(parts).map(|(_, namespace, _)| namespace).unwrap_or_default();
        let here = namespace(object);
        if place.is_empty() || place == here {
            return;
        }
        let message = format!(
            "ownerRef [{}/{}, namespace: {here}, name: {}, uid: {}] does not exist in namespace \"{here}\"",
            text(reference, "/apiVersion"),
            text(reference, "/kind"),
            text(reference, "/name"),
            text(reference, "/uid"),
        );
        let about = ObjectRef { resource_version: String::new(), ..ObjectRef::of(object) };
        self.context.recorder.event(&about, EventType::Warning, "OwnerRefInvalidNamespace", &message);
    }

    /// An owner deleted in the foreground goes when nothing that blocks it is left; the rest is collected afterwards.
    async fn finish_foreground(&self, key: &Key, object: &Object) -> Result<(), ApiError> {
        let blocks = |dependent: &Value| {
            owners(dependent).iter().any(|owner| text(owner, "/uid") == uid(object) && owner["blockOwnerDeletion"] == true)
        };
        if self.dependents(object).iter().any(|(_, dependent)| blocks(dependent)) {
            return Ok(());
        }
        self.change(key, |object| drop_finalizer(object, FOREGROUND)).await
    }

    async fn orphan(&self, key: &Key, object: &Object) -> Result<(), ApiError> {
        let lost = [uid(object).to_owned()];
        for (dependent, _) in self.dependents(object) {
            self.change(&dependent, |dependent| drop_owners(dependent, &lost)).await?;
        }
        self.change(key, |object| drop_finalizer(object, ORPHAN)).await
    }

    async fn change(&self, key: &Key, change: impl FnOnce(&mut Value)) -> Result<(), ApiError> {
        let Some((resource, namespace, name)) = parts(key) else { return Ok(()) };
        self.context.before_write(key).await;
        match self.context.api.modify(resource, namespace, name, Subresource::Main, change) {
            Err(error) if error.code != 404 => Err(error),
            _ => Ok(()),
        }
    }
}

fn retain(object: &mut Value, field: &str, keep: impl Fn(&Value) -> bool) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let Some(entries) = metadata.get_mut(field).and_then(Value::as_array_mut) else { return };
    entries.retain(keep);
    if entries.is_empty() {
        metadata.remove(field);
    }
}

fn drop_owners(object: &mut Value, uids: &[String]) {
    retain(object, "ownerReferences", |owner| !uids.iter().any(|uid| text(owner, "/uid") == uid));
}

fn drop_finalizer(object: &mut Value, finalizer: &str) {
    retain(object, "finalizers", |present| present != finalizer);
}
