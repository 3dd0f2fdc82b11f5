//! Published values and laws of what result files say; each method's own are beside it, values of SciPy are in `fixtures`.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

// measurement.md, "Statistics": lower bounds of all-pass runs, and two mixed ones.
#[rstest]
#[case(1, 1, 0.21, 1.0)]
#[case(5, 5, 0.57, 1.0)]
#[case(10, 10, 0.72, 1.0)]
#[case(30, 30, 0.89, 1.0)]
#[case(9, 10, 0.60, 0.98)]
#[case(19, 20, 0.76, 0.99)]
fn wilson_matches_published_values(#[case] k: usize, #[case] n: usize, #[case] lower: f64, #[case] upper: f64) {
    let (l, u) = wilson(k, n, CONFIDENCE);
    assert!((l - lower).abs() < 0.006 && (u - upper).abs() < 0.006, "{l} {u}");
}

#[rstest]
#[case(0.90, 35)]
#[case(0.95, 73)]
#[case(0.99, 381)]
fn trials_needed_match_published_values(#[case] target: f64, #[case] n: usize) {
    assert_eq!(trials_needed(target, CONFIDENCE), Some(n));
    assert_eq!(trials_needed(1.0, CONFIDENCE), None);
}

fn samples(values: &[(f64, bool)]) -> Vec<Sample> {
    values.iter().map(|(value, censored)| Sample { value: *value, uncertainty: 0.0, censored: *censored }).collect()
}

#[test]
fn medians_respect_censoring() {
    assert_eq!(quantile(&samples(&[(1.0, false), (2.0, false), (3.0, false)]), 0.5), Some(2.0));
    assert_eq!(quantile(&samples(&[(1.0, false), (2.0, false)]), 0.5), Some(1.5));
    assert_eq!(quantile(&samples(&[(1.0, false), (300.0, true), (300.0, true)]), 0.5), None);
    assert_eq!(quantile(&samples(&[(1.0, false), (2.0, false), (300.0, true)]), 0.5), Some(2.0));
    assert_eq!(quantile(&samples(&[(1.0, false), (300.0, true)]), 0.5), None);
}

#[test]
fn no_p95_for_few_samples_and_no_maximum_with_censoring() {
    let few = distribution(&samples(&[(1.0, false), (9.0, true)])).unwrap();
    assert_eq!((few.p95, few.max, few.min, few.censored), (None, None, Some(1.0), 1));
    let many = distribution(&samples(&(1..=59).map(|n| (f64::from(n), false)).collect::<Vec<_>>())).unwrap();
    assert_eq!(many.p95, Some(57.0));
    let fewer = distribution(&samples(&(1..=58).map(|n| (f64::from(n), false)).collect::<Vec<_>>())).unwrap();
    assert_eq!(fewer.p95, None);
}

#[test]
fn a_median_has_an_interval_from_six_samples_on() {
    let of = |n: u32| distribution(&samples(&(1..=n).map(|value| (f64::from(value), false)).collect::<Vec<_>>())).unwrap();
    assert_eq!(of(5).median_interval, None);
    let ten = of(10).median_interval.unwrap();
    assert_eq!((ten.lower, ten.upper, ten.method.as_str()), (Some(2.0), Some(9.0), "orderStatistics"));
    let out: Vec<_> = (1..=8).map(|value| (f64::from(value), value > 5)).collect();
    let interval = distribution(&samples(&out)).unwrap().median_interval.unwrap();
    assert_eq!((interval.upper, interval.method.as_str()), (None, "kaplanMeier"), "time-outs hide the upper bound");
}

proptest! {
    #[test]
    fn the_interval_contains_the_observed_rate(n in 1usize..500, k in 0usize..500) {
        let k = k.min(n);
        let (lower, upper) = wilson(k, n, CONFIDENCE);
        prop_assert!(lower <= real(k) / real(n) + 1e-12 && real(k) / real(n) <= upper + 1e-12);
    }

    #[test]
    fn more_failures_need_more_trials(failures in 0usize..10, target in 0.5f64..0.99) {
        let needed = wilson::trials_needed_with(failures, target, CONFIDENCE).unwrap();
        prop_assert!(wilson(needed - failures, needed, CONFIDENCE).0 > target);
        prop_assert!(wilson(needed - 1 - failures, needed - 1, CONFIDENCE).0 <= target);
        prop_assert!(needed < wilson::trials_needed_with(failures + 1, target, CONFIDENCE).unwrap());
    }
}

/// How often Wilson's interval contains the true rate: exactly, over all outcomes. Its coverage swings around the confidence (L. D.
/// Brown, T. T. Cai and A. `DasGupta`, "Interval estimation for a binomial proportion", Statistical Science 16, 2001), and is near it on
/// average. The lower bound alone, which gates use, is above the true rate in somewhat more than 2.5 % of runs where n is small: at worst
/// 5.8 % for 5 trials, 4.3 % for 10, 3.1 % for 100.
#[test]
fn wilson_covers_as_published() {
    use statrs::distribution::{Binomial, Discrete};
    for n in [5u64, 10, 20, 50, 100] {
        let (mut sum, mut worst, mut worst_lower) = (0.0, 1.0f64, 0.0f64);
        let steps = 400u32;
        for step in 1..steps {
            let p = f64::from(step) / f64::from(steps);
            let binomial = Binomial::new(p, n).unwrap();
            let (mut covered, mut above) = (0.0, 0.0);
            for k in 0..=n {
                let (lower, upper) = wilson(usize::try_from(k).unwrap(), usize::try_from(n).unwrap(), CONFIDENCE);
                covered += if lower <= p && p <= upper { binomial.pmf(k) } else { 0.0 };
                above += if lower > p { binomial.pmf(k) } else { 0.0 };
            }
            sum += covered;
            worst = worst.min(covered);
            // The rates that a gate may claim.
            if p >= 0.5 {
                worst_lower = worst_lower.max(above);
            }
        }
        let mean = sum / f64::from(steps - 1);
        println!(
            "n = {n}: mean coverage {mean:.4}, worst {worst:.4}; bound above a rate of 0.5 or more: {worst_lower:.4} at most"
        );
        assert!(
            (0.94..0.97).contains(&mean) && worst > 0.83 && worst_lower < 0.06 && (n < 50 || worst_lower < 0.045),
            "{n}: {mean} {worst} {worst_lower}"
        );
    }
}
