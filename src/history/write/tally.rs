//! The sums of up to 64 trials, made anew from the trials themselves whenever one of them is written: never counted up, so that they
//! cannot drift.

use super::super::record::{RunRecord, ScenarioRecord, fingerprint_id};
use super::{Written, text, week};
use sqlx::AnyConnection;

/// Trials of one row of `tallies`: few enough to be summed for each trial that is written, many enough to make years readable.
const CHUNK: i64 = 64;

/// Sums up the trials around this one.
pub(super) async fn put(connection: &mut AnyConnection, run: &RunRecord, scenario: &ScenarioRecord, trial: u32) -> Written {
    let chunk = i64::from(trial) / CHUNK;
    sqlx::query(
        "INSERT INTO tallies (run_id, scenario, chunk, started, week, fingerprint, class, rto, trials, valid, expected, \
         rto_counts, rto_kept, flaky, recoveries, detections) \
         SELECT t.run_id, t.scenario, $3, $4, $5, $6, $7, $8, COUNT(*), SUM(t.valid), SUM(t.expected), SUM(t.rto_counts), \
         SUM(t.rto_kept), SUM(t.flaky), \
         COALESCE(string_agg(CASE WHEN t.valid = 1 THEN CAST(t.to_recover AS TEXT) || ':' || \
         CAST(t.to_recover_uncertainty AS TEXT) || ':' || CAST(t.to_recover_censored AS TEXT) END, ';' ORDER BY t.trial), ''), \
         COALESCE(string_agg(CASE WHEN t.valid = 1 THEN CAST(t.to_detect AS TEXT) || ':' || \
         CAST(t.to_detect_uncertainty AS TEXT) || ':' || CAST(t.to_detect_censored AS TEXT) END, ';' ORDER BY t.trial), '') \
         FROM trials t WHERE t.run_id = $1 AND t.scenario = $2 AND t.trial >= $9 AND t.trial < $10 \
         GROUP BY t.run_id, t.scenario \
         ON CONFLICT (run_id, scenario, chunk) DO UPDATE SET rto = excluded.rto, trials = excluded.trials, \
         valid = excluded.valid, expected = excluded.expected, rto_counts = excluded.rto_counts, rto_kept = excluded.rto_kept, flaky = excluded.flaky, \
         recoveries = excluded.recoveries, detections = excluded.detections",
    )
    .bind(run.id.clone())
    .bind(text(&scenario.name))
    .bind(chunk)
    .bind(run.started)
    .bind(week(run))
    .bind(fingerprint_id(&run.fingerprint))
    .bind(text(scenario.class()))
    .bind(scenario.rto)
    .bind(chunk * CHUNK)
    .bind((chunk + 1) * CHUNK)
    .execute(connection)
    .await
    .map(|_| ())
}
