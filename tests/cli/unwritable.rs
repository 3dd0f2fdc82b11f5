//! Reports that cannot be written: found before the run where that can be known, and never beside a PASSED.
#![cfg(unix)]

use super::{comeback, folder, output};
use rstest::rstest;
use serde_json::Value;

#[rstest]
#[case("json=/proc/r.json", "/proc/r.json cannot be written")]
#[case("json=.", ". is a folder")]
#[case("junit=file/r.xml", "the folder of file/r.xml cannot be made")]
fn it_is_said_before_anything_runs(#[case] report: &str, #[case] message: &str) {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let run = ["run", "builtin:pod-deleted", "--no-progress", "--report", report];
    let (code, stdout, stderr) = output(comeback(folder.path()).args(run));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains(message) && !folder.path().join(".comeback").exists(), "{stderr}");
}

/// A device that is always full: only writing shows it.
#[test]
fn what_fails_in_spite_of_that_is_told_before_the_last_line() {
    let folder = folder();
    let reports = ["--report", "junit=r.xml", "--report", "csv=/dev/full", "--report", "json=r.json"];
    let run = ["run", "builtin:pod-deleted", "--no-progress", "--out", "here"];
    let (code, stdout, stderr) = output(comeback(folder.path()).args(run).args(reports));
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(!stdout.contains("PASSED") && stdout.contains("exit code 3: /dev/full cannot be written"), "{stdout}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    for name in ["r.json", "here/result.json"] {
        assert_eq!(serde_json::from_str::<Value>(&read(name)).unwrap()["exitCode"], 3, "{name}");
    }
    assert!(read("r.xml").contains("exit code 3"), "the file that was written before knows, too");
    let (code, stdout, _) = output(comeback(folder.path()).args(["judge", "here", "--report", "csv=/dev/full"]));
    assert!(code == 3 && !stdout.contains("PASSED"), "{stdout}");
}
