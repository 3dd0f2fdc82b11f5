//! The simulated network: who listens where, connections between containers as byte streams in memory, what cuts them off.
//! Names are resolved in `dns`, services in `proxy`, policies in `policy`; what is said over a connection is the programs'.

mod connect;
mod cut;
pub mod dns;
mod error;
pub mod grpc;
mod hinder;
pub mod http;
mod listener;
mod namespace;
mod policy;
mod proxy;
pub mod resolver;
mod stream;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod whole;

pub use cut::{CutId, Party};
pub use dns::DnsFault;
pub use error::NetError;
pub use hinder::{Hindrance, HindranceId};
pub use listener::Listener;
pub use namespace::{Identity, PodNetwork};
pub use stream::Stream;

use super::api::ApiServer;
use super::limits::Limits;
use super::random::Random;
use cut::Cuts;
use hinder::Hindrances;
use namespace::NetworkNamespace;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use stream::Connection;

/// The network of one simulated cluster. Copies are the same network.
#[derive(Clone, Debug)]
pub struct Network {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Weak, because the API server may come to hold the network.
    api: Weak<ApiServer>,
    random: Random,
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    namespaces: BTreeMap<Ipv4Addr, Arc<NetworkNamespace>>,
    pods: BTreeMap<String, (Arc<Identity>, Arc<NetworkNamespace>)>,
    cuts: Cuts,
    hindrances: Hindrances,
    dns: dns::Faults,
    proxy: proxy::Proxy,
    connections: BTreeMap<u64, Weak<Connection>>,
    last_connection: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    /// The network of the cluster that this API server belongs to. Must be called inside a tokio runtime.
    #[must_use]
    pub fn new(api: &Arc<ApiServer>, limits: &Limits) -> Self {
        let network = Self::over(Arc::downgrade(api), api.random, limits);
        proxy::start(&network, api);
        network
    }

    /// A network without a cluster: no services, no names, no policies.
    #[must_use]
    pub fn alone(random: Random, limits: &Limits) -> Self {
        Self::over(Weak::new(), random, limits)
    }

    fn over(api: Weak<ApiServer>, random: Random, limits: &Limits) -> Self {
        Self { shared: Arc::new(Shared { api, random, limits: limits.clone(), state: Mutex::default() }) }
    }

    /// Connects a pod (or, without a uid, a node itself) to the network: what its containers see of it. Pods on the host's
    /// network share the namespace of their node's address.
    #[must_use]
    pub fn attach(&self, identity: Identity) -> PodNetwork {
        let identity = Arc::new(identity);
        let mut state = self.shared.lock();
        let namespace = state.namespaces.entry(identity.address).or_insert_with(|| Arc::new(NetworkNamespace::new(&identity)));
        let namespace = Arc::clone(namespace);
        if !identity.uid.is_empty() {
            state.pods.insert(identity.uid.clone(), (Arc::clone(&identity), Arc::clone(&namespace)));
        }
        PodNetwork { network: self.clone(), namespace, identity }
    }

    /// The network of a running pod, as port-forward and exec into it see it.
    #[must_use]
    pub fn pod(&self, uid: &str) -> Option<PodNetwork> {
        let (identity, namespace) = self.shared.lock().pods.get(uid).cloned()?;
        Some(PodNetwork { network: self.clone(), namespace, identity })
    }

    /// Takes a pod off the network: its sandbox is gone.
    pub fn detach(&self, uid: &str) {
        let mut state = self.shared.lock();
        let Some((identity, namespace)) = state.pods.remove(uid) else { return };
        let same = state.namespaces.get(&identity.address).is_some_and(|present| Arc::ptr_eq(present, &namespace));
        if same && !identity.host_network {
            state.namespaces.remove(&identity.address);
        }
    }
}
