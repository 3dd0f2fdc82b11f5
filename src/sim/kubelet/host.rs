//! The machine of a node: what outlives its kubelet, such as running containers, volumes and pulled images.
//! What may be done to a machine lives in `control`, what its kubelet does in `agent`.

use super::agent::{Agent, lock};
use super::disk::{disk_of, volumes_on_disk};
use super::instance::{Finish, Instance};
use super::pod::{PodRecord, Sandbox};
use super::registry::ImageStore;
use super::runtime::Runtime;
use crate::sim::api::ApiServer;
use crate::sim::latest;
use crate::sim::limits::Limits;
use crate::sim::network::{CutId, Network};
use crate::sim::profile::{NodeShape, Profile};
use crate::sim::program::Signal;
use crate::sim::program::filesystem::Volume;
use crate::sim::program::node_disk::{Meter, NodeDisk};
use crate::sim::program::node_memory::NodeMemory;
use crate::sim::tasks::Tasks;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Containers that no pod owns any more get this long between TERM and KILL.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);

/// What system, container runtime and kubelet take of a node's memory (bytes).
pub(in crate::sim) const SYSTEM_MEMORY: u64 = 512 * 1024 * 1024;
/// With less memory left (bytes), the kubelet evicts: `memory.available<100Mi`.
pub(super) const MEMORY_THRESHOLD: u64 = 100 * 1024 * 1024;

/// The memory of a machine that was just started.
pub(super) fn memory_of(node: &NodeShape) -> NodeMemory {
    NodeMemory::new(node.memory_bytes.saturating_sub(SYSTEM_MEMORY), MEMORY_THRESHOLD)
}

/// What a kubelet that is gone has left of a pod.
#[derive(Clone, Debug, Default)]
pub(super) struct Left {
    pub(super) instances: BTreeMap<String, Vec<Instance>>,
    pub(super) sandbox: Option<Sandbox>,
    /// How many sandboxes the pod has had.
    pub(super) sandboxes: u32,
    pub(super) volumes: BTreeMap<String, Volume>,
    /// Those of them that lie on the node's disk and end with their pod.
    pub(super) on_disk: Vec<Volume>,
}

impl Left {
    /// What `record` knows of its pod's containers.
    pub(super) fn of(record: &PodRecord) -> Self {
        let volumes = lock(&record.volumes).clone();
        let state = record.state();
        Self {
            instances: state.instances.clone(),
            sandbox: state.sandbox.clone(),
            sandboxes: state.sandboxes,
            on_disk: volumes_on_disk(&state.spec, &volumes),
            volumes,
        }
    }

    fn running(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().flatten().filter(|instance| instance.running())
    }
}

/// What is switched on.
#[derive(Debug)]
pub(super) struct Switches {
    pub(super) powered: bool,
    pub(super) paused: Option<Instant>,
    /// The running kubelet; its tasks keep it alive.
    pub(super) kubelet: Weak<Agent>,
    pub(super) kubelet_up: bool,
    /// The processes of this boot, and the memory that they share.
    pub(super) machine: Tasks,
    pub(super) memory: NodeMemory,
    /// How often the machine was started, and its kubelet.
    pub(super) boots: u64,
    pub(super) starts: u64,
}

/// One machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) api: Arc<ApiServer>,
    pub(super) node: NodeShape,
    pub(super) profile: Profile,
    pub(super) runtime: Runtime,
    pub(super) network: Network,
    pub(super) limits: Limits,
    /// Whether the API server can be reached.
    pub(super) link: latest::Sender<bool>,
    pub(super) images: Arc<Mutex<ImageStore>>,
    /// Whether its container runtime reaches no registry.
    pub(super) registry_blocked: AtomicBool,
    /// Whether its container runtime runs.
    pub(super) containerd: latest::Sender<bool>,
    pub(super) disk: NodeDisk,
    pub(super) addresses: Arc<AtomicU32>,
    /// What stopped kubelets have left, by uid.
    pub(super) left: Mutex<BTreeMap<String, Left>>,
    /// The machine off the network, while it has no power.
    unplugged: Mutex<Option<CutId>>,
    switches: Mutex<Switches>,
}

impl Host {
    /// A machine that is running, without a kubelet.
    pub(super) fn new(
        api: &Arc<ApiServer>,
        node: &NodeShape,
        profile: &Profile,
        runtime: &Runtime,
        network: &Network,
        limits: &Limits,
    ) -> Arc<Self> {
        let host = Arc::new(Self {
            api: Arc::clone(api),
            node: node.clone(),
            profile: profile.clone(),
            runtime: runtime.clone(),
            network: network.clone(),
            limits: limits.clone(),
            link: latest::Sender::new(true),
            images: Arc::new(Mutex::new(ImageStore::of(profile))),
            registry_blocked: AtomicBool::new(false),
            containerd: latest::Sender::new(true),
            disk: disk_of(node),
            addresses: Arc::new(AtomicU32::new(1)),
            left: Mutex::default(),
            unplugged: Mutex::new(None),
            switches: Mutex::new(Switches {
                powered: true,
                paused: None,
                kubelet: Weak::new(),
                kubelet_up: false,
                machine: Tasks::default(),
                memory: memory_of(node),
                boots: 0,
                starts: 0,
            }),
        });
        let meter: Arc<dyn Meter> = Arc::<Self>::clone(&host);
        host.disk.measured_by(Arc::downgrade(&meter));
        host
    }

    /// The switches; never held across an await.
    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        lock(&self.switches)
    }

    /// The memory that the containers of this boot share.
    pub(super) fn memory(&self) -> NodeMemory {
        self.switches().memory.clone()
    }

    /// Starts a kubelet, which takes over what an earlier one has left.
    pub(super) fn start_kubelet(self: &Arc<Self>) {
        let agent = Agent::new(self);
        {
            let mut switches = self.switches();
            switches.kubelet = Arc::downgrade(&agent);
            switches.kubelet_up = true;
            switches.starts += 1;
        }
        agent.start();
    }

    /// Stops the kubelet; its containers go on.
    pub(super) fn stop_kubelet(&self) {
        let agent = {
            let mut switches = self.switches();
            switches.kubelet_up = false;
            std::mem::take(&mut switches.kubelet).upgrade()
        };
        if let Some(agent) = agent {
            agent.fall_silent();
            lock(&self.left).extend(agent.records().into_iter().map(|record| (record.uid.clone(), Left::of(&record))));
            agent.tasks.end();
        }
    }

    /// Starts or stops the container runtime.
    pub(super) fn run_containerd(&self, runs: bool) {
        self.runtime.answers(&self.node.name, runs);
        self.containerd.send_replace(runs);
    }

    /// Every process dies at once, and nobody hears of it.
    pub(super) fn lose_power(&self) {
        let left = lock(&self.left);
        for process in left.values().flat_map(Left::running).filter_map(|instance| instance.process.as_ref()) {
            process.signal(Signal::Kill);
        }
    }

    /// Takes the machine off the network: nobody reaches it, and its connections are gone without a word.
    pub(super) fn unplug(&self) {
        *lock(&self.unplugged) = Some(self.network.power_off(&self.node.name));
    }

    /// Puts the machine back on the network, where nothing is left of its pods' sandboxes.
    pub(super) fn plug(&self) {
        for uid in lock(&self.left).keys() {
            self.network.detach(uid);
        }
        if let Some(cut) = lock(&self.unplugged).take() {
            self.network.heal(cut);
        }
    }

    /// What containerd finds after a boot: containers that ended it knows not how, sandboxes without a network.
    pub(super) fn find_dead(&self) {
        let (now, stamp) = (Instant::now(), self.api.clock.seconds());
        for left in lock(&self.left).values_mut() {
            left.sandbox = None;
            for instance in left.instances.values_mut().flatten().filter(|instance| instance.running()) {
                let finish = Finish { at: now, stamp: stamp.clone(), code: 255, reason: "Unknown", message: None };
                instance.finish = Some(finish);
            }
        }
    }

    /// Ends what belongs to pods that were removed while no kubelet looked: those that are not `known` any more.
    pub(super) fn end_orphans(&self, known: &BTreeSet<&str>, tasks: &Tasks) {
        let orphans: Vec<_> = lock(&self.left).extract_if(.., |uid, _| !known.contains(uid.as_str())).collect();
        for (uid, left) in orphans {
            let processes: Vec<_> = left.running().filter_map(|instance| instance.process.clone()).collect();
            let runtime = self.runtime.clone();
            tasks.spawn(async move {
                for process in &processes {
                    process.signal(Signal::Term);
                }
                sleep(ORPHAN_GRACE).await;
                for process in &processes {
                    process.signal(Signal::Kill);
                }
                runtime.forget(&uid);
            });
        }
    }
}
