//! Whole runs on the embedded cluster, from outside: what stands where, for people and for programs.

use super::{comeback, folder, output};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The only run directory below the working directory.
fn only_run(folder: &Path) -> PathBuf {
    let runs: Vec<_> = std::fs::read_dir(folder.join(".comeback/runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

#[test]
fn json_alone_is_on_stdout_and_equals_the_result_file() {
    let folder = folder();
    let (code, stdout, stderr) =
        output(comeback(folder.path()).args(["run", "builtin:crashy-app", "--seed", "7", "--report", "json"]));
    assert_eq!(code, 0, "{stderr}");
    let result = parse(&stdout);
    assert_eq!(result, parse(&std::fs::read_to_string(only_run(folder.path()).join("result.json")).unwrap()));
    assert_eq!((&result["complete"], &result["exitCode"]), (&true.into(), &0.into()));
    assert_eq!(result["run"]["seed"], 7);
    assert_eq!(result["run"]["command"][1], "run");
    let at = |field: &str| result["run"][field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(at("startedAt") < at("finishedAt"));
    let timeline = result["scenarios"][0]["trials"][0]["timeline"].as_str().unwrap();
    assert!(only_run(folder.path()).join(timeline).is_file(), "{timeline}");
}

#[test]
fn a_saved_run_is_judged_as_it_was() {
    let folder = folder();
    let run = ["run", "builtin:crashy-app", "builtin:pod-deleted", "builtin:control-healthy", "--trials", "2", "--out", "here"];
    let (code, _, stderr) =
        output(comeback(folder.path()).args(run).args(["--report", "junit=run.xml", "--report", "json=run.json"]));
    assert_eq!(code, 0, "{stderr}");
    let judge = ["judge", "here", "--report", "junit=judge.xml", "--report", "json=judge.json"];
    let (code, stdout, stderr) = output(comeback(folder.path()).args(judge));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("PASSED (simulated): 3 of 3 scenarios passed"), "{stdout}");
    for (run, judge) in [("run.xml", "judge.xml"), ("run.json", "judge.json")] {
        let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read(run), read(judge));
    }
}

#[test]
fn a_trial_that_was_repeated_alone_is_judged_again_and_a_strangers_timeline_is_not() {
    let folder = folder();
    let run = ["run", "builtin:crashy-app", "--seed", "7", "--trial", "3", "--out", "here"];
    assert_eq!(output(comeback(folder.path()).args(run)).0, 0);
    let judge = || output(comeback(folder.path()).args(["judge", "here"]));
    let (code, stdout, stderr) = judge();
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let timeline = folder.path().join("here/timelines/crashy-app-3.jsonl");
    let other = ["run", "builtin:pod-deleted", "--out", "other"];
    assert_eq!(output(comeback(folder.path()).args(other)).0, 0);
    std::fs::copy(folder.path().join("other/timelines/pod-deleted-0.jsonl"), timeline).unwrap();
    let (code, stdout, _) = judge();
    assert_eq!(code, 4, "{stdout}");
    assert!(stdout.contains("its timeline is that of trial 0 of pod-deleted"), "{stdout}");
}

#[test]
fn a_new_scenario_runs_as_it_is() {
    let folder = folder();
    let (code, _, stderr) = output(comeback(folder.path()).args(["new", "mine"]));
    assert_eq!(code, 0, "{stderr}");
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["run", "mine.yaml", "--no-progress"]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("mine"), "{stdout}");
}

#[test]
fn a_missed_objective_is_exit_code_1_and_says_how_to_try_it_again() {
    let folder = folder();
    let scenario = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: { name: never }\nspec:\n  summary: Nobody heals it\n  workload:\n    inline:\n      - apiVersion: apps/v1\n        kind: Deployment\n        metadata: { name: app }\n        spec:\n          selector: { matchLabels: { app: app } }\n          template:\n            metadata: { labels: { app: app } }\n            spec: { containers: [ { name: app, image: busybox, command: [sh, -c, exit 1] } ] }\n  effect: { until: [ { restarts: { deployment: app, atLeast: 1 } } ] }\n  recover: { rto: 30s, within: 2m }\n";
    std::fs::write(folder.path().join("never.yaml"), scenario).unwrap();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["run", "never.yaml", "--seed", "3"]));
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("FAILED (simulated)") && stdout.contains("exit code 1: failed: never"), "{stdout}");
    assert!(stdout.contains("comeback run never.yaml --seed 3 --trial 0"), "{stdout}");
}

#[test]
fn what_the_cluster_lacks_is_skipped_with_the_reason_and_nothing_else_is_inconclusive() {
    let folder = folder();
    let scenario = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: { name: mine }\nspec:\n  summary: An image \
        whose program nobody knows\n  workload:\n    inline:\n      - apiVersion: apps/v1\n        kind: Deployment\n        \
        metadata: { name: app }\n        spec:\n          selector: { matchLabels: { app: app } }\n          template:\n            \
        metadata: { labels: { app: app } }\n            spec: { containers: [{ name: app, image: \"example.com/unknown:1\" }] }\n  \
        fault: [{ deletePods: { deployment: app } }]\n";
    std::fs::write(folder.path().join("mine.yaml"), scenario).unwrap();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["run", "mine.yaml"]));
    assert_eq!(code, 4, "{stdout}{stderr}");
    assert!(stdout.contains("skipped: mine: ") && stdout.contains("example.com/unknown:1"), "{stdout}");
    assert!(stdout.contains("nothing ran"), "{stdout}");
}

#[test]
fn no_color_and_pipes_have_no_escapes_and_color_can_be_forced() {
    let folder = folder();
    let (_, stdout, stderr) = output(comeback(folder.path()).args(["run", "builtin:pod-deleted"]));
    assert!(!format!("{stdout}{stderr}").contains('\u{1b}'));
    let (_, stdout, _) = output(comeback(folder.path()).args(["run", "builtin:pod-deleted", "--color", "always"]));
    assert!(stdout.contains('\u{1b}'), "{stdout}");
}

#[test]
fn more_trials_at_once_than_there_are_is_no_mistake() {
    let folder = folder();
    let run = ["run", "builtin:pod-deleted", "--trials", "3", "--concurrency", "99999999"];
    let (code, stdout, stderr) = output(comeback(folder.path()).args(run));
    assert_eq!(code, 0, "{stdout}{stderr}");
}
