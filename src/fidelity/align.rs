//! Two sequences of states beside each other: which state of one is which of the other, and where they part.
//! Which differences are allowed comes from the tolerances.

type States = [(f64, String)];

/// What may differ between two sequences.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// A state that lasted no longer than so many seconds may be missing on the other side.
    pub passing: f64,
    /// From this time on one side may lack the other's rest.
    pub end: f64,
}

/// The result of laying one sequence beside another.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// Indices of equal states, in order.
    pub equal: Vec<(usize, usize)>,
    /// Where they part for good, if they do: the first indices that nothing corresponds to.
    pub parted: Option<(usize, usize)>,
}

/// Lays `recorded` beside `simulated`. States must be equal in order; a passing one may be left out on either side.
#[must_use]
pub fn align(recorded: &States, simulated: &States, allowed: Allowed) -> Alignment {
    let (rows, columns) = (recorded.len(), simulated.len());
    let is_passing = |states: &States, index: usize| {
        states.get(index + 1).is_some_and(|(until, _)| until - states[index].0 <= allowed.passing)
    };
    // How each reachable (row, column) was reached: 0 not at all, 1 from the beginning, 2 equal, 3 recorded left out, 4 simulated.
    let mut from = vec![vec![0_u8; columns + 1]; rows + 1];
    from[0][0] = 1;
    let mut furthest = (0, 0);
    for row in 0..=rows {
        for column in 0..=columns {
            if from[row][column] == 0 {
                continue;
            }
            if row + column >= furthest.0 + furthest.1 {
                furthest = (row, column);
            }
            let equal = row < rows && column < columns && recorded[row].1 == simulated[column].1;
            if equal && from[row + 1][column + 1] == 0 {
                from[row + 1][column + 1] = 2;
            }
            if row < rows && is_passing(recorded, row) && from[row + 1][column] == 0 {
                from[row + 1][column] = 3;
            }
            if column < columns && is_passing(simulated, column) && from[row][column + 1] == 0 {
                from[row][column + 1] = 4;
            }
        }
    }
    let over = |states: &States, index: usize| states.get(index).is_none_or(|(at, _)| *at >= allowed.end);
    let ends = |row: usize, column: usize| {
        from[row][column] != 0 && (row == rows || column == columns) && over(recorded, row) && over(simulated, column)
    };
    let last = (0..=rows)
        .rev()
        .flat_map(|row| (0..=columns).rev().map(move |column| (row, column)))
        .find(|(row, column)| ends(*row, *column));
    let mut equal = Vec::new();
    let (mut row, mut column) = last.unwrap_or(furthest);
    loop {
        match from[row][column] {
            2 => {
                (row, column) = (row - 1, column - 1);
                equal.push((row, column));
            }
            3 => row -= 1,
            4 => column -= 1,
            _ => break,
        }
    }
    equal.reverse();
    Alignment { equal, parted: if last.is_some() { None } else { Some(furthest) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn states(text: &str) -> Vec<(f64, String)> {
        text.split_whitespace().map(|word| (word[1..].parse().unwrap(), word[..1].to_owned())).collect()
    }

    fn parted(recorded: &str, simulated: &str, passing: f64, end: f64) -> Option<(usize, usize)> {
        align(&states(recorded), &states(simulated), Allowed { passing, end }).parted
    }

    #[test]
    fn equal_sequences_agree_and_others_part_where_they_differ() {
        assert_eq!(parted("a0 b5 c9", "a0 b6 c9", 0.0, 100.0), None);
        assert_eq!(parted("a0 b5 c9", "a0 x6 c9", 0.0, 100.0), Some((1, 1)));
        assert_eq!(parted("a0 b5 c9", "a0 b5", 0.0, 100.0), Some((2, 2)));
    }

    #[test]
    fn only_the_end_may_lack_something() {
        assert_eq!(parted("a0 b5 c9", "a0 b5", 0.0, 8.0), None);
        assert_eq!(parted("a0 b5", "a0 b5 c9", 0.0, 8.0), None);
        assert_eq!(parted("a0 b5 c9", "a0 b5 d9", 0.0, 8.0), Some((2, 2)));
    }

    #[test]
    fn a_passing_state_may_be_left_out_on_either_side() {
        assert_eq!(parted("a0 b5 c6", "a0 c6", 1.5, 100.0), None);
        assert_eq!(parted("a0 c6", "a0 b5 c6", 1.5, 100.0), None);
        assert_eq!(parted("a0 b4 c6", "a0 c6", 1.5, 100.0), Some((1, 1)));
        // Also in another order.
        assert_eq!(parted("a0 b5 c6 d7", "a0 c5 b6 d7", 1.5, 100.0), None);
        // The last state never passes.
        assert_eq!(parted("a0 b5", "a0 c5", 1.5, 100.0), Some((1, 1)));
    }

    proptest! {
        #[test]
        fn a_sequence_agrees_with_itself(words in proptest::collection::vec(("[ab]", 0.0..2.0_f64), 0..12)) {
            let mut at = 0.0;
            let states: Vec<_> = words.into_iter().map(|(word, gap)| { at += gap; (at, word) }).collect();
            let alignment = align(&states, &states, Allowed { passing: 1.0, end: 1e9 });
            prop_assert_eq!(alignment.parted, None);
        }
    }
}
