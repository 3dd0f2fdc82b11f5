//! The table of the terminal report: one line per scenario.

use super::Terminal;
use crate::measure::result::{Measured, RunResult, ScenarioResult, TrialResult};
use crate::report::format;
use crate::report::layout::{self, Cell, Column};
use crate::report::style::{Tone, mark, word};
use std::collections::BTreeSet;

const fn column(header: &'static str, right: bool, wraps: bool, leave_out: Option<u8>) -> Column {
    Column { header, right, wraps, leave_out }
}

const COLUMNS: [Column; 9] = [
    column("", false, false, None),
    column("SCENARIO", false, true, None),
    column("EXPECT", false, false, Some(1)),
    column("TRIALS", false, true, None),
    column("DETECT", true, false, Some(4)),
    column("RECOVER", true, false, None),
    column("RTO", true, false, Some(3)),
    column("HEALED BY", false, false, Some(2)),
    column("OUTCOME", false, false, Some(0)),
];

/// The table.
pub(super) fn table(terminal: &Terminal, result: &RunResult) -> String {
    let rows: Vec<Vec<Cell>> = result.scenarios.iter().map(row).collect();
    if rows.is_empty() {
        return "No scenario was run.\n".to_owned();
    }
    layout::table(&COLUMNS, &rows, terminal.width, terminal.palette)
}

fn row(scenario: &ScenarioResult) -> Vec<Cell> {
    let (mark, tone) = mark(scenario.outcome);
    let plain = |text: String| Cell::new(text, Tone::Plain);
    let missed = scenario.rto.is_some_and(|rto| of(scenario, recover).any(|time| time.value > rto));
    let recover_tone = if missed && scenario.expects_recovery() { Tone::Bad } else { Tone::Plain };
    vec![
        Cell::new(mark, tone),
        plain(format::plain(&scenario.name)),
        Cell::new(expected(scenario), Tone::Faint),
        plain(format::counts(scenario, "\u{a0}")),
        plain(format::range(of(scenario, detect))),
        Cell::new(format::range(of(scenario, recover)), recover_tone),
        Cell::new(scenario.rto.map_or_else(|| "–".to_owned(), format::seconds), Tone::Faint),
        plain(healers(scenario)),
        Cell::new(word(scenario.outcome), tone),
    ]
}

/// The verdicts that pass; of a reference, which is there to be compared with, any.
fn expected(scenario: &ScenarioResult) -> String {
    if scenario.comparison.as_ref().is_some_and(|comparison| comparison.reference) {
        return "any".to_owned();
    }
    scenario.expect.iter().map(|verdict| verdict.as_str()).collect::<Vec<_>>().join(" | ")
}

fn detect(trial: &TrialResult) -> Option<&Measured> {
    trial.durations.to_detect.as_ref()
}

fn recover(trial: &TrialResult) -> Option<&Measured> {
    trial.durations.to_recover.as_ref()
}

fn of(scenario: &ScenarioResult, what: fn(&TrialResult) -> Option<&Measured>) -> impl Iterator<Item = &Measured> {
    scenario.trials.iter().filter(|trial| trial.verdict.is_valid()).filter_map(what)
}

fn healers(scenario: &ScenarioResult) -> String {
    let names: BTreeSet<&str> =
        scenario.trials.iter().filter_map(|trial| trial.healed_by.as_ref()).map(|healed| format::who(healed.who)).collect();
    if names.is_empty() { "–".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
}
