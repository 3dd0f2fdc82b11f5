//! JUnit XML: a test suite per scenario, a test case per objective (and trial, where there are several), so that CI shows what
//! was missed: `failure` is a missed objective, `error` the harness, `skipped` what was not judged.

mod objective;

use super::exporter::{ExportError, Exporter};
use super::format;
use crate::measure::result::{Outcome, RunResult, ScenarioResult, TrialResult};
use objective::{Judgement, Objective, objectives};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::fmt::Write as _;
use std::time::Duration;

/// `--report junit`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Junit;

impl Exporter for Junit {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        let mut report = Report::new(clean(&format!("comeback {}", result.run.id)));
        for scenario in &result.scenarios {
            report.add_test_suite(suite(result, scenario));
        }
        report.add_test_suite(run_suite(result));
        let mut bytes = Vec::new();
        report.serialize(&mut bytes).map_err(|error| ExportError { format: "junit", reason: error.to_string() })?;
        Ok(without_skipped(bytes))
    }
}

/// The sum of skipped tests is no attribute of `testsuites` in the schema of Jenkins' xUnit plugin, which refuses what it does not know.
fn without_skipped(bytes: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(bytes).unwrap_or_default();
    let Some((before, rest)) = text.split_once("<testsuites ") else { return text.into_bytes() };
    let Some((tag, after)) = rest.split_once('>') else { return text.into_bytes() };
    let kept = match tag.split_once(" skipped=\"") {
        // Whatever the name holds, quotes in it are escaped.
        Some((left, right)) => format!("{left}{}", right.split_once('"').map_or("", |(_, right)| right)),
        None => tag.to_owned(),
    };
    format!("{before}<testsuites {kept}>{after}").into_bytes()
}

fn suite(result: &RunResult, scenario: &ScenarioResult) -> TestSuite {
    let mut suite = TestSuite::new(clean(&scenario.name));
    let simulated = result.cluster.fingerprint.simulated.to_string();
    for (name, value) in [
        ("file", scenario.file.as_str()),
        ("summary", &scenario.summary),
        ("outcome", super::style::word(scenario.outcome)),
        ("cluster", &result.cluster.provider),
        ("simulated", &simulated),
        ("seed", &result.run.seed.to_string()),
        ("flaky", &scenario.flaky().to_string()),
    ] {
        suite.add_property(Property::new(name, clean(value)));
    }
    let objectives = objectives(scenario);
    if scenario.trials.is_empty() {
        for objective in &objectives {
            let status = match scenario.outcome {
                Outcome::Skipped => skipped(&scenario.reason),
                _ => error("not-run", &scenario.reason, ""),
            };
            suite.add_test_case(case(scenario, &objective.name(), status));
        }
        return suite;
    }
    let several = scenario.trials.len() > 1;
    for trial in &scenario.trials {
        for (position, objective) in objectives.iter().enumerate() {
            let name = if several { format!("{} [trial {}]", objective.name(), trial.index) } else { objective.name() };
            suite.add_test_case(trial_case(scenario, trial, *objective, position, &name));
        }
    }
    let explained = suite.failures > 0 || suite.errors > 0;
    if several || (explained == scenario.passed && scenario.outcome != Outcome::Skipped) {
        suite.add_test_case(case(scenario, "all trials together", scenario_status(scenario)));
    }
    suite
}

fn scenario_status(scenario: &ScenarioResult) -> TestCaseStatus {
    match scenario.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed => failure("failed", &scenario.reason, &format::rate(&scenario.success_rate, "were as expected")),
        Outcome::Inconclusive => {
            error("inconclusive", &scenario.reason, &format::rate(&scenario.success_rate, "were as expected"))
        }
        Outcome::Skipped => skipped(&scenario.reason),
    }
}

fn trial_case(scenario: &ScenarioResult, trial: &TrialResult, objective: Objective, position: usize, name: &str) -> TestCase {
    let status = match objective.judge(scenario, trial) {
        Judgement::Met => TestCaseStatus::success(),
        // The gate decides; a red test under a green exit code would only teach people to ignore red tests.
        Judgement::Missed if scenario.passed => TestCaseStatus::success(),
        Judgement::Missed => failure(trial.verdict.as_str(), &trial.reason, &evidence(scenario, trial)),
        // Nor a test that says nothing, where the gate tolerates some of those.
        Judgement::NotJudged if scenario.passed => {
            skipped(&format!("not judged, which the gate tolerates: the trial is {}: {}", trial.verdict, trial.reason))
        }
        Judgement::NotJudged if position == 0 => error(trial.verdict.as_str(), &trial.reason, &evidence(scenario, trial)),
        Judgement::NotJudged => skipped(&format!("not judged: the trial is {}", trial.verdict)),
        Judgement::Skipped => skipped(&trial.reason),
    };
    let mut case = case(scenario, name, status);
    if let Some(time) = objective.time(trial).filter(|time| time.value >= 0.0) {
        case.set_time(Duration::try_from_secs_f64(time.value).unwrap_or_default());
    }
    if scenario.passed && objective.judge(scenario, trial) == Judgement::Missed {
        case.set_system_out(clean(&format!("missed, but accepted by the gate: {}", trial.reason)));
    }
    case
}

/// What a reader of a red test needs: every reason, findings with evidence, actions, notes, where the timeline is.
fn evidence(scenario: &ScenarioResult, trial: &TrialResult) -> String {
    let mut out = String::new();
    for reason in trial.reasons.iter().filter(|reason| **reason != trial.reason) {
        let _ = writeln!(out, "also: {reason}");
    }
    for finding in trial.findings.iter().filter(|finding| finding.leading) {
        let _ = writeln!(out, "found: {} on {} {}", finding.cause, finding.subject.kind, finding.subject.name);
        for evidence in &finding.evidence {
            let _ = writeln!(out, "  {}: {}", evidence.source, format::plain(&evidence.text));
        }
    }
    for action in &trial.actions {
        let _ = writeln!(out, "healer: {} on {} {}: {}", action.step, action.subject.kind, action.subject.name, action.reason);
    }
    if let Some(retries) = format::retries(trial, &scenario.expect) {
        let _ = writeln!(out, "tried again: {retries}");
    }
    for note in &trial.notes {
        let _ = writeln!(out, "note: {note}");
    }
    let _ = write!(out, "timeline: {}", trial.timeline);
    out
}

/// The run as a whole: what no single scenario shows (a gate, leftovers, an interruption).
fn run_suite(result: &RunResult) -> TestSuite {
    let mut suite = TestSuite::new("comeback");
    let reasons: Vec<String> =
        result.exit_reasons.iter().map(|reason| format!("exit code {}: {}", reason.code, reason.reason)).collect();
    let message = reasons.first().cloned().unwrap_or_else(|| format!("exit code {}", result.exit_code));
    let status = match (result.complete, result.exit_code) {
        (false, _) => error("incomplete", "the run did not come to its end", &reasons.join("\n")),
        (true, 0) => TestCaseStatus::success(),
        (true, 1) => failure("failed", &message, &reasons.join("\n")),
        (true, _) => error("run", &message, &reasons.join("\n")),
    };
    let mut case = TestCase::new("the run as a whole", status);
    case.set_classname("comeback");
    suite.add_test_case(case);
    suite
}

fn case(scenario: &ScenarioResult, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(clean(name), status);
    case.set_classname(clean(&scenario.name));
    case
}

fn failure(kind: &str, message: &str, description: &str) -> TestCaseStatus {
    non_success(NonSuccessKind::Failure, kind, message, description)
}

fn error(kind: &str, message: &str, description: &str) -> TestCaseStatus {
    non_success(NonSuccessKind::Error, kind, message, description)
}

fn non_success(kind: NonSuccessKind, type_name: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(clean(type_name)).set_message(clean(message));
    if !description.is_empty() {
        let lines: Vec<String> = description.lines().map(format::plain).collect();
        status.set_description(lines.join("\n"));
    }
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(clean(message));
    status
}

/// One line that is valid in XML: strict parsers refuse control characters even when escaped.
fn clean(text: &str) -> String {
    format::plain(text)
}

#[cfg(test)]
mod tests;
