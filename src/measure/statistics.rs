//! The statistics of results: Wilson's interval, medians with censored samples, percentiles only where n allows.
//! Formulas and their sources; nothing here knows what a trial is.

use super::result::{Distribution, Rate};
use statrs::distribution::{ContinuousCDF, Normal};

/// The confidence of every interval that is not set otherwise.
pub const CONFIDENCE: f64 = 0.95;

/// From this n on the sample maximum bounds p95 with 95 % confidence (1 - 0.95^n >= 0.95).
pub const P95_NEEDS: usize = 59;

/// Wilson's two-sided score interval for k of n (E. B. Wilson, JASA 22, 1927). `[0, 1]` for n = 0.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
pub fn wilson(successes: usize, n: usize, confidence: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let z = Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence));
    let (n, p) = (n as f64, successes as f64 / n as f64);
    let denominator = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / denominator;
    let half = z / denominator * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// k of n with its interval.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
pub fn rate(successes: usize, n: usize, confidence: f64) -> Rate {
    let (lower, upper) = wilson(successes, n, confidence);
    Rate {
        successes,
        n,
        observed: (n > 0).then(|| successes as f64 / n as f64),
        lower: round(lower),
        upper: round(upper),
        confidence,
        method: "wilson".to_owned(),
    }
}

/// The fewest trials, all passing, whose Wilson lower bound exceeds `target`; `None` when no number does.
#[must_use]
pub fn trials_needed(target: f64, confidence: f64) -> Option<usize> {
    (1..=100_000).find(|n| wilson(*n, *n, confidence).0 > target)
}

/// A sample in seconds; a censored one is only known to be longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds.
    pub value: f64,
    /// Whether the true value is only known to be larger.
    pub censored: bool,
}

/// Minimum, median, maximum and, where n allows, p95 of right-censored samples (Kaplan and Meier, JASA 53, 1958).
#[must_use]
pub fn distribution(samples: &[Sample]) -> Option<Distribution> {
    if samples.is_empty() {
        return None;
    }
    let censored = samples.iter().filter(|sample| sample.censored).count();
    let observed =
        |pick: fn(f64, f64) -> f64| samples.iter().filter(|s| !s.censored).map(|s| s.value).reduce(pick).map(round_time);
    Some(Distribution {
        n: samples.len(),
        censored,
        min: observed(f64::min),
        median: quantile(samples, 0.5).map(round_time),
        max: if censored == 0 { observed(f64::max) } else { None },
        p95: if samples.len() >= P95_NEEDS { quantile(samples, 0.95).map(round_time) } else { None },
    })
}

/// The time by which the Kaplan-Meier estimate of having happened reaches `q`; `None` when censoring hides it.
/// Without censoring the usual sample quantile: the mean of both where the estimate meets `q` exactly.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
pub fn quantile(samples: &[Sample], q: f64) -> Option<f64> {
    let mut sorted = samples.to_vec();
    // A censored sample is still at risk at its own time: events of the same time come first.
    sorted.sort_by(|a, b| a.value.total_cmp(&b.value).then(a.censored.cmp(&b.censored)));
    let mut survival = 1.0;
    let mut exact: Option<f64> = None;
    for (index, sample) in sorted.iter().enumerate() {
        if sample.censored {
            continue;
        }
        if let Some(before) = exact {
            return Some(f64::midpoint(before, sample.value));
        }
        let at_risk = (sorted.len() - index) as f64;
        survival *= 1.0 - 1.0 / at_risk;
        let reached = 1.0 - survival;
        if (reached - q).abs() < 1e-9 {
            exact = Some(sample.value);
        } else if reached > q {
            return Some(sample.value);
        }
    }
    // The other half of an exact meeting is hidden by censoring.
    None
}

fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn round_time(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
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
        values.iter().map(|(value, censored)| Sample { value: *value, censored: *censored }).collect()
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
        let many = distribution(&(1..=59).map(|n| Sample { value: f64::from(n), censored: false }).collect::<Vec<_>>()).unwrap();
        assert_eq!(many.p95, Some(57.0));
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_observed_rate(n in 1usize..500, k in 0usize..500) {
            let k = k.min(n);
            let (lower, upper) = wilson(k, n, CONFIDENCE);
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let p = k as f64 / n as f64;
            prop_assert!(lower <= p + 1e-12 && p <= upper + 1e-12);
        }
    }
}
