//! How many samples of all are shorter than each one less how many are longer, without asking each pair.
//! What is done with the scores is the test's.

use super::Sample;

/// A difference this small is none, whatever the uncertainty.
pub(super) const EPSILON: f64 = 1e-9;

/// The score of each sample. A sample is the stretch of times that it may have been: one is longer than another where their stretches
/// do not meet, and a time-out is longer than what may have ended before it.
pub(super) fn scores(all: &[&Sample]) -> Vec<i64> {
    let by = |pick: fn(&Sample) -> f64| {
        let mut bounds: Vec<(f64, usize)> = all.iter().enumerate().map(|(position, one)| (pick(one), position)).collect();
        // Stable, because that is the quicker one where both samples come in order.
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        bounds
    };
    let (by_low, by_high) = (by(low), by(high));
    let only = |bounds: &[(f64, usize)], censored: bool| -> Vec<f64> {
        bounds.iter().filter(|(_, position)| all[*position].censored == censored).map(|(bound, _)| *bound).collect()
    };
    let (lows, highs, time_outs) = (only(&by_low, false), only(&by_high, false), only(&by_high, true));
    let shorter = counted(&by_low, &highs, |other, low| other + EPSILON < low);
    let not_longer = counted(&by_high, &lows, |other, high| other <= high + EPSILON);
    let perhaps_before = counted(&by_low, &time_outs, |other, low| other + EPSILON < low);
    let score = |(position, one): (usize, &&Sample)| {
        if one.censored {
            return count(not_longer[position]);
        }
        let longer = lows.len() - not_longer[position];
        count(shorter[position]) - count(longer) - count(time_outs.len() - perhaps_before[position])
    };
    all.iter().enumerate().map(score).collect()
}

/// For each of the ascending keys, by its position: how many of the ascending bounds come before it. One walk through both.
fn counted(keys: &[(f64, usize)], bounds: &[f64], comes_before: impl Fn(f64, f64) -> bool) -> Vec<usize> {
    let mut counts = vec![0; keys.len()];
    let mut before = 0;
    for (key, position) in keys {
        while bounds.get(before).is_some_and(|bound| comes_before(*bound, *key)) {
            before += 1;
        }
        counts[*position] = before;
    }
    counts
}

fn low(sample: &Sample) -> f64 {
    sample.value - sample.uncertainty
}

fn high(sample: &Sample) -> f64 {
    sample.value + sample.uncertainty
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::longer;
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    fn of_pairs(all: &[&Sample]) -> Vec<i64> {
        let sign = |order: Ordering| order as i64;
        all.iter().map(|one| all.iter().map(|other| sign(longer(one, other))).sum()).collect()
    }

    proptest! {
        // Tenths of seconds with uncertainties of tenths: many ties, also at their very bounds.
        #[test]
        fn they_are_those_of_all_pairs(drawn in prop::collection::vec((0u8..40, 0u8..8, prop::bool::weighted(0.2)), 1..60)) {
            let samples: Vec<Sample> = drawn
                .into_iter()
                .map(|(value, uncertainty, censored)| Sample {
                    value: f64::from(value) / 10.0,
                    uncertainty: f64::from(uncertainty) / 10.0,
                    censored,
                })
                .collect();
            let all: Vec<&Sample> = samples.iter().collect();
            prop_assert_eq!(scores(&all), of_pairs(&all));
        }
    }
}
