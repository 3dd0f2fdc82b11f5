//! `comeback history stability` and `flaky`: what is unreliable, worst first.

use super::{Page, column, wrapped};
use crate::history::query::flaky::FlakyRow;
use crate::history::stability::StabilityRow;
use crate::report::format::{percent, plain};
use crate::report::layout::{Cell, Column, hanging, table};
use crate::report::style::Tone;

const STABILITY: [Column; 5] = [
    wrapped("WHAT"),
    column("SCORE", true, None),
    column("95 % INTERVAL", true, None),
    column("OF", true, None),
    column("ENVIRONMENT", false, Some(0)),
];

/// The scores.
#[must_use]
pub fn stability(rows: &[StabilityRow], page: Page) -> String {
    if rows.is_empty() {
        return "nothing was tried or watched in this time\n".to_owned();
    }
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            let plain_cell = |text: String| Cell::new(text, Tone::Plain);
            vec![
                plain_cell(plain(&row.name)),
                plain_cell(row.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.1}"))),
                plain_cell(format!("{} to {}", percent(row.rate.lower), percent(row.rate.upper))),
                plain_cell(format!("{} {}", row.rate.n, row.of)),
                plain_cell(row.fingerprint.clone().unwrap_or_else(|| "–".to_owned())),
            ]
        })
        .collect();
    let legend = "The score is 100 times the share of valid trials that went as expected, or of days on which somebody looked and saw \
                  nothing wrong. Least certain first: sorted by the lower bound.";
    table(&STABILITY, &cells, page.width, page.palette) + "\n" + &hanging("", legend, page.width)
}

const FLAKY: [Column; 5] = [
    wrapped("SCENARIO"),
    column("MIXED", true, None),
    column("UNEXPECTED THERE", true, None),
    column("ON RETRY", true, None),
    column("ENVIRONMENT", false, Some(0)),
];

/// Flaky scenarios.
#[must_use]
pub fn flaky(rows: &[FlakyRow], page: Page) -> String {
    if rows.is_empty() {
        return "no scenario gave different answers for the same code in the same environment\n".to_owned();
    }
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| {
            vec![
                Cell::new(plain(&row.scenario), Tone::Plain),
                Cell::new(format!("{} of {}", row.mixed, row.revisions), Tone::Doubt),
                Cell::new(format!("{} of {} trials", row.unexpected, row.trials), Tone::Plain),
                Cell::new(row.on_retry.to_string(), Tone::Plain),
                Cell::new(row.fingerprint.clone(), Tone::Plain),
            ]
        })
        .collect();
    let legend = "Mixed: commits (or runs, where no commit is known) with two valid trials or more, some as expected and some not. On \
                  retry: trials that passed only when they were tried again; the first attempt counts.";
    table(&FLAKY, &cells, page.width, page.palette) + "\n" + &hanging("", legend, page.width)
}
