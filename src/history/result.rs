//! A run of a history as a result again, as far as a comparison needs it: verdicts, times, expectations, environment. Findings, actions
//! and timelines are left in the run directory.

use super::query::show::TrialRow;
use super::{History, HistoryError, time};
use crate::measure::outcome;
use crate::measure::result::{
    ClusterInfo, DetectObjective, Durations, Expected, Measured, Outcome, Retried, Run, RunResult, ScenarioResult, TrialResult,
};
use crate::measure::statistics::{self, CONFIDENCE, Sample};
use crate::scenario::model::API_VERSION;
use crate::scenario::{Verdict, comparison};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use std::collections::BTreeMap;

/// What a row of `scenarios` says.
struct Known {
    name: String,
    file: String,
    labels: BTreeMap<String, String>,
    summary: String,
    expect: Vec<Verdict>,
    rto: Option<f64>,
    detect: Option<DetectObjective>,
    outcome: Outcome,
    reason: String,
}

impl History {
    /// The newest run that came to its end and passed, with this label where one is given, other than `not`; `None` where there is none.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn newest_passed(&mut self, label: Option<(String, String)>, not: Option<&str>) -> Result<Option<String>, HistoryError> {
        let (name, value) = label.unwrap_or_default();
        let not = not.unwrap_or_default().to_owned();
        self.read(async |connection: &mut AnyConnection| {
            sqlx::query_scalar(
                "SELECT id FROM runs WHERE complete = 1 AND outcome = 'passed' AND id <> $3 \
                 AND ($1 = '' OR id IN (SELECT run_id FROM labels WHERE name = $1 AND value = $2)) \
                 ORDER BY started DESC, id DESC LIMIT 1",
            )
            .bind(name.clone())
            .bind(value.clone())
            .bind(not.clone())
            .fetch_optional(connection)
            .await
        })
    }

    /// The run of this id, to be compared with.
    ///
    /// # Errors
    /// There is none, or the history cannot be read.
    pub fn result(&mut self, id: &str) -> Result<RunResult, HistoryError> {
        let detail = self.run(id)?;
        let fingerprints: BTreeMap<_, _> = self.fingerprints()?.into_iter().collect();
        let known = self.read(async |connection: &mut AnyConnection| {
            sqlx::query(
                "SELECT name, file, labels, summary, expect, rto, detect_cause, detect_within, outcome, reason FROM scenarios \
                 WHERE run_id = $1 ORDER BY name",
            )
            .bind(id.to_owned())
            .fetch_all(connection)
            .await?
            .iter()
            .map(known)
            .collect::<Result<Vec<_>, sqlx::Error>>()
        })?;
        let mut trials: BTreeMap<String, Vec<TrialRow>> =
            detail.scenarios.into_iter().map(|scenario| (scenario.name, scenario.trials)).collect();
        let scenarios: Vec<ScenarioResult> = known
            .into_iter()
            .map(|known| {
                let rows = trials.remove(&known.name).unwrap_or_default();
                scenario(known, &rows)
            })
            .collect();
        let run = &detail.run;
        let outcome = run.outcome.as_deref().map_or(Outcome::Inconclusive, outcome_of);
        Ok(RunResult {
            api_version: API_VERSION.to_owned(),
            kind: "RunResult".to_owned(),
            complete: run.complete,
            expected: Expected {
                scenarios: scenarios.len(),
                trials: scenarios.iter().map(|scenario| scenario.trials.len()).sum(),
            },
            run: Run {
                id: run.id.clone(),
                version: String::new(),
                started_at: time::rfc3339(run.started_at),
                finished_at: None,
                seed: 0,
                command: Vec::new(),
                shard: None,
            },
            cluster: ClusterInfo {
                provider: run.provider.clone(),
                name: run.cluster.clone(),
                fingerprint: fingerprints.get(&run.fingerprint).cloned().unwrap_or_default(),
            },
            summary: outcome::summary(&scenarios),
            scenarios,
            lift: Vec::new(),
            gate: None,
            outcome,
            exit_code: 0,
            exit_reasons: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// The id of the run that a reference names: `latest` and `NAME=VALUE` are the newest run that passed (with that label), anything else
    /// is a run's id or the beginning of one.
    ///
    /// # Errors
    /// There is none, several begin so, or the history cannot be read.
    pub fn baseline_id(&mut self, reference: &str, not: Option<&str>) -> Result<String, HistoryError> {
        let label = reference.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        if label.is_none() && reference != "latest" {
            return self.run_id(reference);
        }
        let found = self.newest_passed(label, not)?;
        found.ok_or_else(|| HistoryError::NoBaseline { address: self.address().to_string(), reference: reference.to_owned() })
    }
}

fn known(row: &AnyRow) -> Result<Known, sqlx::Error> {
    let json = |position: usize| row.try_get::<String, _>(position);
    let (cause, within): (Option<String>, Option<f64>) = (row.try_get(6)?, row.try_get(7)?);
    Ok(Known {
        name: row.try_get(0)?,
        file: row.try_get(1)?,
        labels: serde_json::from_str(&json(2)?).unwrap_or_default(),
        summary: row.try_get(3)?,
        expect: serde_json::from_str(&json(4)?).unwrap_or_default(),
        rto: row.try_get(5)?,
        detect: cause.zip(within).map(|(cause, within)| DetectObjective { cause, within }),
        outcome: row.try_get::<Option<String>, _>(8)?.as_deref().map_or(Outcome::Inconclusive, outcome_of),
        reason: row.try_get::<Option<String>, _>(9)?.unwrap_or_default(),
    })
}

fn outcome_of(word: &str) -> Outcome {
    match word {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed,
        "skipped" => Outcome::Skipped,
        _ => Outcome::Inconclusive,
    }
}

fn scenario(known: Known, rows: &[TrialRow]) -> ScenarioResult {
    let trials: Vec<TrialResult> = rows.iter().map(trial).collect();
    let mut counts = BTreeMap::new();
    for trial in &trials {
        *counts.entry(trial.verdict).or_insert(0) += 1;
    }
    let of = |counts: fn(&TrialRow) -> bool| rows.iter().filter(|row| counts(row)).count();
    let with_rto = known.expect.contains(&Verdict::Recovered) && !comparison::accepts_any(&known.expect) && known.rto.is_some();
    let samples = |pick: fn(&TrialResult) -> Option<&Measured>| {
        let valid = trials.iter().filter(|trial| trial.verdict.is_valid());
        let sample = |one: &Measured| Sample { value: one.value, uncertainty: one.uncertainty, censored: one.censored };
        statistics::distribution(&valid.filter_map(pick).map(sample).collect::<Vec<_>>())
    };
    ScenarioResult {
        success_rate: statistics::rate(of(|row| row.expected), of(|row| row.valid), CONFIDENCE),
        within_rto: with_rto.then(|| statistics::rate(of(|row| row.rto_kept), of(|row| row.rto_counts), CONFIDENCE)),
        recovery: samples(|trial| trial.durations.to_recover.as_ref()),
        detection: samples(|trial| trial.durations.to_detect.as_ref()),
        retried: Retried::of(&trials, &known.expect),
        name: known.name,
        file: known.file,
        labels: known.labels,
        summary: known.summary,
        expect: known.expect,
        outcome: known.outcome,
        passed: known.outcome == Outcome::Passed,
        reason: known.reason,
        sequential: None,
        rto: known.rto,
        detect: known.detect,
        counts,
        healing: None,
        comparison: None,
        planned: None,
        trials,
    }
}

fn trial(row: &TrialRow) -> TrialResult {
    let verdict = serde_json::from_value(row.verdict.as_str().into()).unwrap_or(Verdict::Error);
    let index = u32::try_from(row.index).unwrap_or(u32::MAX);
    let seed = row.seed.parse().unwrap_or(0);
    let attempt = |verdict: &String| {
        let verdict = serde_json::from_value(verdict.as_str().into()).unwrap_or(Verdict::Error);
        TrialResult::without_measurements(index, 0, verdict, "")
    };
    TrialResult {
        durations: Durations {
            to_detect: row.to_detect.map(|value| Measured { value, uncertainty: 0.0, censored: false }),
            to_recover: row.to_recover.map(|value| Measured {
                value,
                uncertainty: row.to_recover_uncertainty.unwrap_or(0.0),
                censored: row.to_recover_censored,
            }),
            ..Durations::default()
        },
        retries: row.retries.iter().map(attempt).collect(),
        ..TrialResult::without_measurements(index, seed, verdict, &row.reason)
    }
}
