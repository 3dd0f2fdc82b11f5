//! Fisher's exact test, one-sided: is a success rate lower than the baseline's?
//! Times are compared by `mann_whitney`.

use statrs::distribution::{Discrete, Hypergeometric};

/// The probability of as few successes as `successes` of `n`, or fewer, were the true rate that of the baseline: both margins of the
/// table held fixed (R. A. Fisher, "Statistical Methods for Research Workers", 5th edition, 1934, §21.02; "The Design of
/// Experiments", 1935, §11). 1 where either has no trial.
#[must_use]
pub fn lower(successes: usize, n: usize, baseline_successes: usize, baseline_n: usize) -> f64 {
    if n == 0 || baseline_n == 0 {
        return 1.0;
    }
    let all = (successes.min(n) + baseline_successes.min(baseline_n)) as u64;
    let Ok(table) = Hypergeometric::new((n + baseline_n) as u64, all, n as u64) else { return 1.0 };
    let least = all.saturating_sub(baseline_n as u64);
    (least..=successes as u64).map(|k| table.pmf(k)).sum::<f64>().min(1.0)
}

/// The smallest value that [`lower`] can have with as many successes over both: that of the most lopsided table. Above a level, the
/// test can say nothing at that level.
#[must_use]
pub fn smallest(successes: usize, n: usize, baseline_successes: usize, baseline_n: usize) -> f64 {
    let all = successes.min(n) + baseline_successes.min(baseline_n);
    lower(all.saturating_sub(baseline_n), n, all.min(baseline_n), baseline_n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn the_lady_tasting_tea() {
        // Fisher's own example: three of four cups right has a probability of 17/70.
        assert!((lower(1, 4, 3, 4) - 17.0 / 70.0).abs() < 1e-12);
        assert!((lower(0, 4, 4, 4) - 1.0 / 70.0).abs() < 1e-12);
    }

    // measurement.md: the first significant drop from an all-pass baseline.
    #[rstest]
    #[case(1, 5)]
    #[case(6, 10)]
    #[case(15, 20)]
    #[case(25, 30)]
    fn the_first_significant_drop(#[case] k: usize, #[case] n: usize) {
        assert!(lower(k, n, n, n) <= 0.05 && lower(k + 1, n, n, n) > 0.05);
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        assert_eq!((lower(0, 0, 5, 5), lower(0, 5, 0, 0)), (1.0, 1.0));
        assert!((smallest(3, 3, 3, 3) - 1.0).abs() < 1e-12, "without a failure there is nothing to see");
        assert!((smallest(1, 2, 2, 2) - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn fewer_successes_are_less_likely(n in 1usize..40, m in 1usize..40, k in 0usize..40, b in 0usize..40) {
            let (k, b) = (k.min(n), b.min(m));
            let p = lower(k, n, b, m);
            prop_assert!((0.0..=1.0).contains(&p));
            prop_assert!(k == 0 || b == m || lower(k - 1, n, b + 1, m) <= p + 1e-12);
            prop_assert!(smallest(k, n, b, m) <= p + 1e-12);
        }
    }
}
