//! Rates and times as result files have them: with intervals, censored samples, and the method that each was found by.
//! How they are found is `measure::statistics`'.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// k of n with an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// k
    pub successes: usize,
    /// n: valid trials
    pub n: usize,
    /// k/n; absent for n = 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<f64>,
    /// The interval's lower bound.
    pub lower: f64,
    /// The interval's upper bound.
    pub upper: f64,
    /// The interval's confidence.
    pub confidence: f64,
    /// `wilson`; `sequential` after a test that may have stopped early, whose interval allows for that.
    pub method: String,
}

/// A distribution of seconds with censored samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// Samples, censored ones among them.
    pub n: usize,
    /// Samples of which only a lower bound is known.
    pub censored: usize,
    /// The smallest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The median; absent when it is censored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// Between what the true median lies; absent where n is too small to bound it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_interval: Option<Interval>,
    /// The largest; absent when a sample is censored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The 95th percentile, only where n allows it (59 and more).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
}

/// Between what a value lies. A bound that the samples do not show is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// The upper bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// The interval's confidence.
    pub confidence: f64,
    /// `orderStatistics`, `kaplanMeier`, `hodgesLehmann`, `wilson` or `sequential`
    pub method: String,
}

/// A test of a claimed success rate that stops as soon as the claim is proven or refuted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sequential {
    /// The claimed success rate.
    pub claim: f64,
    /// The confidence that was asked for.
    pub confidence: f64,
    /// Of all runs whose true rate is below the claim, at most this share proves it; of all others, at most this share refutes it.
    pub error_rate: f64,
    /// What came of it.
    pub decision: SequentialDecision,
    /// How often it was looked at.
    pub looks: usize,
    /// Valid trials when it ended.
    pub n: usize,
    /// How many trials there would have been at most.
    pub at_most: usize,
}

/// What came of a sequential test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SequentialDecision {
    /// The success rate is the claimed one, or higher.
    Proven,
    /// The success rate is below the claimed one.
    Refuted,
    /// Neither could be said.
    Undecided,
}
