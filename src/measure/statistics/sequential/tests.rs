//! The promised error rates, exactly and by simulation; the interval's coverage.

use super::*;
use crate::measure::statistics::all_pass;
use proptest::prelude::*;
use rstest::rstest;
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};

/// Whether a trial succeeds: a draw that depends on (seed, run, trial) alone.
fn succeeds(seed: u64, run: u32, trial: usize, p: f64) -> bool {
    let mut hasher = SipHasher13::new_with_keys(seed, 0x7365_7175_656e_7469);
    (run, trial).hash(&mut hasher);
    let draw = u32::try_from(hasher.finish() >> 32).unwrap();
    f64::from(draw) / 4_294_967_296.0 < p
}

/// One run of the test: the looks that were made, the successes at the last, the decision.
fn run(design: &[Look], seed: u64, index: u32, p: f64) -> (usize, usize, Decision) {
    let (mut n, mut successes) = (0, 0);
    for (position, look) in design.iter().enumerate() {
        successes += (n..look.n).filter(|trial| succeeds(seed, index, *trial, p)).count();
        n = look.n;
        let decision = look.decide(successes);
        if decision != Decision::Undecided {
            return (position + 1, successes, decision);
        }
    }
    (design.len(), successes, Decision::Undecided)
}

fn design(claim: f64, confidence: f64, most: usize) -> Vec<Look> {
    let mut test = Test::new(claim, confidence, most);
    for look in 1..=most / 4 {
        let _ = test.look(look * 4);
    }
    test.looks().to_vec()
}

/// (proven, refuted) of all runs with this true rate, exactly.
fn shares(design: &[Look], p: f64) -> (f64, f64) {
    let mut spread = Spread::start();
    design.iter().fold((0.0, 0.0), |sums, look| {
        spread.advance(look.n, p);
        let (proven, refuted) = spread.decide(look);
        (sums.0 + proven, sums.1 + refuted)
    })
}

#[rstest]
#[case(0.9, 0.9, 100)]
#[case(0.9, 0.95, 200)]
#[case(0.99, 0.9, 600)]
#[case(0.5, 0.8, 40)]
fn the_error_rates_are_kept_exactly(#[case] claim: f64, #[case] confidence: f64, #[case] most: usize) {
    let (design, error) = (design(claim, confidence, most), error(confidence));
    for step in 0u32..=20 {
        let p = f64::from(step) / 20.0;
        let (proven, refuted) = shares(&design, p);
        assert!(p > claim || proven <= error + 1e-12, "{proven} prove {claim} at {p}");
        assert!(p < claim || refuted <= error + 1e-12, "{refuted} refute {claim} at {p}");
    }
    let (proven, refuted) = shares(&design, claim);
    assert!(proven > error * 0.6 && refuted > error * 0.6, "hardly anything is given away: {proven} {refuted} of {error}");
    assert!(shares(&design, 1.0).0 > 0.999_999, "what always succeeds is proven");
}

/// 20,000 runs at the claimed rate itself, where errors are most likely, and a little beside it.
#[test]
fn the_error_rates_are_kept_in_simulation() {
    const RUNS: u32 = 20_000;
    let (claim, confidence) = (0.9, 0.9);
    let design = design(claim, confidence, 100);
    for (p, seed) in [(0.9, 1), (0.85, 2), (0.95, 3), (0.99, 4)] {
        let ends: Vec<_> = (0..RUNS).map(|index| run(&design, seed, index, p).2).collect();
        let share = |decision| real(ends.iter().filter(|end| **end == decision).count()) / f64::from(RUNS);
        let (proven, refuted) = (share(Decision::Proven), share(Decision::Refuted));
        println!("rate {p}: proven {proven:.4}, refuted {refuted:.4}; promised at most 0.05 wrong");
        let exact = shares(&design, p);
        // Four standard errors of a share of 20,000.
        let slack = |share: f64| 4.0 * (share * (1.0 - share) / f64::from(RUNS)).sqrt() + 1e-9;
        assert!((proven - exact.0).abs() <= slack(exact.0) && (refuted - exact.1).abs() <= slack(exact.1), "{p}: {exact:?}");
        assert!(p > claim || proven <= 0.05 + slack(0.05));
        assert!(p < claim || refuted <= 0.05 + slack(0.05));
    }
}

#[test]
fn the_interval_covers_as_often_as_it_says_and_agrees_with_the_decision() {
    const RUNS: u32 = 1_000;
    let (claim, confidence) = (0.9, 0.9);
    let design = design(claim, confidence, 60);
    for (p, seed) in [(0.75, 5), (0.9, 6), (0.97, 7)] {
        let mut known = std::collections::BTreeMap::new();
        let mut covered = 0;
        for index in 0..RUNS {
            let (looks, successes, decision) = run(&design, seed, index, p);
            let (lower, upper) =
                *known.entry((looks, successes)).or_insert_with(|| interval(&design[..looks], successes, confidence));
            covered += u32::from(lower <= p && p <= upper);
            let n = design[looks - 1].n;
            assert!(lower <= real(successes) / real(n) + 1e-6 && real(successes) / real(n) <= upper + 1e-6);
            match decision {
                Decision::Proven => assert!(lower >= claim - 1e-6, "{lower} {looks} {successes}"),
                Decision::Refuted => assert!(upper <= claim + 1e-6, "{upper} {looks} {successes}"),
                Decision::Undecided => assert!(lower < claim && claim < upper, "{lower} {upper}"),
            }
        }
        let coverage = f64::from(covered) / f64::from(RUNS);
        println!("rate {p}: the interval covers {coverage:.3}; promised at least {confidence}");
        // Three standard errors.
        assert!(coverage >= confidence - 3.0 * (0.09f64 / f64::from(RUNS)).sqrt(), "{p}: {coverage}");
    }
}

#[test]
fn a_good_system_is_proven_early() {
    assert_eq!(all_pass_needed(0.9, 0.9, 100), Some(36));
    assert_eq!(all_pass_needed(0.9, 0.9, 20), None);
    let most = least_most(0.9, 0.9).unwrap();
    assert!(all_pass_needed(0.9, 0.9, most).is_some() && all_pass_needed(0.9, 0.9, most - 1).is_none(), "{most}");
    assert!(most >= all_pass::trials_needed(0.9, 0.95).unwrap());
    assert_eq!(least_most(1.0, 0.9), None);
}

#[test]
fn a_look_at_the_very_first_trial_decides_nothing() {
    let look = Test::new(0.9, 0.9, 100).look(1);
    assert_eq!((look.decide(1), look.decide(0)), (Decision::Undecided, Decision::Undecided));
    assert_eq!(interval(&[], 0, 0.9), (0.0, 1.0));
}

proptest! {
    /// Trials that say nothing shift the looks; the errors stay as promised.
    #[test]
    fn looks_may_come_at_any_n(steps in prop::collection::vec(1usize..5, 1..30), claim in 0.3f64..0.98, confidence in 0.6f64..0.98) {
        let mut test = Test::new(claim, confidence, 100);
        let mut n = 0;
        for step in steps {
            n += step;
            let look = test.look(n);
            if let (Some(from), Some(up_to)) = (look.proven_from, look.refuted_up_to) { prop_assert!(up_to < from); }
        }
        let (proven, refuted) = shares(test.looks(), claim);
        prop_assert!(proven <= test.error() + 1e-12 && refuted <= test.error() + 1e-12);
    }
}
