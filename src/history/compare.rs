//! `comeback history compare A B`: what differs between two runs, scenario by scenario. Pure.
//! Runs of different environments are shown side by side and not judged.

use super::change::{Change, Trials, changes};
use super::query::cells::Sums;
use super::query::show::{RunDetail, ScenarioDetail};
use crate::measure::result::{Distribution, Rate};
use crate::measure::statistics::{CONFIDENCE, Sample, distribution, rate};
use serde::Serialize;

/// Two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The earlier run, or the first that was named.
    pub a: String,
    /// The other.
    pub b: String,
    /// Whether both had the same environment: only then is a change judged.
    pub comparable: bool,
    /// Scenarios of either run, by name.
    pub scenarios: Vec<Compared>,
}

/// A scenario in two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// Its name.
    pub scenario: String,
    /// In the first run; absent where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<Side>,
    /// In the second run; absent where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<Side>,
    /// From the first to the second.
    pub change: Change,
}

/// A scenario in one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Trials that went as expected.
    pub success_rate: Rate,
    /// Recovery times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Distribution>,
}

/// What differs from `a` to `b`.
#[must_use]
pub fn compare(a: &RunDetail, b: &RunDetail) -> Comparison {
    let comparable = a.run.fingerprint == b.run.fingerprint;
    let mut names: Vec<&str> = a.scenarios.iter().chain(&b.scenarios).map(|scenario| scenario.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let find = |run: &RunDetail, name: &str| run.scenarios.iter().find(|scenario| scenario.name == name).map(trials);
    let sides: Vec<(Option<Trials>, Option<Trials>)> = names.iter().map(|name| (find(a, name), find(b, name))).collect();
    let pairs: Vec<(Trials, Trials)> = sides
        .iter()
        .map(|(a, b)| match (a, b) {
            (Some(a), Some(b)) if comparable => (b.clone(), a.clone()),
            _ => (Trials::default(), Trials::default()),
        })
        .collect();
    let scenarios = names
        .iter()
        .zip(sides.iter().zip(changes(&pairs)))
        .map(|(name, ((a, b), change))| Compared {
            scenario: (*name).to_owned(),
            a: a.as_ref().map(side),
            b: b.as_ref().map(side),
            change,
        })
        .collect();
    Comparison { a: a.run.id.clone(), b: b.run.id.clone(), comparable, scenarios }
}

fn trials(scenario: &ScenarioDetail) -> Trials {
    let valid = || scenario.trials.iter().filter(|trial| trial.valid);
    let sample = |trial: &super::query::show::TrialRow| {
        let uncertainty = trial.to_recover_uncertainty.unwrap_or(0.0);
        trial.to_recover.map(|value| Sample { value, uncertainty, censored: trial.to_recover_censored })
    };
    Trials {
        sums: Sums {
            trials: scenario.trials.len(),
            valid: valid().count(),
            expected: valid().filter(|trial| trial.expected).count(),
            rto_counts: valid().filter(|trial| trial.rto_counts).count(),
            rto_kept: valid().filter(|trial| trial.rto_kept).count(),
        },
        recoveries: valid().filter_map(sample).collect(),
        detections: Vec::new(),
    }
}

fn side(trials: &Trials) -> Side {
    Side { success_rate: rate(trials.sums.expected, trials.sums.valid, CONFIDENCE), recovery: distribution(&trials.recoveries) }
}
