//! `comeback history`: the runs, newest first, with their sums.

use super::Window;
use crate::history::{History, HistoryError};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// When it began, in microseconds since 1970.
    #[serde(serialize_with = "moment")]
    pub started_at: i64,
    /// `embedded`, `kind` or `context`.
    pub provider: String,
    /// The cluster's name.
    pub cluster: String,
    /// The name of its fingerprint.
    pub fingerprint: String,
    /// The server's version.
    pub kubernetes: String,
    /// Whether it was simulated.
    pub simulated: bool,
    /// Whether it came to its end.
    pub complete: bool,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Trials that are kept.
    pub trials: i64,
    /// Trials that say something.
    pub valid: i64,
    /// Of these, trials that went as expected.
    pub expected: i64,
    /// Valid trials of scenarios with an RTO.
    pub rto_counts: i64,
    /// Of these, trials that kept it.
    pub rto_kept: i64,
    /// The commit, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn moment<S: serde::Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::history::time::rfc3339(*micros))
}

impl History {
    /// The newest runs of a window, at most `limit`.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn runs(&mut self, window: &Window, limit: i64) -> Result<Vec<RunRow>, HistoryError> {
        let (name, value) = window.label();
        self.read(async |connection: &mut AnyConnection| {
            sqlx::query(
                "SELECT r.id, r.started, r.provider, r.cluster, r.fingerprint, f.kubernetes, f.simulated, r.complete, r.outcome, \
                 (SELECT CAST(COALESCE(SUM(trials), 0) AS BIGINT) FROM tallies WHERE run_id = r.id), \
                 (SELECT CAST(COALESCE(SUM(valid), 0) AS BIGINT) FROM tallies WHERE run_id = r.id), \
                 (SELECT CAST(COALESCE(SUM(expected), 0) AS BIGINT) FROM tallies WHERE run_id = r.id), \
                 (SELECT CAST(COALESCE(SUM(rto_counts), 0) AS BIGINT) FROM tallies WHERE run_id = r.id), \
                 (SELECT CAST(COALESCE(SUM(rto_kept), 0) AS BIGINT) FROM tallies WHERE run_id = r.id), \
                 (SELECT value FROM labels WHERE run_id = r.id AND name = 'git.commit'), \
                 (SELECT value FROM labels WHERE run_id = r.id AND name = 'git.branch') \
                 FROM runs r JOIN fingerprints f ON f.id = r.fingerprint \
                 WHERE r.started >= $1 AND r.started < $2 \
                 AND ($3 = '' OR r.id IN (SELECT run_id FROM labels WHERE name = $3 AND value = $4)) \
                 ORDER BY r.started DESC, r.id DESC LIMIT $5",
            )
            .bind(window.since)
            .bind(window.until)
            .bind(name)
            .bind(value)
            .bind(limit)
            .fetch_all(connection)
            .await?
            .iter()
            .map(row)
            .collect()
        })
    }
}

fn row(row: &AnyRow) -> Result<RunRow, sqlx::Error> {
    let whole = |position: usize| row.try_get::<i64, _>(position);
    Ok(RunRow {
        id: row.try_get(0)?,
        started_at: whole(1)?,
        provider: row.try_get(2)?,
        cluster: row.try_get(3)?,
        fingerprint: row.try_get(4)?,
        kubernetes: row.try_get(5)?,
        simulated: whole(6)? == 1,
        complete: whole(7)? == 1,
        outcome: row.try_get(8)?,
        trials: whole(9)?,
        valid: whole(10)?,
        expected: whole(11)?,
        rto_counts: whole(12)?,
        rto_kept: whole(13)?,
        commit: row.try_get(14)?,
        branch: row.try_get(15)?,
    })
}
