//! `comeback history export`: trials as CSV, runs as JSON lines. Columns are only ever added at the end.

use crate::history::query::show::RunDetail;
use crate::history::time;
use crate::report::csv::text;

const COLUMNS: [&str; 25] = [
    "run",
    "startedAt",
    "provider",
    "cluster",
    "kubernetes",
    "simulated",
    "fingerprint",
    "commit",
    "branch",
    "scenario",
    "class",
    "rto",
    "trial",
    "seed",
    "verdict",
    "valid",
    "asExpected",
    "withinRto",
    "toDetect",
    "toRecover",
    "toRecoverCensored",
    "healedBy",
    "reason",
    "retries",
    "flaky",
];

/// The header.
///
/// # Errors
/// It cannot be written.
pub fn head() -> Result<Vec<u8>, String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| error.to_string())?;
    writer.into_inner().map_err(|error| error.to_string())
}

/// A run's trials.
///
/// # Errors
/// They cannot be written.
pub fn rows(detail: &RunDetail) -> Result<Vec<u8>, String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let run = &detail.run;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for scenario in &detail.scenarios {
        for trial in &scenario.trials {
            writer
                .write_record([
                    text(&run.id),
                    time::rfc3339(run.started_at),
                    text(&run.provider),
                    text(&run.cluster),
                    text(&run.kubernetes),
                    run.simulated.to_string(),
                    run.fingerprint.clone(),
                    text(run.commit.as_deref().unwrap_or_default()),
                    text(run.branch.as_deref().unwrap_or_default()),
                    text(&scenario.name),
                    text(&scenario.class),
                    number(scenario.rto),
                    trial.index.to_string(),
                    trial.seed.clone(),
                    trial.verdict.clone(),
                    trial.valid.to_string(),
                    if trial.valid { trial.expected.to_string() } else { String::new() },
                    if trial.rto_counts { trial.rto_kept.to_string() } else { String::new() },
                    number(trial.to_detect),
                    number(trial.to_recover),
                    trial.to_recover_censored.to_string(),
                    text(trial.healed_by.as_deref().unwrap_or_default()),
                    text(&trial.reason),
                    text(&trial.retries.join(" ")),
                    trial.flaky.to_string(),
                ])
                .map_err(|error| error.to_string())?;
        }
    }
    writer.into_inner().map_err(|error| error.to_string())
}

/// A run as a line of JSON.
///
/// # Errors
/// It cannot be written.
pub fn line(detail: &RunDetail) -> Result<Vec<u8>, String> {
    let mut line = serde_json::to_vec(detail).map_err(|error| error.to_string())?;
    line.push(b'\n');
    Ok(line)
}
