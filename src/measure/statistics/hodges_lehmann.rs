//! Hodges and Lehmann's shift: by how many seconds samples are longer than a baseline, with an interval.
//! Whether that is more than chance is `mann_whitney`'s.

mod differences;

use super::{Sample, real};
use differences::Differences;
use statrs::distribution::{ContinuousCDF, Normal};

/// A shift in seconds; positive: longer than the baseline. A time-out makes a bound unknown: it is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shift {
    /// The median of the differences of all pairs (J. L. Hodges and E. L. Lehmann, "Estimates of location based on rank tests",
    /// Annals of Mathematical Statistics 34, 1963); absent where time-outs hide it.
    pub value: Option<f64>,
    /// The least that the median of the differences can be, whatever the time-outs would have become; absent where it may be
    /// anything.
    pub at_least: Option<f64>,
    /// The interval's lower bound; absent where n is too small or time-outs hide it.
    pub lower: Option<f64>,
    /// The interval's upper bound; absent where n is too small or time-outs hide it.
    pub upper: Option<f64>,
}

/// The shift between samples and a baseline, and its two-sided interval: the differences whose ranks the distribution of Mann and
/// Whitney's statistic without ties gives (M. Hollander, D. A. Wolfe and E. Chicken, "Nonparametric Statistical Methods", 3rd
/// edition, 2014, §4.3). `None` where either is empty.
#[must_use]
pub fn shift(samples: &[Sample], baseline: &[Sample], confidence: f64) -> Option<Shift> {
    let (lows, highs) = bounds(samples, baseline)?;
    let (low, high) = (median(&lows)?, median(&highs)?);
    let beyond = ranks_beyond(samples.len(), baseline.len(), (1.0 - confidence) / 2.0);
    Some(Shift {
        value: known(low, high),
        at_least: finite(low),
        lower: beyond.and_then(|beyond| lows.get(beyond)).and_then(finite),
        upper: beyond.and_then(|beyond| highs.get(highs.len() - 1 - beyond)).and_then(finite),
    })
}

/// [`Shift::value`] alone, without an interval, whose ranks take long to reckon.
#[must_use]
pub fn estimate(samples: &[Sample], baseline: &[Sample]) -> Option<f64> {
    let (lows, highs) = bounds(samples, baseline)?;
    let low = median(&lows)?;
    if samples.iter().chain(baseline).any(|one| one.censored) { known(low, median(&highs)?) } else { finite(low) }
}

/// Each difference lies between two bounds, which are the same without a time-out.
fn bounds(samples: &[Sample], baseline: &[Sample]) -> Option<(Differences, Differences)> {
    if samples.is_empty() || baseline.is_empty() {
        return None;
    }
    let all = samples.len() * baseline.len();
    let times = |of: &[Sample], and_time_outs: bool| {
        of.iter().filter(|one| and_time_outs || !one.censored).map(|one| one.value).collect::<Vec<_>>()
    };
    let hidden = samples.len() * baseline.iter().filter(|theirs| theirs.censored).count();
    let lows = Differences::new(times(samples, true), times(baseline, false), hidden, all);
    Some((lows, Differences::new(times(samples, false), times(baseline, true), 0, all)))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// What lies between two bounds, where they are one.
fn known(low: f64, high: f64) -> Option<f64> {
    finite(low).filter(|low| (high - low).abs() < 1e-9)
}

/// The median; `None` for none, or where it is the mean of the two infinities.
fn median(sorted: &Differences) -> Option<f64> {
    let middle = sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(middle);
    }
    let before = sorted.get(sorted.len() / 2 - 1)?;
    // Half of an infinite one is infinite; between both infinities anything is possible.
    Some(if before.is_infinite() { before } else { f64::midpoint(before, middle) })
}

/// How many of the differences lie below the interval: one less than the number of smallest values of U that are, together and without
/// ties, no more likely than `beyond`. `None` where even the smallest is more likely than that: n is too small.
fn ranks_beyond(n: usize, m: usize, beyond: f64) -> Option<usize> {
    let few = n.min(m);
    let many = n.max(m);
    if few == 0 || few * many > MOST_PAIRS {
        return normal_ranks(n, m, beyond);
    }
    // Choices of `few` ranks by U, one rank after the other.
    let most = few * many;
    let mut ways = vec![vec![0.0f64; most + 1]; few + 1];
    ways[0][0] = 1.0;
    for rank in 1..=few + many {
        for chosen in (1..=few.min(rank)).rev() {
            let add = rank - chosen;
            if add > many {
                continue;
            }
            let (fewer, these) = ways.split_at_mut(chosen);
            for u in add..=most {
                these[0][u] += fewer[chosen - 1][u - add];
            }
        }
    }
    let all = &ways[few];
    let total: f64 = all.iter().sum();
    let mut so_far = 0.0;
    let mut within: usize = 0;
    for share in all {
        so_far += share / total;
        if so_far > beyond {
            break;
        }
        within += 1;
    }
    within.checked_sub(1)
}

/// Up to this many pairs the ranks are exact.
const MOST_PAIRS: usize = 2_500;

fn normal_ranks(n: usize, m: usize, beyond: f64) -> Option<usize> {
    let (a, b) = (real(n), real(m));
    let rank = a * b / 2.0 + Normal::standard().inverse_cdf(beyond) * (a * b * (a + b + 1.0) / 12.0).sqrt();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of pairs")]
    (rank >= 1.0).then(|| rank.floor() as usize - 1)
}

#[cfg(test)]
mod tests {
    use super::super::mann_whitney::compare;
    use super::*;
    use proptest::prelude::*;

    fn samples(values: &[f64]) -> Vec<Sample> {
        values.iter().map(|value| Sample { value: *value, uncertainty: 0.0, censored: false }).collect()
    }

    fn out(value: f64) -> Sample {
        Sample { value, uncertainty: 0.0, censored: true }
    }

    /// Hollander and Wolfe, example 4.1 (water transfer through placental membranes): the estimate is -0.305, the 96 % interval
    /// from -0.76 to 0.15.
    #[test]
    fn the_textbook_example_comes_out_as_published() {
        let at_term = samples(&[0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]);
        let early = samples(&[1.15, 0.88, 0.90, 0.74, 1.21]);
        let shift = shift(&early, &at_term, 0.95).unwrap();
        let near = |found: Option<f64>, published: f64| (found.unwrap() - published).abs() < 1e-9;
        assert!(near(shift.value, -0.305) && near(shift.lower, -0.76) && near(shift.upper, 0.15), "{shift:?}");
        // Exactly 0.2544 (R's wilcox.test).
        assert!((compare(&early, &at_term).unwrap().two_sided - 0.2544).abs() < 5e-5);
    }

    #[test]
    fn time_outs_leave_a_lower_bound_or_nothing() {
        let baseline = samples(&[10.0, 11.0, 12.0, 13.0]);
        let all_out = shift(&[out(300.0); 4], &baseline, 0.95).unwrap();
        assert_eq!((all_out.value, all_out.at_least, all_out.upper), (None, Some(288.5), None));
        let hidden = shift(&baseline, &[out(300.0); 4], 0.95).unwrap();
        assert_eq!((hidden.value, hidden.at_least), (None, None));
        let mut one_out = samples(&[20.0, 21.0, 22.0]);
        one_out.push(out(300.0));
        let known = shift(&one_out, &baseline, 0.95).unwrap();
        assert_eq!(known.value, Some(10.0), "the median does not ask how long the time-out would have been: {known:?}");
    }

    #[test]
    fn three_against_three_bound_nothing() {
        let found = shift(&samples(&[1.0, 2.0, 3.0]), &samples(&[4.0, 5.0, 6.0]), 0.95).unwrap();
        assert_eq!((found.value, found.lower, found.upper), (Some(-3.0), None, None));
        assert_eq!(shift(&[], &samples(&[1.0]), 0.95), None);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_shift_and_moves_with_the_samples(ours in prop::collection::vec(0.0f64..100.0, 4..12), theirs in prop::collection::vec(0.0f64..100.0, 4..12), by in 0.0f64..50.0) {
            let before = shift(&samples(&ours), &samples(&theirs), 0.95).unwrap();
            let (value, lower, upper) = (before.value.unwrap(), before.lower.unwrap(), before.upper.unwrap());
            prop_assert!(lower <= value && value <= upper);
            prop_assert_eq!(estimate(&samples(&ours), &samples(&theirs)), before.value);
            let moved: Vec<f64> = ours.iter().map(|value| value + by).collect();
            let after = shift(&samples(&moved), &samples(&theirs), 0.95).unwrap();
            prop_assert!((after.value.unwrap() - value - by).abs() < 1e-9);
        }
    }
}
