//! `comeback history` and `history list`: a line for each run.

use super::{Page, column, mark};
use crate::history::query::runs::RunRow;
use crate::history::time;
use crate::report::format::plain;
use crate::report::layout::{Cell, Column, table};
use crate::report::style::Tone;

const COLUMNS: [Column; 8] = [
    column("", false, None),
    column("RUN", false, None),
    column("STARTED (UTC)", false, Some(0)),
    column("CLUSTER", false, Some(2)),
    column("COMMIT", false, Some(1)),
    column("AS EXPECTED", true, None),
    column("IN RTO", true, Some(3)),
    column("OUTCOME", false, None),
];

/// The list.
#[must_use]
pub fn list(runs: &[RunRow], page: Page) -> String {
    if runs.is_empty() {
        return "no runs\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = runs.iter().map(row).collect();
    table(&COLUMNS, &rows, page.width, page.palette)
}

fn row(run: &RunRow) -> Vec<Cell> {
    let (mark, tone) = mark(run.outcome.as_deref());
    let share = |k: i64, n: i64| if n == 0 { "–".to_owned() } else { format!("{k}/{n}") };
    let commit = run.commit.as_deref().map_or_else(|| "–".to_owned(), |commit| plain(commit).chars().take(9).collect());
    let cluster =
        format!("{} {}{}", plain(&run.provider), plain(&run.kubernetes), if run.simulated { " (simulated)" } else { "" });
    vec![
        Cell::new(mark, tone),
        Cell::new(plain(&run.id), Tone::Plain),
        Cell::new(time::minute(run.started_at), Tone::Plain),
        Cell::new(cluster, Tone::Plain),
        Cell::new(commit, Tone::Plain),
        Cell::new(share(run.expected, run.valid), Tone::Plain),
        Cell::new(share(run.rto_kept, run.rto_counts), Tone::Plain),
        Cell::new(run.outcome.as_deref().map_or_else(|| "incomplete".to_owned(), plain), tone),
    ]
}
