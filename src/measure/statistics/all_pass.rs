//! Exact statements about a rate from few failures: the bound that passing trials prove, and how many a claim needs.
//! The same numbers say from which n on the largest of n samples bounds a percentile.

use super::real;
use statrs::distribution::{Binomial, DiscreteCDF};

/// The exact one-sided lower bound on a success rate of which `n` of `n` trials are known: `(1 - confidence)^(1/n)`. At 95 % it is
/// close to `1 - 3/n`, the rule of three (J. A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?",
/// JAMA 249, 1983). 0 for n = 0.
#[must_use]
pub fn lower_bound(n: usize, confidence: f64) -> f64 {
    if n == 0 { 0.0 } else { (1.0 - confidence).powf(1.0 / real(n)) }
}

/// The fewest trials that, all passing, prove a success rate of `claim` exactly (one-sided); `None` for a claim of 1 and above.
#[must_use]
pub fn trials_needed(claim: f64, confidence: f64) -> Option<usize> {
    trials_needed_with(0, claim, confidence)
}

/// The fewest trials that, with `failures` among them, prove a success rate of `claim` exactly (one-sided): the smallest n with
/// `P(at most that many failures of n) <= 1 - confidence` when the rate is just `claim` (C. J. Clopper and E. S. Pearson,
/// Biometrika 26, 1934; as sample sizes S. S. Wilks, Annals of Mathematical Statistics 12, 1941).
#[must_use]
pub fn trials_needed_with(failures: usize, claim: f64, confidence: f64) -> Option<usize> {
    const MOST: usize = 10_000_000;
    if !(0.0..1.0).contains(&claim) {
        return None;
    }
    let proves = |n: usize| {
        n > failures
            && Binomial::new(1.0 - claim, n as u64).is_ok_and(|binomial| binomial.cdf(failures as u64) <= 1.0 - confidence)
    };
    let (mut no, mut yes) = (failures, failures + 1);
    while !proves(yes) {
        (no, yes) = (yes, yes * 2);
        if yes > MOST {
            return None;
        }
    }
    while yes - no > 1 {
        let middle = usize::midpoint(no, yes);
        if proves(middle) { yes = middle } else { no = middle }
    }
    Some(yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    // measurement.md, "Statistics"; and Wilks' well-known 59, 93, 124 for 95 %/95 % with 0, 1, 2 failures.
    #[rstest]
    #[case(0, 0.90, 29)]
    #[case(0, 0.95, 59)]
    #[case(1, 0.95, 93)]
    #[case(2, 0.95, 124)]
    #[case(0, 0.99, 299)]
    fn as_published(#[case] failures: usize, #[case] claim: f64, #[case] n: usize) {
        assert_eq!(trials_needed_with(failures, claim, 0.95), Some(n));
    }

    // The sample maximum bounds p50, p90, p95, p99 with 95 % confidence only from here on (measurement.md).
    #[rstest]
    #[case(0.50, 5)]
    #[case(0.90, 29)]
    #[case(0.95, crate::measure::statistics::P95_NEEDS)]
    #[case(0.99, 299)]
    fn the_largest_sample_bounds_a_percentile_from(#[case] percentile: f64, #[case] n: usize) {
        assert_eq!(trials_needed(percentile, 0.95), Some(n));
    }

    #[test]
    fn certainty_is_never_proven_and_nothing_proves_nothing() {
        assert_eq!(trials_needed(1.0, 0.95), None);
        assert_eq!(trials_needed(f64::NAN, 0.95), None);
        assert!(lower_bound(0, 0.95).abs() < f64::EPSILON);
        // The rule of three.
        assert!((lower_bound(100, 0.95) - 0.97).abs() < 0.0006);
    }

    proptest! {
        #[test]
        fn bound_and_number_are_inverse_to_each_other(claim in 0.05f64..0.995, confidence in 0.5f64..0.999) {
            let n = trials_needed(claim, confidence).unwrap();
            prop_assert!(lower_bound(n, confidence) >= claim - 1e-9);
            prop_assert!(n == 1 || lower_bound(n - 1, confidence) < claim + 1e-9);
        }

        #[test]
        fn a_failure_costs_trials(failures in 0usize..20, claim in 0.5f64..0.99) {
            prop_assert!(trials_needed_with(failures, claim, 0.95) < trials_needed_with(failures + 1, claim, 0.95));
        }
    }
}
