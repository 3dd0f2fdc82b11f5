//! `comeback report rto`: by class and scenario the target, what was observed, and how often the target was kept. Pure.
//! A row is one scenario in one environment under one target: where either changed, there are several, and nothing is mixed.

use super::change::{Change, Trials, changes};
use super::query::cells::Cell;
use super::time;
use crate::measure::result::{Distribution, Fingerprint, Rate};
use crate::measure::statistics::{CONFIDENCE, distribution, rate};
use serde::Serialize;
use std::collections::BTreeMap;

/// The report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RtoReport {
    /// From when on, RFC 3339; absent: from the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Classes in the environments of their latest runs.
    pub classes: Vec<RtoRow>,
    /// Scenarios, by class, the latest environment and target first.
    pub scenarios: Vec<RtoRow>,
    /// Environments by their names.
    pub environments: BTreeMap<String, Environment>,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// In a few words.
    pub text: String,
    /// Whether time and behaviour were simulated.
    pub simulated: bool,
}

/// A class or a scenario, in one environment, under one target.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RtoRow {
    /// The class; empty without one.
    pub class: String,
    /// The scenario; absent in the row of a class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The RTO in seconds; absent without one, or where the scenarios of a class have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// The name of the environment's fingerprint.
    pub fingerprint: String,
    /// Whether environment and target are those of the latest run; the others are what was before.
    pub latest: bool,
    /// What changed since this row; empty in the latest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub superseded_by: Vec<String>,
    /// Runs.
    pub runs: i64,
    /// The day of the last of them.
    pub last: String,
    /// Times from effect to the right finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection: Option<Distribution>,
    /// Times from effect to recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Distribution>,
    /// Trials within the RTO, of all valid ones; time-outs are misses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within_rto: Option<Rate>,
    /// The latest week against those before it.
    pub change: Change,
}

/// Class, scenario, fingerprint and the bits of the RTO.
type Key<'a> = (&'a str, &'a str, &'a str, Option<u64>);
type Group<'a> = (Key<'a>, Vec<&'a Cell>);

/// The report of these cells.
#[must_use]
pub fn report(cells: &[Cell], fingerprints: &[(String, Fingerprint)], since: Option<i64>) -> RtoReport {
    let mut groups: BTreeMap<Key<'_>, Vec<&Cell>> = BTreeMap::new();
    // A control, or a scenario without an RTO, has nothing to keep.
    for cell in cells.iter().filter(|cell| cell.rto.is_some()) {
        groups.entry((&cell.class, &cell.name, &cell.fingerprint, cell.rto.map(f64::to_bits))).or_default().push(cell);
    }
    let groups: Vec<Group<'_>> = groups.into_iter().collect();
    let pairs: Vec<(Trials, Trials)> = groups.iter().map(|(_, cells)| latest_week(cells)).collect();
    let changes = changes(&pairs);
    let newest =
        |name: &str| groups.iter().filter(|(key, _)| key.1 == name).max_by_key(|(_, cells)| last(cells)).map(|(key, _)| *key);
    let mut scenarios: Vec<RtoRow> = groups
        .iter()
        .zip(&pairs)
        .zip(changes)
        .map(|(((key, cells), (later, earlier)), change)| {
            let latest = newest(key.1);
            let superseded_by = latest.map_or_else(Vec::new, |latest| differences(key, &latest));
            let target = key.3.map(f64::from_bits);
            let row = row(key.0, Some(key.1), target, key.2, cells, &[later, earlier]);
            RtoRow { latest: superseded_by.is_empty(), superseded_by, change, ..row }
        })
        .collect();
    scenarios.sort_by(|a, b| {
        (&a.class, &a.scenario, b.latest, &b.last, &a.fingerprint).cmp(&(
            &b.class,
            &b.scenario,
            a.latest,
            &a.last,
            &b.fingerprint,
        ))
    });
    RtoReport {
        since: since.map(time::rfc3339),
        classes: classes(&groups, &pairs, &newest),
        scenarios,
        environments: fingerprints
            .iter()
            .filter(|(id, _)| cells.iter().any(|cell| cell.fingerprint == *id))
            .map(|(id, fingerprint)| (id.clone(), environment(fingerprint)))
            .collect(),
    }
}

/// Classes, of the latest rows of their scenarios alone, by environment.
fn classes<'a>(groups: &[Group<'a>], pairs: &[(Trials, Trials)], newest: &impl Fn(&str) -> Option<Key<'a>>) -> Vec<RtoRow> {
    type Member<'m, 'a> = (&'m Group<'a>, &'m (Trials, Trials));
    let mut classes: BTreeMap<(&str, &str), Vec<Member<'_, 'a>>> = BTreeMap::new();
    for (group, pair) in groups.iter().zip(pairs).filter(|((key, _), _)| key.3.is_some() && newest(key.1) == Some(*key)) {
        classes.entry((group.0.0, group.0.2)).or_default().push((group, pair));
    }
    let of_class = |((class, fingerprint), members): ((&str, &str), Vec<Member<'_, 'a>>)| {
        let first = members.first().and_then(|((key, _), _)| key.3);
        let target = first.filter(|bits| members.iter().all(|((key, _), _)| key.3 == Some(*bits))).map(f64::from_bits);
        let cells: Vec<&Cell> = members.iter().flat_map(|((_, cells), _)| cells.iter().copied()).collect();
        let trials: Vec<&Trials> = members.iter().flat_map(|(_, (later, earlier))| [later, earlier]).collect();
        let runs = members.iter().map(|((_, cells), _)| cells.iter().map(|cell| cell.runs).sum()).max().unwrap_or(0);
        // Scenarios differ from each other: their times are not one sample, and have no common trend.
        RtoRow { runs, ..row(class, None, target, fingerprint, &cells, &trials) }
    };
    classes.into_iter().map(of_class).collect()
}

/// The row of these trials, as if it were the latest and nothing had changed.
fn row(
    class: &str,
    scenario: Option<&str>,
    target: Option<f64>,
    fingerprint: &str,
    cells: &[&Cell],
    trials: &[&Trials],
) -> RtoRow {
    let trials = Trials::together(trials.iter().copied());
    RtoRow {
        class: class.to_owned(),
        scenario: scenario.map(str::to_owned),
        target,
        fingerprint: fingerprint.to_owned(),
        latest: true,
        superseded_by: Vec::new(),
        runs: cells.iter().map(|cell| cell.runs).sum(),
        last: time::date(last(cells)),
        detection: distribution(&trials.detections),
        recovery: distribution(&trials.recoveries),
        within_rto: (trials.sums.rto_counts > 0).then(|| rate(trials.sums.rto_kept, trials.sums.rto_counts, CONFIDENCE)),
        change: Change::default(),
    }
}

fn differences(this: &Key<'_>, latest: &Key<'_>) -> Vec<String> {
    let environment = (this.2 != latest.2).then(|| "environment".to_owned());
    let target = (this.3 != latest.3).then(|| "target".to_owned());
    let class = (this.0 != latest.0).then(|| "class".to_owned());
    environment.into_iter().chain(target).chain(class).collect()
}

fn last(cells: &[&Cell]) -> i64 {
    cells.iter().map(|cell| cell.last).max().unwrap_or(i64::MIN)
}

/// The trials of the latest week, and those of all weeks before it.
fn latest_week(cells: &[&Cell]) -> (Trials, Trials) {
    let week = cells.iter().map(|cell| cell.week).max();
    let of = |latest: bool| Trials::of(cells.iter().copied().filter(|cell| (Some(cell.week) == week) == latest));
    (of(true), of(false))
}

fn environment(fingerprint: &Fingerprint) -> Environment {
    let nodes = if fingerprint.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", fingerprint.nodes) };
    let simulated = if fingerprint.simulated { "simulated " } else { "" };
    let more: Vec<String> = fingerprint.properties.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let more = if more.is_empty() { String::new() } else { format!(", {}", more.join(", ")) };
    Environment { text: format!("{simulated}{}, {nodes}{more}", fingerprint.kubernetes), simulated: fingerprint.simulated }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::trend::tests::cell;

    #[test]
    fn environments_and_targets_are_never_mixed() {
        let mut slower = cell("a", "new", 12, 20, 5.0);
        slower.rto = Some(60.0);
        let mut control = cell("control", "new", 12, 20, 5.0);
        control.rto = None;
        let b = cell("b", "new", 12, 18, 5.0);
        let cells = [cell("a", "old", 10, 10, 5.0), cell("a", "new", 11, 20, 5.0), slower, b, control];
        let report = report(&cells, &[("new".into(), Fingerprint::default()), ("unused".into(), Fingerprint::default())], None);
        let of_a: Vec<_> = report
            .scenarios
            .iter()
            .filter(|row| row.scenario.as_deref() == Some("a"))
            .map(|row| (row.target, row.superseded_by.join(" "), row.within_rto.as_ref().map(|rate| rate.successes)))
            .collect();
        assert_eq!(
            of_a,
            [
                (Some(60.0), String::new(), Some(20)),
                (Some(30.0), "target".to_owned(), Some(20)),
                (Some(30.0), "environment target".to_owned(), Some(10)),
            ]
        );
        // a under 60 s and b under 30 s: 38 of 40, and no common target.
        let class = &report.classes[0];
        assert_eq!((class.target, class.within_rto.as_ref().map(|rate| (rate.successes, rate.n))), (None, Some((38, 40))));
        assert_eq!(report.environments.len(), 1);
        assert_eq!(report.scenarios.len(), 4, "a control has no RTO");
    }
}
