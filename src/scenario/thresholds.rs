//! The thresholds of detection: one data type that a scenario and, later, `scan` and `heal` set.
//! The rules that use them live in `detect`.

use super::duration::serde_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a signal becomes a finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Thresholds {
    /// A container has restarted at least this often (default 3).
    pub restarts: u32,
    /// A container has ended by itself at least this often for a crash to be a loop (default 2).
    pub exits: u32,
    /// A pod that runs without being Ready for this long has a readiness problem (default 30s).
    #[serde(with = "serde_text")]
    #[schemars(with = "String")]
    pub not_ready_for: Duration,
    /// A pod that cannot be scheduled for this long is stuck (default 5s).
    #[serde(with = "serde_text")]
    #[schemars(with = "String")]
    pub unschedulable_for: Duration,
    /// A pod whose volumes or network cannot be set up, or whose deletion is overdue, for this long is stuck (default 30s).
    #[serde(with = "serde_text")]
    #[schemars(with = "String")]
    pub stuck_for: Duration,
    /// How long before the onset a configuration change still counts as its cause (default 5m; a mounted ConfigMap takes up to 2m).
    #[serde(with = "serde_text")]
    #[schemars(with = "String")]
    pub config_window: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            restarts: 3,
            exits: 2,
            not_ready_for: Duration::from_secs(30),
            unschedulable_for: Duration::from_secs(5),
            stuck_for: Duration::from_secs(30),
            config_window: Duration::from_mins(5),
        }
    }
}
