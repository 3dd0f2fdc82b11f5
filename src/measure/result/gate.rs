//! The gate's outcome as result files have it: what was asked for, what was seen, and what to do.
//! How it is decided is `measure::gate`'s.

use super::{Interval, Outcome};
use crate::scenario::model::Gate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateResult {
    /// The worst of all objectives; never `passed` while a required scenario has no valid trial.
    pub outcome: Outcome,
    /// The targets; absent where no suite set any: then each valid trial's verdict must be expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Gate>,
    /// The baseline that was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineInfo>,
    /// What was asked for, one by one.
    pub objectives: Vec<Objective>,
}

/// The run that was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineInfo {
    /// As `--baseline` named it.
    pub reference: String,
    /// The run's id.
    pub run: String,
    /// Wall time of its start, RFC 3339.
    pub started_at: String,
    /// Why it says nothing about this run; absent where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
}

/// One thing that a gate asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Objective {
    /// What kind of thing.
    pub objective: ObjectiveKind,
    /// The scenario that it is asked of; absent: of the whole run, or of a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The class of scenarios that it is asked of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What is required, for people.
    pub required: String,
    /// What was seen, for people.
    pub observed: String,
    /// Between what the true value lies: a rate, or seconds of a shift in recovery time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// `passed`, `failed`, `inconclusive`; `skipped` where there is nothing to judge and none was asked for.
    pub outcome: Outcome,
    /// What to do; absent where there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What the comparison with the baseline found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonResult>,
}

/// What kind of thing a gate asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ObjectiveKind {
    /// The run came to its end, with all trials that were to be run.
    Complete,
    /// A required scenario was not skipped.
    NotSkipped,
    /// Trials with an expected verdict, of all valid ones.
    SuccessRate,
    /// Trials that say nothing, of all.
    Invalid,
    /// Trials within the RTO, by class.
    WithinRto,
    /// False alarms of the controls.
    FalseAlarms,
    /// There is a baseline, and it says something about this run.
    Baseline,
    /// The success rate is not lower than the baseline's.
    SuccessRateRegression,
    /// Recovery is not slower than the baseline's.
    RecoveryRegression,
}

/// What a comparison with the baseline found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComparisonResult {
    /// `fisher` (one-sided) or `mannWhitney` (two-sided).
    pub test: String,
    /// Trials of this run that were compared.
    pub n: usize,
    /// Trials of the baseline that were compared.
    pub baseline_n: usize,
    /// The probability of a difference this large, were there none.
    pub p_value: f64,
    /// The same, corrected for all comparisons of the gate (Holm).
    pub adjusted_p_value: f64,
    /// The share of pairs in which the baseline's trial recovered sooner: 0.5 is no difference (Vargha and Delaney's A).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_size: Option<f64>,
    /// By how many seconds recovery takes longer (Hodges and Lehmann); absent where time-outs hide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<f64>,
    /// A shift up to this many seconds does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_shift: Option<f64>,
}
