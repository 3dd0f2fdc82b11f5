//! The containers that the nodes' runtimes know, as the API server asks for them (logs, exec).
//! Starting and stopping them lives in `start` and `terminate`.

use crate::sim::program::Container;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Instances kept per container: the newest and the one before it, as the kubelet's container GC does.
const KEPT: usize = 2;

type Instances = BTreeMap<(String, String), Vec<RuntimeContainer>>;

/// What the API server asks a node for: logs and exec of its containers.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    containers: Arc<Mutex<Instances>>,
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

impl Runtime {
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
