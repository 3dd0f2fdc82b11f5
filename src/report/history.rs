//! Answers of a history as tables for the terminal: pure, within the width, readable without colour.
//! What they say was reckoned in `history`.

pub mod compare;
pub mod export;
pub mod runs;
pub mod show;
pub mod stability;
pub mod trend;

use super::format::{count, percent, seconds};
use super::layout::{Cell, Column};
use super::style::{Palette, Tone};
use crate::history::change::Direction;
use crate::measure::result::{Distribution, Rate};

/// Where a table goes.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Colours.
    pub palette: Palette,
}

/// The mark of an outcome as a history keeps it; absent for a run without an end.
fn mark(outcome: Option<&str>) -> (&'static str, Tone) {
    match outcome {
        Some("passed") => ("✓", Tone::Good),
        Some("failed") => ("✗", Tone::Bad),
        Some("skipped") => ("–", Tone::Faint),
        _ => ("?", Tone::Doubt),
    }
}

const fn column(header: &'static str, right: bool, leave_out: Option<u8>) -> Column {
    Column { header, right, wraps: false, leave_out }
}

const fn wrapped(header: &'static str) -> Column {
    Column { header, right: false, wraps: true, leave_out: None }
}

/// `9/10 (60–98 %)`; the bounds are Wilson's at 95 %.
#[must_use]
pub fn share(rate: &Rate) -> String {
    if rate.n == 0 {
        return "–".to_owned();
    }
    let bounds = format!("{}–{}", percent(rate.lower).replace(" %", ""), percent(rate.upper));
    format!("{}/{} ({bounds})", rate.successes, rate.n)
}

/// The median; a lower bound of it where time-outs hide it.
#[must_use]
pub fn median(times: Option<&Distribution>) -> String {
    match times {
        None => "–".to_owned(),
        Some(times) => times.median.map_or_else(|| format!("hidden by {}", count(times.censored, "time-out")), seconds),
    }
}

/// A mark that is readable without colour: ▲ better, ▼ worse, = no difference shown, ? too few trials.
#[must_use]
pub const fn arrow(direction: Direction) -> (&'static str, Tone) {
    match direction {
        Direction::Better => ("▲", Tone::Good),
        Direction::Worse => ("▼", Tone::Bad),
        Direction::NotShown => ("=", Tone::Plain),
        Direction::TooFew => ("?", Tone::Faint),
    }
}

fn arrow_cell(direction: Direction) -> Cell {
    let (mark, tone) = arrow(direction);
    Cell::new(mark, tone)
}

/// What the marks mean.
pub const LEGEND: &str = "▲ better, ▼ worse: significant at 5 % after Holm's correction over this table (Fisher for rates, \
     Mann-Whitney and at least 10 % for times); = no difference shown; ? too few trials to show one. Ranges in brackets are \
     95 % Wilson intervals.";
