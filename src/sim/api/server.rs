//! The verbs of the API server on stored objects: get, list, create, modify, delete, watch. Synchronous and in process;
//! the steps of a write are in `pipeline`, latencies belong to the callers, HTTP to `rest`.

use super::custom::{CustomKind, CustomKinds, Rules};
use super::delete;
use super::eviction;
use super::face::Served;
use super::gate::Gate;
use super::pipeline;
use super::priority;
use super::resource::{self, Resource};
use super::status::ApiError;
use super::token::TokenAuthority;
use crate::sim::clock::Clock;
use crate::sim::heartbeat::Heartbeats;
use crate::sim::latest;
use crate::sim::limits::Limits;
use crate::sim::random::Random;
use crate::sim::store::{ChangeKind, Object, Part, Store};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Which face of an object a write changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    /// Everything but status.
    Main,
    /// Status (and metadata that status writers may touch) alone.
    Status,
    /// The resources of a pod's containers alone.
    Resize,
    /// A pod's ephemeral containers alone.
    EphemeralContainers,
    /// The conditions that approve or deny a certificate signing request alone.
    Approval,
}

impl Subresource {
    /// The last part of its path; none for the object itself.
    #[must_use]
    pub fn path(self) -> Option<&'static str> {
        match self {
            Self::Main => None,
            Self::Status => Some("status"),
            Self::Resize => Some("resize"),
            Self::EphemeralContainers => Some("ephemeralcontainers"),
            Self::Approval => Some("approval"),
        }
    }

    /// Whether writing it may change the spec, which the generation counts.
    #[must_use]
    pub fn is_of_spec(self) -> bool {
        matches!(self, Self::Main | Self::Resize | Self::EphemeralContainers)
    }
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

/// The API server of one simulated cluster. Its writes are meant for one thread at a time, as everything else of a
/// simulation: a cluster lives on one current-thread runtime.
#[derive(Debug)]
pub struct ApiServer {
    /// The objects.
    pub store: Store,
    /// The clock that stamps them.
    pub clock: Clock,
    /// The source of generated names and uids.
    pub random: Random,
    /// Where created objects of kinds that are not simulated are reported.
    pub limits: Limits,
    /// When each node's kubelet last renewed its lease.
    pub heartbeats: Heartbeats,
    /// Whether it answers.
    pub gate: Gate,
    tokens: OnceLock<TokenAuthority>,
    namespaces_exist: AtomicBool,
    openshift: AtomicBool,
    pub(super) custom: CustomKinds,
    drawn: Mutex<BTreeMap<String, u64>>,
}

impl ApiServer {
    /// An empty cluster with a list of limits of its own.
    #[must_use]
    pub fn new(clock: Clock, random: Random) -> Arc<Self> {
        Self::with_limits(clock, random, Limits::default())
    }

    /// An empty cluster that reports to `limits`.
    #[must_use]
    pub fn with_limits(clock: Clock, random: Random, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            store: Store::default(),
            clock,
            random,
            limits,
            heartbeats: Heartbeats::new(random),
            gate: Gate::default(),
            tokens: OnceLock::new(),
            namespaces_exist: AtomicBool::new(false),
            openshift: AtomicBool::new(false),
            custom: CustomKinds::default(),
            drawn: Mutex::default(),
        })
    }

    /// Creates the namespaces that every cluster has. From then on objects need an existing namespace and pods their
    /// service account; before, the server is bare and admits them anywhere. Does nothing the second time.
    ///
    /// # Errors
    /// Never for an empty cluster.
    pub fn bootstrap(&self) -> Result<(), ApiError> {
        if self.namespaces_exist.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            if self.store.get(resource::NAMESPACES, "", name).is_none() {
                self.create(resource::NAMESPACES, "", serde_json::json!({"metadata": {"name": name}}))?;
            }
        }
        for (name, value, description) in priority::BUILT_IN {
            if self.store.get(resource::PRIORITY_CLASSES, "", name).is_none() {
                let class = serde_json::json!({"metadata": {"name": name}, "value": value, "description": description});
                self.create(resource::PRIORITY_CLASSES, "", class)?;
            }
        }
        Ok(())
    }

    /// What signs the tokens of service accounts; from the seed unless [`ApiServer::sign_with`] was called first.
    pub fn tokens(&self) -> &TokenAuthority {
        self.tokens.get_or_init(|| TokenAuthority::seeded(self.random))
    }

    /// Signs tokens with a secret that nobody can guess. Does nothing once a token was asked for.
    pub fn sign_with(&self, authority: TokenAuthority) {
        let _ = self.tokens.set(authority);
    }

    /// Whether [`ApiServer::bootstrap`] has run.
    pub(super) fn is_bootstrapped(&self) -> bool {
        self.namespaces_exist.load(Ordering::Relaxed)
    }

    /// Begins to admit objects as OpenShift does.
    pub(in crate::sim) fn become_openshift(&self) {
        self.openshift.store(true, Ordering::Relaxed);
    }

    /// Whether it admits objects as OpenShift does.
    pub(super) fn is_openshift(&self) -> bool {
        self.openshift.load(Ordering::Relaxed)
    }

    /// The ordinal of a random draw: how often `entity` drew before. Independent of every other entity.
    pub(super) fn ordinal(&self, entity: &str) -> u64 {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let count = drawn.entry(entity.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// Every resource that is served, built in or custom.
    pub fn resources(&self) -> Vec<Resource> {
        resource::ALL.iter().copied().chain(self.custom.all().iter().map(|kind| kind.resource)).collect()
    }

    /// How a group, version and plural are served.
    pub(super) fn served(&self, group: &str, version: &str, plural: &str) -> Option<Served> {
        Served::built_in(group, version, plural).or_else(|| self.custom.served(group, version, plural))
    }

    /// The stored resource that a group, version and plural show.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Option<Resource> {
        self.served(group, version, plural).map(|served| served.resource)
    }

    /// Begins to serve a kind that is not built in: stored, and nothing acts on it. Its names stay in memory
    /// for the life of the process, once per kind.
    pub fn learn(&self, group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Resource {
        if let Some(known) = self.resource(group, version, plural) {
            return known;
        }
        let learnt = CustomKind::learnt(group, version, kind, plural, namespaced);
        let resource = learnt.resource;
        self.custom.put(learnt);
        resource
    }

    /// One object.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Result<Object, ApiError> {
        self.store.get(resource, namespace, name).ok_or_else(|| ApiError::not_found(resource, name))
    }

    /// All objects of a resource (of one namespace) in key order.
    pub fn list(&self, resource: Resource, namespace: Option<&str>) -> Vec<Object> {
        self.store.list(resource, namespace).1
    }

    /// Creates an object through the whole pipeline: defaulting, admission, validation, quota.
    pub fn create(&self, resource: Resource, namespace: &str, object: Value) -> Result<Object, ApiError> {
        let new = pipeline::admit(self, resource, namespace, object, None, &Rules::trusted(resource))?;
        Ok(pipeline::store_new(self, resource, new))
    }

    /// Changes an object atomically: what controllers and kubelets use for every write. They are trusted: nothing is
    /// validated, and one write may touch spec and status (as a binding does). A change that leaves the object equal
    /// writes nothing; one that removes the last finalizer of a deleted object removes it.
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
        Ok(pipeline::store_update(self, resource, &stored, object, subresource))
    }

    /// Deletes an object: at once, or gracefully where grace or finalizers ask for it. Returns its last state.
    pub fn delete(&self, resource: Resource, namespace: &str, name: &str, options: &DeleteOptions) -> Result<Object, ApiError> {
        delete::delete(self, resource, namespace, name, options).map(|deleted| deleted.object)
    }

    /// Evicts a pod, as its disruption budget allows.
    ///
    /// # Errors
    /// 404 without the pod, 429 when its budget is used up or not counted yet, 500 when it has several.
    pub fn evict(&self, namespace: &str, name: &str, options: &DeleteOptions) -> Result<(), ApiError> {
        match eviction::evict(self, namespace, name, options, false)? {
            eviction::Decision::Granted => Ok(()),
            eviction::Decision::Undecided(status) => Err(ApiError {
                code: 500,
                reason: "InternalError",
                message: status["message"].as_str().unwrap_or_default().to_owned(),
                details: None,
            }),
        }
    }

    /// Binds a pending pod to a node: `spec.nodeName` and the condition PodScheduled in one write.
    ///
    /// # Errors
    /// 404 without the pod, 409 when it is already bound or being deleted.
    pub fn bind(&self, namespace: &str, name: &str, node: &str) -> Result<Object, ApiError> {
        pipeline::bind(self, namespace, name, node)
    }

    /// The present objects followed by every later change.
    pub fn watch(self: &Arc<Self>, resource: Resource, namespace: Option<&str>) -> Watch {
        self.watch_part(resource, namespace.map_or(Part::All, |namespace| Part::Namespace(namespace.to_owned())))
    }

    fn watch_part(self: &Arc<Self>, resource: Resource, part: Part) -> Watch {
        let latest = self.store.subscribe_part(resource, &part);
        let (revision, objects) = self.store.list_part(resource, &part);
        Watch {
            server: Arc::clone(self),
            resource,
            part,
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
    part: Part,
    revision: u64,
    ready: VecDeque<WatchItem>,
    latest: latest::Receiver<u64>,
}

impl Watch {
    /// The next item; waits for one. Ends (None) only when the log was compacted under it.
    pub async fn next(&mut self) -> Option<WatchItem> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            self.latest.mark_unchanged();
            let changes = self.server.store.changes_of_part(self.resource, &self.part, self.revision).ok()?;
            if changes.is_empty() {
                self.latest.changed().await.ok()?;
                continue;
            }
            for change in changes {
                self.revision = change.revision;
                self.ready.push_back(WatchItem { kind: change.kind, object: change.object, previous: change.previous });
            }
        }
    }
}
