//! The kubelet of one node: what all its pods share, and the watch that hands pods to their workers.
//! What a worker does with its pod lives in `worker`.

use super::backoff::Backoff;
use super::grid::{Grid, QUEUE_PERIOD, RELIST_PERIOD};
use super::pod::PodRecord;
use super::pod_network;
use super::registry::ImageStore;
use super::runtime::Runtime;
use super::volume::sources;
use super::worker::Worker;
use crate::sim::api::ApiServer;
use crate::sim::api::resource::{CONFIG_MAPS, PODS, Resource, SECRETS};
use crate::sim::events::EventRecorder;
use crate::sim::limits::Limits;
use crate::sim::network::{Network, PodNetwork};
use crate::sim::profile::{NodeShape, Profile};
use crate::sim::store::{ChangeKind, Object};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The address of the first node: 172.18.0.2, as in kind.
const NODES: u32 = 0xac12_0002;

/// What the pods of a node share.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) api: Arc<ApiServer>,
    pub(super) node: NodeShape,
    pub(super) profile: Profile,
    pub(super) runtime: Runtime,
    pub(super) limits: Limits,
    pub(super) recorder: EventRecorder,
    pub(super) host_ip: String,
    /// The node's own view of the network: what probes see, and pods with `hostNetwork`.
    pub(super) network: PodNetwork,
    /// When the runtime's containers are listed.
    pub(super) relist: Grid,
    /// When the work queue is polled.
    pub(super) queue: Grid,
    pub(super) images: Mutex<ImageStore>,
    pub(super) crashes: Mutex<Backoff>,
    pub(super) pulls: Mutex<Backoff>,
    /// The second and third part of pod addresses: one /24 per node.
    subnet: u32,
    addresses: AtomicU32,
    pods: Mutex<BTreeMap<String, Arc<PodRecord>>>,
}

/// Locks a mutex, poisoned or not.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Agent {
    /// The kubelet of `node`, with grids whose phases the seed decides.
    pub(super) fn new(
        api: &Arc<ApiServer>,
        node: &NodeShape,
        profile: &Profile,
        runtime: &Runtime,
        network: &Network,
        limits: &Limits,
    ) -> Arc<Self> {
        let now = Instant::now();
        // Whole milliseconds: tokio's timers know nothing finer.
        let phase = |purpose: &str| now + Duration::from_millis(api.random.bits(&node.name, purpose, 0) % 1_000);
        let place = profile.nodes.iter().position(|shape| shape.name == node.name).unwrap_or_default();
        let subnet = u32::try_from(place).unwrap_or_default();
        let address = Ipv4Addr::from(NODES + subnet);
        Arc::new(Self {
            api: Arc::clone(api),
            node: node.clone(),
            profile: profile.clone(),
            runtime: runtime.clone(),
            limits: limits.clone(),
            recorder: EventRecorder::new(Arc::clone(api), "kubelet", Some(&node.name)),
            host_ip: address.to_string(),
            network: pod_network::of_node(network, &node.name, address),
            relist: Grid::new(phase("relist"), RELIST_PERIOD),
            queue: Grid::new(phase("work-queue"), QUEUE_PERIOD),
            images: Mutex::default(),
            crashes: Mutex::default(),
            pulls: Mutex::default(),
            subnet,
            addresses: AtomicU32::new(1),
            pods: Mutex::default(),
        })
    }

    /// The next address of the node's pod network.
    pub(super) fn next_address(&self) -> Ipv4Addr {
        let n = self.addresses.fetch_add(1, Ordering::Relaxed);
        let byte = |number: u32| u8::try_from(number).unwrap_or_default();
        Ipv4Addr::new(10, byte(244 + (n / 253 / 256) % 8), byte((self.subnet + n / 253) % 256), byte(n % 253 + 2))
    }

    /// Serves the pods bound to the node until the runtime ends.
    pub(super) async fn serve_pods(self: Arc<Self>) {
        loop {
            let mut watch = self.api.watch(PODS, None);
            self.reconcile();
            while let Some(item) = watch.next().await {
                self.dispatch(item.kind, item.object);
            }
            // The change log was cut under the watch: begin again from a list, as any informer does.
        }
    }

    /// Ends the pods that vanished while nothing was watched.
    fn reconcile(&self) {
        let records: Vec<_> = lock(&self.pods).values().cloned().collect();
        for record in records {
            let stored = self.api.get(PODS, &record.namespace, &record.name).ok();
            if stored.is_none_or(|pod| pod["metadata"]["uid"] != record.uid.as_str()) {
                let last = Arc::clone(&record.state().pod);
                record.removed(last);
            }
        }
    }

    fn dispatch(self: &Arc<Self>, kind: ChangeKind, pod: Object) {
        if pod.pointer("/spec/nodeName").and_then(Value::as_str) != Some(self.node.name.as_str()) {
            return;
        }
        let Some(uid) = pod.pointer("/metadata/uid").and_then(Value::as_str).map(ToOwned::to_owned) else { return };
        let known = lock(&self.pods).get(&uid).cloned();
        match (kind, known) {
            (ChangeKind::Deleted, Some(record)) => record.removed(pod),
            (ChangeKind::Deleted, None) => {}
            (_, Some(record)) => record.observe(pod),
            (_, None) => {
                let record = PodRecord::new(self, &pod);
                lock(&self.pods).insert(uid, Arc::clone(&record));
                tokio::spawn(Worker::new(record).run());
            }
        }
    }

    /// Tells pods that a ConfigMap or Secret that they mount has changed.
    pub(super) async fn serve_sources(self: Arc<Self>, resource: Resource) {
        loop {
            let mut watch = self.api.watch(resource, None);
            while let Some(item) = watch.next().await {
                self.source_changed(resource, &item.object);
            }
        }
    }

    fn source_changed(&self, resource: Resource, object: &Value) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let source = (resource.plural, text("/metadata/name").to_owned());
        let namespace = text("/metadata/namespace");
        let records: Vec<_> = lock(&self.pods).values().filter(|pod| pod.namespace == namespace).cloned().collect();
        for record in records {
            let spec = Arc::clone(&record.state().spec);
            if sources(&spec).contains(&source) {
                record.state().refresh = true;
                record.wake.notify_one();
            }
        }
    }

    /// Starts the node's tasks.
    pub(super) fn spawn(self: &Arc<Self>) {
        tokio::spawn(Arc::clone(self).serve_pods());
        tokio::spawn(Arc::clone(self).serve_sources(CONFIG_MAPS));
        tokio::spawn(Arc::clone(self).serve_sources(SECRETS));
    }

    /// Forgets a pod that is gone.
    pub(super) fn forget(&self, uid: &str) {
        lock(&self.pods).remove(uid);
        self.network.network().detach(uid);
        self.runtime.forget(uid);
    }
}
