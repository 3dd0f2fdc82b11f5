//! Whole runs on the embedded cluster: every shipped scenario passes, is judged alike live and from its saved timeline,
//! and gives the same timeline for the same seed, whatever runs beside it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "embedded/chaos.rs"]
mod chaos;
#[path = "embedded/detectors.rs"]
mod detectors;
#[path = "embedded/faults.rs"]
mod faults;
#[path = "embedded/healing.rs"]
mod healing;
#[path = "embedded/lagging.rs"]
mod lagging;
#[path = "embedded/nodes.rs"]
mod nodes;
#[path = "embedded/others.rs"]
mod others;
#[path = "embedded/several.rs"]
mod several;
#[path = "embedded/strategies.rs"]
mod strategies;
#[path = "embedded/told.rs"]
mod told;
#[path = "embedded/traps.rs"]
mod traps;
#[path = "embedded/workload.rs"]
mod workload;

use comeback::cluster::select::{self, ClusterChoice, ClusterOptions};
use comeback::engine::{self, RunRequest, saved};
use comeback::measure::result::{Outcome, RunResult};
use comeback::scenario::{self, Plan, Verdict};
use std::path::Path;
use tokio::sync::watch;

/// A run of nothing on the embedded cluster.
fn request() -> RunRequest {
    RunRequest {
        plans: Vec::new(),
        skipped: Vec::new(),
        shard: None,
        gate: None,
        cluster: select::connect(&ClusterChoice::Embedded, &ClusterOptions::default()).unwrap(),
        id: "test".to_owned(),
        seed: 1,
        concurrency: 1,
        directory: std::path::PathBuf::new(),
        command: Vec::new(),
        fail_fast: false,
        keep_on_failure: false,
        safety: engine::safety::Safety::default(),
        inventory: std::sync::Arc::default(),
        known: std::collections::BTreeMap::new(),
    }
}

fn run(paths: &[&str], directory: &Path, seed: u64, concurrency: usize, trials: Option<u32>) -> RunResult {
    run_from(paths, directory, (seed, 0), concurrency, trials)
}

fn run_from(
    paths: &[&str],
    directory: &Path,
    (seed, first_trial): (u64, u32),
    concurrency: usize,
    trials: Option<u32>,
) -> RunResult {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let loaded =
        scenario::load(&paths, &scenario::LoadOptions { trials, ..Default::default() }).expect("shipped scenarios are valid");
    std::fs::create_dir_all(directory).unwrap();
    let request = RunRequest {
        plans: loaded.plans.into_iter().map(|plan| std::sync::Arc::new(Plan { first_trial, ..(*plan).clone() })).collect(),
        gate: Some(engine::GateRequest { targets: loaded.gate, ..Default::default() }),
        seed,
        concurrency,
        directory: directory.to_owned(),
        ..request()
    };
    let (_keep, stop) = watch::channel(None);
    let result = engine::run(&request, &stop, &mut |_| {});
    std::fs::write(directory.join("result.json"), serde_json::to_vec(&result).unwrap()).unwrap();
    result
}

/// Everything that a judgement says, without what only the live run knows.
fn judged(result: &RunResult) -> Vec<(String, u32, Verdict, String, String)> {
    let trial = |name: &str, trial: &comeback::measure::result::TrialResult| {
        let rest = serde_json::to_string(&(
            &trial.stamps,
            &trial.durations,
            &trial.findings,
            &trial.actions,
            &trial.healed_by,
            &trial.notes,
        ))
        .unwrap();
        (name.to_owned(), trial.index, trial.verdict, trial.reason.clone(), rest)
    };
    result.scenarios.iter().flat_map(|scenario| scenario.trials.iter().map(|t| trial(&scenario.name, t))).collect()
}

fn timelines(directory: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(directory.join("timelines")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_shipped_scenario_passes_for_several_seeds_and_is_judged_alike_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let result = run(&["builtin:gate"], folder.path(), 1, 2, Some(3));
    let failed: Vec<_> = result
        .scenarios
        .iter()
        .filter(|scenario| scenario.outcome != Outcome::Passed)
        .map(|s| format!("{}: {}", s.name, s.reason))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!((result.exit_code, result.complete), (0, true));
    let unknown: Vec<_> = result
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.trials.iter().map(move |trial| (&scenario.name, trial)))
        .filter(|(_, trial)| trial.healed_by.as_ref().is_some_and(|healed| healed.who == comeback::measure::result::Who::Unknown))
        .map(|(name, trial)| format!("{name}: {:?}", trial.healed_by))
        .collect();
    assert!(unknown.is_empty(), "nobody else is there to heal: {}", unknown.join("\n"));
    assert!(
        result
            .scenarios
            .iter()
            .all(|scenario| scenario.trials.iter().all(|trial| trial.leftovers.is_empty() && trial.stamps.restored.is_some()))
    );
    let again = saved::judge_run(folder.path(), &|reference| Err(format!("{reference} was not asked for"))).unwrap();
    assert_eq!(judged(&result), judged(&again));
    assert_eq!((again.exit_code, again.summary), (result.exit_code, result.summary));
}

#[test]
fn one_seed_gives_one_timeline_whatever_runs_beside_it() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&["scenarios"], a.path(), 42, 1, Some(1));
    run(&["scenarios"], b.path(), 42, 3, Some(1));
    let (a, b) = (timelines(a.path()), timelines(b.path()));
    assert_eq!(a.len(), b.len());
    for ((name, first), (_, second)) in a.iter().zip(&b) {
        let parted = first.lines().zip(second.lines()).position(|(x, y)| x != y);
        assert!(first == second, "{name} parts at line {parted:?}");
    }
}

#[test]
fn a_trial_of_a_search_can_be_repeated_alone() {
    let (all, one) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&["builtin:crash/after-config-change"], all.path(), 7, 2, Some(4));
    let alone = run_from(&["builtin:crash/after-config-change"], one.path(), (7, 3), 1, Some(1));
    assert_eq!(alone.scenarios[0].trials[0].index, 3);
    let alone = timelines(one.path());
    assert_eq!(alone.len(), 1);
    assert!(timelines(all.path()).contains(&alone[0]));
}

/// A run that an earlier attempt had begun: what it finished counts as it was, and only the rest is tried.
#[test]
fn what_an_earlier_attempt_has_finished_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, resumed) = (folder.path().join("whole"), folder.path().join("resumed"));
    let all = run_from(&["builtin:crash-after-rollout", "builtin:control-healthy"], &whole, (5, 0), 2, Some(3));
    let loaded = scenario::load(
        &["builtin:crash-after-rollout".to_owned(), "builtin:control-healthy".to_owned()],
        &scenario::LoadOptions { trials: Some(3), ..Default::default() },
    )
    .unwrap();
    // Two trials of the one, all of the other: it is over before anything begins.
    let known = all
        .scenarios
        .iter()
        .flat_map(|scenario| scenario.trials.iter().map(|trial| ((scenario.name.clone(), trial.index), trial.clone())));
    let known: std::collections::BTreeMap<_, _> =
        known.filter(|((name, index), _)| name == "control-healthy" || *index != 1).collect();
    assert_eq!(known.len(), 5);
    std::fs::create_dir_all(&resumed).unwrap();
    let request = RunRequest { plans: loaded.plans, seed: 5, concurrency: 2, directory: resumed.clone(), known, ..request() };
    let (_keep, stop) = watch::channel(None);
    let mut begun = Vec::new();
    let result = engine::run(&request, &stop, &mut |event| {
        if let comeback::event::RunEvent::TrialStarted { scenario, trial } = event {
            begun.push((*scenario, *trial));
        }
    });
    assert_eq!(begun, [(0, 1)]);
    assert_eq!(judged(&result), judged(&all));
    assert!(result.complete && result.expected == all.expected && result.summary == all.summary);
    assert_eq!(timelines(&resumed).len(), 1, "only what was tried has a timeline here");
}
