//! The gate's table of the terminal report: every objective, and below it what to do about those that are not met.

use super::Terminal;
use crate::measure::result::{GateResult, Outcome, RunResult};
use crate::report::gate::{HEADERS, Row, headline, rows};
use crate::report::layout::{self, Cell, Column};
use crate::report::style::{Tone, mark};

/// More rows than this are shown only where they are not met.
const SHOWN: usize = 24;

/// The section; empty where there is no gate.
pub(super) fn gate(terminal: &Terminal, result: &RunResult) -> String {
    let Some(gate) = &result.gate else { return String::new() };
    let (all, palette) = (rows(gate), terminal.palette);
    let only_unmet = terminal.quiet || all.len() > SHOWN;
    let shown: Vec<&Row> = all.iter().filter(|row| !only_unmet || is_unmet(row)).collect();
    if terminal.quiet && shown.is_empty() {
        return String::new();
    }
    let mut out = title(terminal, gate);
    let column = |header, wraps, leave_out| Column { header, right: false, wraps, leave_out };
    let [objective, required, observed, interval] = HEADERS;
    let columns = [
        column("", false, None),
        column(objective, true, None),
        column(required, true, Some(1)),
        column(observed, true, None),
        column(interval, true, Some(0)),
    ];
    let cell = |text: &str| Cell::new(text, Tone::Plain);
    let cells: Vec<Vec<Cell>> = shown
        .iter()
        .map(|row| {
            let mark = Cell::new(row.mark, row.tone);
            vec![mark, cell(&row.objective), cell(&row.required), cell(&row.observed), cell(&row.interval)]
        })
        .collect();
    if !cells.is_empty() {
        let table = layout::table(&columns, &cells, terminal.width.saturating_sub(2), palette);
        out.extend(table.lines().map(|line| format!("  {line}\n")));
    }
    if shown.len() < all.len() {
        out.push_str(&palette.paint(Tone::Faint, &format!("  and {} more that are met", all.len() - shown.len())));
        out.push('\n');
    }
    for row in shown {
        if let Some(next) = &row.next {
            let lead = format!("  {} {}", row.mark, row.objective);
            let line = layout::outdented(2, &format!("{}: {next}", lead.trim_start()), terminal.width);
            out.push_str(&line.replacen(&lead, &palette.paint(row.tone, &lead), 1));
        }
    }
    out
}

fn is_unmet(row: &Row) -> bool {
    matches!(row.outcome, Outcome::Failed | Outcome::Inconclusive)
}

fn title(terminal: &Terminal, gate: &GateResult) -> String {
    let (mark, tone) = mark(gate.outcome);
    let lead = format!("{mark} Gate");
    let line = layout::outdented(0, &format!("{lead} {}", headline(gate)), terminal.width);
    line.replacen(&lead, &terminal.palette.paint(tone, &lead), 1)
}
