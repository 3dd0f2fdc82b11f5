//! The kubelet of one node: what all its pods share, and the watch that hands pods to their workers.
//! What a worker does with its pod lives in `worker`.

use super::backoff::Backoff;
use super::grid::{Grid, QUEUE_PERIOD, RELIST_PERIOD, STATUS_PERIOD};
use super::host::{Host, Left};
use super::image_gc;
use super::pod::PodRecord;
use super::pod_network;
use super::pressure::Pressure;
use super::registry::ImageStore;
use super::runtime::Runtime;
use super::status;
use super::volume::sources;
use super::worker::Worker;
use crate::json::At as _;
use crate::sim::api::ApiServer;
use crate::sim::api::resource::{CONFIG_MAPS, PODS, Resource, SECRETS};
use crate::sim::events::EventRecorder;
use crate::sim::latest;
use crate::sim::limits::Limits;
use crate::sim::network::PodNetwork;
use crate::sim::profile::{NodeShape, Profile};
use crate::sim::store::{ChangeKind, Object};
use crate::sim::tasks::Tasks;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// From the healing of a partition to the first list of a kubelet's watches (recorded: 0.25 to 1 s).
const RECONNECT: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(1));

/// The address of the first node: 172.18.0.2, as in kind.
const NODES: u32 = 0xac12_0002;

/// What the pods of a node share.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) host: Arc<Host>,
    /// Everything that this kubelet runs.
    pub(super) tasks: Tasks,
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
    /// When statuses that differ from the API's are written again.
    pub(super) statuses: Grid,
    pub(super) images: Arc<Mutex<ImageStore>>,
    pub(super) crashes: Mutex<Backoff>,
    pub(super) pulls: Mutex<Backoff>,
    /// The second and third part of pod addresses: one /24 per node.
    subnet: u32,
    addresses: Arc<AtomicU32>,
    /// Pods' workers keep their records alive.
    pods: Mutex<BTreeMap<String, Weak<PodRecord>>>,
    pub(super) draws: AtomicU64,
    /// When the eviction manager looks.
    pub(super) housekeeping: Grid,
    /// When images are looked for, and their garbage collected.
    pub(super) image_gc: Grid,
    /// What it found short, and not long enough ago.
    pub(super) pressures: Mutex<BTreeSet<Pressure>>,
    /// Until when no pod is synced.
    pub(super) stalled: Mutex<Option<Instant>>,
    /// When the overdue tick of the status manager comes after a long sleep.
    pub(super) woken: Mutex<Option<Instant>>,
    /// Whether its container runtime can be worked with.
    pub(super) usable: latest::Sender<bool>,
    /// Why the node is not ready, while it is not.
    pub(super) trouble: Mutex<Option<String>>,
    began: Instant,
    /// When the node's status was last reported, and how often before.
    pub(super) reported: Mutex<(Instant, u64)>,
}

/// Locks a mutex, poisoned or not.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Agent {
    /// A kubelet of this machine, with grids whose phases the seed decides.
    pub(super) fn new(host: &Arc<Host>) -> Arc<Self> {
        let (api, node, starts) = (&host.api, &host.node, host.switches().starts);
        let now = Instant::now();
        // Whole milliseconds: tokio's timers know nothing finer.
        let phase = |purpose: &str| now + Duration::from_millis(api.random.bits(&node.name, purpose, starts) % 1_000);
        let place = host.profile.nodes.iter().position(|shape| shape.name == node.name).unwrap_or_default();
        let subnet = u32::try_from(place).unwrap_or_default();
        let address = Ipv4Addr::from(NODES + subnet);
        let tasks = Tasks::default();
        let link = host.link.subscribe();
        Arc::new(Self {
            host: Arc::clone(host),
            api: Arc::clone(api),
            node: node.clone(),
            profile: host.profile.clone(),
            runtime: host.runtime.clone(),
            limits: host.limits.clone(),
            recorder: EventRecorder::of_kubelet(Arc::clone(api), &node.name, &tasks, link),
            tasks,
            host_ip: address.to_string(),
            network: pod_network::of_node(&host.network, &node.name, address),
            relist: Grid::new(phase("relist"), RELIST_PERIOD),
            queue: Grid::new(phase("work-queue"), QUEUE_PERIOD),
            statuses: Grid::new(phase("status-manager"), STATUS_PERIOD),
            images: Arc::clone(&host.images),
            crashes: Mutex::default(),
            pulls: Mutex::default(),
            subnet,
            addresses: Arc::clone(&host.addresses),
            pods: Mutex::default(),
            draws: AtomicU64::new(starts << 32),
            housekeeping: Grid::new(phase("eviction-manager"), STATUS_PERIOD),
            image_gc: Grid::new(phase("image-gc"), image_gc::PERIOD),
            pressures: Mutex::default(),
            stalled: Mutex::new(None),
            woken: Mutex::new(None),
            usable: latest::Sender::new(true),
            trouble: Mutex::default(),
            began: now,
            reported: Mutex::new((now, 0)),
        })
    }

    /// Whether no kubelet served this node before.
    pub(super) fn is_first(&self) -> bool {
        self.draws.load(Ordering::Relaxed) < 1 << 32
    }

    /// For how long it runs, where an earlier kubelet served the node; the first is taken to be old.
    pub(super) fn age(&self) -> Option<Duration> {
        (!self.is_first()).then(|| self.began.elapsed())
    }

    /// The pods that are served, in order of their uids.
    pub(super) fn records(&self) -> Vec<Arc<PodRecord>> {
        lock(&self.pods).values().filter_map(Weak::upgrade).collect()
    }

    /// What an earlier kubelet has left of a pod.
    pub(super) fn take_left(&self, uid: &str) -> Option<Left> {
        lock(&self.host.left).remove(uid)
    }

    /// The next address of the node's pod network.
    pub(super) fn next_address(&self) -> Ipv4Addr {
        let n = self.addresses.fetch_add(1, Ordering::Relaxed);
        let byte = |number: u32| u8::try_from(number).unwrap_or_default();
        Ipv4Addr::new(10, byte(244 + (n / 253 / 256) % 8), byte((self.subnet + n / 253) % 256), byte(n % 253 + 2))
    }

    /// Serves the pods bound to the node while the API server can be reached, until the runtime ends.
    pub(super) async fn serve_pods(self: Arc<Self>) {
        let mut link = self.host.link.subscribe();
        loop {
            let mut feed = self.runtime.feed.subscribe(&self.api, &self.node.name);
            self.reconcile();
            loop {
                tokio::select! {
                    biased;
                    _ = link.wait_for(|up| !*up) => break,
                    item = feed.recv() => match item {
                        Some((kind, pod)) => self.dispatch(kind, pod),
                        // The change log was cut under the watch: begin again from a list, as any informer does.
                        None => break,
                    },
                }
            }
            drop(feed);
            self.reconnect().await;
        }
    }

    /// Waits, after the link was lost, until watches stand again.
    async fn reconnect(&self) {
        if self.host.link.get() {
            return;
        }
        self.reach().await;
        sleep(self.draw("reconnect", RECONNECT)).await;
    }

    /// Ends the pods that vanished while nothing was watched, and the containers whose pods did.
    fn reconcile(&self) {
        for record in self.records() {
            let stored = self.api.get(PODS, &record.namespace, &record.name).ok();
            if stored.is_none_or(|pod| pod["metadata"]["uid"] != record.uid.as_str()) {
                let last = Arc::clone(&record.state().pod);
                record.removed(last);
            }
        }
        if !lock(&self.host.left).is_empty() {
            let pods = self.api.list(PODS, None);
            let known = pods.iter().filter_map(|pod| pod.at("/metadata/uid").and_then(Value::as_str)).collect();
            self.host.end_orphans(&known, &self.tasks);
        }
    }

    fn dispatch(self: &Arc<Self>, kind: ChangeKind, pod: Object) {
        let Some(uid) = pod.at("/metadata/uid").and_then(Value::as_str).map(ToOwned::to_owned) else { return };
        let known = lock(&self.pods).get(&uid).and_then(Weak::upgrade);
        match (kind, known) {
            (ChangeKind::Deleted, Some(record)) => record.removed(pod),
            (ChangeKind::Deleted, None) => {}
            (_, Some(record)) => {
                record.observe(pod);
                status::reconcile_later(&record);
            }
            (_, None) => {
                let record = PodRecord::new(self, &pod);
                lock(&self.pods).insert(uid, Arc::downgrade(&record));
                self.tasks.spawn(Worker::new(record).run());
            }
        }
    }

    /// Tells pods that a ConfigMap or Secret that they mount has changed.
    pub(super) async fn serve_sources(self: Arc<Self>, resource: Resource) {
        let mut link = self.host.link.subscribe();
        loop {
            let mut watch = self.api.watch(resource, None);
            loop {
                tokio::select! {
                    biased;
                    _ = link.wait_for(|up| !*up) => break,
                    item = watch.next() => match item {
                        Some(item) => self.source_changed(resource, &item.object),
                        None => break,
                    },
                }
            }
            self.reconnect().await;
        }
    }

    fn source_changed(&self, resource: Resource, object: &Value) {
        let text = |pointer: &str| object.at(pointer).and_then(Value::as_str).unwrap_or_default();
        let source = (resource.plural, text("/metadata/name").to_owned());
        let namespace = text("/metadata/namespace");
        for record in self.records().into_iter().filter(|pod| pod.namespace == namespace) {
            let spec = Arc::clone(&record.state().spec);
            if sources(&spec).contains(&source) {
                record.state().refresh = true;
                record.wake.notify_one();
            }
        }
    }

    /// Starts the node's tasks.
    pub(super) fn spawn(self: &Arc<Self>) {
        self.tasks.spawn(Arc::clone(self).serve_pods());
        self.tasks.spawn(Arc::clone(self).serve_sources(CONFIG_MAPS));
        self.tasks.spawn(Arc::clone(self).serve_sources(SECRETS));
        self.tasks.spawn(Arc::clone(self).serve_pressure());
        self.tasks.spawn(Arc::clone(self).serve_images());
        self.tasks.spawn(Arc::clone(self).serve_victims());
    }

    /// Forgets a pod that is gone.
    pub(super) fn forget(&self, uid: &str) {
        let gone = lock(&self.pods).remove(uid).and_then(|record| record.upgrade());
        if let Some(record) = gone {
            self.release_images(&record);
        }
        // What it leaves may be what another waits for.
        for record in self.records() {
            let waits = record.state().resize.is_pending();
            if waits {
                record.request_sync();
            }
        }
        self.network.network().detach(uid);
        self.runtime.forget(uid);
    }
}
