//! `comeback report rto` for the terminal, as a page, and as CSV: one table, three looks. What it says was reckoned in
//! `history::rto`.

mod csv;
mod html;

pub use csv::csv;
pub use html::html;

use super::format::{plain, seconds};
use super::history::{LEGEND, Page, arrow, median, share};
use super::layout::{Cell, Column, hanging, table};
use super::style::Tone;
use crate::history::rto::{RtoReport, RtoRow};

const fn column(header: &'static str, right: bool, leave_out: Option<u8>) -> Column {
    Column { header, right, wraps: false, leave_out }
}

const COLUMNS: [Column; 9] = [
    column("CLASS", false, None),
    Column { header: "SCENARIO", right: false, wraps: true, leave_out: None },
    column("RTO", true, None),
    column("DETECT", true, Some(3)),
    column("RECOVER", true, None),
    column("WITHIN RTO", true, None),
    column("TREND", false, Some(2)),
    column("LAST", false, Some(1)),
    column("ENVIRONMENT", false, Some(0)),
];

/// For the terminal.
#[must_use]
pub fn terminal(report: &RtoReport, page: Page) -> String {
    let since = report
        .since
        .as_deref()
        .map_or_else(|| "all runs".to_owned(), |since| format!("runs since {}", &since[..since.len().min(10)]));
    let mut out = page.palette.paint(Tone::Strong, &format!("Recovery time objectives, {since}"));
    out.push_str("\n\n");
    if report.scenarios.is_empty() {
        return out + "no trials in this time\n";
    }
    let rows: Vec<Vec<Cell>> = report.classes.iter().chain(&report.scenarios).map(row).collect();
    out.push_str(&table(&COLUMNS, &rows, page.width, page.palette));
    out.push('\n');
    for (id, environment) in &report.environments {
        out.push_str(&hanging(&format!("{id}  "), &plain(&environment.text), page.width));
    }
    out.push_str(&hanging("", &notes(report), page.width));
    out
}

/// What a reader of the table has to know.
fn notes(report: &RtoReport) -> String {
    let simulated = if report.environments.values().any(|one| one.simulated) {
        " Times of simulated environments are simulated."
    } else {
        ""
    };
    format!(
        "DETECT and RECOVER are medians; time-outs count as longer than all that ended, and as misses of the RTO. ≠ marks a row \
         from before its environment, target or class changed: it is not part of the class's row, nor compared with the rows \
         after it. TREND: success and recovery of the latest week against the weeks before it; {LEGEND}{simulated}"
    )
}

fn row(row: &RtoRow) -> Vec<Cell> {
    let tone = match (&row.scenario, row.latest) {
        (None, _) => Tone::Strong,
        (_, true) => Tone::Plain,
        _ => Tone::Faint,
    };
    let cell = |text: String| Cell::new(text, tone);
    vec![
        cell(if row.class.is_empty() { "–".to_owned() } else { plain(&row.class) }),
        cell(name(row)),
        cell(target(row)),
        cell(median(row.detection.as_ref())),
        cell(median(row.recovery.as_ref())),
        cell(row.within_rto.as_ref().map_or_else(|| "–".to_owned(), share)),
        cell(trend(row)),
        cell(row.last.clone()),
        cell(row.fingerprint.clone()),
    ]
}

fn name(row: &RtoRow) -> String {
    let name = row.scenario.as_deref().map_or_else(|| "all with an RTO".to_owned(), plain);
    if row.latest { name } else { format!("≠ {name} (before a change of {})", row.superseded_by.join(" and ")) }
}

fn target(row: &RtoRow) -> String {
    match (row.target, &row.scenario) {
        (Some(target), _) => seconds(target),
        (None, None) => "several".to_owned(),
        (None, Some(_)) => "–".to_owned(),
    }
}

fn trend(row: &RtoRow) -> String {
    if row.scenario.is_none() {
        return String::new();
    }
    format!("{} {}", arrow(row.change.success).0, arrow(row.change.recovery).0)
}

#[cfg(test)]
pub(crate) mod tests;
