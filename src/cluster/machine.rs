//! Machines of nodes: what can be done to one past the Kubernetes API, by whom, and how it is taken back.
//! Which faults do it is `fault`'s; containers of kind, hosts reached by pods, and simulated machines live beside this file.

pub mod anywhere;
pub mod container;
pub mod host;
pub mod script;
pub mod simulated;

use super::request::RequestError;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The label of nodes that run the control plane.
pub const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// The machine of one node, as it is found again by whoever takes back what was done to it, also in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Machine {
    /// A node of the embedded cluster: it ends with its trial.
    Simulated {
        /// The node's name.
        node: String,
    },
    /// A container of kind on this computer.
    Container {
        /// What runs it.
        runtime: Runtime,
        /// The container's id, which no other container ever has.
        id: String,
        /// Its name.
        name: String,
    },
    /// A machine that only the cluster itself reaches, by a pod on its node.
    #[serde(rename_all = "camelCase")]
    Host {
        /// The node's name.
        node: String,
        /// The machine's id, which another machine of this name does not have.
        id: String,
        /// What runs its containers, as its kubelet says (`containerd`).
        container_runtime: String,
    },
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Simulated { node } | Self::Host { node, .. } => write!(f, "the machine of node {node}"),
            Self::Container { runtime, name, .. } => write!(f, "{runtime} container {name}"),
        }
    }
}

/// A program that runs containers. Records are read from the cluster: no other program is ever started because of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Runtime {
    /// `docker`
    Docker,
    /// `podman`
    Podman,
    /// `nerdctl`
    Nerdctl,
}

impl Runtime {
    /// The program's name.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Nerdctl => "nerdctl",
        }
    }
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.program())
    }
}

/// What is done to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// All its processes stop where they are.
    Pause,
    /// Its power is cut.
    PowerOff,
    /// Its power is cut, and comes back at once.
    Reboot,
    /// Its kubelet is stopped; containers go on.
    StopKubelet,
    /// Its container runtime is stopped; containers go on.
    StopContainerRuntime,
    /// No packet leaves it or reaches it.
    Partition {
        /// Marks the rules, so that these and no others are removed.
        mark: String,
    },
    /// Its container runtime reaches no registry; images that it has can be used.
    BlockRegistry {
        /// Marks what is laid over the runtime's configuration.
        mark: String,
    },
    /// Its API server's process stops where it is.
    PauseApiServer {
        /// Marks what lets it go on by itself.
        mark: String,
        /// When it goes on by itself, whatever becomes of comeback (seconds).
        seconds: u64,
    },
}

/// By what an act is known again on its machine, and for how long it may last where nobody could reach the machine meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limit {
    /// The mark, which no other act has.
    pub mark: String,
    /// When the machine takes it back by itself, whatever becomes of comeback (seconds after the act). Machines that are reached from
    /// outside of the cluster need no such limit.
    pub seconds: u64,
}

/// What taking back came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// It is as before.
    Now,
    /// It was so already.
    Already,
    /// There is no such machine any more.
    Gone,
}

/// Reaches the machines of a cluster's nodes.
pub trait Machines: Send + Sync + std::fmt::Debug {
    /// The machine of a node, if it is surely that node's and in its usual state. `node` is the node's object.
    fn of<'a>(&'a self, node: &'a Value) -> BoxFuture<'a, Result<Machine, RequestError>>;

    /// Does it. Returns when it is done.
    fn carry_out<'a>(&'a self, machine: &'a Machine, act: &'a Act, limit: &'a Limit) -> BoxFuture<'a, Result<(), RequestError>>;

    /// Takes it back, whether it was done or not. Doing so twice does no harm.
    fn take_back<'a>(
        &'a self,
        machine: &'a Machine,
        act: &'a Act,
        limit: &'a Limit,
    ) -> BoxFuture<'a, Result<TakenBack, RequestError>>;

    /// Whether the control plane runs on these machines, so that the last of its nodes must be spared.
    fn carry_the_control_plane(&self) -> bool;
}
