//! Faults on nodes through the API alone. They touch what others share: outside of the embedded cluster and kind they need
//! `--allow cluster-faults`.

use super::timing::node_fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

node_fault! {
    /// `cordonNode`: no new pod is placed on the node. Effect: the node is seen with the taint
    /// `node.kubernetes.io/unschedulable`, which the node controller sets.
    ///
    /// ```yaml
    /// cordonNode: { deployment: pool }
    /// ```
    pub struct CordonNode {}
}

node_fault! {
    /// `taintNode`: puts a taint on the node. Effect of `NoExecute`: each pod of the trial on it that does not tolerate the taint
    /// is seen being deleted; of the others: the node is seen with the taint.
    ///
    /// ```yaml
    /// taintNode: { deployment: pool, key: comeback.dev/fault, effect: NoExecute, for: 1m }
    /// ```
    pub struct TaintNode {
        /// The taint's key (default `comeback.dev/fault`).
        #[serde(default = "taint_key")]
        key: String,
        /// The taint's value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<String>,
        /// What it does.
        effect: TaintEffect,
    }
}

node_fault! {
    /// `drainNode`: cordons the node and evicts the trial's own pods from it, those of `DaemonSets` excepted, heeding budgets as
    /// `evictPods` does. Nobody else's pods are touched. Effect: each of those pods is seen being deleted.
    ///
    /// ```yaml
    /// drainNode: { deployment: pool }
    /// ```
    pub struct DrainNode {
        /// Grace in seconds instead of the pods' own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_period_seconds: Option<u32>,
    }
}

fn taint_key() -> String {
    "comeback.dev/fault".to_owned()
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// They are not placed on the node.
    NoSchedule,
    /// They are placed elsewhere if possible.
    PreferNoSchedule,
    /// They are evicted at once.
    NoExecute,
}

impl TaintEffect {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::PreferNoSchedule => "PreferNoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}
