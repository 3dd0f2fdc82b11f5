//! Forgetting: old runs, all but the newest, and what was seen long ago.

use super::{History, HistoryError, time};
use sqlx::{AnyConnection, Executor as _};

/// Every table with rows of a run, the run's own last.
const OF_A_RUN: [&str; 9] = [
    "DELETE FROM stamps WHERE run_id = $1",
    "DELETE FROM findings WHERE run_id = $1",
    "DELETE FROM actions WHERE run_id = $1",
    "DELETE FROM tallies WHERE run_id = $1",
    "DELETE FROM trials WHERE run_id = $1",
    "DELETE FROM workloads WHERE run_id = $1",
    "DELETE FROM scenarios WHERE run_id = $1",
    "DELETE FROM labels WHERE run_id = $1",
    "DELETE FROM runs WHERE id = $1",
];

impl History {
    /// The runs that are older than `before` (microseconds since 1970) or not among the newest `keep`, oldest first.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn outdated(&mut self, before: Option<i64>, keep: Option<u32>) -> Result<Vec<String>, HistoryError> {
        self.read(async |connection: &mut AnyConnection| {
            sqlx::query_scalar(
                "SELECT id FROM runs WHERE started < $1 OR id NOT IN (SELECT id FROM runs ORDER BY started DESC, id DESC LIMIT $2) \
                 ORDER BY started, id",
            )
            .bind(before.unwrap_or(i64::MIN))
            .bind(keep.map_or(i64::MAX, i64::from))
            .fetch_all(connection)
            .await
        })
    }

    /// Forgets runs, each in a transaction of its own, and what was last seen before `before`.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn forget(&mut self, runs: &[String], before: Option<i64>) -> Result<(), HistoryError> {
        for run in runs {
            self.write(async |connection: &mut AnyConnection| {
                for statement in OF_A_RUN {
                    sqlx::query(statement).bind(run.clone()).execute(&mut *connection).await?;
                }
                Ok(())
            })?;
        }
        self.write(async |connection: &mut AnyConnection| {
            if let Some(before) = before {
                sqlx::query("DELETE FROM observations WHERE last_seen < $1").bind(before).execute(&mut *connection).await?;
                sqlx::query("DELETE FROM looks WHERE day < $1").bind(time::day(before)).execute(&mut *connection).await?;
            }
            sqlx::query("DELETE FROM fingerprints WHERE id NOT IN (SELECT fingerprint FROM runs)")
                .execute(&mut *connection)
                .await
                .map(|_| ())
        })?;
        if self.dialect() == super::connect::Dialect::Sqlite && !runs.is_empty() {
            // Gives the space back to the disk; PostgreSQL does so by itself.
            self.read(async |connection: &mut AnyConnection| connection.execute("VACUUM").await.map(|_| ()))?;
        }
        Ok(())
    }
}
