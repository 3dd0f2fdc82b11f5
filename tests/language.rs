//! The scenario language as users meet it: the shipped files load, and each invalid file gives exactly its diagnostics.

use comeback::scenario::{Diagnostic, LoadOptions, load, schema};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

fn load_files(paths: &[&str]) -> Result<comeback::scenario::Loaded, Vec<Diagnostic>> {
    let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    load(&paths, &LoadOptions::default())
}

#[test]
fn every_shipped_scenario_loads_without_a_warning() {
    let loaded = load(&[], &LoadOptions::default()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:#?}", loaded.warnings);
    assert!(loaded.plans.iter().any(|plan| plan.name == "crashy-app"));
}

#[test]
fn every_shipped_file_is_valid_by_the_printed_schema() {
    let scenario = jsonschema::validator_for(schema::scenario()).unwrap();
    let suite = jsonschema::validator_for(schema::suite()).unwrap();
    let mut checked = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
                let validator = if document["kind"] == "Suite" { &suite } else { &scenario };
                let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{}: {errors:?}", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 1);
}

#[test]
fn the_schema_refuses_unknown_keys_and_null() {
    let validator = jsonschema::validator_for(schema::scenario()).unwrap();
    let text = include_str!("../scenarios/crash/crashy-app.yaml");
    let good: Value = serde_saphyr::from_str(text).unwrap();
    assert!(validator.is_valid(&good));
    for (pointer, key, value) in
        [("/spec", "recovr", Value::Bool(true)), ("/spec", "steady", Value::Null), ("/spec/recover", "rto", Value::from("soon"))]
    {
        let mut bad = good.clone();
        bad.pointer_mut(pointer).unwrap()[key] = value;
        assert!(!validator.is_valid(&bad), "{pointer}/{key}");
    }
}

/// The diagnostics of each file of `fixtures/invalid`, as `validate --format json` prints them.
#[test]
fn each_invalid_file_gives_exactly_its_diagnostics() {
    let mut names: Vec<_> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/invalid"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    names.sort();
    assert!(names.len() >= 10);
    for name in names {
        let started = Instant::now();
        let found = load_files(&[&format!("fixtures/invalid/{name}")]).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(5), "{name} took {:?}", started.elapsed());
        assert!(found.iter().any(Diagnostic::is_error));
        let json: Vec<_> = found.iter().map(Diagnostic::to_json).collect();
        insta::assert_json_snapshot!(name.trim_end_matches(".yaml").to_owned(), json);
    }
}
