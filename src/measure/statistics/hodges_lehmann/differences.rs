//! All differences between two sets of times in ascending order, of which only some are asked for: none is ever stored.
//! Which ones say something is the estimate's.

/// The differences `ours - theirs` of all pairs. Time-outs make some of them unbounded on one side, which lie before or after all others.
pub(super) struct Differences {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    /// How many are minus infinity.
    before: usize,
    /// How many there are.
    all: usize,
}

impl Differences {
    /// Of these finite times, with so many differences of minus infinity, of `all`; the rest is infinite.
    pub(super) fn new(mut ours: Vec<f64>, mut theirs: Vec<f64>, before: usize, all: usize) -> Self {
        ours.sort_by(f64::total_cmp);
        theirs.sort_by(f64::total_cmp);
        Self { ours, theirs, before, all }
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.all
    }

    /// The one of this rank, from 0 on.
    pub(super) fn get(&self, rank: usize) -> Option<f64> {
        if rank >= self.all {
            return None;
        }
        let Some(rank) = rank.checked_sub(self.before) else { return Some(f64::NEG_INFINITY) };
        if rank >= self.ours.len() * self.theirs.len() {
            return Some(f64::INFINITY);
        }
        // Halving the numbers between the least and the largest difference, as floats are ordered, ends at one that is a difference.
        let mut low = ordered(self.ours.first()? - self.theirs.last()?);
        let mut high = ordered(self.ours.last()? - self.theirs.first()?);
        while low < high {
            let middle = low.midpoint(high);
            // `midpoint` rounds towards zero; the lower half must never be everything.
            let middle = if middle == high { middle - 1 } else { middle };
            if self.up_to(float(middle)) > rank { high = middle } else { low = middle + 1 }
        }
        Some(float(low))
    }

    /// How many of the finite ones are not above a value.
    fn up_to(&self, value: f64) -> usize {
        let is_above = |ours: f64, theirs: f64| (ours - theirs).total_cmp(&value).is_gt();
        let (ours, theirs) = (&self.ours, &self.theirs);
        // Halving the longer list for each of the shorter, where that is much quicker than one walk through both.
        if ours.len() * MUCH < theirs.len() {
            return ours.iter().map(|ours| theirs.len() - theirs.partition_point(|theirs| is_above(*ours, *theirs))).sum();
        }
        if theirs.len() * MUCH < ours.len() {
            return theirs.iter().map(|theirs| ours.partition_point(|ours| !is_above(*ours, *theirs))).sum();
        }
        // As ours rise, so do those of theirs that suffice.
        let mut short = 0;
        let mut count = 0;
        for ours in ours {
            while theirs.get(short).is_some_and(|theirs| is_above(*ours, *theirs)) {
                short += 1;
            }
            count += theirs.len() - short;
        }
        count
    }
}

/// One list is so many times as long as the other.
const MUCH: usize = 12;

/// A whole number that is as large among such numbers as the float is among floats, by `f64::total_cmp`'s order.
const fn ordered(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

const fn float(number: i64) -> f64 {
    let bits = if number < 0 { number ^ i64::MAX } else { number };
    f64::from_bits(bits.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_sorted_list(
            ours in prop::collection::vec(prop_oneof![-20.0f64..20.0, Just(3.0)], 0..40),
            theirs in prop::collection::vec(prop_oneof![-20.0f64..20.0, Just(0.0), Just(3.0)], 0..40),
            before in 0usize..5,
            after in 0usize..5,
        ) {
            let mut sorted: Vec<f64> = ours.iter().flat_map(|ours| theirs.iter().map(move |theirs| ours - theirs)).collect();
            sorted.extend(std::iter::repeat_n(f64::NEG_INFINITY, before).chain(std::iter::repeat_n(f64::INFINITY, after)));
            sorted.sort_by(f64::total_cmp);
            let differences = Differences::new(ours, theirs, before, sorted.len());
            let found: Vec<f64> = (0..differences.len()).filter_map(|rank| differences.get(rank)).collect();
            prop_assert_eq!(found, sorted);
        }
    }
}
