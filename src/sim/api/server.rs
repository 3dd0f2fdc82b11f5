//! The request pipeline behind every verb: lookup, defaulting, admission, store. Synchronous and in process;
//! latencies belong to the callers, HTTP to `rest`.

use super::resource::Resource;
use super::status::ApiError;
use crate::sim::clock::Clock;
use crate::sim::random::Random;
use crate::sim::store::{ChangeKind, Object, Store};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Which face of an object a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    /// Everything but status.
    Main,
    /// Status (and metadata that status writers may touch) alone.
    Status,
}

/// What a deletion does to dependents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents are collected afterwards.
    #[default]
    Background,
    /// The owner waits for its dependents.
    Foreground,
    /// Dependents lose their owner reference and stay.
    Orphan,
}

/// Options of a DELETE.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Grace in seconds; absent: the pod's own.
    pub grace_seconds: Option<i64>,
    /// What happens to dependents.
    pub propagation: Propagation,
    /// Delete only this uid.
    pub uid: Option<String>,
    /// Delete only this resourceVersion.
    pub resource_version: Option<String>,
}

/// The API server of one simulated cluster.
#[derive(Debug)]
pub struct ApiServer {
    /// The objects.
    pub store: Store,
    /// The clock that stamps them.
    pub clock: Clock,
    /// The source of generated names and uids.
    pub random: Random,
}

impl ApiServer {
    /// An empty cluster.
    #[must_use]
    pub fn new(clock: Clock, random: Random) -> Arc<Self> {
        Arc::new(Self { store: Store::default(), clock, random })
    }

    /// One object.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Result<Object, ApiError> {
        self.store.get(resource, namespace, name).ok_or_else(|| ApiError::not_found(resource, name))
    }

    /// All objects of a resource (of one namespace) in key order.
    pub fn list(&self, resource: Resource, namespace: Option<&str>) -> Vec<Object> {
        self.store.list(resource, namespace).1
    }

    /// Creates an object through the whole pipeline.
    pub fn create(&self, resource: Resource, namespace: &str, mut object: Value) -> Result<Object, ApiError> {
        let n = self.store.revision();
        let name = match object.pointer("/metadata/name").and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => {
                let prefix = object.pointer("/metadata/generateName").and_then(Value::as_str).unwrap_or_default();
                format!("{prefix}{}", self.random.suffix(&format!("{namespace}/{prefix}"), "generateName", n, 5))
            }
        };
        if self.store.get(resource, namespace, &name).is_some() {
            return Err(ApiError::already_exists(resource, &name));
        }
        object["apiVersion"] = json!(resource.api_version());
        object["kind"] = json!(resource.kind);
        object["metadata"]["uid"] = json!(self.random.uid(&format!("{}/{namespace}/{name}", resource.plural), n));
        object["metadata"]["name"] = json!(name);
        object["metadata"]["creationTimestamp"] = json!(self.clock.seconds());
        object["metadata"]["generation"] = json!(1);
        if resource.namespaced {
            object["metadata"]["namespace"] = json!(namespace);
        }
        Ok(self.store.put(resource, namespace, &name, object))
    }

    /// Changes an object atomically: what controllers and kubelets use for every write.
    /// A change that leaves the object equal writes nothing.
    pub fn modify(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
        subresource: Subresource,
        change: impl FnOnce(&mut Value),
    ) -> Result<Object, ApiError> {
        let stored = self.get(resource, namespace, name)?;
        let mut object = (*stored).clone();
        change(&mut object);
        if subresource == Subresource::Main && object.get("spec") != stored.get("spec") {
            let generation = stored.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        Ok(self.store.put(resource, namespace, name, object))
    }

    /// Deletes an object: at once, or gracefully where grace or finalizers ask for it.
    pub fn delete(&self, resource: Resource, namespace: &str, name: &str, _options: &DeleteOptions) -> Result<Object, ApiError> {
        self.store.remove(resource, namespace, name).ok_or_else(|| ApiError::not_found(resource, name))
    }

    /// The present objects followed by every later change.
    pub fn watch(self: &Arc<Self>, resource: Resource, namespace: Option<&str>) -> Watch {
        let latest = self.store.subscribe(resource);
        let (revision, objects) = self.store.list(resource, namespace);
        Watch {
            server: Arc::clone(self),
            resource,
            namespace: namespace.map(ToOwned::to_owned),
            revision,
            ready: objects.into_iter().map(|object| WatchItem { kind: ChangeKind::Added, object, previous: None }).collect(),
            latest,
        }
    }
}

/// One thing that a watch delivers.
#[derive(Clone, Debug)]
pub struct WatchItem {
    /// What happened.
    pub kind: ChangeKind,
    /// The object after it.
    pub object: Object,
    /// The object before it, absent for the objects that the watch began with.
    pub previous: Option<Object>,
}

/// An informer's view: initial objects, then changes, without an end.
#[derive(Debug)]
pub struct Watch {
    server: Arc<ApiServer>,
    resource: Resource,
    namespace: Option<String>,
    revision: u64,
    ready: VecDeque<WatchItem>,
    latest: watch::Receiver<u64>,
}

impl Watch {
    /// The next item; waits for one. Ends (None) only when the log was compacted under it.
    pub async fn next(&mut self) -> Option<WatchItem> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            self.latest.mark_unchanged();
            let changes = self.server.store.changes_after(self.resource, self.revision).ok()?;
            if changes.is_empty() {
                self.latest.changed().await.ok()?;
                continue;
            }
            for change in changes {
                self.revision = change.revision;
                let inside = self.namespace.as_deref().is_none_or(|namespace| {
                    change.object.pointer("/metadata/namespace").and_then(Value::as_str) == Some(namespace)
                });
                if inside {
                    self.ready.push_back(WatchItem { kind: change.kind, object: change.object, previous: change.previous });
                }
            }
        }
    }
}
