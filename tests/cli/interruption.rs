//! Runs that are stopped: by signals, by `--timeout`. What was measured is kept, and the code says what happened.
#![cfg(unix)]

use super::{comeback, folder, output};
use rstest::rstest;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// More trials than a test can wait for.
const MANY: [&str; 6] = ["run", "builtin:crashy-app", "--trials", "20000", "--out", "here"];

fn begin(folder: &Path, arguments: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_comeback"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

/// Reads stderr up to a line with `text`.
fn wait_for(stderr: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "no line with {text:?}");
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn rest(mut child: Child, mut stderr: impl Read) -> (Option<i32>, String, String) {
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let mut err = String::new();
    stderr.read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), out, err)
}

fn result(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("here/result.json")).unwrap()).unwrap()
}

#[rstest]
#[case("INT", 130, "SIGINT")]
#[case("TERM", 143, "SIGTERM")]
fn a_signal_ends_the_run_with_what_was_measured(#[case] name: &str, #[case] expected: i32, #[case] reason: &str) {
    let folder = folder();
    let (child, mut stderr) = begin(folder.path(), &MANY);
    wait_for(&mut stderr, "/20000]");
    signal(&child, name);
    let (code, stdout, stderr) = rest(child, stderr);
    assert_eq!(code, Some(expected), "{stderr}");
    assert!(stderr.contains("a second signal ends at once"), "{stderr}");
    assert!(stdout.contains(&format!("exit code {expected}: stopped by {reason}")), "{stdout}");
    assert!(!stdout.contains("PASSED"), "{stdout}");
    let result = result(folder.path());
    assert_eq!((&result["complete"], &result["exitCode"]), (&true.into(), &expected.into()));
    assert_eq!(result["expected"]["trials"], 20_000);
    let trials = result["scenarios"][0]["trials"].as_array().unwrap();
    let count = |verdict: &str| trials.iter().filter(|trial| trial["verdict"] == verdict).count();
    assert!(count("recovered") > 0 && trials.len() < 20_000, "{stdout}");
    assert_eq!(count("recovered") + count("aborted"), trials.len(), "{stdout}");
    assert!(trials.iter().all(|trial| trial["leftovers"].as_array().is_none_or(Vec::is_empty)));
    // Judged again, the trials are what they were, and the run is still not one that passed.
    let (code, stdout, _) = output(comeback(folder.path()).args(["judge", "here", "--report", "json"]));
    assert_eq!(code, expected, "{stdout}");
    let judged: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(judged["scenarios"], result["scenarios"]);
}

#[test]
fn a_second_signal_ends_at_once() {
    let folder = folder();
    // A report to a pipe that nobody reads keeps the process from ending after the first.
    assert!(Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap().success());
    let (child, mut stderr) = begin(folder.path(), &[&MANY[..], &["--report", "json=pipe"]].concat());
    wait_for(&mut stderr, "/20000]");
    signal(&child, "TERM");
    wait_for(&mut stderr, "stopping and cleaning up");
    signal(&child, "INT");
    let (code, _, stderr) = rest(child, stderr);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("ended at once") && stderr.contains("comeback cleanup --run"), "{stderr}");
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let folder = folder();
    let (child, mut stderr) = begin(folder.path(), &MANY);
    wait_for(&mut stderr, "/20000]");
    // As `timeout` does it: the process, and then its group.
    signal(&child, "INT");
    signal(&child, "INT");
    let (code, stdout, stderr) = rest(child, stderr);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(!stderr.contains("ended at once") && stdout.contains("stopped by SIGINT"), "{stderr}{stdout}");
}

#[test]
fn a_time_limit_is_no_interruption_and_proves_nothing() {
    let folder = folder();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(MANY).args(["--timeout", "2s"]));
    assert_eq!(code, 4, "{stdout}{stderr}");
    assert!(stderr.contains("--timeout has passed"), "{stderr}");
    assert!(stdout.contains("INCONCLUSIVE") && stdout.contains("of 20000 trials were run"), "{stdout}");
    let result = result(folder.path());
    assert_eq!(result["exitReasons"][0]["name"], "inconclusive");
    // Whatever the trials that were run say: it was not fully tried.
    let scenario = &result["scenarios"][0];
    assert_eq!((&scenario["outcome"], &scenario["passed"]), (&"inconclusive".into(), &false.into()), "{stdout}");
    let reason = scenario["reason"].as_str().unwrap();
    let none = scenario["successRate"]["n"] == 0;
    assert!(none || reason.starts_with("only ") && reason.ends_with(" of 20000 trials were run to their end"), "{reason}");
    assert!(stdout.lines().filter(|line| line.contains("crashy-app")).all(|line| !line.contains("passed")), "{stdout}");
}
