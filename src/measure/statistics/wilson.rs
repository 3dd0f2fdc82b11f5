//! Wilson's score interval for k of n, and how many trials a claim needs by it.
//! Exact bounds are in `all_pass`, those of runs that stop early in `sequential`.

use super::{real, two_sided_z};

/// Wilson's two-sided score interval for k of n (E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", JASA 22, 1927). `[0, 1]` for n = 0.
#[must_use]
pub fn wilson(successes: usize, n: usize, confidence: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let z = two_sided_z(confidence);
    let (k, n) = (successes.min(n), n);
    let (n_real, p) = (real(n), real(k) / real(n));
    let denominator = 1.0 + z * z / n_real;
    let centre = (p + z * z / (2.0 * n_real)) / denominator;
    let half = z / denominator * (p * (1.0 - p) / n_real + z * z / (4.0 * n_real * n_real)).sqrt();
    // Exactly 0 and 1 at the ends; the subtraction leaves some 1e-17 otherwise.
    let lower = if k == 0 { 0.0 } else { (centre - half).max(0.0) };
    let upper = if k == n { 1.0 } else { (centre + half).min(1.0) };
    (lower, upper)
}

/// More than this many trials are not proposed to anybody.
const MOST: usize = 1_000_000;

/// The fewest trials, all passing, whose Wilson lower bound exceeds `target`; `None` when no number does.
#[must_use]
pub fn trials_needed(target: f64, confidence: f64) -> Option<usize> {
    trials_needed_with(0, target, confidence)
}

/// The fewest trials of which all but `failures` pass and whose Wilson lower bound exceeds `target`; `None` when no number up to
/// a million does.
#[must_use]
pub fn trials_needed_with(failures: usize, target: f64, confidence: f64) -> Option<usize> {
    let proves = |n: usize| n > failures && wilson(n - failures, n, confidence).0 > target;
    if !proves(MOST) {
        return None;
    }
    // The bound rises with n while the failures stay the same.
    let (mut no, mut yes) = (0, MOST);
    while yes - no > 1 {
        let middle = usize::midpoint(no, yes);
        if proves(middle) { yes = middle } else { no = middle }
    }
    Some(yes)
}
