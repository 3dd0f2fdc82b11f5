//! Stability. Of a scenario, or of a workload that scenarios put to the test: the share of valid trials that went as expected. Of a
//! namespace, or of a workload that is only watched: the share of days on which somebody looked and saw nothing wrong. Both times 100,
//! with Wilson's interval; lists are sorted by its lower bound, so that little evidence never looks like stability.

use super::change::Trials;
use super::query::cells::{Cell, OfWorkload};
use super::query::looks::Watched;
use crate::measure::result::Rate;
use crate::measure::statistics::{CONFIDENCE, rate};
use serde::Serialize;
use std::collections::BTreeMap;

/// The stability of something.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StabilityRow {
    /// The scenario, workload, or namespace (with its cluster).
    pub name: String,
    /// The name of the environment's fingerprint; absent for what was watched, not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What is counted: `trials` or `days`.
    pub of: &'static str,
    /// 100 k/n; absent for n = 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// k of n and its interval.
    pub rate: Rate,
}

fn row(name: String, fingerprint: Option<String>, of: &'static str, k: usize, n: usize) -> StabilityRow {
    let rate = rate(k, n, CONFIDENCE);
    StabilityRow { name, fingerprint, of, score: rate.observed.map(|share| (share * 1000.0).round() / 10.0), rate }
}

/// Of what was tried, by name and environment, the least stable first.
#[must_use]
pub fn of_trials(cells: &[Cell]) -> Vec<StabilityRow> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        groups.entry((&cell.name, &cell.fingerprint)).or_default().push(cell);
    }
    let of_group = |((name, fingerprint), cells): ((&str, &str), Vec<&Cell>)| {
        let sums = Trials::of(cells).sums;
        row(name.to_owned(), Some(fingerprint.to_owned()), "trials", sums.expected, sums.valid)
    };
    sorted(groups.into_iter().map(of_group).collect())
}

/// Of workloads that scenarios put to the test, the least stable first.
#[must_use]
pub fn of_workloads(workloads: &[OfWorkload]) -> Vec<StabilityRow> {
    let of = |one: &OfWorkload| row(one.name.clone(), Some(one.fingerprint.clone()), "trials", one.sums.expected, one.sums.valid);
    sorted(workloads.iter().map(of).collect())
}

/// Of what was watched, the least stable first.
#[must_use]
pub fn of_days(watched: &[Watched]) -> Vec<StabilityRow> {
    sorted(
        watched.iter().map(|one| row(one.name.clone(), None, "days", one.days - one.troubled.min(one.days), one.days)).collect(),
    )
}

fn sorted(mut rows: Vec<StabilityRow>) -> Vec<StabilityRow> {
    rows.sort_by(|a, b| a.rate.lower.total_cmp(&b.rate.lower).then_with(|| a.name.cmp(&b.name)));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::trend::tests::cell;

    #[test]
    fn the_least_stable_come_first_and_little_evidence_is_not_stability() {
        let mut few = cell("few", "f", 1, 1, 1.0);
        few.sums.valid = 1;
        let rows = of_trials(&[cell("good", "f", 1, 20, 1.0), few, cell("bad", "f", 1, 1, 1.0)]);
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["bad", "few", "good"]);
        assert_eq!(rows[1].score, Some(100.0));
        assert!(rows[1].rate.lower < 0.3);
    }

    #[test]
    fn days_that_nobody_looked_on_do_not_count() {
        let rows = of_days(&[
            Watched { name: "prod/shop".into(), days: 10, troubled: 2 },
            Watched { name: "prod/x".into(), days: 0, troubled: 0 },
        ]);
        assert_eq!((rows[0].name.as_str(), rows[0].score), ("prod/x", None));
        assert_eq!(rows[1].score, Some(80.0));
    }
}
