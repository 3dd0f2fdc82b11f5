//! Mann and Whitney's test of two sets of times, with time-outs and with differences too small to be measured as ties, and how large
//! the difference is. By how many seconds is `hodges_lehmann`'s.

mod scores;

use super::{Sample, real};
use scores::{EPSILON, scores};
use statrs::distribution::{ContinuousCDF, Normal};
use std::cmp::Ordering;

/// What the comparison of a sample with a baseline shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// How many pairs have the baseline's sample shorter; ties count half (H. B. Mann and D. R. Whitney, Annals of Mathematical
    /// Statistics 18, 1947).
    pub u: f64,
    /// The share of pairs in which the baseline's sample is shorter: 0.5 is no difference, 1 says that every sample is longer than
    /// every one of the baseline (A. Vargha and H. D. Delaney's A, Journal of Educational and Behavioral Statistics 25, 2000; the
    /// common-language effect size of K. O. McGraw and S. P. Wong, 1992).
    pub a: f64,
    /// The probability of a difference this large in either direction, were there none.
    pub two_sided: f64,
    /// The probability of samples this much longer than the baseline's, or more.
    pub longer: f64,
    /// The smallest value that `two_sided` can have towards longer with these values; above a level the test can say nothing at it.
    pub smallest: f64,
    /// Whether the probabilities are exact, and not those of a normal approximation.
    pub exact: bool,
}

/// Which of two samples is longer; `Equal` where that is not known: the difference is within the uncertainty of measurement, or a
/// time-out hides it (E. A. Gehan, "A generalized Wilcoxon test for comparing arbitrarily singly-censored samples", Biometrika 52,
/// 1965).
#[must_use]
pub fn longer(a: &Sample, b: &Sample) -> Ordering {
    let uncertainty = a.uncertainty + b.uncertainty + EPSILON;
    // A censored one is longer than what ended before it; a censored one against a longer one may be either.
    match (a.censored, b.censored) {
        (true, true) => Ordering::Equal,
        (true, false) if a.value >= b.value - uncertainty => Ordering::Greater,
        (false, true) if b.value >= a.value - uncertainty => Ordering::Less,
        (true, false) | (false, true) => Ordering::Equal,
        (false, false) if (a.value - b.value).abs() <= uncertainty => Ordering::Equal,
        (false, false) => a.value.total_cmp(&b.value),
    }
}

/// Up to this many pairs the distribution is reckoned exactly; above, the normal one is close.
const EXACT_UP_TO: usize = 2_500;

/// Compares samples with a baseline; `None` where either is empty.
///
/// Each sample's score is the number of all others that are shorter less the number of those that are longer. Were there no
/// difference, each choice of as many scores would be as likely as the one seen, which gives the distribution, ties and time-outs
/// included (N. Mantel, "Ranking procedures for arbitrarily restricted observation", Biometrics 23, 1967). Without ties and
/// time-outs these are the ranks, and it is Mann and Whitney's own test.
#[must_use]
pub fn compare(samples: &[Sample], baseline: &[Sample]) -> Option<MannWhitney> {
    if samples.is_empty() || baseline.is_empty() {
        return None;
    }
    let pairs = samples.len() * baseline.len();
    let all: Vec<&Sample> = samples.iter().chain(baseline).collect();
    let scores = scores(&all);
    let sum: i64 = scores.iter().take(samples.len()).sum();
    let tails = if pairs <= EXACT_UP_TO { exact(&scores, samples.len(), sum) } else { approximate(&scores, samples.len(), sum) };
    // The sum counts each pair as 1, 0 or -1.
    let u = f64::midpoint(real_of(sum), real(pairs));
    Some(MannWhitney {
        u,
        a: u / real(pairs),
        two_sided: (2.0 * tails.shorter.min(tails.longer)).min(1.0),
        longer: tails.longer,
        smallest: (2.0 * tails.extreme).min(1.0),
        exact: pairs <= EXACT_UP_TO,
    })
}

/// The smallest two-sided value that the test can have with as many samples, without ties: `2 / C(n + m, n)`.
#[must_use]
pub fn smallest(n: usize, baseline_n: usize) -> f64 {
    let few = n.min(baseline_n);
    // C(n + m, few), factor by factor; it may only grow beyond what counts.
    let choices: f64 = (1..=few).map(|factor| real(n + baseline_n - few + factor) / real(factor)).product();
    (2.0 / choices).min(1.0)
}

struct Tails {
    /// P(sum <= seen).
    shorter: f64,
    /// P(sum >= seen).
    longer: f64,
    /// P(sum is the largest possible).
    extreme: f64,
}

/// Each choice of `size` of the scores, by its sum: a table that takes in one score after the other.
fn exact(scores: &[i64], size: usize, seen: i64) -> Tails {
    // The sum of all scores is 0: that of the others is the negative one. The smaller group is cheaper.
    let (size, mirrored) = if size * 2 > scores.len() { (scores.len() - size, true) } else { (size, false) };
    // Within a choice, each pair cancels out: a sum counts pairs with the others, of which there are at most so many.
    let most = size * (scores.len() - size);
    let width = 2 * most + 1;
    // `ways[chosen][sum + most]`, as shares of all choices to keep the numbers small.
    let mut ways = vec![vec![0.0f64; width]; size + 1];
    ways[0][most] = 1.0;
    for (taken, score) in scores.iter().enumerate() {
        for chosen in (1..=size.min(taken + 1)).rev() {
            let (fewer, these) = ways.split_at_mut(chosen);
            let (from, to) = (&fewer[chosen - 1], &mut these[0]);
            let shift = usize::try_from(score.unsigned_abs()).unwrap_or(usize::MAX).min(width);
            let (sources, targets) =
                if *score >= 0 { (&from[..width - shift], &mut to[shift..]) } else { (&from[shift..], &mut to[..width - shift]) };
            for (target, source) in targets.iter_mut().zip(sources) {
                *target += source;
            }
        }
    }
    let all = &ways[size];
    let total: f64 = all.iter().sum();
    let at = |sum: i64| usize::try_from(sum + i64::try_from(most).unwrap_or(i64::MAX)).unwrap_or(0).min(width - 1);
    let seen = at(if mirrored { -seen } else { seen });
    let lower: f64 = all[..=seen].iter().sum::<f64>() / total;
    let upper: f64 = all[seen..].iter().sum::<f64>() / total;
    let first = all.iter().find(|share| **share > 0.0).copied().unwrap_or(total) / total;
    let last = all.iter().rev().find(|share| **share > 0.0).copied().unwrap_or(total) / total;
    if mirrored {
        Tails { shorter: upper, longer: lower, extreme: first }
    } else {
        Tails { shorter: lower, longer: upper, extreme: last }
    }
}

/// The normal distribution of the same mean and variance, corrected for continuity (the sum moves in steps of two).
fn approximate(scores: &[i64], size: usize, seen: i64) -> Tails {
    let (n, all) = (real(size), real(scores.len()));
    let squares: f64 = scores.iter().map(|score| real_of(*score) * real_of(*score)).sum();
    let deviation = (n * (all - n) / (all * (all - 1.0)) * squares).sqrt();
    if deviation <= 0.0 {
        return Tails { shorter: 1.0, longer: 1.0, extreme: 1.0 };
    }
    let normal = Normal::standard();
    let seen = real_of(seen);
    let tail = |towards: f64| normal.cdf(-(towards - 1.0) / deviation);
    let mut sorted = scores.to_vec();
    sorted.sort_unstable();
    let largest: i64 = sorted.iter().rev().take(size).sum();
    Tails { shorter: tail(-seen), longer: tail(seen), extreme: tail(real_of(largest)) }
}

#[expect(clippy::cast_precision_loss, reason = "sums of counts of trials are far below 2^52")]
const fn real_of(sum: i64) -> f64 {
    sum as f64
}

#[cfg(test)]
mod tests;
