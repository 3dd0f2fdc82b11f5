//! The faults of the language: what may stand under `fault`. Injecting and undoing them lives in `crate::fault`.
//! Each body has an example in its documentation, which the tests inject on the embedded cluster.

pub mod chaos_mesh;
pub mod command;
pub mod config;
pub mod machine;
pub mod network;
pub mod node;
pub mod object;
pub mod pod;
pub mod stress;
mod timing;
pub mod workload;

use super::target::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use chaos_mesh::ChaosMesh;
pub use command::Command;
pub use config::{DeleteConfig, DeleteSecret, ExpireToken, SetConfig, SetSecret};
pub use machine::{BlockRegistry, PartitionNode, PauseApiServer, PauseNode, RebootNode, StopContainerRuntime, StopKubelet};
pub use network::{BreakDns, BreakService, DenyNetwork, Direction};
pub use node::{CordonNode, DrainNode, TaintEffect, TaintNode};
pub use object::{Apply, Delete, PatchObject, Quota};
pub use pod::{DeletePods, EvictPods, Exec, KillContainer};
pub use stress::{FillDisk, StressCpu, StressMemory};
pub use timing::Timing;
use timing::fault_body;
pub use workload::{SetCommand, SetEnv, SetImage, SetProbe, SetReplicas, SetResources, StopDependency};

/// Declares the enum of all faults with the key and the timing of each.
macro_rules! faults {
    ($($(#[$meta:meta])* $name:ident($body:ident) = $key:literal,)*) => {
        /// One fault.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum Fault {
            $($(#[$meta])* $name($body),)*
        }

        impl Fault {
            /// The fault's key in the language.
            #[must_use]
            pub const fn key(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $key,)*
                }
            }

            /// When it is injected and how long it lasts.
            #[must_use]
            pub fn timing(&self) -> Timing {
                match self {
                    $(Self::$name(body) => body.timing(),)*
                }
            }
        }
    };
}

faults! {
    /// Deletes pods.
    DeletePods(DeletePods) = "deletePods",
    /// Evicts pods, heeding budgets.
    EvictPods(EvictPods) = "evictPods",
    /// Ends containers by a signal.
    KillContainer(KillContainer) = "killContainer",
    /// Runs a command in containers.
    Exec(Exec) = "exec",
    /// Uses up a container's memory.
    StressMemory(StressMemory) = "stressMemory",
    /// Computes in a container.
    StressCpu(StressCpu) = "stressCpu",
    /// Fills a container's disk.
    FillDisk(FillDisk) = "fillDisk",
    /// Sets a key of a ConfigMap.
    SetConfig(SetConfig) = "setConfig",
    /// Deletes a ConfigMap, or one key of it.
    DeleteConfig(DeleteConfig) = "deleteConfig",
    /// Sets a key of a Secret.
    SetSecret(SetSecret) = "setSecret",
    /// Deletes a Secret, or one key of it.
    DeleteSecret(DeleteSecret) = "deleteSecret",
    /// Lets tokens of a service account expire.
    ExpireToken(ExpireToken) = "expireToken",
    /// Changes an environment variable of a workload.
    SetEnv(SetEnv) = "setEnv",
    /// Changes a container's image in a workload's template.
    SetImage(SetImage) = "setImage",
    /// Changes what a container of a workload runs.
    SetCommand(SetCommand) = "setCommand",
    /// Changes a container's requests and limits in a workload's template.
    SetResources(SetResources) = "setResources",
    /// Changes, adds or removes a probe of a workload.
    SetProbe(SetProbe) = "setProbe",
    /// Changes a workload's replicas.
    SetReplicas(SetReplicas) = "setReplicas",
    /// Scales a workload that others depend on to zero.
    StopDependency(StopDependency) = "stopDependency",
    /// Patches any object of the workload.
    Patch(PatchObject) = "patch",
    /// Applies a manifest.
    Apply(Apply) = "apply",
    /// Deletes any object of the workload.
    Delete(Delete) = "delete",
    /// Limits what the namespace may use.
    Quota(Quota) = "quota",
    /// Cuts pods off by a NetworkPolicy.
    DenyNetwork(DenyNetwork) = "denyNetwork",
    /// Lets pods look no name up.
    BreakDns(BreakDns) = "breakDns",
    /// Takes a Service's endpoints away.
    BreakService(BreakService) = "breakService",
    /// Lets no new pod onto a node.
    CordonNode(CordonNode) = "cordonNode",
    /// Puts a taint on a node.
    TaintNode(TaintNode) = "taintNode",
    /// Cordons a node and evicts the trial's pods from it.
    DrainNode(DrainNode) = "drainNode",
    /// Freezes a node's machine.
    PauseNode(PauseNode) = "pauseNode",
    /// Cuts a node's power.
    RebootNode(RebootNode) = "rebootNode",
    /// Stops a node's kubelet.
    StopKubelet(StopKubelet) = "stopKubelet",
    /// Stops a node's container runtime.
    StopContainerRuntime(StopContainerRuntime) = "stopContainerRuntime",
    /// Cuts a node off the network.
    PartitionNode(PartitionNode) = "partitionNode",
    /// Lets a node pull no image.
    BlockRegistry(BlockRegistry) = "blockRegistry",
    /// Stops the API server.
    PauseApiServer(PauseApiServer) = "pauseApiServer",
    /// Makes an object of Chaos Mesh.
    ChaosMesh(ChaosMesh) = "chaosMesh",
    /// Runs a program of your own.
    Command(Command) = "command",
    /// Faults one after the other.
    Sequence(Sequence) = "sequence",
    /// Faults at the same time.
    Together(Together) = "together",
}

fault_body! {
    /// `sequence`: faults one after the other, each when the one before was accepted. With `for`, all that do not undo
    /// themselves are undone that long after the last was accepted.
    ///
    /// ```yaml
    /// sequence: { faults: [ { quota: { hard: { pods: "0" } } }, { deletePods: { deployment: pool, after: 5s } } ], for: 1m }
    /// ```
    pub struct Sequence {
        /// The faults, in order.
        faults: Vec<Fault>,
    }
}

fault_body! {
    /// `together`: faults that are requested at the same time. `for` as in `sequence`.
    ///
    /// ```yaml
    /// together: { faults: [ { deletePods: { deployment: pool } }, { breakService: { service: pool } } ], for: 1m }
    /// ```
    pub struct Together {
        /// The faults.
        faults: Vec<Fault>,
    }
}

/// What a fault on pods or nodes acts on, and on how many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aim {
    /// The pods, or the pods whose nodes are meant.
    pub target: Option<Target>,
    /// The node by name.
    pub node: Option<String>,
    /// How many.
    pub count: Option<u32>,
    /// How many in per cent of what is found.
    pub percent: Option<u32>,
    /// All that is found.
    pub all: bool,
}

impl Fault {
    /// What a fault on pods acts on; none for others.
    #[must_use]
    pub fn pods(&self) -> Option<Aim> {
        match self {
            Self::DeletePods(fault) => Some(fault.aim()),
            Self::EvictPods(fault) => Some(fault.aim()),
            Self::KillContainer(fault) => Some(fault.aim()),
            Self::Exec(fault) => Some(fault.aim()),
            Self::StressMemory(fault) => Some(fault.aim()),
            Self::StressCpu(fault) => Some(fault.aim()),
            Self::FillDisk(fault) => Some(fault.aim()),
            _ => None,
        }
    }

    /// What a fault on nodes acts on; none for others.
    #[must_use]
    pub fn nodes(&self) -> Option<Aim> {
        match self {
            Self::CordonNode(fault) => Some(fault.aim()),
            Self::TaintNode(fault) => Some(fault.aim()),
            Self::DrainNode(fault) => Some(fault.aim()),
            Self::PauseNode(fault) => Some(fault.aim()),
            Self::RebootNode(fault) => Some(fault.aim()),
            Self::StopKubelet(fault) => Some(fault.aim()),
            Self::StopContainerRuntime(fault) => Some(fault.aim()),
            Self::PartitionNode(fault) => Some(fault.aim()),
            Self::BlockRegistry(fault) => Some(fault.aim()),
            _ => None,
        }
    }

    /// Whether it is done to a node's machine, past the API.
    #[must_use]
    pub const fn is_about_a_machine(&self) -> bool {
        self.takes_a_node_away() || matches!(self, Self::BlockRegistry(_) | Self::PauseApiServer(_))
    }

    /// Whether others on the cluster notice it: nodes, and the API server.
    #[must_use]
    pub fn breaks_what_is_shared(&self) -> bool {
        self.nodes().is_some() || self.is_about_a_machine()
    }

    /// Whether its nodes, with all their pods, are lost to the others for a while.
    #[must_use]
    pub const fn takes_a_node_away(&self) -> bool {
        matches!(
            self,
            Self::PauseNode(_)
                | Self::RebootNode(_)
                | Self::StopKubelet(_)
                | Self::StopContainerRuntime(_)
                | Self::PartitionNode(_)
        )
    }

    /// The command that holds what a fault takes from containers, and the container; none for others.
    #[must_use]
    pub fn holding(&self) -> Option<(String, Option<&str>)> {
        match self {
            Self::StressMemory(fault) => Some((fault.script(), fault.container.as_deref())),
            Self::StressCpu(fault) => Some((fault.script(), fault.container.as_deref())),
            Self::FillDisk(fault) => Some((fault.script(), fault.container.as_deref())),
            _ => None,
        }
    }

    /// The pods that a fault by `NetworkPolicy` cuts off, the policy's name, and the labels that select them; none for others.
    #[must_use]
    pub fn policy(&self) -> Option<(Option<Target>, &str, Option<&str>)> {
        match self {
            Self::DenyNetwork(fault) => Some((fault.target(), &fault.name, fault.selector.as_deref())),
            Self::BreakDns(fault) => Some((fault.target(), &fault.name, fault.selector.as_deref())),
            _ => None,
        }
    }

    /// The workload whose template or replicas the fault changes, with the container where it means one; none for others.
    #[must_use]
    pub fn workload(&self) -> Option<(Option<Target>, Option<&str>)> {
        Some(match self {
            Self::SetEnv(fault) => (fault.target(), fault.container.as_deref()),
            Self::SetImage(fault) => (fault.target(), fault.container.as_deref()),
            Self::SetCommand(fault) => (fault.target(), fault.container.as_deref()),
            Self::SetResources(fault) => (fault.target(), fault.container.as_deref()),
            Self::SetProbe(fault) => (fault.target(), fault.container.as_deref()),
            Self::SetReplicas(fault) => (fault.target(), None),
            Self::StopDependency(fault) => (fault.target(), None),
            _ => return None,
        })
    }

    /// The faults of a group; none for others.
    #[must_use]
    pub fn members(&self) -> Option<&[Self]> {
        match self {
            Self::Sequence(group) => Some(&group.faults),
            Self::Together(group) => Some(&group.faults),
            _ => None,
        }
    }

    /// The single faults within: of a group its members', else itself.
    #[must_use]
    pub fn leaves(&self) -> Vec<&Self> {
        self.members().map_or_else(|| vec![self], |members| members.iter().flat_map(Self::leaves).collect())
    }
}

/// A patch of an object, by kind and name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patch {
    /// The object's kind.
    pub kind: String,
    /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The object's name.
    pub name: String,
    /// How the patch is to be read (default `strategic`).
    #[serde(rename = "type", default)]
    pub type_: PatchType,
    /// The patch itself.
    #[schemars(with = "Value")]
    pub patch: Value,
}

/// How a patch is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PatchType {
    /// Strategic merge patch: lists merge by their keys.
    #[default]
    Strategic,
    /// JSON merge patch (RFC 7396).
    Merge,
    /// JSON patch (RFC 6902).
    Json,
}

/// A scalar as YAML gives it; documents `parameters` and `setConfig.value` in the schema.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Boolean(bool),
}
