//! Tests of the JUnit report: its text, its validity, its agreement with verdicts.

mod published;

use super::*;
use crate::report::fixture;
use crate::scenario::Verdict;
use proptest::prelude::*;
use quick_junit::Report;

fn xml(result: &RunResult) -> String {
    String::from_utf8(Junit.serialize(result).unwrap()).unwrap()
}

#[test]
fn a_run_of_every_kind() {
    let text = xml(&fixture::run());
    assert_eq!(published::check(&text), Ok(()));
    insta::assert_snapshot!("junit", text);
}

#[test]
fn trials_missed_under_a_passed_gate_are_not_red() {
    let mut result = fixture::run();
    let scenario = &mut result.scenarios[1];
    (scenario.outcome, scenario.passed) = (Outcome::Passed, true);
    result.scenarios.retain(|scenario| scenario.passed);
    result.exit_code = 0;
    let text = xml(&result);
    assert!(!text.contains("<failure") && !text.contains("<error"), "{text}");
    assert!(text.contains("missed, but accepted by the gate: recovered after 1m20s"), "{text}");
}

#[test]
fn an_invalid_trial_that_the_gate_tolerates_is_not_red() {
    let mut result = fixture::run();
    let mut scenario = fixture::scenario("s", Verdict::Recovered, Outcome::Passed, "", Vec::new());
    scenario.trials = vec![fixture::trial(0, Verdict::Recovered, ""), fixture::trial(1, Verdict::Invalid, "no target")];
    result.scenarios = vec![scenario];
    result.exit_code = 0;
    let text = xml(&result);
    assert!(!text.contains("<failure") && !text.contains("<error"), "{text}");
    assert!(text.contains("not judged, which the gate tolerates: the trial is invalid: no target"), "{text}");
}

#[test]
fn leftovers_are_an_error_of_the_run() {
    let mut result = fixture::run();
    result.scenarios.retain(|scenario| scenario.passed);
    result.exit_code = 5;
    let text = xml(&result);
    assert!(text.contains(r#"<testsuites name="comeback 20261121-080639-x7k2p""#), "{text}");
    assert_eq!(text.matches("<error").count(), 1, "{text}");
}

proptest! {
    /// Red in CI exactly when the scenario did not pass; and a strict parser always reads it.
    #[test]
    fn red_if_and_only_if_not_passed(
        expect in prop::sample::select(vec![Verdict::Recovered, Verdict::Late, Verdict::Regressed, Verdict::Quiet]),
        verdicts in prop::collection::vec(prop::sample::select(Verdict::ALL.to_vec()), 1..4),
        reason in any::<String>(),
    ) {
        let mut result = fixture::run();
        let outcome = if verdicts.iter().any(|verdict| verdict.is_valid() && *verdict != expect) {
            Outcome::Failed
        } else if verdicts.contains(&expect) {
            Outcome::Passed
        } else {
            Outcome::Inconclusive
        };
        let invalid = verdicts.iter().any(|verdict| !verdict.is_valid() && *verdict != Verdict::Skipped);
        let outcome = if outcome == Outcome::Passed && invalid { Outcome::Inconclusive } else { outcome };
        let trials = verdicts.iter().zip(0..).map(|(verdict, index)| fixture::trial(index, *verdict, &reason)).collect();
        result.scenarios = vec![fixture::scenario("s", expect, outcome, &reason, trials)];
        result.exit_code = 0;
        let text = xml(&result);
        let red = text.contains("<failure") || text.contains("<error");
        prop_assert_eq!(red, outcome != Outcome::Passed, "{}", text);
        prop_assert_eq!(published::check(&text), Ok(()), "{}", text);
        let parsed = Report::deserialize_from_str(&text);
        prop_assert!(parsed.is_ok(), "{:?}\n{}", parsed, text);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
