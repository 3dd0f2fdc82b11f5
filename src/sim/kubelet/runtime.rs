//! The containers that the nodes' runtimes know, as the API server asks for them (logs, exec).
//! Starting and stopping them lives in `start` and `terminate`.

use super::agent::lock;
use super::containerd::SILENT;
use super::feed::Feed;
use super::persistent::Disks;
use crate::sim::program::Container;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Instances kept per container: the newest and the one before it, as the kubelet's container GC does.
const KEPT: usize = 2;

type Instances = BTreeMap<(String, String), Vec<RuntimeContainer>>;

/// What the API server asks a node for: logs and exec of its containers.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    containers: Arc<Mutex<Instances>>,
    /// The nodes whose runtimes do not run.
    silent: Arc<Mutex<BTreeSet<String>>>,
    /// How the nodes hear of their pods.
    pub(super) feed: Feed,
    /// What outlives pods.
    pub(super) disks: Disks,
}

/// One container known to the runtime: the present or the last dead instance.
#[derive(Clone, Debug)]
pub struct RuntimeContainer {
    /// The pod's uid.
    pub uid: String,
    /// The container's name.
    pub name: String,
    /// How many instances came before.
    pub restart: u32,
    /// The instance.
    pub container: Arc<Container>,
}

/// What a running container uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The container's name.
    pub container: String,
    /// How many instances came before.
    pub restart: u32,
    /// Resident bytes of its processes and of its files in memory (the working set).
    pub memory: u64,
    /// Processor time that the instance used since its start.
    pub processor: Duration,
    /// Its memory limit in bytes, 0 for none.
    pub memory_limit: u64,
}

impl Runtime {
    /// What each running container of a pod uses now, in order of their names.
    #[must_use]
    pub fn usage(&self, uid: &str) -> Vec<Usage> {
        let containers = self.lock();
        let first = (uid.to_owned(), String::new());
        let newest = containers.range(first..).take_while(|((owner, _), _)| owner == uid).filter_map(|(_, all)| all.last());
        newest
            .filter(|known| known.container.exit().get().is_none())
            .map(|known| Usage {
                container: known.name.clone(),
                restart: known.restart,
                memory: known.container.memory(),
                processor: known.container.processor_time(),
                memory_limit: known.container.memory_limit().unwrap_or(0),
            })
            .collect()
    }

    /// The uids of all pods with containers, in order.
    #[must_use]
    pub fn pods(&self) -> Vec<String> {
        let mut pods: Vec<String> = self.lock().keys().map(|(uid, _)| uid.clone()).collect();
        pods.dedup();
        pods
    }

    /// What a node's runtime answers whoever asks for a container: nothing but this, while it does not run.
    #[must_use]
    pub fn silence(&self, node: &str) -> Option<&'static str> {
        lock(&self.silent).contains(node).then_some(SILENT)
    }

    /// Sets whether a node's runtime runs.
    pub(super) fn answers(&self, node: &str, runs: bool) {
        let mut silent = lock(&self.silent);
        if runs {
            silent.remove(node)
        } else {
            silent.insert(node.to_owned())
        };
    }

    fn lock(&self) -> MutexGuard<'_, Instances> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest instance of a container (`previous`: the one before it).
    #[must_use]
    pub fn find(&self, uid: &str, name: &str, previous: bool) -> Option<RuntimeContainer> {
        let containers = self.lock();
        containers.get(&(uid.to_owned(), name.to_owned()))?.iter().rev().nth(usize::from(previous)).cloned()
    }

    /// Adds a started instance and forgets all but the one before it.
    pub(super) fn add(&self, started: RuntimeContainer) {
        let mut containers = self.lock();
        let instances = containers.entry((started.uid.clone(), started.name.clone())).or_default();
        instances.push(started);
        let surplus = instances.len().saturating_sub(KEPT);
        instances.drain(..surplus);
    }

    /// Forgets a pod that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.lock().retain(|(owner, _), _| owner != uid);
    }
}
