//! Partitions: who cannot reach whom, with an exact undo, and what that does to connections that exist.
//! Network policies are not here: they decide about new connections only.

use super::stream::{Connection, End};
use super::{Network, State};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One side of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// A machine: its host network and all its pods. What stays on the machine is never cut.
    Node(String),
    /// The host network of a node (kubelet, pods with `hostNetwork`), without its pods.
    Host(String),
    /// The pod with this uid.
    Pod(String),
    /// Everybody.
    Everyone,
}

/// Names a cut, to heal it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CutId(u64);

/// The cuts in force.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    in_force: BTreeMap<CutId, (Party, Party)>,
    last: u64,
}

impl Party {
    pub(super) fn is(&self, end: &End) -> bool {
        match self {
            Self::Node(name) => end.node == *name,
            Self::Host(name) => end.node == *name && end.uid.is_none(),
            Self::Pod(uid) => end.uid.as_ref() == Some(uid),
            Self::Everyone => true,
        }
    }

    fn is_machine(&self) -> bool {
        matches!(self, Self::Node(_))
    }
}

impl Cuts {
    /// Whether packets pass between two ends.
    pub(super) fn pass(&self, a: &End, b: &End) -> bool {
        self.in_force.values().all(|(one, other)| {
            let inside = a.node == b.node && (one.is_machine() || other.is_machine());
            inside || !(one.is(a) && other.is(b) || one.is(b) && other.is(a))
        })
    }
}

impl State {
    pub(super) fn living(&mut self) -> Vec<Arc<Connection>> {
        self.connections.retain(|_, connection| connection.strong_count() > 0);
        self.connections.values().filter_map(std::sync::Weak::upgrade).collect()
    }
}

impl Network {
    /// Drops every packet between two parties until the cut is healed. Cuts do not know of each other: whoever is cut off
    /// twice must be healed twice.
    #[must_use]
    pub fn cut(&self, one: Party, other: Party) -> CutId {
        let (id, connections) = {
            let mut state = self.shared.lock();
            state.cuts.last += 1;
            let id = CutId(state.cuts.last);
            state.cuts.in_force.insert(id, (one, other));
            (id, state.living())
        };
        self.review(&connections);
        id
    }

    /// Ends a cut. Connections that outlived it go on at the next retransmission.
    pub fn heal(&self, id: CutId) {
        let connections = {
            let mut state = self.shared.lock();
            state.cuts.in_force.remove(&id);
            state.living()
        };
        self.review(&connections);
    }

    /// Switches a machine off: nobody reaches it, and its connections are gone without a word to the other end. Healing the
    /// cut switches its network on again; who speaks on an old connection then is told that it is gone.
    #[must_use]
    pub fn power_off(&self, node: &str) -> CutId {
        let id = self.cut(Party::Node(node.to_owned()), Party::Everyone);
        for connection in self.shared.lock().living() {
            connection.forget(node);
        }
        id
    }

    fn review(&self, connections: &[Arc<Connection>]) {
        for connection in connections {
            let open = self.shared.lock().cuts.pass(connection.end(0), connection.end(1));
            connection.set_open(open);
        }
    }
}
