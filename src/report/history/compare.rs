//! `comeback history compare`: two runs side by side.

use super::{LEGEND, Page, arrow_cell, column, median, share, wrapped};
use crate::history::compare::{Compared, Comparison, Side};
use crate::report::format::plain;
use crate::report::layout::{Cell, Column, hanging, table};
use crate::report::style::Tone;

const COLUMNS: [Column; 7] = [
    wrapped("SCENARIO"),
    column("A AS EXPECTED", true, None),
    column("B AS EXPECTED", true, None),
    column("", false, None),
    column("A RECOVER", true, Some(0)),
    column("B RECOVER", true, Some(1)),
    column("", false, None),
];

/// The comparison.
#[must_use]
pub fn compare(comparison: &Comparison, page: Page) -> String {
    let mut out = format!("A {}, B {}\n", plain(&comparison.a), plain(&comparison.b));
    if !comparison.comparable {
        let warning = "The runs had different environments (Kubernetes version, nodes, timers): differences are not judged.";
        out.push_str(&page.palette.paint(Tone::Doubt, &hanging("", warning, page.width)));
    }
    out.push('\n');
    let rows: Vec<Vec<Cell>> = comparison.scenarios.iter().map(row).collect();
    out + &table(&COLUMNS, &rows, page.width, page.palette) + "\n" + &hanging("", LEGEND, page.width)
}

fn row(compared: &Compared) -> Vec<Cell> {
    let cell = |text: String| Cell::new(text, Tone::Plain);
    let of = |side: &Option<Side>, what: fn(&Side) -> String| cell(side.as_ref().map_or_else(|| "not run".to_owned(), what));
    let recover = |side: &Side| median(side.recovery.as_ref());
    vec![
        cell(plain(&compared.scenario)),
        of(&compared.a, |side| share(&side.success_rate)),
        of(&compared.b, |side| share(&side.success_rate)),
        arrow_cell(compared.change.success),
        of(&compared.a, recover),
        of(&compared.b, recover),
        arrow_cell(compared.change.recovery),
    ]
}
