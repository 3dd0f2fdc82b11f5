//! Retries from outside: the first attempt counts everywhere, and what passed only on retry is called flaky.

use super::{comeback, folder, output};
use serde_json::Value;
use std::path::Path;

/// A pod that takes a second or half a minute to be ready, as chance will have it; the RTO is between the two.
fn scenario(folder: &Path, retries: &str) {
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: coin, labels: {{ class: crash }} }}\nspec:\n  summary: A pod is deleted\n  workload:\n    inline:\n      - apiVersion: apps/v1\n        kind: Deployment\n        metadata: {{ name: app }}\n        spec:\n          selector: {{ matchLabels: {{ app: app }} }}\n          template:\n            metadata: {{ labels: {{ app: app }} }}\n            spec:\n              containers:\n                - {{ name: app, image: busybox, command: [sh, -c, \"sleep $(($RANDOM % 2 * 30)); touch /tmp/ready; while true; do sleep 60; done\"], readinessProbe: {{ exec: {{ command: [test, -f, /tmp/ready] }}, periodSeconds: 1 }} }}\n  fault: [ {{ deletePods: {{ deployment: app }} }} ]\n  recover: {{ rto: 20s, hold: 5s }}\n  {retries}\n"
    );
    std::fs::write(folder.join("coin.yaml"), text).unwrap();
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

const RUN: [&str; 9] = ["run", "coin.yaml", "--trials", "8", "--seed", "3", "--no-progress", "--history", "history.db"];

#[test]
fn a_trial_that_passes_on_retry_is_flaky_and_stays_a_miss() {
    let folder = folder();
    scenario(folder.path(), "retries: 3");
    let reports = ["--out", "here", "--report", "junit=r.xml", "--report", "csv=r.csv", "--report", "html=r.html"];
    let (code, stdout, stderr) = output(comeback(folder.path()).args(RUN).args(reports));
    assert_eq!(code, 1, "{stdout}{stderr}");
    let result = json(folder.path(), "here/result.json");
    let coin = &result["scenarios"][0];
    let trials = coin["trials"].as_array().unwrap();
    let late = trials.iter().filter(|trial| trial["verdict"] == "late").count();
    assert!(late > 0 && late < 8, "chance gives both: {stdout}");
    assert_eq!((&coin["successRate"]["n"], &coin["successRate"]["successes"]), (&8.into(), &(8 - late).into()));
    assert_eq!(coin["counts"]["late"], late);
    let flaky = usize::try_from(coin["retried"]["flaky"].as_u64().unwrap()).unwrap();
    assert!(flaky > 0 && coin["retried"]["trials"] == late, "{coin}");
    assert_eq!(result["summary"]["flaky"], flaky);
    for trial in trials {
        let attempts: Vec<&Value> = std::iter::once(trial).chain(trial["retries"].as_array().into_iter().flatten()).collect();
        let (last, before) = attempts.split_last().unwrap();
        assert!(before.iter().all(|attempt| attempt["verdict"] == "late"), "nothing that passed is tried again");
        assert!(last["verdict"] == "recovered" || attempts.len() == 4, "{trial}");
        for attempt in attempts {
            assert!(folder.path().join("here").join(attempt["timeline"].as_str().unwrap()).is_file());
        }
    }
    assert!(stdout.contains(&format!("({flaky} flaky)")) && stdout.contains("flaky; the first attempt counts"), "{stdout}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("r.xml").contains("tried again: retry 1") && read("r.html").contains("tried again: retry 1"));
    assert_eq!(read("r.csv").lines().filter(|line| line.contains(",true,8,")).count(), flaky);
    // Judged again from its timelines it is the same.
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["judge", "here", "--report", "json"]));
    assert_eq!((code, stderr.as_str()), (1, ""));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["scenarios"], result["scenarios"]);
    let (code, stdout, _) = output(comeback(folder.path()).args(["history", "flaky"]).args(["--history", "history.db"]));
    assert!(code == 0 && stdout.contains("coin") && stdout.contains("ON RETRY"), "{stdout}");
}

#[test]
fn without_retries_nothing_is_tried_again_and_first_attempts_are_the_same() {
    let folder = folder();
    scenario(folder.path(), "retries: 3");
    output(comeback(folder.path()).args(RUN).args(["--out", "with", "--concurrency", "3"]));
    let (code, stdout, stderr) = output(comeback(folder.path()).args(RUN).args(["--out", "without", "--retries", "0"]));
    assert_eq!(code, 1, "{stdout}{stderr}");
    let (with, without) = (json(folder.path(), "with/result.json"), json(folder.path(), "without/result.json"));
    let verdicts = |result: &Value| {
        let trials = result["scenarios"][0]["trials"].as_array().unwrap().clone();
        trials.into_iter().map(|trial| (trial["verdict"].clone(), trial["durations"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&with), verdicts(&without));
    assert_eq!(with["scenarios"][0]["successRate"], without["scenarios"][0]["successRate"]);
    assert!(without["scenarios"][0].get("retried").is_none() && !stdout.contains("flaky"), "{stdout}");
}

#[test]
fn more_retries_than_make_sense_are_refused() {
    let folder = folder();
    scenario(folder.path(), "retries: 11");
    let (code, _, stderr) = output(comeback(folder.path()).args(["validate", "coin.yaml"]));
    assert!(code == 2 && stderr.contains("`retries` is 10 at most"), "{stderr}");
    let (code, _, stderr) = output(comeback(folder.path()).args(["run", "coin.yaml", "--retries", "11"]));
    assert!(code == 2 && stderr.contains("--retries"), "{stderr}");
}
