//! Intervals of quantiles from the samples' ranks alone, whatever their distribution; refused where n does not allow one.
//! Censored samples are `kaplan_meier`'s.

use statrs::distribution::{Binomial, DiscreteCDF};

/// Between which samples, counted from 1 in ascending order, a quantile lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// The lower bound's rank.
    pub lower: usize,
    /// The upper bound's rank.
    pub upper: usize,
    /// How likely the interval is to contain the quantile, at least the confidence that was asked for.
    pub coverage: f64,
}

/// The ranks of the distribution-free two-sided interval of the quantile `q` of `n` samples, with at most half of
/// `1 - confidence` beyond each end (H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition, 2003, §7.1). `None` where n is
/// too small: a median needs 6 samples at 95 %, p95 needs 72.
#[must_use]
pub fn ranks(n: usize, q: f64, confidence: f64) -> Option<Ranks> {
    let beyond = (1.0 - confidence) / 2.0;
    // How many samples lie below the quantile.
    let below = Binomial::new(q, n as u64).ok()?;
    let at_most = |k: usize| below.cdf(k as u64);
    // The quantile lies below the sample of rank r with probability P(fewer than r samples below it).
    let (lower, upper) = if n <= SUMMED_UP_TO {
        // From either end: as many samples below, and as many above, as are still too unlikely.
        (first_beyond(n, q, beyond), n + 1 - first_beyond(n, 1.0 - q, beyond))
    } else {
        (first(n, |k| at_most(k) > beyond), first(n, |k| 1.0 - at_most(k) <= beyond) + 1)
    };
    if lower == 0 || upper > n {
        return None;
    }
    Some(Ranks { lower, upper, coverage: at_most(upper - 1) - at_most(lower - 1) })
}

/// Up to this many samples the probabilities are summed up one by one, which is quicker than their integral; the first of them,
/// `(1 - q)^n`, is then far from underflow for every quantile that is asked for.
const SUMMED_UP_TO: usize = 200;

/// The first number of successes up to which the probability of a binomial distribution is more than `beyond`.
fn first_beyond(n: usize, q: f64, beyond: f64) -> usize {
    let mut share = (1.0 - q).powf(super::real(n));
    let mut sum = share;
    let mut successes = 0;
    while sum <= beyond && successes < n {
        share *= super::real(n - successes) / super::real(successes + 1) * q / (1.0 - q);
        successes += 1;
        sum += share;
    }
    successes
}

/// The first number below `n` that a condition holds from; `n` without one. Halving, for each answer takes long.
fn first(n: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    // W. J. Conover, "Practical Nonparametric Statistics", 3rd edition, 1999, table A3 (binomial) as used in §3.2; n = 10 is
    // measurement.md's, too.
    #[rstest]
    #[case(6, 1, 6, 0.969)]
    #[case(10, 2, 9, 0.979)]
    #[case(15, 4, 12, 0.965)]
    #[case(20, 6, 15, 0.959)]
    fn intervals_of_the_median(#[case] n: usize, #[case] lower: usize, #[case] upper: usize, #[case] coverage: f64) {
        let ranks = ranks(n, 0.5, 0.95).unwrap();
        assert_eq!((ranks.lower, ranks.upper), (lower, upper));
        assert!((ranks.coverage - coverage).abs() < 5e-4, "{ranks:?}");
    }

    #[rstest]
    #[case(0.5, 5)]
    #[case(0.9, 35)]
    #[case(0.95, 71)]
    fn refused_up_to(#[case] q: f64, #[case] n: usize) {
        assert_eq!(ranks(n, q, 0.95), None);
        assert!(ranks(n + 1, q, 0.95).is_some());
    }

    proptest! {
        #[test]
        fn sums_and_integrals_give_the_same_ranks(n in 1usize..SUMMED_UP_TO, q in 0.05f64..0.96, confidence in 0.5f64..0.99) {
            let below = Binomial::new(q, n as u64).unwrap();
            let beyond = (1.0 - confidence) / 2.0;
            let lower = first(n, |k| below.cdf(k as u64) > beyond);
            let upper = first(n, |k| 1.0 - below.cdf(k as u64) <= beyond) + 1;
            let expected = (lower > 0 && upper <= n).then_some((lower, upper));
            prop_assert_eq!(ranks(n, q, confidence).map(|ranks| (ranks.lower, ranks.upper)), expected);
        }

        #[test]
        fn at_least_the_confidence_that_was_asked_for(n in 6usize..300, confidence in 0.5f64..0.96) {
            let ranks = ranks(n, 0.5, confidence).unwrap();
            prop_assert!(ranks.coverage >= confidence - 1e-9);
            prop_assert!(ranks.lower <= ranks.upper && ranks.lower + ranks.upper == n + 1, "symmetric: {:?}", ranks);
        }
    }
}
