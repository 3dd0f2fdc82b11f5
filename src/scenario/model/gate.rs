//! `gate` of a suite: what a run must prove, as written. Ranges are checked in `suite`; judging is `measure::gate`'s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `gate`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    /// The success rate that each scenario must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<SuccessRateGate>,
    /// The share of `invalid` and `error` trials that is still acceptable (default 0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_invalid: Option<f64>,
    /// How many `false-alarm` trials are acceptable in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub false_alarms: Option<u32>,
    /// Scenarios that may be skipped without making the gate inconclusive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_be_skipped: Vec<String>,
    /// No success rate lower and no recovery slower than the baseline's (`--baseline`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression: Option<RegressionGate>,
}

/// `gate.regression`: how a run is compared with a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegressionGate {
    /// How likely a single false regression may be over all comparisons, 0.001 to 0.5 (default 0.05).
    #[serde(default = "significance")]
    pub significance: f64,
    /// Recovery that is slower by no more than this share of the baseline's median does not count, 0 to 10 (default 0.1).
    #[serde(default = "min_effect")]
    pub min_effect: f64,
}

impl Default for RegressionGate {
    fn default() -> Self {
        Self { significance: significance(), min_effect: min_effect() }
    }
}

const fn significance() -> f64 {
    0.05
}

const fn min_effect() -> f64 {
    0.1
}

/// `gate.successRate`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuccessRateGate {
    /// The target, 0 to 1.
    pub at_least: f64,
    /// The confidence of the interval, 0.5 to 0.999 (default 0.95).
    #[serde(default = "confidence")]
    pub confidence: f64,
    /// What is compared with the target.
    #[serde(default)]
    pub judge: SuccessRateJudge,
}

/// What is compared with a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SuccessRateJudge {
    /// k/n itself.
    #[default]
    Observed,
    /// The lower bound of Wilson's two-sided interval.
    LowerBound,
}

const fn confidence() -> f64 {
    0.95
}
