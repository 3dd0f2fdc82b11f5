//! Writing: a run, its scenarios, and each trial in a transaction of its own. What is written twice is there once.
//! Questions are asked elsewhere.

use super::record::{RunRecord, ScenarioRecord, fingerprint_id, outcome_word};
use super::{History, HistoryError, time};
use crate::measure::outcome::is_within;
use crate::measure::result::{Measured, Stamp, TrialResult};
use crate::report::{format, layout};
use crate::scenario::Verdict;
use serde::Serialize;
use sqlx::AnyConnection;

mod tally;
mod told;

/// The longest text that a history keeps of a reason or a piece of evidence, in characters; the run directory has all of it.
const LONGEST: usize = 4_000;

type Written = Result<(), sqlx::Error>;

impl History {
    /// Writes what is known of a run. One that came to its end is never made incomplete again.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn put_run(&mut self, run: &RunRecord) -> Result<(), HistoryError> {
        self.write(async |connection: &mut AnyConnection| {
            let fingerprint = &run.fingerprint;
            let id = fingerprint_id(fingerprint);
            sqlx::query(
                "INSERT INTO fingerprints (id, kubernetes, nodes, simulated, properties) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(id.clone())
            .bind(text(&fingerprint.kubernetes))
            .bind(whole(fingerprint.nodes))
            .bind(i64::from(fingerprint.simulated))
            .bind(json(&fingerprint.properties))
            .execute(&mut *connection)
            .await?;
            sqlx::query(
                "INSERT INTO runs (id, version, started, finished, seed, command, provider, cluster, fingerprint, complete, \
                 outcome, exit_code, expected_trials) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
                 ON CONFLICT (id) DO UPDATE SET finished = excluded.finished, complete = excluded.complete, \
                 outcome = excluded.outcome, exit_code = excluded.exit_code, expected_trials = excluded.expected_trials \
                 WHERE runs.complete = 0 OR excluded.complete = 1",
            )
            .bind(run.id.clone())
            .bind(run.version.clone())
            .bind(run.started)
            .bind(run.finished)
            .bind(run.seed.to_string())
            .bind(json(&run.command))
            .bind(text(&run.provider))
            .bind(text(&run.cluster))
            .bind(id)
            .bind(i64::from(run.complete))
            .bind(run.outcome.map(outcome_word))
            .bind(run.exit_code.map(i64::from))
            .bind(whole(run.expected_trials))
            .execute(&mut *connection)
            .await?;
            for (name, value) in &run.labels {
                sqlx::query(
                    "INSERT INTO labels (run_id, name, value) VALUES ($1, $2, $3) \
                     ON CONFLICT (run_id, name) DO UPDATE SET value = excluded.value",
                )
                .bind(run.id.clone())
                .bind(text(name))
                .bind(text(value))
                .execute(&mut *connection)
                .await?;
            }
            Ok(())
        })
    }

    /// Writes what is known of a scenario of a run.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn put_scenario(&mut self, run: &RunRecord, scenario: &ScenarioRecord) -> Result<(), HistoryError> {
        self.write(async |connection: &mut AnyConnection| {
            let (outcome, reason) =
                scenario.outcome.as_ref().map(|(outcome, reason)| (outcome_word(*outcome), text(reason))).unzip();
            let (cause, within) = scenario.detect.clone().unzip();
            sqlx::query(
                "INSERT INTO scenarios (run_id, name, file, class, labels, summary, expect, rto, detect_cause, detect_within, \
                 outcome, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
                 ON CONFLICT (run_id, name) DO UPDATE SET rto = excluded.rto, \
                 outcome = COALESCE(excluded.outcome, scenarios.outcome), reason = COALESCE(excluded.reason, scenarios.reason)",
            )
            .bind(run.id.clone())
            .bind(text(&scenario.name))
            .bind(text(&scenario.file))
            .bind(text(scenario.class()))
            .bind(json(&scenario.labels))
            .bind(text(&scenario.summary))
            .bind(json(&scenario.expect))
            .bind(scenario.rto)
            .bind(cause)
            .bind(within)
            .bind(outcome)
            .bind(reason)
            .execute(&mut *connection)
            .await?;
            for workload in &scenario.workloads {
                sqlx::query("INSERT INTO workloads (run_id, scenario, workload) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                    .bind(run.id.clone())
                    .bind(text(&scenario.name))
                    .bind(text(workload))
                    .execute(&mut *connection)
                    .await?;
            }
            Ok(())
        })
    }

    /// Writes a trial and everything that belongs to it: all of it, or nothing.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn put_trial(&mut self, run: &RunRecord, scenario: &ScenarioRecord, trial: &TrialResult) -> Result<(), HistoryError> {
        self.write(async |connection: &mut AnyConnection| {
            // Holds the run's row until the end: another writer's trial of the same 64 must be in the sums, or wait for them.
            let locked = sqlx::query("UPDATE runs SET expected_trials = expected_trials WHERE id = $1").bind(run.id.clone());
            if locked.execute(&mut *connection).await?.rows_affected() == 0 {
                return Err(sqlx::Error::RowNotFound);
            }
            let known = put_row(connection, run, scenario, trial).await?;
            told::put(connection, run, scenario, trial, known).await?;
            tally::put(connection, run, scenario, trial.index).await
        })
    }
}

/// Writes the trial's own row; says whether there was one.
async fn put_row(
    connection: &mut AnyConnection,
    run: &RunRecord,
    scenario: &ScenarioRecord,
    trial: &TrialResult,
) -> Result<bool, sqlx::Error> {
    let known = sqlx::query("DELETE FROM trials WHERE run_id = $1 AND scenario = $2 AND trial = $3")
        .bind(run.id.clone())
        .bind(text(&scenario.name))
        .bind(i64::from(trial.index))
        .execute(&mut *connection)
        .await?
        .rows_affected()
        > 0;
    let valid = trial.verdict.is_valid();
    let counts = valid && scenario.rto.is_some();
    let kept = counts && scenario.rto.is_some_and(|rto| is_within(trial, rto));
    let durations = &trial.durations;
    let mut query = sqlx::query(
        "INSERT INTO trials (run_id, scenario, trial, seed, verdict, valid, expected, rto_counts, rto_kept, reason, namespace, \
         healed_by, healed_how, leftovers, notes, timeline, \
         to_effect, to_effect_uncertainty, to_effect_censored, to_detect, to_detect_uncertainty, to_detect_censored, \
         to_recover, to_recover_uncertainty, to_recover_censored, \
         to_recover_from_request, to_recover_from_request_uncertainty, to_recover_from_request_censored, retries, flaky) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, \
         $25, $26, $27, $28, $29, $30)",
    )
    .bind(run.id.clone())
    .bind(text(&scenario.name))
    .bind(i64::from(trial.index))
    .bind(trial.seed.to_string())
    .bind(trial.verdict.as_str())
    .bind(i64::from(valid))
    .bind(i64::from(valid && scenario.expect.contains(&trial.verdict)))
    .bind(i64::from(counts))
    .bind(i64::from(kept))
    .bind(text(&trial.reason))
    .bind(text(&trial.namespace))
    .bind(trial.healed_by.as_ref().map(|healed| format::who(healed.who)))
    .bind(trial.healed_by.as_ref().map(|healed| told::how(healed.how)))
    .bind(json(&trial.leftovers))
    .bind(json(&trial.notes))
    .bind(text(&trial.timeline));
    for measured in [&durations.to_effect, &durations.to_detect, &durations.to_recover, &durations.to_recover_from_request] {
        let measured: Option<&Measured> = measured.as_ref();
        query = query
            .bind(measured.map(|one| one.value))
            .bind(measured.map(|one| one.uncertainty))
            .bind(measured.map(|one| i64::from(one.censored)));
    }
    let retries: Vec<Verdict> = trial.retries.iter().map(|retry| retry.verdict).collect();
    query = query.bind(json(&retries)).bind(i64::from(trial.is_flaky(&scenario.expect)));
    query.execute(&mut *connection).await?;
    Ok(known)
}

/// The names of stamps, as the contract has them.
fn stamps(trial: &TrialResult) -> Vec<(&'static str, &Stamp)> {
    let stamps = &trial.stamps;
    [
        ("requested", &stamps.requested),
        ("accepted", &stamps.accepted),
        ("effective", &stamps.effective),
        ("detected", &stamps.detected),
        ("alertPending", &stamps.alert_pending),
        ("alertFiring", &stamps.alert_firing),
        ("firstAction", &stamps.first_action),
        ("firstGood", &stamps.first_good),
        ("stableFrom", &stamps.stable_from),
        ("restored", &stamps.restored),
    ]
    .into_iter()
    .filter_map(|(name, stamp)| Some((name, stamp.as_ref()?)))
    .collect()
}

/// Foreign text as both databases take it: without NUL, which PostgreSQL refuses, and cut with a mark where it is very long.
fn text(text: &str) -> String {
    layout::cut(&text.replace('\0', "\u{fffd}"), LONGEST)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn whole(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The week in which a run began.
const fn week(run: &RunRecord) -> i64 {
    time::week(run.started)
}
