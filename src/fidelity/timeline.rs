//! A recorded object beside its simulated counterpart as rows: the same state, one that only one side shows, and where both part.
//! Colours and columns are the renderers'.

use super::align::{Allowed, align};
use super::projection::{SEPARATOR, Track};
use super::recording::Recording;
use super::report::Pair;
use super::tolerances::Tolerances;

/// How the two sides of a row stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The same state.
    Same,
    /// A state that only one side shows, as it may.
    Passing,
    /// What follows after the two have parted.
    Parted,
}

/// One state on one side: when, and what changed since the state before.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// Seconds since the first action.
    pub at: f64,
    /// The parts of the state that the state before did not have.
    pub text: String,
}

/// One row of the two timelines.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What was recorded.
    pub recorded: Option<Moment>,
    /// What was simulated.
    pub simulated: Option<Moment>,
    /// How they stand to each other.
    pub mark: Mark,
}

/// Lays the two sides of a pair beside each other.
#[must_use]
pub fn rows(pair: &Pair, recording: &Recording, tolerances: &Tolerances) -> Vec<Row> {
    let none = Vec::new();
    let left = pair.recorded.as_ref().map_or(&none, |track| &track.states);
    let right = pair.simulated.as_ref().map_or(&none, |track| &track.states);
    let kind = pair.recorded.as_ref().or(pair.simulated.as_ref()).map(|track| track.kind.clone()).unwrap_or_default();
    let allowed = Allowed { passing: tolerances.passing(&kind), end: recording.length - tolerances.end.slack };
    let alignment = align(left, right, allowed);
    let (left, right) = (moments(left), moments(right));
    let mut rows = Vec::new();
    let (mut row, mut column) = (0, 0);
    for (next_row, next_column) in alignment.equal {
        push(&mut rows, left.get(row..next_row), right.get(column..next_column), Mark::Passing);
        let (recorded, simulated) = (left.get(next_row).cloned(), right.get(next_column).cloned());
        rows.push(Row { recorded, simulated, mark: Mark::Same });
        (row, column) = (next_row + 1, next_column + 1);
    }
    let mark = if alignment.parted.is_some() { Mark::Parted } else { Mark::Passing };
    push(&mut rows, left.get(row..), right.get(column..), mark);
    rows
}

fn push(rows: &mut Vec<Row>, left: Option<&[Moment]>, right: Option<&[Moment]>, mark: Mark) {
    let (left, right) = (left.unwrap_or_default(), right.unwrap_or_default());
    for index in 0..left.len().max(right.len()) {
        rows.push(Row { recorded: left.get(index).cloned(), simulated: right.get(index).cloned(), mark });
    }
}

/// Each state as what is new in it; as what is gone where nothing is new.
fn moments(states: &[(f64, String)]) -> Vec<Moment> {
    let mut before: Vec<&str> = Vec::new();
    let mut moments = Vec::new();
    for (at, state) in states {
        let words: Vec<&str> = state.split(SEPARATOR).collect();
        let mut news: Vec<String> = words.iter().filter(|word| !before.contains(word)).map(|word| (*word).to_owned()).collect();
        if news.is_empty() {
            news = before.iter().filter(|word| !words.contains(word)).map(|word| format!("no more {word}")).collect();
        }
        moments.push(Moment { at: *at, text: news.join(SEPARATOR) });
        before = words;
    }
    moments
}

/// What a pair is called.
#[must_use]
pub fn title(pair: &Pair) -> String {
    let name = |track: &Track| format!("{} {}", track.kind, track.name);
    match (&pair.recorded, &pair.simulated) {
        (Some(track), Some(_)) => name(track),
        (Some(track), None) => format!("{} (recorded only)", name(track)),
        (None, Some(track)) => format!("{} (simulated only)", name(track)),
        (None, None) => String::new(),
    }
}
