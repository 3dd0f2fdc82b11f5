//! How many samples of all are shorter than each one less how many are longer, without asking each pair.
//! What is done with the scores is the test's.

use super::Sample;

/// A difference this small is none, whatever the uncertainty.
pub(super) const EPSILON: f64 = 1e-9;

/// The score of each sample. A sample is the stretch of times that it may have been: one is longer than another where their stretches
/// do not meet, and a time-out is longer than what may have ended before it.
pub(super) fn scores(all: &[&Sample]) -> Vec<i64> {
    let sorted = |pick: fn(&Sample) -> f64, censored: bool| {
        let mut bounds: Vec<f64> = all.iter().filter(|one| one.censored == censored).map(|one| pick(one)).collect();
        bounds.sort_by(f64::total_cmp);
        bounds
    };
    let (lows, highs) = (sorted(low, false), sorted(high, false));
    let time_outs = sorted(high, true);
    let score = |one: &&Sample| {
        if one.censored {
            return count(lows.partition_point(|other| *other <= high(one) + EPSILON));
        }
        let shorter = highs.partition_point(|other| other + EPSILON < low(one));
        let longer = lows.len() - lows.partition_point(|other| *other <= high(one) + EPSILON);
        let perhaps_before = time_outs.partition_point(|other| other + EPSILON < low(one));
        count(shorter) - count(longer) - count(time_outs.len() - perhaps_before)
    };
    all.iter().map(score).collect()
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
