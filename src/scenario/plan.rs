//! The resolved plan of one scenario: parameters replaced, manifests read, every default filled in.
//! Engine, healer and judge work from this alone; it is saved beside each run so that the run can be judged again.

use super::comparison::{self, Comparison};
use super::condition::{Alert, Condition};
use super::detector::Detector;
use super::duration::{serde_text, serde_text_option};
use super::fault::Fault;
use super::heal::{Heal, Step};
use super::log_patterns::LogPatterns;
use super::model::{Existing, Need, StandIn};
use super::schedule::Schedule;
use super::second_opinion::SecondOpinion;
use super::strategy::Ladder;
use super::thresholds::Thresholds;
use super::verdict::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One scenario, ready to be tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// Where it stands, as the user named it (`scenarios/crash/x.yaml`, `builtin:x`).
    pub file: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its summary.
    pub summary: String,
    /// Capabilities that it needs, given and derived.
    pub needs: Vec<Need>,
    /// What is applied, in order.
    pub manifests: Vec<Manifest>,
    /// What already runs, instead of manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<Existing>,
    /// The program that printed manifests, with its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub render: Vec<String>,
    /// The registry of all pods' images, where it is not the images' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Stand-ins for images on the embedded cluster.
    pub images: BTreeMap<String, StandIn>,
    /// The steady state; absent: the workload is born broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<SteadyPlan>,
    /// The faults, in order.
    pub faults: Vec<Fault>,
    /// What shows that the fault (or the birth defect) took hold.
    pub effect: EffectPlan,
    /// What must be found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<DetectPlan>,
    /// When a signal becomes a finding.
    pub thresholds: Thresholds,
    /// Detectors of the user's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<Detector>,
    /// Log patterns of the user's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<LogPatterns>,
    /// Who heals, and how.
    pub heal: Heal,
    /// The ladders of the strategies that `heal` names, by cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ladders: Vec<Ladder>,
    /// What "recovered" means.
    pub recover: RecoverPlan,
    /// What must hold from the fault to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughout: Option<ThroughoutPlan>,
    /// The verdicts that pass.
    pub expect: Vec<Verdict>,
    /// The index of the first trial: not 0 where one trial is repeated, or in a shard of a run.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub first_trial: u32,
    /// Where the scenario is run with several healers: which one this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// How many trials.
    pub trials: u32,
    /// How often at most a trial that did not pass is tried again.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub retries: u32,
}

/// One object of the workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The file it stands in.
    pub file: String,
    /// The line where it begins, from 1.
    pub line: usize,
    /// The object, patches applied, without a namespace.
    pub object: Value,
}

/// `steady`, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SteadyPlan {
    /// All must hold.
    pub until: Vec<Condition>,
    /// Budget.
    #[serde(with = "serde_text")]
    pub within: Duration,
    /// How long it must last.
    #[serde(with = "serde_text")]
    pub hold: Duration,
}

/// `effect`, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectPlan {
    /// Each is latched once seen; absent: the default effect of the faults (contract, "Default effects").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Vec<Condition>>,
    /// Budget from `requested`.
    #[serde(with = "serde_text")]
    pub within: Duration,
}

/// `detect`, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DetectPlan {
    /// The cause, or a prefix of it.
    pub cause: String,
    /// Budget from `effective`.
    #[serde(with = "serde_text")]
    pub within: Duration,
    /// An alert whose times are reported, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// Who else is asked about what is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_opinion: Option<SecondOpinion>,
}

/// `recover`, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoverPlan {
    /// All must hold.
    pub until: Vec<Condition>,
    /// The recovery time objective.
    #[serde(default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
    pub rto: Option<Duration>,
    /// How long it must last.
    #[serde(with = "serde_text")]
    pub hold: Duration,
    /// Budget from `effective`.
    #[serde(with = "serde_text")]
    pub within: Duration,
}

/// `throughout`, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThroughoutPlan {
    /// All must hold.
    pub until: Vec<Condition>,
    /// How long they may fail to in all.
    #[serde(with = "serde_text")]
    pub allow: Duration,
}

impl Plan {
    /// Every condition of every phase.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let steady = self.steady.iter().flat_map(|steady| &steady.until);
        let effect = self.effect.until.iter().flatten();
        let throughout = self.throughout.iter().flat_map(|throughout| &throughout.until);
        steady.chain(effect).chain(&self.recover.until).chain(throughout)
    }

    /// The conditions that are measured by trying, each once.
    #[must_use]
    pub fn tried(&self) -> Vec<Condition> {
        let mut found = Vec::new();
        self.conditions().for_each(|condition| condition.tried(&mut found));
        let observed = self.detect.as_ref().and_then(|detect| detect.alert.clone()).map(Condition::Alert);
        observed.iter().for_each(|alert| alert.tried(&mut found));
        found
    }

    /// What a fault lasts at most that does not end before the trial: effect, recovery and hold, with what comes before them.
    #[must_use]
    pub fn longest_fault(&self) -> Duration {
        let waits: Duration = self.schedule().injections.iter().map(|injection| injection.after).sum();
        waits + self.effect.within + self.recover.within + self.recover.hold
    }

    /// The steps that its ladders may take, where it has any of its own.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.heal.strategy.iter().chain(self.ladders.iter().flat_map(|ladder| &ladder.steps))
    }

    /// Whether this is a control: `expect: quiet`.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.expect.contains(&Verdict::Quiet)
    }

    /// Whether the workload is broken from birth: no fault and no steady state.
    #[must_use]
    pub fn is_born_broken(&self) -> bool {
        self.faults.is_empty() && self.steady.is_none() && !self.is_control()
    }

    /// How many nodes it needs at least: of several, the first takes no pods on the embedded cluster.
    #[must_use]
    pub fn least_nodes(&self) -> usize {
        if self.needs.contains(&Need::MultiNode) { 3 } else { 1 }
    }

    /// Its faults, single ones, with what each waits for.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        Schedule::of(&self.faults)
    }

    /// Its single faults, in the order in which they are written.
    #[must_use]
    pub fn single_faults(&self) -> Vec<&Fault> {
        self.faults.iter().flat_map(Fault::leaves).collect()
    }

    /// Whether recovery is what is expected: the scenario counts in the summary's rates.
    #[must_use]
    pub fn expects_recovery(&self) -> bool {
        self.expect.contains(&Verdict::Recovered) && !comparison::accepts_any(&self.expect)
    }
}
