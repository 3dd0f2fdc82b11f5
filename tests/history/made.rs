//! Runs made by hand: so many trials of a scenario, these verdicts, that week.

use comeback::history::record::{RunRecord, ScenarioRecord};
use comeback::measure::result::{Durations, Fingerprint, Measured, Outcome, Stamp, Stamps, TrialResult};
use comeback::scenario::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// Monday, 2 November 2026, noon, in microseconds since 1970.
pub const MONDAY: i64 = 1_793_620_800_000_000;
/// Microseconds of a week.
pub const WEEK: i64 = 7 * 86_400_000_000;

/// A complete run.
pub fn run(id: &str, started: i64) -> RunRecord {
    RunRecord {
        id: id.to_owned(),
        version: "0.1.0".to_owned(),
        started,
        finished: Some(started + 60_000_000),
        seed: u64::MAX,
        command: vec!["comeback".to_owned(), "run".to_owned()],
        provider: "kind".to_owned(),
        cluster: "ci".to_owned(),
        fingerprint: Fingerprint { kubernetes: "v1.36.2".to_owned(), nodes: 3, ..Fingerprint::default() },
        complete: true,
        outcome: Some(Outcome::Passed),
        exit_code: Some(0),
        expected_trials: 3,
        labels: BTreeMap::from([("git.branch".to_owned(), "main".to_owned()), ("git.commit".to_owned(), format!("c{id}"))]),
    }
}

/// A scenario with an RTO of a minute.
pub fn scenario(name: &str) -> ScenarioRecord {
    ScenarioRecord {
        name: name.to_owned(),
        file: format!("{name}.yaml"),
        labels: BTreeMap::from([("class".to_owned(), "crash".to_owned())]),
        summary: "x".to_owned(),
        expect: vec![Verdict::Recovered],
        rto: Some(60.0),
        detect: Some(("crash".to_owned(), 30.0)),
        workloads: BTreeSet::from(["deployment/pool".to_owned()]),
        outcome: Some((Outcome::Passed, "as expected".to_owned())),
    }
}

/// A trial that recovered after so many seconds: late, where that is more than a minute.
pub fn recovered(index: u32, seconds: f64) -> TrialResult {
    let verdict = if seconds <= 60.0 { Verdict::Recovered } else { Verdict::Late };
    let exact = |value| Some(Measured { value, uncertainty: 0.25, censored: false });
    TrialResult {
        durations: Durations { to_detect: exact(seconds / 4.0), to_recover: exact(seconds), ..Durations::default() },
        stamps: Stamps {
            requested: Some(Stamp { at: 10.0, earliest: 10.0, server: None }),
            stable_from: Some(Stamp {
                at: 10.0 + seconds,
                earliest: 9.5 + seconds,
                server: Some("2026-11-02T12:00:10Z".to_owned()),
            }),
            ..Stamps::default()
        },
        ..TrialResult::without_measurements(index, u64::from(index), verdict, "recovered")
    }
}

/// A trial that never recovered.
pub fn unrecovered(index: u32) -> TrialResult {
    let never = Some(Measured { value: 300.0, uncertainty: 0.0, censored: true });
    TrialResult {
        durations: Durations { to_recover: never, ..Durations::default() },
        ..TrialResult::without_measurements(index, 1, Verdict::Unrecovered, "never Ready")
    }
}
