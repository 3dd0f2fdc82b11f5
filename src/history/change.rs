//! Did something change between two sets of trials? Success rates by Fisher's test, recovery times by Mann and Whitney's with a least
//! effect, all comparisons of an answer corrected together by Holm. An arrow stands only where a difference is more than chance.

use super::query::cells::{Cell, Sums};
use crate::measure::statistics::{Sample, fisher, hodges_lehmann, holm, mann_whitney, quantile};
use serde::Serialize;

/// The level of significance of a whole answer.
pub const LEVEL: f64 = 0.05;
/// A recovery time that changed by less than this share of the earlier median has not changed for anybody.
const LEAST_EFFECT: f64 = 0.1;

/// Trials of one scenario in one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trials {
    /// How many did what.
    pub sums: Sums,
    /// Recovery times.
    pub recoveries: Vec<Sample>,
    /// Detection times.
    pub detections: Vec<Sample>,
}

impl Trials {
    /// All trials of these cells.
    #[must_use]
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> Self {
        let mut all = Self::default();
        for cell in cells {
            all.add(cell.sums, &cell.recoveries, &cell.detections);
        }
        all.sort();
        all
    }

    /// The trials of several, which is quicker than to gather them from their cells again.
    #[must_use]
    pub fn together<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.add(part.sums, &part.recoveries, &part.detections);
        }
        all.sort();
        all
    }

    fn add(&mut self, sums: Sums, recoveries: &[Sample], detections: &[Sample]) {
        self.sums += sums;
        self.recoveries.extend(recoveries);
        self.detections.extend(detections);
    }

    /// Once for all statistics, each of which would have to do it; a stable sort only merges what is in order by parts.
    fn sort(&mut self) {
        for samples in [&mut self.recoveries, &mut self.detections] {
            samples.sort_by(|a, b| a.value.total_cmp(&b.value));
        }
    }
}

/// What is known of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// Significantly better.
    Better,
    /// Significantly worse.
    Worse,
    /// No difference was shown.
    NotShown,
    /// So few trials could not show any difference, or there is nothing to compare with.
    #[default]
    TooFew,
}

/// A change from earlier to later trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Of the share of trials that went as expected.
    pub success: Direction,
    /// Of the recovery time.
    pub recovery: Direction,
    /// By how many seconds recovery takes longer (Hodges and Lehmann); absent where time-outs hide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// One test: its p-value, the least that it could have had, and which way it points.
struct Test {
    p: f64,
    smallest: f64,
    worse: bool,
    counts: bool,
}

/// The changes of several (later, earlier) pairs, as one answer: the more is compared, the more a difference must be.
#[must_use]
pub fn changes(pairs: &[(Trials, Trials)]) -> Vec<Change> {
    let shift = |(later, earlier): &(Trials, Trials)| hodges_lehmann::estimate(&later.recoveries, &earlier.recoveries);
    let shifts: Vec<Option<f64>> = pairs.iter().map(shift).collect();
    let of = |((later, earlier), shift): (&(Trials, Trials), &Option<f64>)| {
        [success(later, earlier), recovery(later, earlier, *shift)]
    };
    let tests: Vec<[Option<Test>; 2]> = pairs.iter().zip(&shifts).map(of).collect();
    // A test that can never be significant only takes from the others.
    let able: Vec<&Test> = tests.iter().flatten().flatten().filter(|test| test.smallest <= LEVEL).collect();
    let mut adjusted = holm::adjusted(&able.iter().map(|test| test.p).collect::<Vec<_>>()).into_iter();
    let mut direction = |test: &Option<Test>| match test {
        Some(test) if test.smallest <= LEVEL => match adjusted.next() {
            Some(p) if p <= LEVEL && test.counts => {
                if test.worse {
                    Direction::Worse
                } else {
                    Direction::Better
                }
            }
            _ => Direction::NotShown,
        },
        _ => Direction::TooFew,
    };
    tests
        .iter()
        .zip(shifts)
        .map(|([rate, time], seconds)| Change { success: direction(rate), recovery: direction(time), seconds })
        .collect()
}

/// Both one-sided tests, doubled.
fn success(later: &Trials, earlier: &Trials) -> Option<Test> {
    let (a, b) = (&later.sums, &earlier.sums);
    if a.valid == 0 || b.valid == 0 {
        return None;
    }
    let lower = fisher::lower(a.expected, a.valid, b.expected, b.valid);
    let higher = fisher::lower(b.expected, b.valid, a.expected, a.valid);
    let smallest = fisher::smallest(a.expected, a.valid, b.expected, b.valid)
        .min(fisher::smallest(b.expected, b.valid, a.expected, a.valid));
    Some(Test { p: (2.0 * lower.min(higher)).min(1.0), smallest: 2.0 * smallest, worse: lower < higher, counts: true })
}

fn recovery(later: &Trials, earlier: &Trials, shift: Option<f64>) -> Option<Test> {
    let compared = mann_whitney::compare(&later.recoveries, &earlier.recoveries)?;
    // Where time-outs hide by how much, that there are more of them is enough.
    let counts = match (shift, quantile(&earlier.recoveries, 0.5)) {
        (Some(shift), Some(median)) => shift.abs() > LEAST_EFFECT * median.abs(),
        _ => true,
    };
    Some(Test { p: compared.two_sided, smallest: compared.smallest, worse: compared.a > 0.5, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials(expected: usize, valid: usize, seconds: f64) -> Trials {
        let sample = |index: u32| Sample { value: seconds + f64::from(index) / 100.0, uncertainty: 0.001, censored: false };
        Trials {
            sums: Sums { trials: valid, valid, expected, ..Sums::default() },
            recoveries: (0..u32::try_from(valid).unwrap()).map(sample).collect(),
            detections: Vec::new(),
        }
    }

    #[test]
    fn an_arrow_needs_a_significant_difference() {
        let change = |later, earlier| changes(&[(later, earlier)])[0];
        let same = change(trials(20, 20, 10.0), trials(20, 20, 10.0));
        assert_eq!((same.success, same.recovery), (Direction::TooFew, Direction::NotShown));
        let worse = change(trials(10, 20, 20.0), trials(20, 20, 10.0));
        assert_eq!((worse.success, worse.recovery), (Direction::Worse, Direction::Worse));
        assert!((worse.seconds.unwrap() - 10.0).abs() < 0.01);
        let better = change(trials(20, 20, 5.0), trials(10, 20, 10.0));
        assert_eq!((better.success, better.recovery), (Direction::Better, Direction::Better));
        let slight = change(trials(20, 20, 10.5), trials(20, 20, 10.0));
        assert_eq!(slight.recovery, Direction::NotShown, "5 % is no change for anybody");
        let few = change(trials(0, 2, 20.0), trials(2, 2, 10.0));
        assert_eq!((few.success, few.recovery), (Direction::TooFew, Direction::TooFew));
        assert_eq!(change(trials(5, 5, 1.0), Trials::default()), Change { seconds: None, ..Change::default() });
    }

    #[test]
    fn many_comparisons_need_larger_differences() {
        let pair = || (trials(15, 20, 10.0), trials(20, 20, 10.0));
        let alone = (trials(14, 20, 10.0), trials(20, 20, 10.0));
        assert_eq!(changes(std::slice::from_ref(&alone))[0].success, Direction::Worse);
        let among: Vec<_> = std::iter::once(alone).chain((0..10).map(|_| pair())).collect();
        assert_eq!(changes(&among)[0].success, Direction::NotShown);
    }
}
