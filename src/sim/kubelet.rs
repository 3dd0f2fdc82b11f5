//! The kubelet of one simulated node: a worker per pod that starts, probes, restarts and ends containers.
//! The law of each step: `kubernetes-behaviour.md` 4 and `real-cluster-findings.md`.

use super::api::ApiServer;
use super::limits::Limits;
use super::profile::{NodeShape, Profile};
use super::program::Container;
use std::sync::{Arc, Mutex};

/// What the API server asks a node for: logs and exec of its containers.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    containers: Arc<Mutex<Vec<RuntimeContainer>>>,
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
    /// The newest instance of a container (`previous`: the one before it).
    #[must_use]
    pub fn find(&self, uid: &str, name: &str, previous: bool) -> Option<RuntimeContainer> {
        let containers = self.containers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut instances: Vec<_> = containers.iter().filter(|c| c.uid == uid && c.name == name).collect();
        instances.sort_by_key(|c| c.restart);
        instances.into_iter().rev().nth(usize::from(previous)).cloned()
    }
}

/// Starts the kubelet of a node: registers the Node and its Lease, then serves the pods bound to it until the runtime ends.
pub fn start(_api: &Arc<ApiServer>, _node: &NodeShape, _profile: &Profile, _runtime: &Runtime, _limits: &Limits) {}
