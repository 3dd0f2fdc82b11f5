//! `comeback history trend`: each scenario's weeks in each environment, and whether the last one differs from the one before. Pure.
//! Weeks of different environments are never compared.

use super::change::{Change, Trials, changes};
use super::query::cells::Cell;
use super::time;
use crate::measure::result::{Distribution, Rate};
use crate::measure::statistics::{CONFIDENCE, distribution, rate};
use serde::Serialize;
use std::collections::BTreeMap;

/// A scenario in an environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrendRow {
    /// The scenario.
    pub scenario: String,
    /// Its class.
    pub class: String,
    /// The name of the environment's fingerprint.
    pub fingerprint: String,
    /// Whether it is the environment of the scenario's latest run.
    pub latest: bool,
    /// Its weeks, oldest first; weeks without a run are left out.
    pub weeks: Vec<WeekRow>,
    /// From the last week but one to the last.
    pub change: Change,
}

/// A week.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WeekRow {
    /// Its Monday.
    pub monday: String,
    /// Trials that went as expected.
    pub success_rate: Rate,
    /// Trials within the RTO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_rto: Option<Rate>,
    /// Recovery times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Distribution>,
}

/// The trends of these cells, by scenario, the latest environment first.
#[must_use]
pub fn trends(cells: &[Cell]) -> Vec<TrendRow> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        groups.entry((&cell.name, &cell.fingerprint)).or_default().push(cell);
    }
    let mut latest: BTreeMap<&str, i64> = BTreeMap::new();
    for cell in cells {
        let last = latest.entry(&cell.name).or_insert(i64::MIN);
        *last = (*last).max(cell.last);
    }
    let weeks: Vec<BTreeMap<i64, Trials>> = groups.values().map(|cells| by_week(cells)).collect();
    let pairs: Vec<(Trials, Trials)> = weeks
        .iter()
        .map(|weeks| {
            let mut newest = weeks.values().rev();
            (newest.next().cloned().unwrap_or_default(), newest.next().cloned().unwrap_or_default())
        })
        .collect();
    let mut rows: Vec<TrendRow> = groups
        .iter()
        .zip(weeks.iter().zip(changes(&pairs)))
        .map(|(((scenario, fingerprint), cells), (weeks, change))| TrendRow {
            scenario: (*scenario).to_owned(),
            class: cells.last().map(|cell| cell.class.clone()).unwrap_or_default(),
            fingerprint: (*fingerprint).to_owned(),
            latest: cells.iter().any(|cell| latest.get(scenario) == Some(&cell.last)),
            weeks: weeks.iter().map(|(week, trials)| week_row(*week, trials)).collect(),
            change,
        })
        .collect();
    rows.sort_by(|a, b| a.scenario.cmp(&b.scenario).then(b.latest.cmp(&a.latest)).then(a.fingerprint.cmp(&b.fingerprint)));
    rows
}

fn by_week(cells: &[&Cell]) -> BTreeMap<i64, Trials> {
    let mut weeks: BTreeMap<i64, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        weeks.entry(cell.week).or_default().push(cell);
    }
    weeks.into_iter().map(|(week, cells)| (week, Trials::of(cells))).collect()
}

fn week_row(week: i64, trials: &Trials) -> WeekRow {
    let sums = &trials.sums;
    WeekRow {
        monday: time::date(time::monday(week)),
        success_rate: rate(sums.expected, sums.valid, CONFIDENCE),
        within_rto: (sums.rto_counts > 0).then(|| rate(sums.rto_kept, sums.rto_counts, CONFIDENCE)),
        recovery: distribution(&trials.recoveries),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::history::change::Direction;
    use crate::history::query::cells::Sums;
    use crate::measure::statistics::Sample;

    pub(crate) fn cell(name: &str, fingerprint: &str, week: i64, expected: usize, seconds: f64) -> Cell {
        let recoveries = (0..20)
            .map(|index| Sample { value: seconds + f64::from(index) / 100.0, uncertainty: 0.001, censored: false })
            .collect();
        Cell {
            name: name.into(),
            class: "crash".into(),
            fingerprint: fingerprint.into(),
            week,
            rto: Some(30.0),
            runs: 2,
            last: time::monday(week),
            sums: Sums { trials: 20, valid: 20, expected, rto_counts: 20, rto_kept: expected },
            recoveries,
            detections: Vec::new(),
        }
    }

    #[test]
    fn weeks_of_different_environments_are_not_compared() {
        let cells = [
            cell("a", "old", 10, 20, 5.0),
            cell("a", "new", 11, 2, 50.0),
            cell("b", "old", 10, 20, 5.0),
            cell("b", "old", 12, 2, 50.0),
        ];
        let rows = trends(&cells);
        let found: Vec<_> =
            rows.iter().map(|row| (row.scenario.as_str(), row.fingerprint.as_str(), row.latest, row.change.success)).collect();
        assert_eq!(
            found,
            [("a", "new", true, Direction::TooFew), ("a", "old", false, Direction::TooFew), ("b", "old", true, Direction::Worse)]
        );
        assert_eq!(rows[2].change.recovery, Direction::Worse);
        assert_eq!(rows[2].weeks.len(), 2);
    }
}
