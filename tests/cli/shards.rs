//! Shards: cut, run apart, put together. No trial is lost or counted twice, and a shard alone is no whole run.

use super::{comeback, folder, output};
use comeback::measure::result::RunResult;
use rstest::rstest;
use std::path::Path;

const WHAT: [&str; 4] = ["builtin:pod-deleted", "builtin:crashy-app", "builtin:image-not-found", "--trials=3"];

/// Runs with a seed and further arguments into a folder.
fn run(folder: &Path, into: &str, arguments: &[&str]) -> (i32, String) {
    let (code, _, stderr) = output(comeback(folder).arg("run").args(WHAT).args(arguments).args([
        "--no-progress",
        "--quiet",
        "--out",
        into,
        "--report",
        "json=ignored.json",
    ]));
    (code, stderr)
}

/// Each trial's scenario, index, seed and verdict.
fn trials(folder: &Path, file: &str) -> Vec<(String, u32, u64, String)> {
    let result: RunResult = serde_json::from_slice(&std::fs::read(folder.join(file)).unwrap()).unwrap();
    let of = |scenario: &comeback::measure::result::ScenarioResult| {
        let name = scenario.name.clone();
        scenario.trials.iter().map(|trial| (name.clone(), trial.index, trial.seed, trial.verdict.to_string())).collect::<Vec<_>>()
    };
    result.scenarios.iter().flat_map(of).collect()
}

#[test]
fn the_parts_make_the_whole() {
    let folder = folder();
    let folder = folder.path();
    let (whole, said) = run(folder, "whole", &["--seed", "7"]);
    assert_eq!(whole, 0, "{said}");
    for part in ["1/4", "2/4", "3/4", "4/4"] {
        let (code, said) = run(folder, &format!("part{}", &part[..1]), &["--seed", "7", "--shard", part]);
        assert_eq!(code, 0, "{part}: {said}");
    }
    let judge = |directories: &[&str]| {
        output(comeback(folder).arg("judge").args(directories).args([
            "--report",
            "json=merged.json",
            "--report",
            "html=merged.html",
        ]))
    };
    let (code, _, said) = judge(&["part3", "part1", "part4", "part2"]);
    assert_eq!(code, whole, "{said}");
    assert_eq!(trials(folder, "merged.json"), trials(folder, "whole/result.json"));
    let html = std::fs::read_to_string(folder.join("merged.html")).unwrap();
    assert!(html.contains("<svg"), "the timelines of all parts are found");

    let merged: RunResult = serde_json::from_slice(&std::fs::read(folder.join("merged.json")).unwrap()).unwrap();
    assert_eq!(merged.warnings, Vec::<String>::new(), "each part warned that it is one");

    let (code, _, said) = judge(&["part1", "part2", "part4"]);
    let merged: RunResult = serde_json::from_slice(&std::fs::read(folder.join("merged.json")).unwrap()).unwrap();
    let tried = trials(folder, "merged.json").len();
    let reasons: Vec<_> = merged.exit_reasons.iter().map(|reason| reason.reason.as_str()).collect();
    assert_eq!(code, 4, "{said}");
    assert!(reasons.contains(&format!("{tried} of 9 trials were run").as_str()), "{reasons:?}");

    for arguments in [["gate", "part1"].as_slice(), &["gate", "whole", "--baseline", "part1"]] {
        let (code, _, said) = output(comeback(folder).args(arguments));
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is shard 1/4 and no whole run; put all parts together first"), "{said}");
    }
    let (code, _, said) = judge(&["part1", "part2", "part1"]);
    assert_eq!(code, 2);
    assert!(said.contains("are both shard 1/4: its trials would count twice"), "{said}");
    let (code, _, said) = judge(&["part1", "whole"]);
    assert_eq!(code, 2);
    assert!(said.contains("part1 is a shard and whole is a whole run"), "{said}");
    let (code, said) = run(folder, "stranger", &["--seed", "8", "--shard", "2/4"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = judge(&["part1", "stranger"]);
    assert_eq!(code, 2);
    assert!(said.contains("shards of different runs"), "{said}");
}

#[rstest]
#[case::without_a_seed(&["--shard", "1/2"], "--shard needs --seed")]
#[case::too_many(&["--shard", "1/40", "--seed", "1"], "9 trials in all: they cannot be cut into 40 shards")]
#[case::no_shard(&["--shard", "5/4", "--seed", "1"], "which one of how many")]
#[case::one_trial(&["--shard", "1/2", "--trial", "1"], "cannot be used with")]
fn what_cannot_be_cut_is_refused(#[case] arguments: &[&str], #[case] message: &str) {
    let folder = folder();
    let what = if arguments.contains(&"--trial") { &WHAT[..3] } else { &WHAT[..] };
    let (code, _, said) = output(comeback(folder.path()).arg("run").args(what).args(arguments));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(message), "{said}");
}
