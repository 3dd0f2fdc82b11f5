//! The result file (contract, "The result file"): its types and nothing else. Filled by `measure`, written by `report`.

mod estimate;
mod gate;
mod healed;
mod healing;
mod read;
pub mod tried;
mod unmeasured;

pub use estimate::{Distribution, Interval, Rate, Sequential, SequentialDecision};
pub use gate::{BaselineInfo, ComparisonResult, GateResult, Objective, ObjectiveKind};
pub use healed::{HealedBy, How, Who};
pub use healing::{Healing, Lift, LiftSide};
pub use read::read;
pub use tried::Retried;

use crate::detect::Finding;
use crate::exit_code::ExitCode;
use crate::heal::{ActionRecord, Claim};
use crate::scenario::{Comparison, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// `comeback.dev/v1alpha1`
    pub api_version: String,
    /// `RunResult`
    pub kind: String,
    /// False until the last, atomic write.
    pub complete: bool,
    /// What was to be run.
    pub expected: Expected,
    /// The run.
    pub run: Run,
    /// The cluster.
    pub cluster: ClusterInfo,
    /// Each scenario.
    pub scenarios: Vec<ScenarioResult>,
    /// What healers gain over Kubernetes alone; absent where no scenario was run with several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lift: Vec<Lift>,
    /// What came of the gate; absent where neither a suite set targets nor a baseline was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateResult>,
    /// The sums.
    pub summary: Summary,
    /// How the run ended.
    pub outcome: Outcome,
    /// The process exit code.
    pub exit_code: u8,
    /// Every reason for a non-zero exit code, strongest first.
    pub exit_reasons: Vec<ExitReason>,
    /// What a reader should know beside the verdicts.
    pub warnings: Vec<String>,
}

/// What was to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// Scenarios.
    pub scenarios: usize,
    /// Trials of all scenarios.
    pub trials: usize,
}

/// The run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    pub id: String,
    /// comeback's version.
    pub version: String,
    /// Wall time of the start, RFC 3339.
    pub started_at: String,
    /// Wall time of the end, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// The seed.
    pub seed: u64,
    /// The command line.
    pub command: Vec<String>,
    /// Which part of a whole run this is; absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// A part of a whole run (`--shard 2/4`). `comeback judge` puts the parts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shard {
    /// Which one, from 1 on.
    pub index: u32,
    /// How many there are.
    pub of: u32,
    /// Scenarios of the whole run.
    pub scenarios: usize,
    /// Trials of the whole run.
    pub trials: usize,
}

impl Shard {
    /// What the reader of one part must know.
    #[must_use]
    pub fn warning(&self) -> String {
        format!(
            "this is shard {}/{} of a run of {} trials: its outcome is not the run's, which `comeback judge` over all shards tells",
            self.index, self.of, self.trials
        )
    }
}

/// The cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterInfo {
    /// `embedded`, `kind` or `context`.
    pub provider: String,
    /// The name by which findings call it.
    pub name: String,
    /// What makes results comparable.
    pub fingerprint: Fingerprint,
}

/// What makes results comparable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fingerprint {
    /// The server's version.
    pub kubernetes: String,
    /// How many nodes.
    pub nodes: usize,
    /// Whether time and behaviour are simulated.
    pub simulated: bool,
    /// Further properties (kubelet timers, back-off cap, container runtime) by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

/// How a scenario or a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It has a valid trial and every valid trial's verdict is expected.
    Passed,
    /// A valid trial's verdict is not expected.
    Failed,
    /// No valid trial, or too many that say nothing.
    #[default]
    Inconclusive,
    /// The cluster lacks something.
    Skipped,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioResult {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its summary.
    pub summary: String,
    /// The verdicts that pass.
    pub expect: Vec<Verdict>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether `outcome` is `passed`.
    pub passed: bool,
    /// Why, in one line.
    pub reason: String,
    /// Trials whose verdict is expected, of all valid ones.
    pub success_rate: Rate,
    /// The test that ended the trials early (`--until-confident`); absent where all were run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Sequential>,
    /// Trials that recovered within the RTO, of all valid ones; absent where recovery is not expected or has no RTO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_rto: Option<Rate>,
    /// The RTO in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto: Option<f64>,
    /// What must be found and by when; absent where nothing is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<DetectObjective>,
    /// Trials by verdict.
    pub counts: BTreeMap<Verdict, usize>,
    /// Recovery times in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Distribution>,
    /// Detection times in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Distribution>,
    /// Healing by comeback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healing: Option<Healing>,
    /// Where the scenario was run with several healers: which one this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// How many trials were to be run, at most; absent in files of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<usize>,
    /// Trials that were tried again; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried: Option<Retried>,
    /// Each trial.
    pub trials: Vec<TrialResult>,
}

/// What must be found and by when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DetectObjective {
    /// The cause, or a prefix of it.
    pub cause: String,
    /// Budget from `effective`, in seconds.
    pub within: f64,
}

/// One trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialResult {
    /// From 0.
    pub index: u32,
    /// Its seed.
    pub seed: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line: the condition that failed, the last observed state.
    pub reason: String,
    /// Every reason, strongest first, where several apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The trial's namespace.
    pub namespace: String,
    /// When what happened.
    pub stamps: Stamps,
    /// How long what took.
    pub durations: Durations,
    /// What was found, in order.
    pub findings: Vec<Finding>,
    /// What comeback's healer did, in order.
    pub actions: Vec<ActionRecord>,
    /// What a healer that is not comeback's said of itself, in order; it decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// Who healed; absent unless recovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healed_by: Option<HealedBy>,
    /// What of ours is still on the cluster.
    pub leftovers: Vec<String>,
    /// What a reader should know (`never broken`, `hold stretched to 71s`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The timeline's file, relative to the run directory.
    pub timeline: String,
    /// The folder of its evidence (objects, events, logs), relative to the run directory; absent where all was as expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// What came of trying it again, in order. The first attempt, which is the trial itself, is the one that counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<TrialResult>,
}

/// When what happened, in seconds since the trial began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the contract's names; `measure` documents their meaning")]
pub struct Stamps {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_pending: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_firing: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_action: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_good: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_from: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Stamp>,
}

/// A moment as an interval: last seen otherwise, first seen so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stamp {
    /// First seen so.
    pub at: f64,
    /// Last seen otherwise: the moment lies between the two.
    pub earliest: f64,
    /// The server's own stamp, RFC 3339, where the object carries one (1 s resolution).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// How long what took, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the contract's names; `measure` documents their meaning")]
pub struct Durations {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_effect: Option<Measured>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_detect: Option<Measured>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_recover: Option<Measured>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_recover_from_request: Option<Measured>,
}

/// A duration with its uncertainty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Seconds; negative where a finding came before the effect.
    pub value: f64,
    /// How much shorter or longer it may have been, in seconds.
    pub uncertainty: f64,
    /// True: only known to be longer than `value`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub censored: bool,
}

/// The sums of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Scenarios in all.
    pub scenarios: usize,
    /// Scenarios by outcome.
    pub passed: usize,
    /// Scenarios by outcome.
    pub failed: usize,
    /// Scenarios by outcome.
    pub inconclusive: usize,
    /// Scenarios by outcome.
    pub skipped: usize,
    /// Trials that passed only when they were tried again: misses in every other number.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub flaky: usize,
    /// Recovered trials of all valid trials of scenarios that expect recovery.
    pub success_rate: Rate,
    /// Trials within their RTO of all valid trials of scenarios that expect recovery and have an RTO.
    pub within_rto: Rate,
}

/// One reason for a non-zero exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExitReason {
    /// The code that it asks for.
    pub code: u8,
    /// The code's name.
    pub name: ExitCode,
    /// Why.
    pub reason: String,
}

impl ExitReason {
    /// Whether it tells of what befell the run and no trial or gate tells of: it stays when a run is judged again.
    #[must_use]
    pub const fn is_of_the_run(&self) -> bool {
        matches!(
            self.name,
            ExitCode::Interrupted | ExitCode::Terminated | ExitCode::Leftovers | ExitCode::Bug | ExitCode::Environment
        )
    }
}
