//! The RTO report as CSV: a row for each class and each scenario. Columns are only ever added at the end.

use crate::history::change::Direction;
use crate::history::rto::{RtoReport, RtoRow};
use crate::measure::result::Distribution;
use crate::report::csv::text;

const COLUMNS: [&str; 22] = [
    "class",
    "scenario",
    "rto",
    "latest",
    "supersededBy",
    "environment",
    "simulated",
    "fingerprint",
    "runs",
    "last",
    "trials",
    "withinRto",
    "withinRtoLower",
    "withinRtoUpper",
    "detectionMedian",
    "detectionMax",
    "recoveryMedian",
    "recoveryMax",
    "recoveryP95",
    "timeOuts",
    "successTrend",
    "recoveryTrend",
];

/// The table.
///
/// # Errors
/// It cannot be written.
pub fn csv(report: &RtoReport) -> Result<Vec<u8>, String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| error.to_string())?;
    for row in report.classes.iter().chain(&report.scenarios) {
        writer.write_record(cells(report, row)).map_err(|error| error.to_string())?;
    }
    writer.into_inner().map_err(|error| error.to_string())
}

fn cells(report: &RtoReport, row: &RtoRow) -> Vec<String> {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let of = |times: &Option<Distribution>, pick: fn(&Distribution) -> Option<f64>| number(times.as_ref().and_then(pick));
    let rate = row.within_rto.as_ref();
    let environment = report.environments.get(&row.fingerprint);
    let trend = |direction| if row.scenario.is_some() { word(direction).to_owned() } else { String::new() };
    vec![
        text(&row.class),
        text(row.scenario.as_deref().unwrap_or_default()),
        number(row.target),
        row.latest.to_string(),
        row.superseded_by.join(" "),
        text(environment.map_or("", |one| one.text.as_str())),
        environment.map(|one| one.simulated.to_string()).unwrap_or_default(),
        row.fingerprint.clone(),
        row.runs.to_string(),
        row.last.clone(),
        rate.map(|rate| rate.n.to_string()).unwrap_or_default(),
        rate.map(|rate| rate.successes.to_string()).unwrap_or_default(),
        number(rate.filter(|rate| rate.n > 0).map(|rate| rate.lower)),
        number(rate.filter(|rate| rate.n > 0).map(|rate| rate.upper)),
        of(&row.detection, |times| times.median),
        of(&row.detection, |times| times.max),
        of(&row.recovery, |times| times.median),
        of(&row.recovery, |times| times.max),
        of(&row.recovery, |times| times.p95),
        row.recovery.as_ref().map(|times| times.censored.to_string()).unwrap_or_default(),
        trend(row.change.success),
        trend(row.change.recovery),
    ]
}

const fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Better => "better",
        Direction::Worse => "worse",
        Direction::NotShown => "notShown",
        Direction::TooFew => "tooFew",
    }
}
