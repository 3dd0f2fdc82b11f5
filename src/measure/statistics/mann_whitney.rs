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
    let (size, seen, mirrored) = if size * 2 > scores.len() { (scores.len() - size, -seen, true) } else { (size, seen, false) };
    let steps = Steps::of(scores);
    let ways = steps.ways(size);
    let total: f64 = ways.iter().sum();
    let seen = steps.position(seen, size).min(ways.len() - 1);
    let lower: f64 = ways[..=seen].iter().sum::<f64>() / total;
    let upper: f64 = ways[seen..].iter().sum::<f64>() / total;
    let first = ways.iter().find(|share| **share > 0.0).copied().unwrap_or(total) / total;
    let last = ways.iter().rev().find(|share| **share > 0.0).copied().unwrap_or(total) / total;
    if mirrored {
        Tails { shorter: upper, longer: lower, extreme: first }
    } else {
        Tails { shorter: lower, longer: upper, extreme: last }
    }
}

/// Scores in ascending order as numbers of steps above the least one: without ties they lie two apart, so that a table of steps is
/// half as wide as one of scores.
struct Steps {
    least: i64,
    step: i64,
    ascending: Vec<usize>,
}

impl Steps {
    fn of(scores: &[i64]) -> Self {
        let least = scores.iter().copied().min().unwrap_or(0);
        let step = scores.iter().fold(0, |step, score| greatest_common_divisor(step, score - least)).max(1);
        let mut ascending: Vec<usize> = scores.iter().map(|score| whole((score - least) / step)).collect();
        ascending.sort_unstable();
        Self { least, step, ascending }
    }

    /// Where a sum of so many scores lies in the table of `ways`.
    fn position(&self, sum: i64, size: usize) -> usize {
        whole((sum - self.least * i64::try_from(size).unwrap_or(i64::MAX)) / self.step)
    }

    /// How many choices of so many have each sum.
    fn ways(&self, size: usize) -> Vec<f64> {
        let all = self.ascending.len();
        let up_to: Vec<usize> = std::iter::once(0)
            .chain(self.ascending.iter().scan(0, |sum, value| {
                *sum += value;
                Some(*sum)
            }))
            .collect();
        // The largest sum of so many of the first values.
        let largest = |taken: usize, chosen: usize| up_to[taken] - up_to[taken - chosen];
        let mut ways: Vec<Vec<f64>> = (0..=size).map(|chosen| vec![0.0; largest(all, chosen) + 1]).collect();
        ways[0][0] = 1.0;
        for (taken, value) in self.ascending.iter().enumerate() {
            // Of the choices, only those that the values still to come can make complete.
            let fewest = size.saturating_sub(all - taken - 1).max(1);
            for chosen in (fewest..=size.min(taken + 1)).rev() {
                let (fewer, these) = ways.split_at_mut(chosen);
                let sources = &fewer[chosen - 1][..=largest(taken, chosen - 1)];
                for (target, source) in these[0][*value..].iter_mut().zip(sources) {
                    *target += source;
                }
            }
        }
        ways.pop().unwrap_or_default()
    }
}

fn whole(steps: i64) -> usize {
    usize::try_from(steps).unwrap_or(0)
}

const fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
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
