//! The kubelet of one simulated node: a worker per pod that starts, probes, restarts and ends containers.
//! The law of each step: `kubernetes-behaviour.md` 4 and `real-cluster-findings.md`.

mod admission;
mod agent;
mod backoff;
mod conditions;
mod containerd;
pub mod control;
mod disk;
mod ending;
mod environment;
mod ephemeral;
mod eviction;
mod expansion;
mod feed;
mod grid;
mod hook;
mod host;
mod http_get;
mod image;
mod image_gc;
mod image_name;
mod instance;
mod kube_proxy;
mod mount;
mod node;
mod persistent;
mod pod;
mod pod_network;
mod pressure;
mod private_registry;
mod probe;
mod prober;
mod quantity;
mod registry;
mod resize;
mod resources;
mod runtime;
pub(crate) mod schedulable;
mod security;
mod start;
mod status;
mod storage;
mod sync;
mod sysctl;
mod terminate;
#[cfg(test)]
mod tests;
mod unsupported;
mod volume;
mod wake;
mod worker;

pub(in crate::sim) use host::SYSTEM_MEMORY;
pub use runtime::{Runtime, RuntimeContainer, Usage};

use super::api::ApiServer;
use super::limits::Limits;
use super::network::Network;
use super::profile::{NodeShape, Profile};
use std::sync::Arc;

/// Starts a node: its machine and its kubelet, which registers the Node and its Lease, then serves the pods bound to it until
/// the runtime ends. Returns the node's switches.
pub fn start(
    api: &Arc<ApiServer>,
    node: &NodeShape,
    profile: &Profile,
    runtime: &Runtime,
    network: &Network,
    limits: &Limits,
) -> control::NodeControl {
    let host = host::Host::new(api, node, profile, runtime, network, limits);
    host.start_kubelet();
    control::NodeControl::new(host)
}
