//! Faults on the machines of nodes, past the API: on kind by the node's container, on the embedded cluster by its simulation, on others
//! by a privileged pod, where `--allow node-access` says so. The last ready node of a control plane is never touched.

use super::Timing;
use super::timing::node_fault;
use crate::scenario::duration::serde_text_option;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

node_fault! {
    /// `pauseNode`: freezes the node's machine with all its processes; `for` ends it (default: at the end of the trial). Nobody
    /// hears of it at once: the node is given up 50 s after its kubelet's last word, and its pods move when they tolerate that no
    /// longer (5 min, where they do not say otherwise). Not by `--allow node-access`: nothing on such a machine could undo it. Effect: the
    /// node is seen not Ready.
    ///
    /// ```yaml
    /// pauseNode: { deployment: pool }
    /// ```
    pub struct PauseNode {}
}

node_fault! {
    /// `rebootNode`: cuts the power of the node's machine and gives it back: at once, or after `for` (not by `--allow node-access`). Effect: a container of each
    /// of the trial's pods on it is seen ended or restarted, or the node is seen not Ready.
    ///
    /// ```yaml
    /// rebootNode: { deployment: pool }
    /// ```
    pub struct RebootNode {}
}

node_fault! {
    /// `stopKubelet`: stops the kubelet; containers go on, but nobody restarts, probes or reports them. By `--allow node-access` the node
    /// itself starts it again after `for`, else after the trial's budget, as with all that cuts the node off. Effect: the node is seen
    /// not Ready, as with `pauseNode`.
    ///
    /// ```yaml
    /// stopKubelet: { deployment: pool }
    /// ```
    pub struct StopKubelet {}
}

node_fault! {
    /// `stopContainerRuntime`: stops the container runtime; containers go on, but none can be started, stopped or asked into, and the
    /// kubelet says of its node that it is not Ready. Effect: the node is seen not Ready, half a minute later.
    ///
    /// ```yaml
    /// stopContainerRuntime: { deployment: pool }
    /// ```
    pub struct StopContainerRuntime {}
}

node_fault! {
    /// `partitionNode`: drops every packet between the node, with its pods, and all others. What runs on the node goes on and
    /// reaches itself. Effect: the node is seen not Ready, as with `pauseNode`.
    ///
    /// ```yaml
    /// partitionNode: { deployment: pool }
    /// ```
    pub struct PartitionNode {}
}

node_fault! {
    /// `blockRegistry`: the node's container runtime reaches no registry. Images that it has can be used, with the pull policy
    /// `IfNotPresent`. Effect: a container on each of these nodes is seen waiting because its image cannot be pulled.
    ///
    /// ```yaml
    /// blockRegistry: { deployment: pool }
    /// ```
    pub struct BlockRegistry {}
}

/// `pauseApiServer`: stops the process of the API server, on every node of the control plane, and lets it go on after `for`; it goes on
/// by itself even if comeback has ended. What runs goes on running; nobody is told, and nothing is repaired. What is asked through the API
/// (`http`, `exec` and their like, metrics, logs) cannot be measured meanwhile. Effect: the API server is measured not to answer.
///
/// ```yaml
/// pauseApiServer: { for: 20s }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseApiServer {
    /// Waits this long after the fault before it was accepted (of the first: after the steady state).
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub after: Option<Duration>,
    /// How long it is stopped, 1s to 2m (default 30s).
    #[serde(rename = "for", default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub lasts: Option<Duration>,
}

/// How long the API server is stopped where nothing is said.
const STOPPED: Duration = Duration::from_secs(30);
/// The shortest and longest that it may be stopped: its kubelet would start another after about that time.
pub const STOPPED_FOR: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(2);

impl PauseApiServer {
    /// When it is injected and how long it lasts.
    #[must_use]
    pub fn timing(&self) -> Timing {
        Timing { after: self.after.unwrap_or_default(), lasts: Some(self.lasts.unwrap_or(STOPPED)) }
    }
}
