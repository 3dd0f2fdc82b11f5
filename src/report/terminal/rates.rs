//! The success-rate section of the terminal report: k of n with Wilson's interval, over all and by scenario.

use super::Terminal;
use crate::measure::result::{RunResult, ScenarioResult};
use crate::report::format;
use crate::report::layout::{self, Cell, Column};
use crate::report::style::Tone;
use crate::report::summary::succeeded;

/// The section; empty where no scenario expects recovery.
pub(super) fn rates(terminal: &Terminal, result: &RunResult) -> String {
    let recovering: Vec<&ScenarioResult> = result.scenarios.iter().filter(|scenario| scenario.expects_recovery()).collect();
    if recovering.is_empty() {
        return String::new();
    }
    let mut out = terminal.palette.paint(Tone::Strong, "Success rate");
    out.push('\n');
    let summary = &result.summary;
    let line = |rate, did| layout::outdented(2, &format::rate(rate, did).replace(" %", "\u{a0}%"), terminal.width);
    if recovering.iter().any(|scenario| scenario.rto.is_some()) {
        out.push_str(&line(&summary.within_rto, "recovered within the RTO"));
    }
    if summary.success_rate != summary.within_rto || recovering.iter().all(|scenario| scenario.rto.is_none()) {
        out.push_str(&line(&summary.success_rate, succeeded(result)));
    }
    let several: Vec<&&ScenarioResult> = recovering.iter().filter(|scenario| scenario.success_rate.n > 1).collect();
    if !several.is_empty() && recovering.len() > 1 {
        out.push('\n');
        out.push_str(&by_scenario(terminal, &several));
    }
    out
}

fn by_scenario(terminal: &Terminal, scenarios: &[&&ScenarioResult]) -> String {
    let column = |header, right| Column { header, right, wraps: header == "SCENARIO", leave_out: None };
    let columns = [column("SCENARIO", false), column("K OF N", true), column("RATE", true), column("INTERVAL", false)];
    let rows: Vec<Vec<Cell>> = scenarios
        .iter()
        .map(|scenario| {
            let rate = scenario.within_rto.as_ref().unwrap_or(&scenario.success_rate);
            let cell = |text: String| Cell::new(text, Tone::Plain);
            vec![
                cell(format::plain(&scenario.name)),
                cell(format!("{} of {}", rate.successes, rate.n)),
                cell(rate.observed.map_or_else(|| "–".to_owned(), format::percent)),
                cell(format!("{} to {}", format::percent(rate.lower), format::percent(rate.upper))),
            ]
        })
        .collect();
    let table = layout::table(&columns, &rows, terminal.width.saturating_sub(2), terminal.palette);
    table.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}
