//! The gate on made-up runs: each objective, what makes it inconclusive, and that nothing passes without a valid trial.

use super::*;
use crate::measure::outcome;
use crate::measure::result::{Measured, TrialResult};
use crate::report::fixture;
use crate::scenario::Verdict;
use crate::scenario::model::RegressionGate;
use proptest::prelude::*;
use std::sync::Arc;

fn trial(index: usize, verdict: Verdict, seconds: f64) -> TrialResult {
    let mut trial = TrialResult::without_measurements(u32::try_from(index).unwrap(), 0, verdict, "because");
    let censored = !matches!(verdict, Verdict::Recovered | Verdict::Late);
    trial.durations.to_recover = verdict.is_valid().then_some(Measured { value: seconds, uncertainty: 0.05, censored });
    trial
}

/// A run of scenarios with these trials, judged under a gate.
fn run_of(id: &str, scenarios: &[(&str, Vec<TrialResult>)], gate: Option<&Gate>) -> RunResult {
    let mut result = fixture::run();
    result.run.id = id.to_owned();
    result.scenarios = scenarios
        .iter()
        .map(|(name, trials)| {
            let mut plan = Arc::unwrap_or_clone(fixture::plan(name, u32::try_from(trials.len()).unwrap()));
            plan.labels.insert("class".to_owned(), "crash".to_owned());
            if name.starts_with("control") {
                plan.expect = vec![Verdict::Quiet];
            }
            outcome::scenario(&plan, trials.clone(), gate, None)
        })
        .collect();
    result.run.started_at = String::new();
    result.expected.scenarios = result.scenarios.len();
    result.expected.trials = result.scenarios.iter().map(|scenario| scenario.trials.len()).sum();
    result
}

fn recovered(seconds: &[f64]) -> Vec<TrialResult> {
    seconds.iter().enumerate().map(|(index, seconds)| trial(index, Verdict::Recovered, *seconds)).collect()
}

fn baseline(result: RunResult) -> Baseline {
    Baseline { reference: "main".to_owned(), result }
}

fn of(gate: &GateResult, kind: ObjectiveKind) -> Vec<&Objective> {
    gate.objectives.iter().filter(|objective| objective.objective == kind).collect()
}

fn target(judge: SuccessRateJudge) -> Gate {
    Gate { success_rate: Some(SuccessRateGate { at_least: 0.9, confidence: 0.95, judge }), ..Gate::default() }
}

#[test]
fn a_target_on_the_lower_bound_needs_35_passing_trials() {
    let gate = target(SuccessRateJudge::LowerBound);
    let with = |n: usize| evaluate(&run_of("r", &[("pool", recovered(&vec![10.0; n]))], Some(&gate)), Some(&gate), None);
    let few = with(5);
    assert_eq!(few.outcome, Outcome::Inconclusive);
    let objective = of(&few, ObjectiveKind::SuccessRate)[0];
    assert_eq!(objective.required, "90 % of trials as expected (the lower bound of the interval)");
    assert_eq!(objective.observed, "5 of 5 (100 %)");
    assert_eq!(objective.next.as_deref(), Some("35 trials, all passing, would prove it: --trials 35"));
    assert_eq!((with(34).outcome, with(35).outcome), (Outcome::Inconclusive, Outcome::Passed));
    let mut missed = recovered(&[10.0; 10]);
    missed.extend((10..20).map(|index| trial(index, Verdict::Unrecovered, 300.0)));
    let failed = evaluate(&run_of("r", &[("pool", missed)], Some(&gate)), Some(&gate), None);
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(of(&failed, ObjectiveKind::SuccessRate)[0].next.as_deref(), Some("see trial 10: unrecovered: because"));
    assert_eq!(of(&failed, ObjectiveKind::WithinRto)[0].outcome, Outcome::Failed, "the class, too");
}

#[test]
fn false_alarms_need_a_control() {
    let gate = Gate { false_alarms: Some(0), ..Gate::default() };
    let without = evaluate(&run_of("r", &[("pool", recovered(&[10.0]))], Some(&gate)), Some(&gate), None);
    assert_eq!(without.outcome, Outcome::Inconclusive);
    let control = |verdict| run_of("r", &[("control", vec![trial(0, verdict, 0.0)])], Some(&gate));
    assert_eq!(evaluate(&control(Verdict::Quiet), Some(&gate), None).outcome, Outcome::Passed);
    let alarmed = evaluate(&control(Verdict::FalseAlarm), Some(&gate), None);
    assert_eq!(alarmed.outcome, Outcome::Failed);
    assert_eq!(of(&alarmed, ObjectiveKind::FalseAlarms)[0].observed, "1 false alarm in 1 valid trial of controls");
}

#[test]
fn a_slower_run_is_a_regression_and_a_little_slower_is_not() {
    let gate = Gate { regression: Some(RegressionGate::default()), ..Gate::default() };
    let before = baseline(run_of("before", &[("pool", recovered(&[10.0, 10.2, 10.4, 10.6, 10.8, 11.0]))], None));
    let after =
        |seconds: &[f64]| evaluate(&run_of("after", &[("pool", recovered(seconds))], Some(&gate)), Some(&gate), Some(&before));
    let slow = after(&[20.0, 20.2, 20.4, 20.6, 20.8, 21.0]);
    assert_eq!(slow.outcome, Outcome::Failed);
    let row = of(&slow, ObjectiveKind::RecoveryRegression)[0];
    assert_eq!(row.observed, "median 20.5s, was 10.5s (p = 0.002)");
    let found = row.comparison.as_ref().unwrap();
    assert_eq!((found.shift, found.effect_size, found.n), (Some(10.0), Some(1.0), 6));
    assert_eq!(reasons(&slow)[0].name, ExitCode::ObjectiveMissed);
    let little = after(&[11.1, 11.2, 11.3, 11.4, 11.5, 11.6]);
    assert_eq!(little.outcome, Outcome::Passed, "8 % is below the least effect: {little:?}");
    let faster = after(&[1.0, 1.2, 1.4, 1.6, 1.8, 2.0]);
    assert_eq!((faster.outcome, reasons(&faster).len()), (Outcome::Passed, 0));
}

#[test]
fn three_trials_can_show_nothing_and_say_so() {
    let before = baseline(run_of("before", &[("pool", recovered(&[10.0; 3]))], None));
    let gate = evaluate(&run_of("after", &[("pool", recovered(&[50.0; 3]))], None), None, Some(&before));
    assert_eq!(gate.outcome, Outcome::Inconclusive);
    let row = of(&gate, ObjectiveKind::RecoveryRegression)[0];
    assert_eq!(row.next.as_deref(), Some("so few trials can never show a difference: 4 and 4 can"));
    assert_eq!(of(&gate, ObjectiveKind::SuccessRateRegression)[0].outcome, Outcome::Passed, "3 of 3 could have shown 0 of 3");
}

#[test]
fn a_dropped_success_rate_is_a_regression() {
    let gate = Gate {
        success_rate: Some(SuccessRateGate { at_least: 0.1, confidence: 0.95, judge: SuccessRateJudge::Observed }),
        regression: Some(RegressionGate::default()),
        ..Gate::default()
    };
    let before = baseline(run_of("before", &[("pool", recovered(&[10.0; 10]))], None));
    let mut trials = recovered(&[10.0; 5]);
    trials.extend((5..10).map(|index| trial(index, Verdict::Undetected, 10.0)));
    let run = run_of("after", &[("pool", trials)], Some(&gate));
    let found = evaluate(&run, Some(&gate), Some(&before));
    assert_eq!(of(&found, ObjectiveKind::SuccessRate)[0].outcome, Outcome::Passed);
    assert_eq!(of(&found, ObjectiveKind::SuccessRateRegression)[0].outcome, Outcome::Failed, "{found:?}");
}

#[test]
fn among_many_comparisons_one_that_looks_worse_is_inconclusive_where_trials_are_few() {
    let names: Vec<String> = (0..20).map(|n| format!("pool-{n}")).collect();
    let run = |id: &str, first: f64| {
        let scenarios: Vec<(&str, Vec<TrialResult>)> = names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                let shift = if n == 0 { first } else { 0.0 };
                (name.as_str(), recovered(&[10.0, 11.0, 12.0, 13.0, 14.0].map(|seconds| seconds + shift)))
            })
            .collect();
        run_of(id, &scenarios, None)
    };
    let gate = evaluate(&run("after", 20.0), None, Some(&baseline(run("before", 0.0))));
    let rows = of(&gate, ObjectiveKind::RecoveryRegression);
    assert_eq!(rows[0].outcome, Outcome::Inconclusive, "{:?}", rows[0]);
    assert!(rows[0].next.as_ref().unwrap().contains("among 20 comparisons"), "{:?}", rows[0]);
    assert!(rows[1..].iter().all(|row| row.outcome == Outcome::Passed));
}

#[test]
fn unequal_clusters_changed_objectives_and_lost_scenarios_are_inconclusive() {
    let run = |id: &str| run_of(id, &[("pool", recovered(&[10.0; 6]))], None);
    let outcome_of = |change: &dyn Fn(&mut RunResult)| {
        let mut before = run("before");
        change(&mut before);
        evaluate(&run("after"), None, Some(&baseline(before)))
    };
    assert_eq!(outcome_of(&|_| {}).outcome, Outcome::Passed);
    let other = outcome_of(&|before| before.cluster.fingerprint.nodes = 3);
    assert_eq!(other.outcome, Outcome::Inconclusive);
    assert_eq!(of(&other, ObjectiveKind::Baseline)[0].observed, "the clusters differ: nodes 1 was 3");
    assert_eq!(outcome_of(&|before| before.complete = false).outcome, Outcome::Inconclusive);
    assert_eq!(outcome_of(&|before| before.run.id = "after".to_owned()).outcome, Outcome::Inconclusive, "itself");
    let changed = outcome_of(&|before| before.scenarios[0].rto = Some(30.0));
    assert_eq!(of(&changed, ObjectiveKind::SuccessRateRegression)[0].outcome, Outcome::Inconclusive);
    assert!(of(&changed, ObjectiveKind::SuccessRateRegression)[0].observed.ends_with("the RTO is 1m, was 30s"), "{changed:?}");
    let lost = outcome_of(&|before| {
        let mut more = before.scenarios[0].clone();
        more.name = "gone".to_owned();
        before.scenarios.push(more);
    });
    assert_eq!((lost.outcome, lost.objectives.last().unwrap().scenario.as_deref()), (Outcome::Inconclusive, Some("gone")));
    let new = outcome_of(&|before| before.scenarios[0].name = "other".to_owned());
    assert_eq!(of(&new, ObjectiveKind::Baseline)[0].outcome, Outcome::Skipped, "a new one cannot be worse");
}

#[test]
fn a_regression_that_is_asked_for_needs_a_baseline() {
    let gate = Gate { regression: Some(RegressionGate::default()), ..Gate::default() };
    let found = evaluate(&run_of("r", &[("pool", recovered(&[10.0]))], Some(&gate)), Some(&gate), None);
    assert_eq!(found.outcome, Outcome::Inconclusive);
    assert!(reasons(&found)[0].reason.contains("none was given"), "{found:?}");
}

#[test]
fn time_outs_are_slower() {
    let before = baseline(run_of("before", &[("pool", recovered(&[10.0; 8]))], None));
    let out: Vec<TrialResult> = (0..8).map(|index| trial(index, Verdict::Unrecovered, 300.0)).collect();
    let gate = evaluate(&run_of("after", &[("pool", out)], None), None, Some(&before));
    let row = of(&gate, ObjectiveKind::RecoveryRegression)[0];
    assert_eq!((row.outcome, row.observed.as_str()), (Outcome::Failed, "median a time-out, was 10s (p < 0.001)"));
    assert_eq!(row.comparison.as_ref().unwrap().shift, None);
}

fn any_gate() -> impl Strategy<Value = Option<Gate>> {
    let rate = (0.0f64..=1.0, prop::bool::ANY).prop_map(|(at_least, lower)| SuccessRateGate {
        at_least,
        confidence: 0.95,
        judge: if lower { SuccessRateJudge::LowerBound } else { SuccessRateJudge::Observed },
    });
    let gate = (prop::option::of(rate), prop::option::of(0.0f64..=1.0), prop::option::of(0u32..3), prop::bool::ANY);
    let gate = gate.prop_map(|(success_rate, max_invalid, false_alarms, skip)| Gate {
        success_rate,
        max_invalid,
        false_alarms,
        may_be_skipped: if skip { vec!["pool".to_owned()] } else { Vec::new() },
        regression: None,
    });
    prop::option::of(gate)
}

proptest! {
    /// The law of the contract: a gate can never pass with zero valid trials of a required scenario.
    #[test]
    fn nothing_passes_without_a_valid_trial_of_each_required_scenario(
        verdicts in prop::collection::vec(prop::collection::vec(0usize..12, 0..6), 1..4),
        gate in any_gate(),
    ) {
        let names = ["pool", "control", "api"];
        let scenarios: Vec<(&str, Vec<TrialResult>)> = verdicts.iter().zip(names)
            .map(|(verdicts, name)| (name, verdicts.iter().enumerate().map(|(index, verdict)| trial(index, Verdict::ALL[*verdict], 1.0)).collect()))
            .collect();
        let result = run_of("r", &scenarios, gate.as_ref());
        let judged = evaluate(&result, gate.as_ref(), None);
        let required = |name: &str| gate.as_ref().is_none_or(|gate| !gate.may_be_skipped.iter().any(|may| may == name));
        for scenario in result.scenarios.iter().filter(|scenario| scenario.success_rate.n == 0) {
            let may = scenario.outcome == Outcome::Skipped && (gate.is_none() || !required(&scenario.name));
            prop_assert!(may || judged.outcome != Outcome::Passed, "{:?}", judged);
        }
        // Table and exit code agree.
        let mut all = outcome::exit_reasons(&result.scenarios, gate.as_ref());
        all.extend(reasons(&judged));
        let code = ExitCode::strongest(all.iter().map(|reason| reason.name));
        prop_assert_eq!(outcome::run_outcome(code), judged.outcome, "{:?} {:?}", all, judged);
    }
}

#[test]
fn what_was_not_fully_tried_meets_no_objective() {
    let gate = target(SuccessRateJudge::Observed);
    let mut result = run_of("r", &[("pool", recovered(&[10.0; 3]))], Some(&gate));
    result.scenarios[0].planned = Some(5);
    result.scenarios[0] = outcome::again(result.scenarios[0].clone(), Some(&gate));
    result.expected.trials = 5;
    let judged = evaluate(&result, Some(&gate), None);
    assert!(judged.objectives.iter().all(|objective| objective.outcome == Outcome::Inconclusive), "{judged:#?}");
    assert_eq!(of(&judged, ObjectiveKind::SuccessRate)[0].next.as_deref(), Some("run it again to its end"));
}
