//! `comeback history show RUN`: one run with its scenarios and trials.

use super::Window;
use super::runs::RunRow;
use crate::history::{History, HistoryError};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use std::collections::BTreeMap;

/// A run with everything that a history keeps for reading.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// The run.
    pub run: RunRow,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its scenarios, by name.
    pub scenarios: Vec<ScenarioDetail>,
}

/// A scenario of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioDetail {
    /// Its name.
    pub name: String,
    /// Its class.
    pub class: String,
    /// The RTO in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rto: Option<f64>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its trials.
    pub trials: Vec<TrialRow>,
}

/// A trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialRow {
    /// Its index.
    pub index: i64,
    /// Its seed.
    pub seed: String,
    /// Its verdict.
    pub verdict: String,
    /// Whether it says something.
    pub valid: bool,
    /// Whether it went as expected.
    pub expected: bool,
    /// Whether it counts for the RTO.
    pub rto_counts: bool,
    /// Whether it kept the RTO.
    pub rto_kept: bool,
    /// Why the verdict.
    pub reason: String,
    /// Verdicts of the attempts after the first, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retries: Vec<String>,
    /// Whether it passed only when it was tried again.
    pub flaky: bool,
    /// Seconds from effect to the right finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_detect: Option<f64>,
    /// Seconds from effect to recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_recover: Option<f64>,
    /// How much shorter or longer it may have been, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_recover_uncertainty: Option<f64>,
    /// Whether it is only known to be longer.
    pub to_recover_censored: bool,
    /// Who healed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healed_by: Option<String>,
    /// The cause of the first leading finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl History {
    /// The full id of a run: `latest`, a whole id, or the beginning of exactly one.
    ///
    /// # Errors
    /// There is none, or several begin so.
    pub fn run_id(&mut self, text: &str) -> Result<String, HistoryError> {
        let ids: Vec<String> = self.read(async |connection: &mut AnyConnection| {
            if text == "latest" {
                return sqlx::query_scalar("SELECT id FROM runs ORDER BY started DESC, id DESC LIMIT 1").fetch_all(connection).await;
            }
            // No LIKE: an id may hold its wildcards.
            sqlx::query_scalar("SELECT id FROM runs WHERE substr(id, 1, length($1)) = $1 ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END, id LIMIT 2")
                .bind(text.to_owned())
                .fetch_all(connection)
                .await
        })?;
        match ids.as_slice() {
            [only] => Ok(only.clone()),
            [exact, _] if exact == text => Ok(exact.clone()),
            [one, other, ..] => Err(HistoryError::Database {
                address: self.address().to_string(),
                reason: format!("`{text}` begins the ids of several runs, {one} and {other} among them"),
            }),
            [] => Err(HistoryError::NoRun { address: self.address().to_string(), run: text.to_owned() }),
        }
    }

    /// One run.
    ///
    /// # Errors
    /// It is not there, or the history cannot be read.
    pub fn run(&mut self, id: &str) -> Result<RunDetail, HistoryError> {
        let started: Vec<i64> = self.read(async |connection: &mut AnyConnection| {
            sqlx::query_scalar("SELECT started FROM runs WHERE id = $1").bind(id.to_owned()).fetch_all(connection).await
        })?;
        let window = started.first().map(|at| Window { since: *at, until: *at + 1, label: None });
        let runs = window.map(|window| self.runs(&window, i64::from(u32::MAX))).transpose()?.unwrap_or_default();
        let run = runs.into_iter().find(|run| run.id == id);
        let run = run.ok_or_else(|| HistoryError::NoRun { address: self.address().to_string(), run: id.to_owned() })?;
        self.read(async |connection: &mut AnyConnection| {
            let labels = sqlx::query("SELECT name, value FROM labels WHERE run_id = $1")
                .bind(id.to_owned())
                .fetch_all(&mut *connection)
                .await?
                .iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect::<Result<_, sqlx::Error>>()?;
            let mut scenarios =
                sqlx::query("SELECT name, class, rto, outcome, reason FROM scenarios WHERE run_id = $1 ORDER BY name")
                    .bind(id.to_owned())
                    .fetch_all(&mut *connection)
                    .await?
                    .iter()
                    .map(scenario)
                    .collect::<Result<Vec<_>, sqlx::Error>>()?;
            let rows = sqlx::query(
                "SELECT t.scenario, t.trial, t.seed, t.verdict, t.valid, t.expected, t.rto_counts, t.rto_kept, t.reason, \
                 t.to_detect, t.to_recover, t.to_recover_uncertainty, t.to_recover_censored, t.healed_by, \
                 (SELECT cause FROM findings f WHERE f.run_id = t.run_id AND f.scenario = t.scenario AND f.trial = t.trial \
                  AND f.leading_one = 1 ORDER BY f.ordinal LIMIT 1), t.retries, t.flaky \
                 FROM trials t WHERE t.run_id = $1 ORDER BY t.scenario, t.trial",
            )
            .bind(id.to_owned())
            .fetch_all(&mut *connection)
            .await?;
            let mut trials: BTreeMap<String, Vec<TrialRow>> = BTreeMap::new();
            for row in &rows {
                trials.entry(row.try_get(0)?).or_default().push(trial(row)?);
            }
            for scenario in &mut scenarios {
                scenario.trials = trials.remove(&scenario.name).unwrap_or_default();
            }
            Ok(RunDetail { run: run.clone(), labels, scenarios })
        })
    }
}

fn scenario(row: &AnyRow) -> Result<ScenarioDetail, sqlx::Error> {
    Ok(ScenarioDetail {
        name: row.try_get(0)?,
        class: row.try_get(1)?,
        rto: row.try_get(2)?,
        outcome: row.try_get(3)?,
        reason: row.try_get(4)?,
        trials: Vec::new(),
    })
}

fn trial(row: &AnyRow) -> Result<TrialRow, sqlx::Error> {
    let yes = |position: usize| row.try_get::<i64, _>(position).map(|value| value == 1);
    Ok(TrialRow {
        index: row.try_get(1)?,
        seed: row.try_get(2)?,
        verdict: row.try_get(3)?,
        valid: yes(4)?,
        expected: yes(5)?,
        rto_counts: yes(6)?,
        rto_kept: yes(7)?,
        reason: row.try_get(8)?,
        to_detect: row.try_get(9)?,
        to_recover: row.try_get(10)?,
        to_recover_uncertainty: row.try_get(11)?,
        to_recover_censored: row.try_get::<Option<i64>, _>(12)? == Some(1),
        healed_by: row.try_get(13)?,
        cause: row.try_get(14)?,
        retries: serde_json::from_str(row.try_get(15)?).unwrap_or_default(),
        flaky: yes(16)?,
    })
}
