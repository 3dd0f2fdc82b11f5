//! Which objectives a scenario has, and whether a trial met each. Never contradicts the verdict: an expected verdict misses
//! nothing, an unexpected valid one misses something.

use crate::measure::result::{Measured, ScenarioResult, TrialResult};
use crate::report::format;
use crate::scenario::Verdict;

/// One objective of a scenario.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Objective<'a> {
    /// The fault took hold.
    Effect,
    /// The right cause was found in time.
    Detected {
        /// Budget in seconds.
        within: f64,
    },
    /// It came back.
    Recovered {
        /// Seconds; `None` where lateness is accepted or there is no RTO.
        rto: Option<f64>,
    },
    /// A control: nothing was found.
    Quiet,
    /// A scenario that expects something other than recovery ended so.
    Verdict(&'a [Verdict]),
}

/// What a trial says of an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Met,
    Missed,
    /// The trial is `invalid`, `error` or `aborted`.
    NotJudged,
    Skipped,
}

/// The objectives, in the order of a trial's phases.
pub(super) fn objectives(scenario: &ScenarioResult) -> Vec<Objective<'_>> {
    if scenario.expect.contains(&Verdict::Quiet) {
        return vec![Objective::Quiet];
    }
    if !scenario.expects_recovery() {
        return vec![Objective::Effect, Objective::Verdict(&scenario.expect)];
    }
    let mut all = vec![Objective::Effect];
    if let Some(detect) = scenario.detect.as_ref().filter(|_| !scenario.expect.contains(&Verdict::Undetected)) {
        all.push(Objective::Detected { within: detect.within });
    }
    all.push(Objective::Recovered { rto: scenario.rto.filter(|_| !scenario.expect.contains(&Verdict::Late)) });
    all
}

impl Objective<'_> {
    /// The test case's name: the same in every run of the same scenario.
    pub(super) fn name(self) -> String {
        match self {
            Self::Effect => "effect".to_owned(),
            Self::Detected { within } => format!("detected within {}", format::seconds(within)),
            Self::Recovered { rto: Some(rto) } => format!("recovered within {}", format::seconds(rto)),
            Self::Recovered { rto: None } => "recovered".to_owned(),
            Self::Quiet => "quiet".to_owned(),
            Self::Verdict(expect) => expect.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>().join(" or "),
        }
    }

    /// Whether `trial` met it.
    pub(super) fn judge(self, scenario: &ScenarioResult, trial: &TrialResult) -> Judgement {
        let verdict = trial.verdict;
        if verdict == Verdict::Skipped {
            return Judgement::Skipped;
        }
        if !verdict.is_valid() {
            return Judgement::NotJudged;
        }
        let met = scenario.expect.contains(&verdict)
            || match self {
                Self::Effect => true,
                Self::Detected { within } => {
                    verdict != Verdict::Undetected
                        && trial.durations.to_detect.as_ref().is_some_and(|time| !time.censored && time.value <= within)
                }
                Self::Recovered { .. } => {
                    verdict == Verdict::Undetected
                        && objectives(scenario).iter().any(|objective| matches!(objective, Objective::Detected { .. }))
                }
                Self::Quiet | Self::Verdict(_) => false,
            };
        if met { Judgement::Met } else { Judgement::Missed }
    }

    /// How long it took.
    pub(super) fn time(self, trial: &TrialResult) -> Option<&Measured> {
        match self {
            Self::Effect => trial.durations.to_effect.as_ref(),
            Self::Detected { .. } => trial.durations.to_detect.as_ref(),
            Self::Recovered { .. } | Self::Verdict(_) => trial.durations.to_recover.as_ref(),
            Self::Quiet => None,
        }
    }
}
