//! How far a scenario was tried: trials that were to be run and were not, and attempts at those that were.
//! What follows for the outcome is `measure::outcome`'s.

use super::{ScenarioResult, Sequential, SequentialDecision, TrialResult};
use crate::scenario::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Trials that did not pass and were tried again. None of this changes an outcome: the first attempt counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retried {
    /// Trials that were tried again.
    pub trials: usize,
    /// Of these, flaky ones: they passed when they were tried again.
    pub flaky: usize,
}

impl Retried {
    /// What trials say; `None` where none was tried again.
    #[must_use]
    pub fn of(trials: &[TrialResult], expect: &[Verdict]) -> Option<Self> {
        let retried = trials.iter().filter(|trial| !trial.retries.is_empty()).count();
        let flaky = trials.iter().filter(|trial| trial.is_flaky(expect)).count();
        (retried > 0).then_some(Self { trials: retried, flaky })
    }
}

impl TrialResult {
    /// Whether it passed only when it was tried again.
    #[must_use]
    pub fn is_flaky(&self, expect: &[Verdict]) -> bool {
        !expect.contains(&self.verdict) && self.retries.iter().any(|retry| expect.contains(&retry.verdict))
    }

    /// The first attempt and its retries, in order.
    pub fn attempts(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.retries)
    }
}

impl ScenarioResult {
    /// How many trials passed only when they were tried again.
    #[must_use]
    pub fn flaky(&self) -> usize {
        self.retried.map_or(0, |retried| retried.flaky)
    }

    /// How many of the trials that were to be run were not, or not to their end.
    #[must_use]
    pub fn untried(&self) -> usize {
        untried(self.planned, &self.trials, self.sequential.as_ref())
    }
}

/// How many trials were not run, or not to their end, of those that were planned; none where a test had decided before.
#[must_use]
pub fn untried(planned: Option<usize>, trials: &[TrialResult], sequential: Option<&Sequential>) -> usize {
    if sequential.is_some_and(|test| test.decision != SequentialDecision::Undecided) {
        return 0;
    }
    let tried = trials.iter().filter(|trial| trial.verdict != Verdict::Aborted).count();
    planned.unwrap_or_default().max(trials.len()) - tried
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::trial;

    #[test]
    fn what_was_aborted_or_never_begun_was_not_tried() {
        let trials = [trial(0, Verdict::Recovered, ""), trial(1, Verdict::Aborted, ""), trial(2, Verdict::Error, "")];
        assert_eq!(untried(Some(5), &trials, None), 3);
        assert_eq!(untried(Some(3), &trials, None), 1);
        // A file of an earlier version does not say how many there were to be.
        assert_eq!(untried(None, &trials, None), 1);
        let mut test = Sequential {
            claim: 0.9,
            confidence: 0.9,
            error_rate: 0.05,
            decision: SequentialDecision::Proven,
            looks: 1,
            n: 1,
            at_most: 5,
        };
        assert_eq!(untried(Some(5), &trials, Some(&test)), 0);
        test.decision = SequentialDecision::Undecided;
        assert_eq!(untried(Some(5), &trials, Some(&test)), 3);
    }

    #[test]
    fn flaky_is_what_passed_only_when_it_was_tried_again() {
        let expect = [Verdict::Recovered];
        let with = |first, retries: &[Verdict]| TrialResult {
            retries: retries.iter().map(|verdict| trial(0, *verdict, "")).collect(),
            ..trial(0, first, "")
        };
        let flaky = with(Verdict::Late, &[Verdict::Unrecovered, Verdict::Recovered]);
        let broken = with(Verdict::Late, &[Verdict::Late]);
        let fine = with(Verdict::Recovered, &[]);
        assert!(flaky.is_flaky(&expect) && !broken.is_flaky(&expect) && !fine.is_flaky(&expect));
        assert_eq!(Retried::of(&[flaky, broken, fine.clone()], &expect), Some(Retried { trials: 2, flaky: 1 }));
        assert_eq!(Retried::of(&[fine], &expect), None);
    }
}
