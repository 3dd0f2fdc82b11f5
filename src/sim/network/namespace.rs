//! A network namespace: the address and the listeners that the containers of one pod share, and what each of them sees.
//! Connecting lives in `connect`.

use super::Network;
use super::error::NetError;
use super::listener::{Backlog, Listener};
use super::stream::End;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// The first port that the kernel gives to clients, and how many there are (`ip_local_port_range`).
const FIRST_LOCAL_PORT: u16 = 32_768;
const LOCAL_PORTS: u64 = 28_232;
/// Ports that the kernel chooses for `listen` on port 0 lie in the same range.
const WILDCARD: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// Who is connected to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The pod's uid; empty for a node itself.
    pub uid: String,
    /// The pod's namespace; empty for a node itself.
    pub namespace: String,
    /// The pod's name, or the node's.
    pub name: String,
    /// The node.
    pub node: String,
    /// The address.
    pub address: Ipv4Addr,
    /// Whether it is the node's network.
    pub host_network: bool,
    /// Content of `/etc/hosts`.
    pub hosts: String,
    /// Content of `/etc/resolv.conf`.
    pub resolv_conf: String,
}

/// An address with its listeners.
#[derive(Debug)]
pub(super) struct NetworkNamespace {
    pub(super) address: Ipv4Addr,
    pub(super) node: String,
    /// The pod whose namespace it is; absent for a node's.
    pub(super) uid: Option<String>,
    listeners: Mutex<BTreeMap<u16, (Ipv4Addr, Arc<Backlog>)>>,
    ports_given: AtomicU64,
}

impl NetworkNamespace {
    pub(super) fn new(identity: &Identity) -> Self {
        let uid = Some(identity.uid.clone()).filter(|_| !identity.host_network);
        Self {
            address: identity.address,
            node: identity.node.clone(),
            uid,
            listeners: Mutex::default(),
            ports_given: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, (Ipv4Addr, Arc<Backlog>)>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who listens at an address (the namespace's own or a loopback address) and port.
    pub(super) fn listener(&self, at: SocketAddrV4) -> Option<Arc<Backlog>> {
        let listeners = self.lock();
        let (bound, backlog) = listeners.get(&at.port())?;
        (*bound == WILDCARD || bound == at.ip()).then(|| Arc::clone(backlog))
    }

    pub(super) fn stop_listening(&self, port: u16) {
        self.lock().remove(&port);
    }

    /// The namespace as an end of a connection.
    pub(super) fn end(&self, address: SocketAddrV4) -> End {
        End { address, node: self.node.clone(), uid: self.uid.clone() }
    }

    fn next_port(&self) -> u16 {
        let n = self.ports_given.fetch_add(1, Ordering::Relaxed);
        FIRST_LOCAL_PORT + u16::try_from(n % LOCAL_PORTS).unwrap_or_default()
    }

    /// The ports with listeners, and the addresses that these are bound to.
    fn listening(&self) -> Vec<SocketAddrV4> {
        self.lock().iter().map(|(port, (address, _))| SocketAddrV4::new(*address, *port)).collect()
    }
}

/// What a container sees of the network: the namespace of its pod. Copies are the same view.
#[derive(Clone, Debug)]
pub struct PodNetwork {
    pub(super) network: Network,
    pub(super) namespace: Arc<NetworkNamespace>,
    pub(super) identity: Arc<Identity>,
}

impl PodNetwork {
    /// The address of the pod (of its node, with `hostNetwork`).
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.namespace.address
    }

    /// Whose view it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The whole network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Listens at an address (`0.0.0.0` for all of the pod's) and port (0 for any free one).
    ///
    /// # Errors
    /// `AddressInUse` when a container of the pod listens on that port already, `NotAvailable` for another's address.
    pub fn listen(&self, at: SocketAddrV4) -> Result<Listener, NetError> {
        let ip = *at.ip();
        if ip != WILDCARD && !ip.is_loopback() && ip != self.namespace.address {
            return Err(NetError::NotAvailable);
        }
        let mut port = at.port();
        let mut listeners = self.namespace.lock();
        while port == 0 {
            port = Some(self.namespace.next_port()).filter(|port| !listeners.contains_key(port)).unwrap_or_default();
        }
        if listeners.contains_key(&port) {
            return Err(NetError::AddressInUse);
        }
        let backlog = Arc::new(Backlog::default());
        listeners.insert(port, (ip, Arc::clone(&backlog)));
        Ok(Listener::new(Arc::clone(&self.namespace), SocketAddrV4::new(ip, port), backlog))
    }

    /// Where somebody in the pod listens, by port.
    #[must_use]
    pub fn listening(&self) -> Vec<SocketAddrV4> {
        self.namespace.listening()
    }

    /// The established connections of the pod's own address: local and remote end, in the order in which they were made.
    #[must_use]
    pub fn established(&self) -> Vec<(SocketAddrV4, SocketAddrV4)> {
        let connections: Vec<_> = self.network.shared.lock().connections.values().filter_map(Weak::upgrade).collect();
        connections.iter().flat_map(|connection| connection.seen_from(self.namespace.address)).collect()
    }

    /// This view as an end of a connection.
    pub(super) fn end(&self, address: SocketAddrV4) -> End {
        self.namespace.end(address)
    }

    /// A local address for a new connection to `to`.
    pub(super) fn local_for(&self, to: Ipv4Addr) -> SocketAddrV4 {
        let ip = if to.is_loopback() { to } else { self.namespace.address };
        SocketAddrV4::new(ip, self.namespace.next_port())
    }
}
