//! The statistics of results: one method a module, each with its source; what a result file says of rates and times is put
//! together here. Nothing here knows what a trial or a gate is.

pub mod all_pass;
pub mod fisher;
pub mod hodges_lehmann;
pub mod holm;
pub mod kaplan_meier;
pub mod mann_whitney;
pub mod order_statistics;
pub mod sequential;
pub mod wilson;

#[cfg(test)]
mod fixtures;

use super::result::{Distribution, Interval, Rate};
use statrs::distribution::{ContinuousCDF, Normal};

pub use kaplan_meier::quantile;
pub use wilson::{trials_needed, wilson};

/// The confidence of every interval that is not set otherwise.
pub const CONFIDENCE: f64 = 0.95;

/// From this n on the sample maximum bounds p95 with 95 % confidence (1 - 0.95^n >= 0.95; [`all_pass::trials_needed`]).
pub const P95_NEEDS: usize = 59;

/// k of n with Wilson's interval.
#[must_use]
pub fn rate(successes: usize, n: usize, confidence: f64) -> Rate {
    let (lower, upper) = wilson(successes, n, confidence);
    Rate {
        successes,
        n,
        observed: (n > 0).then(|| real(successes) / real(n)),
        lower: round(lower),
        upper: round(upper),
        confidence,
        method: "wilson".to_owned(),
    }
}

/// A sample in seconds; a censored one is only known to be longer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds.
    pub value: f64,
    /// How much shorter or longer it may have been, in seconds; at least 0.
    pub uncertainty: f64,
    /// Whether the true value is only known to be larger.
    pub censored: bool,
}

/// Minimum, median with its interval, maximum and, where n allows, p95 of right-censored samples: Kaplan and Meier's estimate, which
/// without censoring is the usual quantile. A quantile or bound that the samples do not show is absent.
#[must_use]
pub fn distribution(samples: &[Sample]) -> Option<Distribution> {
    if samples.is_empty() {
        return None;
    }
    let censored = samples.iter().filter(|sample| sample.censored).count();
    let observed =
        |pick: fn(f64, f64) -> f64| samples.iter().filter(|s| !s.censored).map(|s| s.value).reduce(pick).map(round_time);
    let mut samples = samples.to_vec();
    samples.sort_by(|a, b| a.value.total_cmp(&b.value));
    let curve = kaplan_meier::curve(&samples);
    Some(Distribution {
        n: samples.len(),
        censored,
        min: observed(f64::min),
        median: kaplan_meier::quantile_of(&curve, 0.5).map(round_time),
        median_interval: interval_of(&samples, &curve, CONFIDENCE),
        max: if censored == 0 { observed(f64::max) } else { None },
        p95: if samples.len() >= P95_NEEDS { kaplan_meier::quantile_of(&curve, 0.95).map(round_time) } else { None },
    })
}

/// The median's interval: by order statistics where nothing is censored, else by Kaplan and Meier's curve; `None` where n is too
/// small to bound it on either side.
#[must_use]
pub fn median_interval(samples: &[Sample], confidence: f64) -> Option<Interval> {
    interval_of(samples, &kaplan_meier::curve(samples), confidence)
}

fn interval_of(samples: &[Sample], curve: &[kaplan_meier::Step], confidence: f64) -> Option<Interval> {
    let (lower, upper, method) = if samples.iter().any(|sample| sample.censored) {
        let (lower, upper) = kaplan_meier::quantile_interval_of(curve, 0.5, confidence);
        (lower, upper, "kaplanMeier")
    } else {
        let ranks = order_statistics::ranks(samples.len(), 0.5, confidence)?;
        let mut values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        values.sort_by(f64::total_cmp);
        (values.get(ranks.lower - 1).copied(), values.get(ranks.upper - 1).copied(), "orderStatistics")
    };
    (lower.is_some() || upper.is_some()).then(|| Interval {
        lower: lower.map(round_time),
        upper: upper.map(round_time),
        confidence,
        method: method.to_owned(),
    })
}

/// The quantile of the standard normal distribution by which a two-sided interval of this confidence is wide.
fn two_sided_z(confidence: f64) -> f64 {
    Normal::standard().inverse_cdf(f64::midpoint(1.0, confidence))
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
pub(super) const fn real(count: usize) -> f64 {
    count as f64
}

/// Four decimals: no rate of a result file is known more exactly.
pub(super) fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Microseconds.
pub(super) fn round_time(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
