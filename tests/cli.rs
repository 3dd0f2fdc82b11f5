//! The command line from outside: exit codes, what goes to stdout and stderr, environment, `comeback.yaml`, nonsense.
//! What scenarios do when they run is tested elsewhere.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/gates.rs"]
mod gates;
#[path = "cli/history.rs"]
mod history;
#[path = "cli/interruption.rs"]
mod interruption;
#[path = "cli/limits.rs"]
mod limits;
#[path = "cli/look.rs"]
mod look;
#[path = "cli/notify.rs"]
mod notify;
#[path = "cli/redaction.rs"]
mod redaction;
#[path = "cli/retries.rs"]
mod retries;
#[path = "cli/runs.rs"]
mod runs;
#[path = "cli/shards.rs"]
mod shards;
#[path = "cli/unwritable.rs"]
mod unwritable;

use assert_cmd::Command;
use rstest::rstest;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// The binary in an empty folder, without an environment and without a kubeconfig.
fn comeback(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    command.current_dir(folder).env_clear().env("HOME", folder).env("KUBECONFIG", folder.join("no-kubeconfig"));
    command.timeout(Duration::from_mins(1));
    command
}

fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn help_and_mistakes_as_they_are_printed() {
    trycmd::TestCases::new().env("COLUMNS", "100").case("tests/cmd/*.trycmd");
}

#[rstest]
#[case::trials(&["run", "--trials", "0"], "--trials")]
#[case::trials_text(&["run", "--trials", "many"], "--trials")]
#[case::concurrency(&["run", "--concurrency", "0"], "--concurrency")]
#[case::seed(&["run", "--seed", "-1"], "--seed")]
#[case::cluster(&["run", "--cluster", "minikube"], "minikube")]
#[case::cluster_name(&["run", "--cluster", "kind:"], "no name after the colon")]
#[case::timeout(&["run", "--timeout", "5"], "is not a duration")]
#[case::no_timeout(&["run", "--timeout", "0s"], "nothing would run")]
#[case::set(&["run", "--set", "workers"], "is not NAME=VALUE")]
#[case::select(&["run", "--select", "class in"], "--select")]
#[case::color(&["run", "--color", "pink"], "pink")]
#[case::loud_and_quiet(&["run", "-v", "-q"], "cannot be used with")]
#[case::same_file(&["run", "--report", "json=x", "--report", "junit=x"], "one file")]
#[case::missing(&["run", "nowhere.yaml"], "nowhere.yaml")]
#[case::builtin(&["run", "builtin:no-such-thing"], "no-such-thing")]
#[case::judge(&["judge", "nowhere"], "run directory")]
#[case::judge_many(&["judge", "a", "b", "--report", "json"], "cannot read a/result.json")]
#[case::scope(&["cleanup", "--all", "--run", "x"], "cannot be used with")]
#[case::stale(&["cleanup", "--all", "--stale"], "cannot be used with")]
fn usage_errors_are_exit_code_2_and_leave_stdout_alone(#[case] arguments: &[&str], #[case] names: &str) {
    let folder = folder();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(arguments));
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(stdout, "");
    assert!(stderr.contains(names), "{stderr}");
    assert!(!folder.path().join(".comeback").exists(), "a usage error leaves no run directory");
}

#[rstest]
#[case("COMEBACK_REPORT", "pdf", "`pdf` is not a report format")]
#[case("COMEBACK_REPORT", "terminal,json", "cannot all go to stdout")]
#[case("COMEBACK_TRIALS", "none", "none")]
#[case("COMEBACK_FAIL_FAST", "perhaps", "perhaps")]
#[case("COMEBACK_SHARD", "3/2", "which one of how many")]
#[case("COMEBACK_MAX_PODS", "many", "neither a number nor a percentage")]
fn the_environment_is_read_and_checked(#[case] name: &str, #[case] value: &str, #[case] message: &str) {
    let folder = folder();
    let (code, stdout, stderr) = output(comeback(folder.path()).arg("run").env(name, value));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
}

#[rstest]
#[case("seed: 1\ntrails: 5\n", "comeback.yaml:2:1: unknown field `trails`")]
#[case("trials: many\n", "comeback.yaml:1:9: ")]
#[case("shard: 1/2\n", "comeback.yaml:1:1: unknown field `shard`")]
#[case("report: [terminal, json]\n", "cannot all go to stdout")]
#[case("\u{0}\u{1}", "comeback.yaml")]
fn the_file_with_defaults_is_checked(#[case] text: &str, #[case] message: &str) {
    let folder = folder();
    std::fs::write(folder.path().join("comeback.yaml"), text).unwrap();
    let (code, stdout, stderr) = output(comeback(folder.path()).arg("run"));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains(message), "{stderr}");
}

#[test]
fn without_a_cluster_the_code_is_3_and_the_result_says_that_it_is_not_complete() {
    let folder = folder();
    std::fs::write(folder.path().join("comeback.yaml"), "cluster: context\nout: here\n").unwrap();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["run", "builtin:pod-deleted", "--report", "json"]));
    assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
    assert!(stderr.contains("kubeconfig"), "{stderr}");
    let text = std::fs::read_to_string(folder.path().join("here/result.json")).unwrap();
    let result: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&result["complete"], &result["exitCode"]), (&false.into(), &3.into()));
    assert!(result["exitReasons"][0]["reason"].as_str().unwrap().contains("kubeconfig"), "{text}");
    // It never began: when there is a cluster, the same command runs there.
    let run = || output(comeback(folder.path()).args(["run", "builtin:pod-deleted", "--cluster", "embedded"]));
    assert_eq!(run().0, 0);
    let (code, _, stderr) = run();
    assert_eq!(code, 2, "a second run does not overwrite the first: {stderr}");
    assert!(stderr.contains("--out"), "{stderr}");
}

#[test]
fn clean_up_without_a_cluster_is_exit_code_3() {
    let folder = folder();
    let (code, _, stderr) = output(comeback(folder.path()).args(["cleanup", "--run", "x"]));
    assert_eq!(code, 3, "{stderr}");
}

#[test]
fn a_run_directory_that_cannot_be_made_is_exit_code_3() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let (code, _, stderr) = output(comeback(folder.path()).args(["run", "--out", "file/here"]));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("file/here"), "{stderr}");
}

#[test]
fn a_label_that_nothing_has_runs_nothing_and_is_inconclusive() {
    let folder = folder();
    let (code, stdout, stderr) = output(comeback(folder.path()).args(["run", "--select", "class=no-such-class"]));
    assert_eq!((code, stdout.as_str()), (4, ""), "{stderr}");
    assert!(stderr.contains("class=no-such-class"), "{stderr}");
}

#[test]
fn a_closed_stdout_is_no_error() {
    let folder = folder();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_comeback"))
        .args(["run", "--help"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
