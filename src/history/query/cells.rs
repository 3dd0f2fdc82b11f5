//! The sums of a window by scenario, environment and week, and by workload: what trends, stability and RTO reports are reckoned from.

use super::Window;
use crate::history::time::week;
use crate::history::{History, HistoryError};
use crate::measure::statistics::Sample;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

/// What a scenario did in one week in one environment, under one RTO.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The scenario.
    pub name: String,
    /// Its class.
    pub class: String,
    /// The name of the fingerprint.
    pub fingerprint: String,
    /// The week, as [`crate::history::time::week`] counts them.
    pub week: i64,
    /// The RTO in seconds.
    pub rto: Option<f64>,
    /// How many runs.
    pub runs: i64,
    /// When the last of them began, in microseconds since 1970.
    pub last: i64,
    /// How many trials, and how many of them did what.
    pub sums: Sums,
    /// Recovery times of valid trials.
    pub recoveries: Vec<Sample>,
    /// Detection times of valid trials.
    pub detections: Vec<Sample>,
}

impl Cell {
    /// What cells are sorted by.
    fn place(&self) -> (&str, &str, &str, i64, Option<u64>) {
        // Positive numbers and their bits have the same order.
        (&self.name, &self.class, &self.fingerprint, self.week, self.rto.map(f64::to_bits))
    }
}

/// Trials, and how many of them did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// All.
    pub trials: usize,
    /// Those that say something.
    pub valid: usize,
    /// Of the valid ones, those that went as expected.
    pub expected: usize,
    /// Valid ones with an RTO.
    pub rto_counts: usize,
    /// Of these, those that kept it.
    pub rto_kept: usize,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.trials += other.trials;
        self.valid += other.valid;
        self.expected += other.expected;
        self.rto_counts += other.rto_counts;
        self.rto_kept += other.rto_kept;
    }
}

/// Which times cells come with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// None: for rates.
    None,
    /// Recovery times.
    Recovery,
    /// Recovery and detection times.
    All,
}

/// What one workload did in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfWorkload {
    /// The workload.
    pub name: String,
    /// The name of the fingerprint.
    pub fingerprint: String,
    /// The trials of all scenarios that put it to the test.
    pub sums: Sums,
}

impl History {
    /// The cells of a window, by scenario, class, fingerprint, week and RTO, with those times that are asked for: gathering them is
    /// what takes long.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn cells(&mut self, window: &Window, times: Times) -> Result<Vec<Cell>, HistoryError> {
        let (recoveries, detections) = (times != Times::None, times == Times::All);
        self.sums_of(
            window,
            &[i64::from(recoveries), i64::from(detections)],
            "SELECT t.scenario, t.class, t.fingerprint, t.week, t.rto, COUNT(DISTINCT t.run_id), MAX(t.started), \
             CAST(SUM(t.trials) AS BIGINT), CAST(SUM(t.valid) AS BIGINT), CAST(SUM(t.expected) AS BIGINT), \
             CAST(SUM(t.rto_counts) AS BIGINT), CAST(SUM(t.rto_kept) AS BIGINT), \
             COALESCE(string_agg(CASE WHEN $7 = 1 THEN NULLIF(t.recoveries, '') END, ';'), ''), \
             COALESCE(string_agg(CASE WHEN $8 = 1 THEN NULLIF(t.detections, '') END, ';'), '') \
             FROM tallies t WHERE t.week >= $5 AND t.week <= $6 AND t.started >= $1 AND t.started < $2 \
             AND ($3 = '' OR t.run_id IN (SELECT run_id FROM labels WHERE name = $3 AND value = $4)) \
             GROUP BY t.week, t.scenario, t.fingerprint, t.class, t.rto",
            cell,
        )
        .map(|mut cells| {
            cells.sort_by(|a, b| a.place().cmp(&b.place()));
            cells
        })
    }

    /// The sums of a window by workload and fingerprint: a trial counts for each workload that its scenario puts to the test. Times are
    /// left out: over scenarios they say nothing, and gathering them is what takes long.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn workloads(&mut self, window: &Window) -> Result<Vec<OfWorkload>, HistoryError> {
        self.sums_of(
            window,
            &[],
            "SELECT w.workload, t.fingerprint, CAST(SUM(t.trials) AS BIGINT), CAST(SUM(t.valid) AS BIGINT), \
             CAST(SUM(t.expected) AS BIGINT), CAST(SUM(t.rto_counts) AS BIGINT), CAST(SUM(t.rto_kept) AS BIGINT) \
             FROM tallies t JOIN workloads w ON w.run_id = t.run_id AND w.scenario = t.scenario \
             WHERE t.week >= $5 AND t.week <= $6 AND t.started >= $1 AND t.started < $2 \
             AND ($3 = '' OR t.run_id IN (SELECT run_id FROM labels WHERE name = $3 AND value = $4)) \
             GROUP BY 1, 2 ORDER BY 1, 2",
            |row| Ok(OfWorkload { name: row.try_get(0)?, fingerprint: row.try_get(1)?, sums: sums(row, 2)? }),
        )
    }

    /// Asks about a window; its bounds, its label and its first and last week are the statement's first parameters.
    pub(super) fn sums_of<T>(
        &mut self,
        window: &Window,
        more: &[i64],
        statement: &'static str,
        read: fn(&AnyRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, HistoryError> {
        let (name, value) = window.label();
        self.read(async |connection: &mut AnyConnection| {
            let query = sqlx::query(statement).bind(window.since).bind(window.until).bind(name.clone()).bind(value.clone());
            let query = query.bind(week(window.since)).bind(week(window.until));
            let query = more.iter().fold(query, |query, value| query.bind(*value));
            query.fetch_all(connection).await?.iter().map(read).collect()
        })
    }
}

fn cell(row: &AnyRow) -> Result<Cell, sqlx::Error> {
    Ok(Cell {
        name: row.try_get(0)?,
        class: row.try_get(1)?,
        fingerprint: row.try_get(2)?,
        week: row.try_get(3)?,
        rto: row.try_get(4)?,
        runs: row.try_get(5)?,
        last: row.try_get(6)?,
        sums: sums(row, 7)?,
        recoveries: samples(row.try_get(12)?),
        detections: samples(row.try_get(13)?),
    })
}

/// The five counts from a position on.
fn sums(row: &AnyRow, from: usize) -> Result<Sums, sqlx::Error> {
    let count = |position: usize| row.try_get::<i64, _>(from + position).map(|n| usize::try_from(n).unwrap_or(0));
    Ok(Sums { trials: count(0)?, valid: count(1)?, expected: count(2)?, rto_counts: count(3)?, rto_kept: count(4)? })
}

/// Times as `tallies` keeps them.
fn samples(text: &str) -> Vec<Sample> {
    let sample = |text: &str| {
        let mut parts = text.split(':');
        let value = parts.next()?.parse().ok()?;
        let uncertainty = parts.next()?.parse().ok()?;
        Some(Sample { value, uncertainty, censored: parts.next()? == "1" })
    };
    text.split(';').filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_as_they_are_kept() {
        let read = samples("1.5:0.01:0;300.0:0.0:1;-0.25:0.1:0");
        assert_eq!(
            read.iter().map(|one| (one.value, one.censored)).collect::<Vec<_>>(),
            [(1.5, false), (300.0, true), (-0.25, false)]
        );
        assert!(samples("").is_empty());
    }
}
