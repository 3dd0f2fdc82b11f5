//! The judge against generated and recorded watch streams: laws that hold for every timeline.

#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "helpers of tests")]

mod support;

use comeback::exit_code::ExitCode;
use comeback::measure::result::TrialResult;
use comeback::measure::{judge, outcome};
use comeback::observe::timeline::Observation;
use comeback::scenario::plan::ThroughoutPlan;
use comeback::scenario::{Condition, Plan, Verdict};
use proptest::prelude::*;
use rstest::rstest;
use std::sync::Arc;
use std::time::Duration;
use support::{Stream, plan};

/// How good a verdict is for the user: losing an observation must never raise it.
fn goodness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Recovered | Verdict::Quiet => 3,
        Verdict::Late | Verdict::Undetected | Verdict::Degraded => 2,
        Verdict::Regressed | Verdict::Unrecovered | Verdict::FalseAlarm => 1,
        Verdict::Invalid | Verdict::Error | Verdict::Aborted | Verdict::Skipped => 0,
    }
}

/// What one pod does after the fault: at each step it is ready, not ready, or its container has restarted.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ready,
    NotReady,
    Restarted { ready: bool },
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        3 => Just(Step::Ready),
        2 => Just(Step::NotReady),
        1 => any::<bool>().prop_map(|ready| Step::Restarted { ready }),
    ];
    prop::collection::vec((1u64..90, step), 0..25)
}

fn stream(steps: &[(u64, Step)]) -> Vec<Observation> {
    let mut stream = Stream::with_steady_pod();
    stream.inject_deletion();
    let mut at = 12;
    stream.replacement(at);
    let mut restarts = 0;
    for (gap, step) in steps {
        at += gap;
        let ready = match step {
            Step::Ready => true,
            Step::NotReady => false,
            Step::Restarted { ready } => {
                restarts += 1;
                *ready
            }
        };
        stream.pod_state(at, ready, restarts);
    }
    stream.end(at + 700);
    stream.finish()
}

#[test]
fn a_replaced_pod_that_stays_ready_has_recovered() {
    let result = judge(&plan(None), &stream(&[(3, Step::Ready)]));
    assert_eq!(result.verdict, Verdict::Recovered, "{}", result.reason);
    assert_eq!(result.durations.to_recover.map(|took| took.value), Some(5.0));
}

#[test]
fn a_pod_that_flaps_has_regressed() {
    let flapping: Vec<_> = (0..40).map(|n| (20, if n % 2 == 0 { Step::Ready } else { Step::NotReady })).collect();
    let result = judge(&plan(None), &stream(&flapping));
    assert_eq!(result.verdict, Verdict::Regressed, "{}", result.reason);
}

#[test]
fn a_restart_breaks_the_hold_of_a_pod_that_never_shows_unready() {
    let restarting: Vec<_> = (0..40).map(|_| (25, Step::Restarted { ready: true })).collect();
    let result = judge(&plan(None), &stream(&restarting));
    assert_eq!(result.verdict, Verdict::Regressed, "{}", result.reason);
}

#[test]
fn a_recovery_after_the_rto_is_late() {
    let result = judge(&plan(Some(3)), &stream(&[(30, Step::Ready)]));
    assert_eq!(result.verdict, Verdict::Late, "{}", result.reason);
}

#[test]
fn a_fault_without_effect_is_invalid() {
    let mut stream = Stream::with_steady_pod();
    stream.request_deletion();
    stream.end(400);
    let result = judge(&plan(None), &stream.finish());
    assert_eq!(result.verdict, Verdict::Invalid, "{}", result.reason);
}

#[test]
fn healing_by_scaling_to_nothing_is_no_recovery() {
    let mut stream = Stream::with_steady_pod();
    stream.inject_deletion();
    stream.replacement(12);
    stream.pod_state(15, true, 0);
    stream.scale_deployment(16, 0);
    stream.end(400);
    let result = judge(&plan(None), &stream.finish());
    assert_eq!(result.verdict, Verdict::Regressed, "{}", result.reason);
    assert!(result.reason.contains("0 replicas instead of 1"), "{}", result.reason);
}

/// What must hold throughout failed, or could not be tried, from 20 s to 30 s.
#[rstest]
#[case::held(Some(true), 5, None, Verdict::Recovered)]
#[case::failed(Some(false), 5, None, Verdict::Degraded)]
#[case::failed_as_long_as_it_may(Some(false), 10, None, Verdict::Recovered)]
#[case::nobody_knows(None, 5, None, Verdict::Invalid)]
#[case::nobody_knows_of_what_it_may(None, 10, None, Verdict::Recovered)]
#[case::nobody_knows_of_what_has_failed_anyhow(None, 5, Some(3), Verdict::Late)]
fn what_nobody_can_say_of_an_objective_is_no_failure(
    #[case] good: Option<bool>,
    #[case] allow: u64,
    #[case] rto: Option<u64>,
    #[case] verdict: Verdict,
) {
    let held: Condition = serde_json::from_str("{\"http\":{\"service\":\"app\"}}").unwrap();
    let throughout = ThroughoutPlan { until: vec![held.clone()], allow: Duration::from_secs(allow) };
    let plan = Arc::new(Plan { throughout: Some(throughout), ..(*plan(rto)).clone() });
    let mut stream = Stream::with_steady_pod();
    stream.sample(9, &held, Some(true));
    stream.inject_deletion();
    stream.replacement(12);
    stream.pod_state(18, true, 0);
    stream.sample(20, &held, good);
    stream.sample(30, &held, Some(true));
    stream.end(400);
    let result = judge(&plan, &stream.finish());
    assert_eq!(result.verdict, verdict, "{}", result.reason);
}

#[test]
fn a_timeline_that_was_cut_off_is_an_error() {
    let mut whole = stream(&[(3, Step::Ready)]);
    whole.retain(|observation| {
        !matches!(observation.fact, comeback::observe::Fact::Ended { .. } | comeback::observe::Fact::Restored { .. })
    });
    assert_eq!(judge(&plan(None), &whole).verdict, Verdict::Error);
}

#[test]
fn what_happened_before_the_steady_state_is_no_effect() {
    let by_itself = std::sync::Arc::new(comeback::scenario::Plan { faults: Vec::new(), ..(*plan(None)).clone() });
    let mut stream = Stream::steady_after(1);
    stream.end(400);
    let result = judge(&by_itself, &stream.finish());
    assert_eq!(result.verdict, Verdict::Invalid, "{}", result.reason);
}

#[test]
fn a_pod_that_was_not_ready_in_a_gap_of_the_watch_breaks_the_hold() {
    let mut stream = Stream::with_steady_pod();
    stream.inject_deletion();
    stream.replacement(12);
    stream.ready_since(15, "2026-01-01T00:00:15Z");
    stream.ready_since(40, "2026-01-01T00:00:38Z");
    stream.end(400);
    let result = judge(&plan(None), &stream.finish());
    assert_eq!(result.stamps.stable_from.map(|stamp| stamp.at), Some(40.0), "{}", result.reason);
}

#[test]
fn a_timeline_that_goes_back_in_time_proves_nothing() {
    let mut back = stream(&[(3, Step::Ready)]);
    back.last_mut().unwrap().at = std::time::Duration::ZERO;
    let result = judge(&plan(None), &back);
    assert_eq!(result.verdict, Verdict::Error, "{}", result.reason);
}

#[test]
fn a_steady_state_that_was_only_claimed_is_none() {
    let longer = |hold: u64| {
        let mut plan = (*plan(None)).clone();
        plan.steady.as_mut().unwrap().hold = std::time::Duration::from_secs(hold);
        judge(&std::sync::Arc::new(plan), &stream(&[(3, Step::Ready)]))
    };
    assert_eq!(longer(5).verdict, Verdict::Recovered);
    assert_eq!(longer(60).verdict, Verdict::Invalid);
}

#[test]
fn a_watch_that_fell_silent_proves_nothing() {
    let mut silent = stream(&[(3, Step::Ready)]);
    silent.retain(|observation| !matches!(observation.fact, comeback::observe::Fact::Confirmed));
    for (seq, observation) in silent.iter_mut().enumerate() {
        observation.seq = seq as u64;
    }
    let result = judge(&plan(None), &silent);
    assert_ne!(result.verdict, Verdict::Recovered, "{}", result.reason);
}

/// The fault takes hold at 10 s; nothing is seen from 20 s on until the pod is found Ready again.
#[rstest]
#[case::kept_in_any_case(Some(60), 60, None, Verdict::Recovered)]
#[case::either(Some(30), 60, None, Verdict::Invalid)]
#[case::missed_in_any_case(Some(5), 60, None, Verdict::Late)]
#[case::missed_by_the_servers_own_stamp(Some(12), 60, Some("2026-01-01T00:00:25Z"), Verdict::Late)]
#[case::no_rto(None, 60, None, Verdict::Recovered)]
#[case::perhaps_within_the_budget(None, 340, None, Verdict::Invalid)]
fn a_recovery_that_nobody_saw_is_an_interval(
    #[case] rto: Option<u64>,
    #[case] seen_at: u64,
    #[case] stamp: Option<&str>,
    #[case] verdict: Verdict,
) {
    let mut stream = Stream::with_steady_pod();
    stream.inject_deletion();
    stream.replacement(12);
    stream.blind(20, seen_at);
    match stamp {
        Some(stamp) => stream.ready_since(seen_at, stamp),
        None => stream.pod_state(seen_at, true, 0),
    }
    stream.end(700);
    let result = judge(&plan(rto), &stream.finish());
    assert_eq!(result.verdict, verdict, "{}", result.reason);
    if verdict == Verdict::Recovered {
        let took = result.durations.to_recover.unwrap();
        assert!(took.uncertainty >= 40.0, "{took:?}");
    }
}

#[test]
fn a_recovery_long_after_sight_returned_was_seen() {
    let mut stream = Stream::with_steady_pod();
    stream.inject_deletion();
    stream.replacement(12);
    stream.blind(20, 60);
    stream.pod_state(60, false, 0);
    stream.pod_state(100, true, 0);
    stream.end(400);
    let result = judge(&plan(Some(30)), &stream.finish());
    assert_eq!(result.verdict, Verdict::Late, "{}", result.reason);
}

#[test]
fn an_outage_that_is_noticed_late_ended_when_it_ended() {
    let mut stream = Stream::with_steady_pod();
    stream.inject_deletion();
    stream.replacement(12);
    stream.outage(20, 40, 60);
    stream.pod_state(60, true, 0);
    stream.end(400);
    let result = judge(&plan(Some(45)), &stream.finish());
    assert_eq!(result.verdict, Verdict::Late, "{}", result.reason);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn losing_any_observation_never_makes_a_better_verdict(steps in steps()) {
        let whole = stream(&steps);
        let plan = plan(Some(60));
        let verdict = judge(&plan, &whole).verdict;
        for lost in 0..whole.len() {
            let mut torn = whole.clone();
            torn.remove(lost);
            let worse = judge(&plan, &torn).verdict;
            prop_assert!(goodness(worse) <= goodness(verdict), "without observation {lost}: {verdict} became {worse}");
        }
    }

    #[test]
    fn phases_are_ordered_and_sum_up(steps in steps()) {
        let result = judge(&plan(Some(60)), &stream(&steps));
        let stamps = &result.stamps;
        let order: Vec<f64> = [&stamps.requested, &stamps.accepted, &stamps.effective, &stamps.stable_from].into_iter().flatten().map(|stamp| stamp.at).collect();
        prop_assert!(order.is_sorted(), "{order:?}");
        for stamp in [&stamps.effective, &stamps.first_good, &stamps.stable_from].into_iter().flatten() {
            prop_assert!(stamp.earliest <= stamp.at);
        }
        let d = &result.durations;
        if let (Some(effect), Some(recover), Some(total)) = (&d.to_effect, &d.to_recover, &d.to_recover_from_request)
            && !recover.censored
        {
            prop_assert!((effect.value + recover.value - total.value).abs() < 1e-5);
        }
    }

    #[test]
    fn recovered_means_a_whole_hold_without_restart_or_failure(steps in steps()) {
        let result = judge(&plan(None), &stream(&steps));
        if matches!(result.verdict, Verdict::Recovered | Verdict::Late) {
            let from = result.stamps.stable_from.as_ref().map_or(0.0, |stamp| stamp.at);
            let mut at = 12u64;
            for (gap, step) in &steps {
                at += gap;
                let inside = at as f64 > from && (at as f64) < from + 30.0;
                prop_assert!(!inside || matches!(step, Step::Ready), "{step:?} at {at} within the hold from {from}");
            }
        }
    }

    #[test]
    fn a_missed_objective_never_ends_in_exit_0(verdicts in prop::collection::vec(0usize..12, 1..8), invalid in 0.0f64..1.0) {
        let plan = plan(Some(60));
        let trials = verdicts.iter().enumerate().map(|(index, verdict)| TrialResult::without_measurements(u32::try_from(index).unwrap(), 0, Verdict::ALL[*verdict], "")).collect();
        let gate = comeback::scenario::model::Gate { max_invalid: Some(invalid), ..Default::default() };
        let scenario = outcome::scenario(&plan, trials, Some(&gate), None);
        let code = ExitCode::strongest(outcome::exit_reasons(std::slice::from_ref(&scenario), Some(&gate)).iter().map(|reason| reason.name));
        let missed = verdicts.iter().any(|verdict| Verdict::ALL[*verdict].is_valid() && Verdict::ALL[*verdict] != Verdict::Recovered);
        let any_valid = verdicts.iter().any(|verdict| Verdict::ALL[*verdict].is_valid());
        prop_assert_eq!(missed, code == ExitCode::ObjectiveMissed);
        prop_assert!(any_valid || code != ExitCode::Passed);
        prop_assert_eq!(scenario.passed, code == ExitCode::Passed);
    }
}
