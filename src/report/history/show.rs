//! `comeback history show`: one run.

use super::{Page, column, mark};
use crate::history::query::show::{RunDetail, ScenarioDetail, TrialRow};
use crate::history::time;
use crate::report::format::{plain, seconds};
use crate::report::layout::{Cell, Column, hanging, table};
use crate::report::style::Tone;

const COLUMNS: [Column; 7] = [
    column("", false, None),
    Column { header: "SCENARIO", right: false, wraps: true, leave_out: None },
    column("AS EXPECTED", true, None),
    column("DETECT", true, Some(1)),
    column("RECOVER", true, Some(2)),
    column("RTO", true, Some(0)),
    column("OUTCOME", false, None),
];

/// The run.
#[must_use]
pub fn run(detail: &RunDetail, page: Page) -> String {
    let run = &detail.run;
    let simulated = if run.simulated { " (simulated)" } else { "" };
    let mut out = format!(
        "run {} of {} UTC on {} {}{simulated}: {}\n",
        plain(&run.id),
        time::minute(run.started_at),
        plain(&run.provider),
        plain(&run.kubernetes),
        run.outcome.as_deref().map_or_else(|| "incomplete".to_owned(), plain)
    );
    for (name, value) in &detail.labels {
        out.push_str(&hanging(&format!("  {}: ", plain(name)), &plain(value), page.width));
    }
    out.push('\n');
    let rows: Vec<Vec<Cell>> = detail.scenarios.iter().map(row).collect();
    out.push_str(&table(&COLUMNS, &rows, page.width, page.palette));
    for scenario in &detail.scenarios {
        for trial in scenario.trials.iter().filter(|trial| !trial.expected) {
            let head = format!("\n{} trial {}: {}", plain(&scenario.name), trial.index, plain(&trial.verdict));
            out.push_str(&page.palette.paint(Tone::Strong, &head));
            out.push('\n');
            out.push_str(&hanging("  ", &plain(&trial.reason), page.width));
            if !trial.retries.is_empty() {
                let so = if trial.flaky { ": flaky" } else { "" };
                out.push_str(&hanging("  tried again: ", &format!("{}{so}", plain(&trial.retries.join(", "))), page.width));
            }
            if let Some(cause) = &trial.cause {
                out.push_str(&hanging("  found: ", &plain(cause), page.width));
            }
        }
    }
    out
}

fn row(scenario: &ScenarioDetail) -> Vec<Cell> {
    let (mark, tone) = mark(scenario.outcome.as_deref());
    let valid = scenario.trials.iter().filter(|trial| trial.valid).count();
    let expected = scenario.trials.iter().filter(|trial| trial.expected).count();
    vec![
        Cell::new(mark, tone),
        Cell::new(plain(&scenario.name), Tone::Plain),
        Cell::new(format!("{expected}/{valid}"), Tone::Plain),
        Cell::new(times(scenario, |trial| trial.to_detect.map(|value| (value, false))), Tone::Plain),
        Cell::new(times(scenario, |trial| trial.to_recover.map(|value| (value, trial.to_recover_censored))), Tone::Plain),
        Cell::new(scenario.rto.map_or_else(|| "–".to_owned(), seconds), Tone::Plain),
        Cell::new(scenario.outcome.as_deref().map_or_else(|| "–".to_owned(), plain), tone),
    ]
}

fn times(scenario: &ScenarioDetail, pick: impl Fn(&TrialRow) -> Option<(f64, bool)>) -> String {
    let measured: Vec<crate::measure::result::Measured> = scenario
        .trials
        .iter()
        .filter(|trial| trial.valid)
        .filter_map(|trial| {
            pick(trial).map(|(value, censored)| crate::measure::result::Measured { value, uncertainty: 0.0, censored })
        })
        .collect();
    crate::report::format::range(&measured)
}
