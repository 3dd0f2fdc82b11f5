//! Files that are fine, cut off, of another version, or changed by hand.

use super::*;
use crate::report::{Exporter, Json, fixture};
use proptest::prelude::*;
use rstest::rstest;

/// A file as a run writes it: its sums are those of its trials.
fn file() -> String {
    let mut result = fixture::run();
    for scenario in &mut result.scenarios {
        let plan = fixture::plan(&scenario.name, 1);
        let mut plan = std::sync::Arc::unwrap_or_clone(plan);
        plan.expect.clone_from(&scenario.expect);
        *scenario = outcome::scenario(&plan, scenario.trials.clone(), None, None);
    }
    result.summary = outcome::summary(&result.scenarios);
    String::from_utf8(Json.serialize(&result).unwrap()).unwrap()
}

#[test]
fn what_a_run_writes_is_read() {
    assert_eq!(read(&file()).map(|result| result.run.seed), Ok(42));
}

#[rstest]
#[case::version(
    "\"apiVersion\": \"comeback.dev/v1alpha1\"",
    "\"apiVersion\": \"comeback.dev/v2\"",
    "its apiVersion is comeback.dev/v2, written by comeback 0.1.0"
)]
#[case::kind("\"kind\": \"RunResult\"", "\"kind\": \"Scenario\"", "it is a Scenario, not a result file")]
#[case::verdict(
    "\"verdict\": \"late\"",
    "\"verdict\": \"recovered\"",
    "trial 1 is said to have recovered in time, but took 80 s"
)]
#[case::verdict_without_a_time(
    "\"verdict\": \"invalid\"",
    "\"verdict\": \"recovered\"",
    "the counts are not those of its trials"
)]
#[case::successes("\"successes\": 1,", "\"successes\": 3,", "the success rate is 3 of 3, its trials say 1 of 3")]
#[case::seconds("\"value\": 80.0", "\"value\": null", "it is not a result file: invalid type: null, expected a number")]
#[case::not_a_number("\"value\": 80.0", "\"value\": NaN", "it is not JSON: expected value")]
#[case::infinite("\"value\": 80.0", "\"value\": 1e999", "it is not JSON: number out of range")]
#[case::uncertain("\"uncertainty\": 0.0", "\"uncertainty\": -1.0", "uncertainty of -1")]
#[case::outcome("\"exitCode\": 1", "\"exitCode\": 0", "outcome and exit code 0 contradict each other")]
fn what_was_changed_is_refused(#[case] before: &str, #[case] after: &str, #[case] message: &str) {
    let file = file();
    assert!(file.contains(before), "{before}");
    let found = read(&file.replacen(before, after, 1)).unwrap_err();
    assert!(found.contains(message), "{found}");
    for rust in ["f64", "usize", "struct", "RunResult,"] {
        assert!(!found.contains(rust), "{found}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    assert!(read("").unwrap_err().contains("cut off"));
    assert!(read("{}").unwrap_err().contains("no `kind: RunResult`"));
    assert!(read("[1, 2]").unwrap_err().contains("no `kind: RunResult`"));
    let without_run = file().replacen("\"run\": {", "\"ran\": {", 1);
    assert!(read(&without_run).unwrap_err().contains("missing field `run`"));
}

proptest! {
    #[test]
    fn a_file_that_was_cut_off_says_so(share in 0.01f64..0.99) {
        let file = file();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
        let mut end = (file.len() as f64 * share) as usize;
        while !file.is_char_boundary(end) { end -= 1; }
        let found = read(&file[..end]).unwrap_err();
        prop_assert!(found.contains("cut off"), "{}", found);
    }
}

/// The promise of compatibility: what earlier versions wrote is read, and nothing in it is lost.
#[test]
fn files_of_earlier_versions_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/results");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = files.filter(|file| file.extension().is_some_and(|kind| kind == "json")).collect();
    assert!(!kept.is_empty());
    let schema = serde_json::to_value(schemars::schema_for!(RunResult)).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for file in kept {
        let text = std::fs::read_to_string(&file).unwrap();
        let result = read(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let before: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(schema.is_valid(&before), "{}", file.display());
        assert_eq!(lost(&before, &serde_json::to_value(&result).unwrap()), None, "{}", file.display());
    }
}

/// The first thing of an old document that a new one does not have, or has otherwise.
fn lost(old: &serde_json::Value, new: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => old.iter().find_map(|(key, value)| match new.get(key) {
            None => Some(format!("{key}: {value}")),
            Some(there) => lost(value, there).map(|what| format!("{key}.{what}")),
        }),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).find_map(|(old, new)| lost(old, new))
        }
        (old, new) => (old != new).then(|| format!("{old} became {new}")),
    }
}
