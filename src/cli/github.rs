//! What GitHub Actions shows of a run beside its log: the job summary, and an annotation per scenario that did not pass.
//! Does nothing elsewhere; never changes how a run ends.

use super::console::Console;
use crate::measure::result::{Outcome, RunResult, ScenarioResult};
use crate::report::style::word;
use crate::report::{Exporter, Markdown, format};
use std::fmt::Write as _;
use std::io::Write as _;

/// Appends the summary to the file that `GITHUB_STEP_SUMMARY` names, and tells the annotations on stderr, where the runner reads
/// them as well as on stdout. A summary that cannot be written is a warning.
pub(super) fn tell(result: &RunResult, console: Console) {
    if let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) {
        let appended = Markdown.serialize(result).map_err(|error| error.to_string()).and_then(|page| {
            let file = std::fs::OpenOptions::new().append(true).create(true).open(&file);
            file.and_then(|mut file| file.write_all(&page)).map_err(|error| error.to_string())
        });
        if let Err(error) = appended {
            let warning = format!("warning: the job summary {} cannot be written: {error}\n", file.to_string_lossy());
            console.tell(warning.as_bytes());
        }
    }
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") {
        console.tell(annotations(result).as_bytes());
    }
}

/// Workflow commands, one line each.
fn annotations(result: &RunResult) -> String {
    let mut out = String::new();
    for scenario in &result.scenarios {
        let level = match scenario.outcome {
            Outcome::Failed => "error",
            Outcome::Inconclusive => "warning",
            Outcome::Skipped => "notice",
            Outcome::Passed => continue,
        };
        let message = format!("{}: {}", scenario.name, scenario.reason);
        let title = property(&format!("comeback: {}", word(scenario.outcome)));
        let _ = writeln!(out, "::{level} {}title={title}::{}", place(scenario), data(&message));
    }
    out
}

/// Shipped scenarios are in no file of the repository.
fn place(scenario: &ScenarioResult) -> String {
    if scenario.file.starts_with("builtin:") { String::new() } else { format!("file={},", property(&scenario.file)) }
}

/// A message as a workflow command takes it: one line, `%` escaped (the runner's `escapeData`).
fn data(text: &str) -> String {
    format::plain(text).replace('%', "%25")
}

/// A property: `:` and `,` end one (the runner's `escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{ClusterInfo, Expected, Rate, Run, Summary};
    use std::collections::BTreeMap;

    fn scenario(name: &str, file: &str, outcome: Outcome, reason: &str) -> ScenarioResult {
        ScenarioResult {
            name: name.into(),
            file: file.into(),
            labels: BTreeMap::new(),
            summary: String::new(),
            expect: vec![],
            outcome,
            passed: outcome == Outcome::Passed,
            reason: reason.into(),
            success_rate: rate(),
            sequential: None,
            within_rto: None,
            rto: None,
            detect: None,
            counts: BTreeMap::new(),
            recovery: None,
            detection: None,
            healing: None,
            comparison: None,
            planned: None,
            retried: None,
            trials: vec![],
        }
    }

    fn rate() -> Rate {
        Rate { successes: 0, n: 0, observed: None, lower: 0.0, upper: 1.0, confidence: 0.95, method: "wilson".into() }
    }

    #[test]
    fn a_line_per_scenario_that_did_not_pass_and_no_injection() {
        let run = Run {
            id: "r".into(),
            version: "0".into(),
            started_at: String::new(),
            finished_at: None,
            seed: 1,
            command: vec![],
            shard: None,
        };
        let summary = Summary {
            scenarios: 4,
            passed: 1,
            failed: 1,
            inconclusive: 1,
            skipped: 1,
            flaky: 0,
            success_rate: rate(),
            within_rto: rate(),
        };
        let result = RunResult {
            api_version: String::new(),
            kind: String::new(),
            complete: true,
            expected: Expected::default(),
            run,
            cluster: ClusterInfo::default(),
            scenarios: vec![
                scenario("good", "a.yaml", Outcome::Passed, ""),
                scenario("bad", "b,c:d.yaml", Outcome::Failed, "100 % lost\n::add-mask::x"),
                scenario("odd", "builtin:odd", Outcome::Inconclusive, "no valid trial"),
                scenario("out", "e.yaml", Outcome::Skipped, "one node"),
            ],
            lift: Vec::new(),
            gate: None,
            summary,
            outcome: Outcome::Failed,
            exit_code: 1,
            exit_reasons: vec![],
            warnings: vec![],
        };
        insta::assert_snapshot!(annotations(&result), @r"
        ::error file=b%2Cc%3Ad.yaml,title=comeback%3A failed::bad: 100 %25 lost ::add-mask::x
        ::warning title=comeback%3A inconclusive::odd: no valid trial
        ::notice file=e.yaml,title=comeback%3A skipped::out: one node
        ");
    }
}
