//! Gates from outside: a sequential test, a baseline, saved results, and files that nobody should trust.

use super::{comeback, folder, output};
use rstest::rstest;
use serde_json::Value;
use std::path::Path;

/// A Deployment whose pod is deleted; the new one is ready after `delay` seconds. `command` makes it break for good, if it exits.
fn scenario(folder: &Path, delay: u32, command: &str) {
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: pool, labels: {{ class: crash }} }}\nspec:\n  summary: A pod is deleted\n  workload:\n    inline:\n      - apiVersion: apps/v1\n        kind: Deployment\n        metadata: {{ name: app }}\n        spec:\n          selector: {{ matchLabels: {{ app: app }} }}\n          template:\n            metadata: {{ labels: {{ app: app }} }}\n            spec:\n              containers:\n                - {{ name: app, image: busybox, command: [sh, -c, \"{command}\"], readinessProbe: {{ exec: {{ command: [\"true\"] }}, initialDelaySeconds: {delay}, periodSeconds: 1 }} }}\n  fault: [ {{ deletePods: {{ deployment: app }} }} ]\n  recover: {{ rto: 2m }}\n"
    );
    std::fs::write(folder.join("pool.yaml"), text).unwrap();
}

fn suite(folder: &Path, gate: &str) {
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Suite\nmetadata: {{ name: ours }}\nspec:\n  scenarios: [pool.yaml]\n  gate: {gate}\n"
    );
    std::fs::write(folder.join("suite.yaml"), text).unwrap();
}

const SLEEPS: &str = "while true; do sleep 60; done";
const CLAIM: &str = "{ successRate: { atLeast: 0.9, judge: lowerBound } }";

fn result(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    output(comeback(folder).arg("run").args(arguments))
}

#[test]
fn trials_end_when_the_claim_is_proven_whatever_runs_at_once() {
    let folder = folder();
    scenario(folder.path(), 1, SLEEPS);
    suite(folder.path(), CLAIM);
    for (out, concurrency) in [("one", "1"), ("many", "7")] {
        let arguments = [
            "suite.yaml",
            "--trials",
            "60",
            "--until-confident",
            "0.9",
            "--seed",
            "5",
            "--concurrency",
            concurrency,
            "--out",
            out,
        ];
        let (code, stdout, stderr) = run(folder.path(), &arguments);
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert!(stdout.contains("✓ Gate passed"), "{stdout}");
        let warning = result(folder.path(), &format!("{out}/result.json"))["warnings"][0].as_str().unwrap().to_owned();
        assert!(warning.contains("at most 5 % of such tests prove a success rate of 0.9 that is not there"), "{warning}");
    }
    let (one, many) = (result(folder.path(), "one/result.json"), result(folder.path(), "many/result.json"));
    assert_eq!(one["scenarios"], many["scenarios"]);
    assert_eq!(one["gate"], many["gate"]);
    let scenario = &one["scenarios"][0];
    assert_eq!((&scenario["sequential"]["decision"], &scenario["sequential"]["errorRate"]), (&"proven".into(), &0.05.into()));
    let tried = scenario["trials"].as_array().unwrap().len();
    assert!((29..60).contains(&tried) && one["expected"]["trials"] == tried, "{tried}");
    assert!(scenario["successRate"]["method"] == "sequential" && scenario["successRate"]["lower"].as_f64().unwrap() > 0.9);
    // Judged again from the timelines, and from the file alone.
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["judge", "one", "--report", "json"]));
    assert_eq!((code, serde_json::from_str::<Value>(&stdout).unwrap()), (0, one), "{stderr}");
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["gate", "one"]));
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("✓ Gate passed: 2 of 2 objectives met") && stdout.contains("class crash: RTO"), "{stdout}");
}

#[test]
fn trials_end_when_the_claim_is_refuted_and_too_few_are_said_beforehand() {
    let folder = folder();
    scenario(folder.path(), 1, "test -e /tmp/never || sleep 8; exit 1");
    suite(folder.path(), CLAIM);
    let arguments = ["suite.yaml", "--trials", "8", "--until-confident", "0.9", "--seed", "5", "--out", "out"];
    let (code, stdout, stderr) = run(folder.path(), &arguments);
    assert!(stderr.contains("8 trials, even all passing, cannot prove a success rate of 0.9"), "{stderr}");
    assert_eq!(code, 1, "{stdout}{stderr}");
    let found = result(folder.path(), "out/result.json");
    assert_eq!(found["scenarios"][0]["sequential"]["decision"], "refuted", "{stdout}");
    assert_eq!(found["scenarios"][0]["trials"].as_array().unwrap().len(), 4);
    assert_eq!(output(comeback(folder.path()).args(["gate", "out"])).0, 1);
}

#[test]
fn a_slower_recovery_than_the_baselines_fails_the_gate_and_an_equal_one_passes() {
    let folder = folder();
    scenario(folder.path(), 2, SLEEPS);
    let few = ["pool.yaml", "--trials", "6", "--no-progress"];
    assert_eq!(run(folder.path(), &[&few[..], &["--seed", "1", "--out", "before"]].concat()).0, 0);
    let (code, stdout, stderr) =
        run(folder.path(), &[&few[..], &["--seed", "2", "--out", "same", "--baseline", "before"]].concat());
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("compared with before (run "), "{stdout}");
    scenario(folder.path(), 40, SLEEPS);
    let slower = [
        "--seed",
        "3",
        "--out",
        "slower",
        "--baseline",
        "before/result.json",
        "--report",
        "markdown=gate.md",
        "--report",
        "html=gate.html",
    ];
    let (code, stdout, stderr) = run(folder.path(), &[&few[..], &slower].concat());
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("✗ Gate failed") && stdout.contains("recovery, before"), "{stdout}");
    for name in ["gate.md", "gate.html"] {
        assert!(std::fs::read_to_string(folder.path().join(name)).unwrap().contains("Gate failed"), "{name}");
    }
    // The comparison is kept: whoever judges the run again compares it again.
    let (code, _, stderr) = output(comeback(folder.path()).args(["judge", "slower"]));
    assert_eq!(code, 1, "{stderr}");
    assert_eq!(output(comeback(folder.path()).args(["gate", "slower"])).0, 1);
    let (code, stdout, _) = output(comeback(folder.path()).args(["gate", "slower", "--baseline", "same", "--report", "json"]));
    assert_eq!((code, &serde_json::from_str::<Value>(&stdout).unwrap()["gate"]["baseline"]["reference"]), (1, &"same".into()));
    std::fs::remove_file(folder.path().join("before/result.json")).unwrap();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["gate", "slower"]));
    assert_eq!((code, stdout.as_str()), (2, ""), "a comparison that was made is never left out in silence");
    assert!(stderr.contains("give it with --baseline"), "{stderr}");
}

#[test]
fn another_cluster_is_no_baseline() {
    let folder = folder();
    scenario(folder.path(), 1, SLEEPS);
    let few = ["pool.yaml", "--trials", "4", "--no-progress"];
    assert_eq!(run(folder.path(), &[&few[..], &["--profile", "1.34", "--out", "before"]].concat()).0, 0);
    let (code, stdout, stderr) = run(folder.path(), &[&few[..], &["--baseline", "before"]].concat());
    assert_eq!(code, 4, "{stdout}{stderr}");
    assert!(stdout.contains("? Gate inconclusive") && stdout.contains("the clusters differ"), "{stdout}");
}

#[rstest]
#[case::cut_off(|text: &str| text[..text.len() / 2].to_owned(), "it ends in the middle")]
#[case::newer(|text: &str| text.replace("comeback.dev/v1alpha1", "comeback.dev/v9"), "its apiVersion is comeback.dev/v9")]
#[case::tampered(|text: &str| text.replacen("\"successes\": 1", "\"successes\": 0", 1), "it was changed after it was written")]
#[case::verdict(|text: &str| text.replacen("\"verdict\": \"recovered\"", "\"verdict\": \"unrecovered\"", 1), "it was changed after it was written")]
#[case::not_a_number(|text: &str| text.replacen("\"value\": ", "\"value\": NaN, \"was\": ", 1), "it is not JSON")]
#[case::nothing(|_: &str| "null".to_owned(), "it is not a result file")]
fn files_that_cannot_be_trusted_are_refused(#[case] change: fn(&str) -> String, #[case] message: &str) {
    let folder = folder();
    scenario(folder.path(), 1, SLEEPS);
    assert_eq!(run(folder.path(), &["pool.yaml", "--out", "good", "--seed", "1"]).0, 0);
    let text = std::fs::read_to_string(folder.path().join("good/result.json")).unwrap();
    std::fs::write(folder.path().join("bad.json"), change(&text)).unwrap();
    for arguments in
        [&["gate", "bad.json"][..], &["gate", "good", "--baseline", "bad.json"], &["run", "pool.yaml", "--baseline", "bad.json"]]
    {
        let (code, stdout, stderr) = output(comeback(folder.path()).args(arguments));
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains("bad.json: ") && stderr.contains(message), "{stderr}");
    }
}

#[rstest]
#[case::nothing_there(&["gate", "nowhere"], "give a result file")]
#[case::itself(&["gate", "good", "--baseline", "good/result.json"], "compared with itself")]
#[case::no_claim(&["run", "pool.yaml", "--until-confident", "0.9"], "needs a claim")]
#[case::no_confidence(&["run", "pool.yaml", "--until-confident", "90"], "a confidence is between 0.5 and 0.999")]
#[case::contradiction(&["run", "pool.yaml", "--until-confident", "0.9", "--trial", "3"], "cannot be used with")]
fn mistakes_are_usage_errors(#[case] arguments: &[&str], #[case] message: &str) {
    let folder = folder();
    scenario(folder.path(), 1, SLEEPS);
    assert_eq!(run(folder.path(), &["pool.yaml", "--out", "good", "--seed", "1"]).0, 0);
    let (code, _, stderr) = output(comeback(folder.path()).args(arguments));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
}
