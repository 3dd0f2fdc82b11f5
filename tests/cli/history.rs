//! `run --history`, `comeback history` and `comeback report rto` from outside: what is kept, what is said, and that a run never fails because
//! of its history.

use super::{comeback, folder, output};
use std::path::Path;

const QUICK: [&str; 5] = ["run", "builtin:pod-deleted", "--no-progress", "--trials", "3"];

fn run(folder: &Path, more: &[&str]) -> (i32, String, String) {
    output(comeback(folder).args(QUICK).args(more))
}

fn ask(folder: &Path, words: &[&str]) -> String {
    let (code, stdout, stderr) = output(comeback(folder).args(words));
    assert_eq!((code, stderr.as_str()), (0, ""), "{words:?}: {stdout}");
    stdout
}

#[test]
fn a_run_is_in_its_history_and_every_question_has_an_answer() {
    let folder = folder();
    let folder = folder.path();
    let (code, _, stderr) =
        output(comeback(folder).args(QUICK).args(["--history", ".comeback/history.db"]).env("GITHUB_SHA", "c0ffee"));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(run(folder, &["--history", ".comeback/history.db"]).0, 0);
    let list = ask(folder, &["history"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.contains("3/3") && list.contains("c0ffee") && list.contains("simulated"), "{list}");
    assert!(ask(folder, &["history", "show", "latest"]).contains("pod-deleted"));
    assert!(ask(folder, &["history", "trend"]).contains("6/6"));
    assert!(ask(folder, &["history", "stability"]).contains("100.0"));
    assert!(ask(folder, &["history", "stability", "--by", "workload"]).contains("deployment/"));
    assert!(ask(folder, &["history", "flaky"]).contains("no scenario gave different answers"));
    assert!(ask(folder, &["history", "compare", "latest", "latest"]).contains("3/3"));
    assert_eq!(ask(folder, &["history", "export"]).lines().count(), 7);
    assert_eq!(ask(folder, &["history", "export", "--as", "json"]).lines().count(), 2);
    let rows: serde_json::Value = serde_json::from_str(&ask(folder, &["history", "list", "--format", "json"])).unwrap();
    assert_eq!(rows[0]["valid"], 3);
    let report = ask(folder, &["report", "rto", "--since", "90d"]);
    assert!(report.contains("pod-deleted") && report.contains("6/6") && report.contains("simulated"), "{report}");
    ask(folder, &["report", "rto", "--report", "html=rto.html,csv=rto.csv,json"]);
    assert!(std::fs::read_to_string(folder.join("rto.html")).unwrap().contains("pod-deleted"));
    assert_eq!(ask(folder, &["history", "prune", "--keep", "1"]), "1 run forgotten\n");
    assert_eq!(ask(folder, &["history"]).lines().count(), 2);
}

#[test]
fn saved_runs_are_imported_once_and_with_their_labels() {
    let folder = folder();
    let folder = folder.path();
    let (code, ..) = output(comeback(folder).args(QUICK).args(["--out", "saved"]).env("CI_COMMIT_SHA", "beef"));
    assert_eq!(code, 0);
    for _ in 0..2 {
        assert!(ask(folder, &["history", "import", "saved"]).contains("3 trials in .comeback/history.db"));
    }
    let list = ask(folder, &["history"]);
    assert!(list.lines().count() == 2 && list.contains("beef"), "{list}");
}

#[test]
fn a_history_that_cannot_be_written_is_a_warning_and_never_the_run() {
    let folder = folder();
    let folder = folder.path();
    std::fs::write(folder.join("broken.db"), [0x42; 5000]).unwrap();
    let dead = "postgres://ci:secret@127.0.0.1:1/x";
    for url in ["broken.db", dead] {
        let (code, stdout, stderr) = run(folder, &["--history", url, "--out", &format!("out-{}", url.len())]);
        assert_eq!(code, 0, "{stderr}");
        let told = format!("{stdout}{stderr}");
        assert!(stderr.contains("warning:") && stderr.contains("comeback history import out-"), "{stderr}");
        assert!(!told.contains("secret"), "{told}");
        let kept = std::fs::read_to_string(folder.join(format!("out-{}/result.json", url.len()))).unwrap();
        assert!(!kept.contains("secret") && kept.contains("comeback history import"), "{kept}");
    }
}

#[test]
fn run_directories_that_cannot_be_read_are_refused_and_others_are_imported() {
    let folder = folder();
    let folder = folder.path();
    assert_eq!(run(folder, &["--out", "whole"]).0, 0);
    let text = std::fs::read_to_string(folder.join("whole/result.json")).unwrap();
    for (name, text) in [("newer", text.replace("v1alpha1", "v2")), ("truncated", text[..text.len() / 2].to_owned())] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("result.json"), text).unwrap();
    }
    let (code, stdout, stderr) = output(comeback(folder).args(["history", "import", "newer", "truncated", "nowhere", "whole"]));
    assert_eq!(code, 2);
    assert!(stdout.contains("3 trials"), "{stdout}");
    for expected in
        ["newer/result.json: ", "v2", "truncated/result.json: it ends in the middle", "nowhere/result.json: cannot be read"]
    {
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn a_run_that_was_cut_off_is_imported_as_incomplete_with_the_trials_of_its_timelines() {
    let folder = folder();
    let folder = folder.path();
    assert_eq!(run(folder, &["--out", "cut"]).0, 0);
    let file = folder.join("cut/result.json");
    let mut result: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    result["complete"] = false.into();
    result["scenarios"] = serde_json::json!([]);
    let none = serde_json::json!({ "successes": 0, "n": 0, "lower": 0.0, "upper": 1.0, "confidence": 0.95, "method": "wilson" });
    result["summary"] = serde_json::json!({ "scenarios": 0, "passed": 0, "failed": 0, "inconclusive": 0, "skipped": 0,
        "successRate": none, "withinRto": none });
    result["outcome"] = "inconclusive".into();
    result["exitCode"] = 4.into();
    result["exitReasons"] =
        serde_json::json!([{ "code": 4, "name": "inconclusive", "reason": "the run did not come to its end" }]);
    std::fs::write(&file, result.to_string()).unwrap();
    let (code, stdout, stderr) = output(comeback(folder).args(["history", "import", "cut"]));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("3 trials") && stderr.contains("did not come to its end"), "{stdout}{stderr}");
    assert!(ask(folder, &["history"]).contains("incomplete"));
}

#[test]
fn questions_without_a_history_and_mistakes_say_what_to_do() {
    let folder = folder();
    let folder = folder.path();
    for (words, code, message) in [
        (vec!["history"], 3, "comeback run --history .comeback/history.db"),
        (vec!["report", "rto"], 3, "there is no history"),
        (vec!["history", "--history", "mysql://root:secret@db/x"], 2, "only SQLite and PostgreSQL"),
        (vec!["history", "prune"], 2, "--older-than"),
        (vec!["history", "list", "--since", "5"], 2, "--since"),
        (vec!["run", "--history", "mysql://root:secret@db/x"], 2, "only SQLite and PostgreSQL"),
    ] {
        let (found, stdout, stderr) = output(comeback(folder).args(&words));
        assert_eq!((found, stdout.as_str()), (code, ""), "{words:?}: {stderr}");
        assert!(stderr.contains(message) && !stderr.contains("secret"), "{words:?}: {stderr}");
    }
}

#[test]
fn a_run_of_the_history_is_a_baseline() {
    let folder = folder();
    let folder = folder.path();
    let missing = run(folder, &["--baseline", "history:latest"]);
    assert!(missing.0 == 2 && missing.2.contains("the baseline history:latest: there is no history at"), "{}", missing.2);
    let kept = ["--history", "h.db", "--trials", "6"];
    let run = |more: &[&str]| output(comeback(folder).args(&QUICK[..3]).args(kept).args(more).env("CI_COMMIT_REF_NAME", "main"));
    assert_eq!(run(&["--out", "first", "--seed", "1"]).0, 0);
    let (code, stdout, stderr) = run(&["--out", "second", "--seed", "2", "--baseline", "history:git.branch=main"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let first: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("first/result.json")).unwrap()).unwrap();
    let id = first["run"]["id"].as_str().unwrap();
    assert!(stdout.contains(&format!("compared with history:{id}")) && stdout.contains("Gate passed"), "{stdout}");
    // The newest run in the history is the one that is compared: it is no baseline of itself.
    let gate = ["gate", "second", "--history", "h.db", "--baseline"];
    let (code, again, stderr) = output(comeback(folder).args(gate).arg("history:latest"));
    assert_eq!((code, stderr.as_str()), (0, ""), "{again}");
    assert!(again.contains(&format!("compared with history:{id}")), "{again}");
    let table = |text: &str| text.lines().filter(|line| line.contains("before")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(table(&again), table(&stdout));
    let (code, _, stderr) = output(comeback(folder).args(gate).arg("history:git.branch=other"));
    assert!(code == 2 && stderr.contains("no run in h.db came to its end and passed that `git.branch=other`"), "{stderr}");
}
