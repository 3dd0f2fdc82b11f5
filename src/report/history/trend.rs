//! `comeback history trend`: the last two weeks of each scenario, and what changed between them.

use super::{LEGEND, Page, arrow_cell, column, median, share, wrapped};
use crate::history::trend::{TrendRow, WeekRow};
use crate::report::format::plain;
use crate::report::layout::{Cell, Column, hanging, table};
use crate::report::style::Tone;

const COLUMNS: [Column; 9] = [
    wrapped("SCENARIO"),
    column("WEEK OF", false, None),
    column("AS EXPECTED", true, None),
    column("BEFORE", true, Some(2)),
    column("", false, None),
    column("RECOVER", true, None),
    column("BEFORE", true, Some(1)),
    column("", false, None),
    column("ENVIRONMENT", false, Some(0)),
];

/// The table.
#[must_use]
pub fn table_of(trends: &[TrendRow], page: Page) -> String {
    if trends.is_empty() {
        return "no trials in this time\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = trends.iter().filter_map(row).collect();
    table(&COLUMNS, &rows, page.width, page.palette) + "\n" + &hanging("", LEGEND, page.width)
}

fn row(trend: &TrendRow) -> Option<Vec<Cell>> {
    let mut newest = trend.weeks.iter().rev();
    let (last, before) = (newest.next()?, newest.next());
    let tone = if trend.latest { Tone::Plain } else { Tone::Faint };
    let cell = |text: String| Cell::new(text, tone);
    let of = |week: Option<&WeekRow>, what: fn(&WeekRow) -> String| cell(week.map_or_else(|| "–".to_owned(), what));
    let recover = |week: &WeekRow| median(week.recovery.as_ref());
    let environment = if trend.latest { trend.fingerprint.clone() } else { format!("{} (earlier)", trend.fingerprint) };
    Some(vec![
        cell(plain(&trend.scenario)),
        cell(last.monday.clone()),
        cell(share(&last.success_rate)),
        of(before, |week| share(&week.success_rate)),
        arrow_cell(trend.change.success),
        cell(recover(last)),
        of(before, recover),
        arrow_cell(trend.change.recovery),
        cell(environment),
    ])
}
