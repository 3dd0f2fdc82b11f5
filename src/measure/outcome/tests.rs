//! Outcomes of scenarios that were tried in part, or again.

use super::*;
use crate::report::fixture::{self, trial};
use crate::scenario::Verdict::{Aborted, Invalid, Late, Recovered};
use rstest::rstest;

fn of(verdicts: &[Verdict], planned: u32, target: Option<(f64, SuccessRateJudge)>, max_invalid: f64) -> ScenarioResult {
    let gate = target.map(|(at_least, judge)| Gate {
        success_rate: Some(SuccessRateGate { at_least, confidence: 0.95, judge }),
        max_invalid: Some(max_invalid),
        ..Gate::default()
    });
    let trials = (0..).zip(verdicts).map(|(index, verdict)| trial(index, *verdict, "because")).collect();
    scenario(&fixture::plan("pool", planned), trials, gate.as_ref(), None)
}

#[rstest]
#[case::whole(&[Recovered, Recovered], 2, Outcome::Passed, "2 of 2 trials as expected")]
#[case::cut_off(&[Recovered, Recovered], 5, Outcome::Inconclusive, "only 2 of 5 trials were run to their end")]
#[case::aborted(&[Recovered, Aborted], 5, Outcome::Inconclusive, "only 1 of 5 trials were run to their end")]
#[case::nothing(&[], 5, Outcome::Inconclusive, "no trial was run")]
#[case::invalid(&[Recovered, Invalid], 2, Outcome::Inconclusive, "trial 1: invalid: because")]
#[case::a_proven_miss(&[Recovered, Late], 5, Outcome::Failed, "trial 1: late: because")]
fn passed_is_only_what_was_fully_tried(
    #[case] verdicts: &[Verdict],
    #[case] planned: u32,
    #[case] outcome: Outcome,
    #[case] reason: &str,
) {
    let result = of(verdicts, planned, None, 0.0);
    assert_eq!((result.outcome, result.reason.as_str()), (outcome, reason));
    assert_eq!(result.passed, outcome == Outcome::Passed);
}

#[test]
fn a_gate_that_tolerates_invalid_trials_does_not_tolerate_untried_ones() {
    let observed = |verdicts: &[Verdict], planned| of(verdicts, planned, Some((0.8, SuccessRateJudge::Observed)), 0.5).outcome;
    assert_eq!(observed(&[Recovered, Recovered, Invalid], 3), Outcome::Passed);
    assert_eq!(observed(&[Recovered, Recovered, Aborted], 3), Outcome::Inconclusive);
    assert_eq!(observed(&[Recovered, Recovered], 3), Outcome::Inconclusive);
}

#[test]
fn an_observed_rate_is_missed_only_when_the_rest_could_not_make_it_good() {
    let observed = |verdicts: &[Verdict], planned| of(verdicts, planned, Some((0.8, SuccessRateJudge::Observed)), 0.5).outcome;
    assert_eq!(observed(&[Late], 5), Outcome::Inconclusive, "4 of 5 would do");
    assert_eq!(observed(&[Late, Late], 5), Outcome::Failed);
    assert_eq!(observed(&[Late, Recovered], 2), Outcome::Failed);
}

#[test]
fn a_retry_takes_no_miss_away_and_its_leftovers_are_told() {
    let mut first = trial(0, Late, "because");
    first.retries = vec![trial(0, Recovered, "")];
    first.retries[0].leftovers = vec!["namespace cb-x".to_owned()];
    let result = scenario(&fixture::plan("pool", 1), vec![first], None, None);
    assert_eq!((result.outcome, result.flaky(), result.success_rate.successes), (Outcome::Failed, 1, 0));
    assert_eq!(summary(std::slice::from_ref(&result)).flaky, 1);
    let codes: Vec<u8> = exit_reasons(&[result], None).iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [5, 1]);
}
