//! How often comeback's healer succeeded, and what a healer gains over Kubernetes alone, as result files have it. How that is found is
//! `measure::outcome`'s and `measure::lift`'s.

use super::{Distribution, Rate, ScenarioResult};
use crate::scenario::{Healer, Verdict, comparison};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Healing by comeback.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Healing {
    /// Trials in which comeback acted.
    pub attempted: usize,
    /// Of these, trials that recovered by it.
    pub succeeded: usize,
}

/// One scenario with Kubernetes alone and with a healer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lift {
    /// The scenario's name, without the healer.
    pub scenario: String,
    /// The healer.
    pub healer: Healer,
    /// Kubernetes alone.
    pub without: LiftSide,
    /// The healer.
    pub with: LiftSide,
    /// How much higher the observed success rate is with the healer, from -1 to 1; absent where a side has no valid trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate_gain: Option<f64>,
    /// How many seconds earlier the median recovery is with the healer; absent where a side's median is censored: then it is only
    /// known that it did not recover in its budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_gain: Option<f64>,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiftSide {
    /// The scenario's name in `scenarios`.
    pub name: String,
    /// Trials that ended as the scenario expects, of all valid ones.
    pub success_rate: Rate,
    /// Recovery times in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Distribution>,
}

impl ScenarioResult {
    /// Whether recovery is what is expected: the scenario counts in the summary's rates.
    #[must_use]
    pub fn expects_recovery(&self) -> bool {
        self.expect.contains(&Verdict::Recovered) && !comparison::accepts_any(&self.expect)
    }
}
