//! The confusion matrix for people, as Markdown that reads on a terminal, too: one row for each true cause with what was diagnosed.
//! What counts as what is `measure::confusion`'s.

use super::exporter::{ExportError, Exporter};
use super::format;
use crate::detect::cause_covers;
use crate::measure::confusion::{self, Row};
use crate::measure::result::RunResult;
use crate::measure::statistics::CONFIDENCE;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// `--report confusion`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Confusion;

impl Exporter for Confusion {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        Ok(text(result).into_bytes())
    }
}

fn text(result: &RunResult) -> String {
    let matrix = confusion::confusion(result);
    let mut out = String::new();
    let whose = if result.cluster.fingerprint.simulated { "simulated " } else { "" };
    let _ = writeln!(out, "# True causes and diagnoses (run {}, {whose}{})\n", result.run.id, result.cluster.name);
    if !result.complete {
        out.push_str("INCOMPLETE: the run was cut off; what is missing here may have been right or wrong.\n\n");
    }
    let mut rows = vec![["true cause", "trials", "right", "diagnosed, right ones first", "nothing"].map(str::to_owned)];
    rows.extend(matrix.stated.iter().map(|(cause, row)| line(&format!("`{cause}`"), row, Some(cause))));
    if matrix.controls.trials > 0 {
        rows.push(line("none (controls)", &matrix.controls, None));
    }
    out.push_str(&table(&rows));
    let _ = writeln!(
        out,
        "\nA trial counts once with every cause that led a group of its findings after the fault; right means that the stated cause led on \
         what was broken.\n"
    );
    let _ = writeln!(out, "- {}.", format::rate(&matrix.right, "were diagnosed rightly"));
    let _ = writeln!(out, "- {}.", alarms(&matrix));
    if matrix.alarmed_before_fault > 0 {
        let trials = format::count(matrix.alarmed_before_fault, "trial");
        let _ = writeln!(out, "- Something was found before the fault in {trials}: false alarms, too.");
    }
    let wrong = wrong_elsewhere(&matrix);
    if !wrong.is_empty() {
        let _ = writeln!(out, "- Causes that also led where another one was stated: {}.", wrong.join(", "));
    }
    if matrix.left_out > 0 {
        let _ = writeln!(out, "- Left out: {}, which say nothing.", format::count(matrix.left_out, "invalid or failed trial"));
    }
    if !matrix.unstated.is_empty() {
        out.push_str("\nScenarios that ask for no cause, and what was found in them:\n\n");
        let mut rows = vec![["scenario", "trials", "", "diagnosed", "nothing"].map(str::to_owned)];
        rows.extend(matrix.unstated.iter().map(|(name, row)| line(&format::plain(name), row, None)));
        for row in &mut rows {
            row[2].clear();
        }
        out.push_str(&table(&rows));
    }
    out
}

fn line(name: &str, row: &Row, stated: Option<&str>) -> [String; 5] {
    let is_right = |cause: &str| stated.is_some_and(|stated| cause_covers(stated, cause));
    let mut causes: Vec<(&String, &usize)> = row.diagnosed.iter().collect();
    causes.sort_by_key(|(cause, n)| (!is_right(cause), std::cmp::Reverse(**n), (*cause).clone()));
    let causes: Vec<String> = causes.into_iter().map(|(cause, n)| format!("{} {n}", format::plain(cause))).collect();
    let right = stated.map_or_else(|| "–".to_owned(), |_| row.right.to_string());
    let found = if causes.is_empty() { "–".to_owned() } else { causes.join(", ") };
    [name.to_owned(), row.trials.to_string(), right, found, row.nothing.to_string()]
}

fn alarms(matrix: &confusion::Confusion) -> String {
    let (rate, scenarios) = (&matrix.false_alarms, format::count(matrix.control_scenarios, "control scenario"));
    if rate.n == 0 {
        return "No control was tried: nothing is known of false alarms".to_owned();
    }
    let most = matrix.at_most.map_or_else(String::new, |bound| {
        format!("; at most {:.2} % with {} confidence (rule of three)", bound * 100.0, format::percent(CONFIDENCE))
    });
    let alarms = format::count(rate.successes, "false alarm");
    let trials = format::count(rate.n, "trial");
    let bounds = format!("{:.2} % to {:.2} % (Wilson)", rate.lower * 100.0, rate.upper * 100.0);
    format!("{alarms} in {trials} of {scenarios}; {} interval {bounds}{most}", format::percent(rate.confidence))
}

/// Diagnoses that led in trials with another true cause: the cause, and how often it was right of all times it led.
fn wrong_elsewhere(matrix: &confusion::Confusion) -> Vec<String> {
    let rows = matrix.stated.values().chain([&matrix.controls]);
    let causes: BTreeSet<&str> = rows.flat_map(|row| row.diagnosed.keys().map(String::as_str)).collect();
    let judged = causes.into_iter().map(|cause| (cause, confusion::precision(matrix, cause)));
    judged
        .filter(|(_, (right, all))| right < all)
        .map(|(cause, (right, all))| format!("`{cause}` (right {right} of {all})"))
        .collect()
}

/// A Markdown table with columns of even width; numbers stand at the right.
fn table(rows: &[[String; 5]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
    let widths = [0, 1, 2, 3, 4].map(width);
    let right = |column: usize| matches!(column, 1 | 2 | 4);
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let padding = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            let cell = cell.replace('|', "\\|");
            let text = if right(column) { format!("{padding}{cell}") } else { format!("{cell}{padding}") };
            let _ = write!(out, "| {text} ");
        }
        out.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                out.push_str(&if right(column) { format!("|{dashes}:") } else { format!("|-{dashes}") });
            }
            out.push_str("|\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{Outcome, Stamp};
    use crate::report::fixture;
    use crate::scenario::Verdict;

    #[test]
    fn the_matrix_of_a_run() {
        let mut result = fixture::run();
        let stamp = |at: f64| Some(Stamp { at, earliest: at, server: None });
        for trial in result.scenarios.iter_mut().flat_map(|scenario| &mut scenario.trials) {
            trial.stamps.requested = stamp(3.0);
            trial.stamps.detected = trial.durations.to_detect.is_some().then(|| stamp(5.0)).flatten();
        }
        result.scenarios[1].trials[2].findings.push(fixture::finding("probe.readiness", "not ready"));
        result.scenarios[1].trials[1].findings.push(fixture::finding("a|b", "a detector of the user's"));
        let quiet = (1..40).map(|index| fixture::trial(index, Verdict::Quiet, ""));
        result.scenarios[3].trials.extend(quiet);
        insta::assert_snapshot!("confusion", text(&result));
    }

    #[test]
    fn a_run_without_controls_claims_nothing_of_false_alarms() {
        let mut result = fixture::run();
        result.complete = false;
        result.scenarios = vec![fixture::scenario("empty", Verdict::Recovered, Outcome::Inconclusive, "", vec![])];
        let text = text(&result);
        assert!(text.contains("nothing is known of false alarms") && text.contains("INCOMPLETE"), "{text}");
        assert!(text.contains("no valid trial: nothing is known"), "{text}");
    }
}
