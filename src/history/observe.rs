//! Observations without a trial: what a scan or the healer saw, and that it looked at all.
//! Who looks, and what a cause is, is `detect`'s and `scan`'s business.

use super::{History, HistoryError, time};
use sqlx::{AnyConnection, Row as _};
use std::time::Duration;

/// A cause at a workload, seen from then until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The cluster.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// `deployment/pool`.
    pub workload: String,
    /// `oom.limit`.
    pub cause: String,
    /// Its first signal, in microseconds since 1970.
    pub first_seen: i64,
    /// Its last signal, in microseconds since 1970.
    pub last_seen: i64,
    /// How many signals.
    pub signals: i64,
}

/// Sightings of one cause at one workload that are no further apart than this are one.
pub const GAP: Duration = Duration::from_hours(1);

impl History {
    /// Notes what was seen. A sighting that overlaps a known one of the same cause and workload, or follows it within [`GAP`],
    /// extends it: telling of it again changes nothing.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn put_sighting(&mut self, seen: &Sighting) -> Result<(), HistoryError> {
        let gap = i64::try_from(GAP.as_micros()).unwrap_or(i64::MAX);
        self.write(async |connection: &mut AnyConnection| {
            let key = |statement: &'static str| {
                sqlx::query(statement)
                    .bind(seen.cluster.clone())
                    .bind(seen.namespace.clone())
                    .bind(seen.workload.clone())
                    .bind(seen.cause.clone())
            };
            let known = key(
                "SELECT first_seen, last_seen, signals FROM observations WHERE cluster = $1 AND namespace = $2 AND workload = $3 \
                 AND cause = $4 AND last_seen >= $5 AND first_seen <= $6 ORDER BY first_seen",
            )
            .bind(seen.first_seen.saturating_sub(gap))
            .bind(seen.last_seen.saturating_add(gap))
            .fetch_all(&mut *connection)
            .await?;
            let mut whole = seen.clone();
            for row in &known {
                let first: i64 = row.try_get(0)?;
                whole.last_seen = whole.last_seen.max(row.try_get(1)?);
                whole.signals = whole.signals.max(row.try_get(2)?);
                key("DELETE FROM observations WHERE cluster = $1 AND namespace = $2 AND workload = $3 AND cause = $4 AND first_seen = $5")
                    .bind(first)
                    .execute(&mut *connection)
                    .await?;
                whole.first_seen = whole.first_seen.min(first);
            }
            key(
                "INSERT INTO observations (cluster, namespace, workload, cause, first_seen, last_seen, signals) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(whole.first_seen)
            .bind(whole.last_seen)
            .bind(whole.signals)
            .execute(&mut *connection)
            .await?;
            Ok(())
        })
    }

    /// Notes that a namespace was looked at: the day counts as observed.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn put_look(&mut self, cluster: &str, namespace: &str, at: i64) -> Result<(), HistoryError> {
        self.write(async |connection: &mut AnyConnection| {
            sqlx::query("INSERT INTO looks (cluster, namespace, day) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(cluster.to_owned())
                .bind(namespace.to_owned())
                .bind(time::day(at))
                .execute(connection)
                .await
                .map(|_| ())
        })
    }
}
