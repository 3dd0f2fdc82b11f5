//! Sets of completion indexes and their text, such as `0,1,3-7`. Pure.
//! Which indexes are done or have failed is decided in `sync`.

use std::collections::BTreeSet;

/// Some indexes of a Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(pub(super) BTreeSet<i64>);

impl Indexes {
    /// Reads `0,1,3-7`; what is at or above `completions` is left out, as is what cannot be read.
    pub(super) fn parse(text: &str, completions: i64) -> Self {
        let mut indexes = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
                indexes.extend(first..=last.min(completions - 1));
            }
        }
        Self(indexes)
    }

    /// How many there are.
    pub(super) fn total(&self) -> i64 {
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    /// As the status writes it: runs of two with a comma, longer ones with a hyphen.
    pub(super) fn to_text(&self) -> String {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for &index in &self.0 {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == index => *last = index,
                _ => runs.push((index, index)),
            }
        }
        let parts = runs.iter().map(|&(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        });
        parts.collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "")]
    #[case("0", "0")]
    #[case("0,1", "0,1")]
    #[case("0-1", "0,1")]
    #[case("0,1,2,5,7-9", "0-2,5,7-9")]
    #[case("3-20", "3-9")]
    #[case("x,2", "2")]
    fn texts_are_read_and_written(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(Indexes::parse(text, 10).to_text(), expected);
    }

    proptest! {
        #[test]
        fn every_set_survives_its_text(set in proptest::collection::btree_set(0_i64..50, 0..30)) {
            let indexes = Indexes(set);
            prop_assert_eq!(Indexes::parse(&indexes.to_text(), 50), indexes);
        }
    }
}
