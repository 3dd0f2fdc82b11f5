//! The interval of a success rate after a test that stopped early. Wilson's would be too narrow and shifted: the test stops where
//! the observed rate happens to look good, or bad.

use super::{Look, Spread, error};

/// The two-sided interval of the rate after the last of these looks, with so many successes there. It agrees with the test: the
/// claim lies at or below it when it was proven, at or above it when it was refuted.
///
/// Outcomes are ordered by what they say for a high rate: proven at an early look first, then by the successes at the last look, and
/// refuted at an early look last (stagewise ordering: A. A. Tsiatis, G. L. Rosner and C. R. Mehta, "Exact confidence intervals following
/// a group sequential test", Biometrics 40, 1984; C. Jennison and B. W. Turnbull, "Group Sequential Methods", 2000, §8.5 and §12.1).
/// Each bound is the rate at which what was seen, or anything more extreme, has half of `1 - confidence`; of one look only it is Clopper
/// and Pearson's interval.
#[must_use]
pub fn interval(looks: &[Look], successes: usize, confidence: f64) -> (f64, f64) {
    let Some(last) = looks.last() else { return (0.0, 1.0) };
    let beyond = error(confidence);
    let lower = if successes == 0 && looks.len() == 1 { 0.0 } else { solve(|p| tails(looks, successes, p).0 < beyond).0 };
    let upper = if successes == last.n && looks.len() == 1 { 1.0 } else { solve(|p| tails(looks, successes, p).1 >= beyond).1 };
    (lower, upper)
}

/// How likely an outcome is that says as much or more for a high rate, and one that says as much or more for a low one.
fn tails(looks: &[Look], successes: usize, p: f64) -> (f64, f64) {
    let mut spread = Spread::start();
    let (mut above, mut below) = (0.0, 0.0);
    let Some((last, before)) = looks.split_last() else { return (1.0, 1.0) };
    for look in before {
        spread.advance(look.n, p);
        let (proven, refuted) = spread.decide(look);
        above += proven;
        below += refuted;
    }
    spread.advance(last.n, p);
    for (k, share) in (spread.from..).zip(&spread.shares) {
        above += if k >= successes { *share } else { 0.0 };
        below += if k <= successes { *share } else { 0.0 };
    }
    (above, below)
}

/// Where a condition that holds for small rates ceases to hold: the last rate with it and the first one without.
fn solve(holds: impl Fn(f64) -> bool) -> (f64, f64) {
    let (mut with, mut without) = (0.0, 1.0);
    if holds(1.0) {
        return (1.0, 1.0);
    }
    if !holds(0.0) {
        return (0.0, 0.0);
    }
    while without - with > 1e-7 {
        let middle = f64::midpoint(with, without);
        if holds(middle) { with = middle } else { without = middle }
    }
    (with, without)
}
