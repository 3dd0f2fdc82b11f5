//! CSV: one row per trial, for spreadsheets and data frames. A scenario without trials has one row, so that none is lost.
//! Columns are only ever added at the end.

use super::exporter::{ExportError, Exporter};
use super::style::word;
use super::{format, gate};
use crate::heal::ActionOutcome;
use crate::measure::result::{Measured, RunResult, ScenarioResult, TrialResult};

/// `--report csv`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Csv;

/// The header.
const COLUMNS: [&str; 34] = [
    "run",
    "startedAt",
    "version",
    "provider",
    "cluster",
    "kubernetes",
    "nodes",
    "simulated",
    "scenario",
    "file",
    "class",
    "expect",
    "outcome",
    "rto",
    "trial",
    "seed",
    "verdict",
    "asExpected",
    "reason",
    "toEffect",
    "toDetect",
    "toRecover",
    "toRecoverUncertainty",
    "toRecoverCensored",
    "toRecoverFromRequest",
    "cause",
    "healedBy",
    "actions",
    "leftovers",
    "timeline",
    "retries",
    "flaky",
    "planned",
    "gate",
];

impl Exporter for Csv {
    fn serialize(&self, result: &RunResult) -> Result<Vec<u8>, ExportError> {
        let failed = |reason: String| ExportError { format: "csv", reason };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(COLUMNS).map_err(|error| failed(error.to_string()))?;
        for scenario in &result.scenarios {
            for trial in scenario.trials.iter().map(Some).chain(scenario.trials.is_empty().then_some(None)) {
                writer.write_record(row(result, scenario, trial)).map_err(|error| failed(error.to_string()))?;
            }
        }
        writer.into_inner().map_err(|error| failed(error.to_string()))
    }
}

fn row(result: &RunResult, scenario: &ScenarioResult, trial: Option<&TrialResult>) -> Vec<String> {
    let fingerprint = &result.cluster.fingerprint;
    let expect: Vec<&str> = scenario.expect.iter().map(|verdict| verdict.as_str()).collect();
    let mut row = vec![
        text(&result.run.id),
        text(&result.run.started_at),
        text(&result.run.version),
        text(&result.cluster.provider),
        text(&result.cluster.name),
        text(&fingerprint.kubernetes),
        fingerprint.nodes.to_string(),
        fingerprint.simulated.to_string(),
        text(&scenario.name),
        text(&scenario.file),
        text(scenario.labels.get("class").map_or("", String::as_str)),
        expect.join(" "),
        word(scenario.outcome).to_owned(),
        scenario.rto.map(|rto| rto.to_string()).unwrap_or_default(),
    ];
    let Some(trial) = trial else {
        row.resize(18, String::new());
        row.push(text(&scenario.reason));
        row.resize(COLUMNS.len() - 2, String::new());
        row.extend(about_all(result, scenario));
        return row;
    };
    let durations = &trial.durations;
    let value = |measured: &Option<Measured>| measured.as_ref().map(|time| time.value.to_string()).unwrap_or_default();
    let recover = durations.to_recover.as_ref();
    let cause = trial.findings.iter().find(|finding| finding.leading).map_or("", |finding| finding.cause.as_str());
    let acted: Vec<&str> =
        trial.actions.iter().filter(|action| action.outcome == ActionOutcome::Acted).map(|action| action.step.as_str()).collect();
    row.extend([
        trial.index.to_string(),
        trial.seed.to_string(),
        trial.verdict.to_string(),
        if trial.verdict.is_valid() { scenario.expect.contains(&trial.verdict).to_string() } else { String::new() },
        text(&trial.reason),
        value(&durations.to_effect),
        value(&durations.to_detect),
        value(&durations.to_recover),
        recover.map(|time| time.uncertainty.to_string()).unwrap_or_default(),
        recover.map(|time| time.censored.to_string()).unwrap_or_default(),
        value(&durations.to_recover_from_request),
        text(cause),
        trial.healed_by.as_ref().map(|healed| format::who(healed.who).to_owned()).unwrap_or_default(),
        text(&acted.join(" ")),
        text(&trial.leftovers.join("; ")),
        text(&trial.timeline),
        trial.retries.iter().map(|retry| retry.verdict.as_str()).collect::<Vec<_>>().join(" "),
        trial.is_flaky(&scenario.expect).to_string(),
    ]);
    row.extend(about_all(result, scenario));
    row
}

/// How many trials there were to be, and what came of the gate's objectives of this scenario.
fn about_all(result: &RunResult, scenario: &ScenarioResult) -> [String; 2] {
    let planned = scenario.planned.map(|planned| planned.to_string()).unwrap_or_default();
    let gate = result.gate.as_ref().and_then(|gate| gate::of_scenario(gate, &scenario.name));
    [planned, gate.map(|outcome| word(outcome).to_owned()).unwrap_or_default()]
}

/// A cell of foreign text. What a spreadsheet would take for a formula begins with an apostrophe instead
/// (OWASP, "CSV Injection").
pub(super) fn text(value: &str) -> String {
    let plain = format::plain(value);
    if plain.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']) {
        format!("'{plain}")
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::scenario::Verdict;
    use rstest::rstest;

    fn written(result: &RunResult) -> String {
        String::from_utf8(Csv.serialize(result).unwrap()).unwrap()
    }

    #[test]
    fn a_row_per_trial() {
        insta::assert_snapshot!("csv", written(&fixture::run()));
    }

    #[test]
    fn every_row_reads_back_with_every_column_and_no_scenario_is_lost() {
        let result = fixture::run();
        let text = written(&result);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        let names: std::collections::BTreeSet<&str> = rows.iter().map(|row| &row[8]).collect();
        assert_eq!(names.len(), result.scenarios.len());
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
    }

    #[test]
    fn the_last_columns_tell_of_retries_and_of_the_gate() {
        let mut result = fixture::run();
        result.gate = Some(fixture::gate());
        let scenario = &mut result.scenarios[1];
        scenario.trials[1].retries = vec![fixture::trial(1, Verdict::Late, ""), fixture::trial(1, Verdict::Recovered, "")];
        scenario.planned = Some(5);
        let text = written(&result);
        let row = |start: &str| text.lines().find(|line| line.contains(start)).unwrap().to_owned();
        assert!(row(",crash-after-rollout,").ends_with(",,false,3,failed"), "{text}");
        assert!(row(",late,").ends_with(",late recovered,true,5,"), "{text}");
    }

    #[rstest]
    #[case("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")")]
    #[case("@SUM(1)", "'@SUM(1)")]
    #[case("\t=1", " =1")]
    #[case("-1+2", "'-1+2")]
    #[case("a, \"b\"\nc", "a, \"b\" c")]
    fn no_cell_is_a_formula(#[case] value: &str, #[case] cell: &str) {
        assert_eq!(text(value), cell);
    }
}
