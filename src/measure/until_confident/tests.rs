//! The test on trials: when it stops, what it says, and that order and concurrency do not matter.

use super::*;
use proptest::prelude::*;

const EXPECT: [Verdict; 1] = [Verdict::Recovered];
const CLAIM: Claim = Claim { at_least: 0.9, confidence: 0.9 };

fn trial(index: u32, verdict: Verdict) -> TrialResult {
    TrialResult::without_measurements(index, 0, verdict, "")
}

/// Runs as the engine does: what is to be run next, until nothing is.
fn run(verdict: impl Fn(u32) -> Verdict, at_most: u32) -> Vec<TrialResult> {
    let mut trials = Vec::new();
    loop {
        let next = next(&CLAIM, &EXPECT, &trials, at_most);
        if next.is_empty() {
            return trials;
        }
        trials.extend(next.map(|index| trial(index, verdict(index))));
    }
}

#[test]
fn what_always_recovers_is_proven_after_36_trials() {
    let trials = run(|_| Verdict::Recovered, 100);
    let tested = test(&CLAIM, &EXPECT, &trials, 100);
    assert_eq!((trials.len(), tested.result.decision, tested.result.looks), (36, SequentialDecision::Proven, 9));
    let rate = tested.rate(crate::measure::statistics::rate(36, 36, 0.95));
    assert!(rate.lower > 0.9 && (rate.upper - 1.0).abs() < 1e-9 && rate.method == "sequential", "{rate:?}");
    assert!((tested.result.error_rate - 0.05).abs() < 1e-9);
}

#[test]
fn what_never_recovers_is_refuted_at_once() {
    let trials = run(|_| Verdict::Unrecovered, 100);
    assert_eq!(test(&CLAIM, &EXPECT, &trials, 100).result.decision, SequentialDecision::Refuted);
    assert_eq!(trials.len(), 4);
}

#[test]
fn what_says_nothing_proves_nothing_and_uses_up_trials() {
    let trials = run(|_| Verdict::Invalid, 10);
    let tested = test(&CLAIM, &EXPECT, &trials, 10);
    assert_eq!((trials.len(), tested.result.n, tested.result.decision), (10, 0, SequentialDecision::Undecided));
    let half = run(|index| if index.is_multiple_of(2) { Verdict::Recovered } else { Verdict::Error }, 100);
    let tested = test(&CLAIM, &EXPECT, &half, 100);
    assert_eq!(tested.result.decision, SequentialDecision::Proven);
    assert!(half.len() > 70 && tested.result.n >= 36, "{:?}", tested.result);
}

#[test]
fn too_few_trials_are_said_beforehand() {
    assert_eq!(too_few(&CLAIM, 100), None);
    let said = too_few(&CLAIM, 5).unwrap();
    assert!(said.starts_with("5 trials, even all passing, cannot prove a success rate of 0.9; allow at least "), "{said}");
    assert!(too_few(&Claim { at_least: 1.0, ..CLAIM }, 5).unwrap().contains("no number of trials can"));
}

#[test]
fn only_a_gate_with_a_success_rate_has_a_claim() {
    assert_eq!(claim(None, 0.9), None);
    assert_eq!(claim(Some(&Gate::default()), 0.9), None);
}

proptest! {
    #[test]
    fn the_order_in_which_trials_end_does_not_matter(bad in prop::collection::btree_set(0u32..60, 0..8), seed in any::<u64>()) {
        let trials = run(|index| if bad.contains(&index) { Verdict::Late } else { Verdict::Recovered }, 60);
        let mut shuffled = trials.clone();
        shuffled.sort_by_key(|trial| (u64::from(trial.index) + 1).wrapping_mul(seed | 1));
        prop_assert_eq!(test(&CLAIM, &EXPECT, &trials, 60), test(&CLAIM, &EXPECT, &shuffled, 60));
        // A decision is never taken back: the engine has stopped there.
        prop_assert!(next(&CLAIM, &EXPECT, &trials, 60).is_empty());
    }
}
