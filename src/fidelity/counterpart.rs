//! Which simulated object stands for which recorded one: same kind, same name, same age, and a sequence that agrees.
//! Which of several pods of one age meets which fate is chance, so the largest possible pairing is sought.

use super::align::{Alignment, Allowed, align};
use super::projection::Track;
use super::tolerances::Tolerances;

/// For every recorded object its counterpart's place and how the two lie beside each other. Objects that no free one agrees
/// with get the free one that agrees longest.
pub(super) fn all(real: &[Track], others: &[Track], tolerances: &Tolerances, end: f64) -> Vec<Option<(usize, Alignment)>> {
    let near: Vec<Vec<(usize, Alignment)>> = real.iter().map(|track| candidates(track, others, tolerances, end)).collect();
    let mut taken: Vec<Option<usize>> = vec![None; others.len()];
    for row in 0..real.len() {
        augment(row, &near, &mut taken, &mut vec![false; others.len()]);
    }
    let owner = |taken: &[Option<usize>], row: usize| taken.iter().position(|owner| *owner == Some(row));
    for (row, candidates) in near.iter().enumerate() {
        if owner(&taken, row).is_none() {
            let free = candidates.iter().filter(|(place, _)| taken[*place].is_none());
            let best = free.max_by_key(|(_, alignment)| alignment.parted.map_or(usize::MAX, |(row, _)| row));
            if let Some((place, _)) = best {
                taken[*place] = Some(row);
            }
        }
    }
    let alignment = |row: usize, place: usize| near[row].iter().find(|(candidate, _)| *candidate == place).cloned();
    (0..real.len()).map(|row| owner(&taken, row).and_then(|place| alignment(row, place))).collect()
}

/// Those of the same kind, name and age, the nearest in age first.
fn candidates(track: &Track, others: &[Track], tolerances: &Tolerances, end: f64) -> Vec<(usize, Alignment)> {
    let allowed = Allowed { passing: tolerances.passing(&track.kind), end };
    let distance = |other: &Track| (other.born - track.born).abs();
    let same = |other: &Track| other.kind == track.kind && other.name == track.name && distance(other) <= tolerances.age.slack;
    let mut near: Vec<(usize, &Track)> = others.iter().enumerate().filter(|(_, other)| same(other)).collect();
    near.sort_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
    near.into_iter().map(|(place, other)| (place, align(&track.states, &other.states, allowed))).collect()
}

/// Finds a counterpart for a row, moving others to their alternatives where that helps.
fn augment(row: usize, near: &[Vec<(usize, Alignment)>], taken: &mut [Option<usize>], visited: &mut [bool]) -> bool {
    for (place, alignment) in &near[row] {
        if alignment.parted.is_some() || visited[*place] {
            continue;
        }
        visited[*place] = true;
        if taken[*place].is_none_or(|owner| augment(owner, near, taken, visited)) {
            taken[*place] = Some(row);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(born: f64, states: &str) -> Track {
        let states = states.split_whitespace().enumerate();
        let states = states.map(|(index, state)| (born + f64::from(u32::try_from(index).unwrap()) * 10.0, state.to_owned()));
        Track { kind: "pods".to_owned(), name: "p".to_owned(), born, states: states.collect() }
    }

    #[test]
    fn the_largest_pairing_wins_over_the_first() {
        let real = [track(0.0, "a b"), track(0.1, "a c")];
        // The first simulated one is still in `a` at the end: it agrees with nothing; the second with the first.
        let others = [track(0.0, "a c"), track(0.1, "a b"), track(0.0, "a")];
        let tolerances = Tolerances::shipped().unwrap();
        let found = all(&real, &others, &tolerances, 1000.0);
        let places: Vec<_> = found.iter().map(|found| found.as_ref().map(|(place, _)| *place)).collect();
        assert_eq!(places, [Some(1), Some(0)]);
        assert!(found.iter().flatten().all(|(_, alignment)| alignment.parted.is_none()));
    }

    #[test]
    fn others_of_another_age_are_no_counterparts() {
        let tolerances = Tolerances::shipped().unwrap();
        assert_eq!(all(&[track(0.0, "a b")], &[track(60.0, "a b")], &tolerances, 1000.0), [None]);
    }
}
