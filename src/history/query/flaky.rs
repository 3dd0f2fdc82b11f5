//! Flaky scenarios: the same code in the same environment gave different answers, over trials or when one was tried again. Code is the
//! commit that a run was labelled with, or else the run itself.

use super::Window;
use crate::history::{History, HistoryError};
use serde::Serialize;
use sqlx::Row as _;

/// A scenario that gave different answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlakyRow {
    /// The scenario.
    pub scenario: String,
    /// The name of the environment's fingerprint.
    pub fingerprint: String,
    /// Commits (or runs) with two valid trials or more.
    pub revisions: i64,
    /// Of these, those with expected and unexpected verdicts.
    pub mixed: i64,
    /// Valid trials of the mixed ones.
    pub trials: i64,
    /// Of these, unexpected ones.
    pub unexpected: i64,
    /// Trials that passed only when they were tried again.
    pub on_retry: i64,
}

impl History {
    /// Scenarios with a mixed revision or a trial that passed on retry, the most often mixed first.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn flaky(&mut self, window: &Window) -> Result<Vec<FlakyRow>, HistoryError> {
        self.sums_of(
            window,
            &[],
            "SELECT scenario, fingerprint, COUNT(*), \
             CAST(SUM(CASE WHEN expected > 0 AND expected < valid THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN expected > 0 AND expected < valid THEN valid ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN expected > 0 AND expected < valid THEN valid - expected ELSE 0 END) AS BIGINT), \
             CAST(SUM(flaky) AS BIGINT) FROM \
             (SELECT t.scenario AS scenario, t.fingerprint AS fingerprint, SUM(t.valid) AS valid, SUM(t.expected) AS expected, \
              SUM(t.flaky) AS flaky \
              FROM tallies t LEFT JOIN labels l ON l.run_id = t.run_id AND l.name = 'git.commit' \
              WHERE t.week >= $5 AND t.week <= $6 AND t.started >= $1 AND t.started < $2 \
              AND ($3 = '' OR t.run_id IN (SELECT run_id FROM labels WHERE name = $3 AND value = $4)) \
              GROUP BY t.scenario, t.fingerprint, COALESCE(l.value, t.run_id)) revisions \
             WHERE valid >= 2 OR flaky > 0 GROUP BY scenario, fingerprint \
             HAVING SUM(CASE WHEN expected > 0 AND expected < valid THEN 1 ELSE 0 END) > 0 OR SUM(flaky) > 0 \
             ORDER BY 4 DESC, 7 DESC, 1, 2",
            |row| {
                Ok(FlakyRow {
                    scenario: row.try_get(0)?,
                    fingerprint: row.try_get(1)?,
                    revisions: row.try_get(2)?,
                    mixed: row.try_get(3)?,
                    trials: row.try_get(4)?,
                    unexpected: row.try_get(5)?,
                    on_retry: row.try_get(6)?,
                })
            },
        )
    }
}
