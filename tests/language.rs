//! The scenario language as users meet it: the shipped files load, and each invalid file gives exactly its diagnostics.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use comeback::scenario::render::{Look, render};
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

/// `COMEBACK_WRITE=1 cargo test --test language readme` writes it anew.
#[test]
fn the_readme_of_the_scenarios_lists_them_all() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/README.md");
    let mut text = "# The shipped scenarios\n\nWritten by `COMEBACK_WRITE=1 cargo test --test language readme`; `comeback show builtin:NAME` prints one with its \
                    manifests, its incident and the reason of its RTO.\n\nThose with a \
                    star are in the gate suite, which `comeback run` runs when nothing is named.\n\n\
                    | scenario | what happens | diagnosis | RTO | expected |\n|---|---|---|---|---|\n"
        .to_owned();
    let folder = path.parent().unwrap().to_string_lossy().into_owned();
    let mut plans = load(&[folder], &LoadOptions::default()).unwrap().plans;
    plans.sort_by(|a, b| (a.labels.get("class"), &a.name).cmp(&(b.labels.get("class"), &b.name)));
    for plan in &plans {
        let cause = plan.detect.as_ref().map_or("", |detect| detect.cause.as_str());
        let rto = plan.recover.rto.map(comeback::scenario::duration::format).unwrap_or_default();
        let expect: Vec<_> =
            plan.expect.iter().map(|verdict| serde_json::to_value(verdict).unwrap().as_str().unwrap().to_owned()).collect();
        let star = if plan.labels.get("tier").is_some_and(|tier| tier == "gate") { " *" } else { "" };
        text.push_str(&format!("| {}{star} | {} | {cause} | {rto} | {} |\n", plan.name, plan.summary, expect.join(", ")));
    }
    if std::env::var_os("COMEBACK_WRITE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        text,
        "COMEBACK_WRITE=1 cargo test --test language readme writes it anew"
    );
}

#[test]
fn every_shipped_file_is_valid_by_the_printed_schema() {
    let scenario = jsonschema::validator_for(schema::scenario()).unwrap();
    let suite = jsonschema::validator_for(schema::suite()).unwrap();
    let strategy = jsonschema::validator_for(schema::strategy()).unwrap();
    let mut checked = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("scenarios"), root.join("src/heal/strategies")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
                let validator = match document["kind"].as_str() {
                    Some("Suite") => &suite,
                    Some("Strategy") => &strategy,
                    _ => &scenario,
                };
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
        assert!(started.elapsed() < ENDLESS, "{name} took {:?}", started.elapsed());
        assert!(found.iter().any(Diagnostic::is_error));
        let json: Vec<_> = found.iter().map(Diagnostic::to_json).collect();
        insta::assert_json_snapshot!(name.trim_end_matches(".yaml").to_owned(), json);
    }
}

/// What takes this long takes time that grows with more than the input's length; a busy machine alone does not.
const ENDLESS: Duration = Duration::from_mins(1);

/// Nonsense of all sorts: exit 2 with a message, soon, and never a crash.
#[test]
fn no_input_crashes_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut exploding = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        exploding.push_str(&format!("a{level}: &a{level} [{}]\n", [below.as_str(); 6].join(",")));
    }
    let header = "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\n";
    let inputs: Vec<Vec<u8>> = vec![
        b"\x00\xff\xfe\x00".to_vec(),
        b"\x7fELF\x02\x01\x01".to_vec(),
        vec![],
        b"\n\n\n".to_vec(),
        b"---\n---\n---\n".to_vec(),
        b"# only a comment\n".to_vec(),
        b"null".to_vec(),
        b"42".to_vec(),
        b"words".to_vec(),
        b"- list".to_vec(),
        b"a: *nowhere".to_vec(),
        b"a: &a [*a]".to_vec(),
        b"a: 1\na: 2\n".to_vec(),
        b"? [1, 2]\n: 3\n".to_vec(),
        b"? {a: b}\n: 3\n".to_vec(),
        b"1: 2\ntrue: false\n".to_vec(),
        b"a: !!binary aGVsbG8=\n".to_vec(),
        b"a: !unknown {b: c}\n".to_vec(),
        b"a: .nan\nb: .inf\n".to_vec(),
        b"a: \"\\uD800\"\n".to_vec(),
        b"<<: *x\n".to_vec(),
        b"%YAML 9.9\n---\na: b\n".to_vec(),
        "[".repeat(100_000).into_bytes(),
        "- ".repeat(100_000).into_bytes(),
        "{a: ".repeat(100_000).into_bytes(),
        vec![b'a'; 10 * 1024 * 1024],
        vec![0; 10 * 1024 * 1024],
        "a: b\n".repeat(500_000).into_bytes(),
        exploding.into_bytes(),
        format!("{header}metadata: 5\nspec: [1]\n").into_bytes(),
        format!("{header}metadata:\nspec:\n").into_bytes(),
        format!("{header}spec: {{ workload: {{ inline: [1, [], {{}}], patches: [7], manifests: [/dev/null, .] }} }}\n")
            .into_bytes(),
        format!("{header}spec: {{ steady: {{ until: [{{ not: {{ not: {{ any: [[], 3, null] }} }} }}] }}, fault: 3 }}\n")
            .into_bytes(),
        "apiVersion: comeback.dev/v1alpha1\nkind: Suite\nspec: { scenarios: [{}, '', ., builtin:], gate: 3 }\n".into(),
    ];
    assert!(inputs.len() >= 30);
    for (index, input) in inputs.into_iter().enumerate() {
        let path = folder.path().join("nonsense.yaml");
        std::fs::write(&path, &input).unwrap();
        let started = Instant::now();
        let found = load_files(&[path.to_str().unwrap()]).unwrap_err();
        let text = render(&found, Look { color: false, width: 80 });
        assert!(started.elapsed() < ENDLESS, "input {index} took {:?}", started.elapsed());
        assert!(found.iter().any(Diagnostic::is_error) && text.contains("error"), "input {index}: {text}");
    }
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn scenario(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: {name}, labels: {{ class: crash, tier: {name} }} }}\n\
         spec:\n  summary: x\n  workload: {{ manifests: [deployment.yml] }}\n{rest}"
    )
}

const DEPLOYMENT: &str = "apiVersion: v1\nkind: List\nitems:\n  - { apiVersion: v1, kind: Namespace, metadata: { name: shop } }\n  - apiVersion: apps/v1\n    kind: Deployment\n    metadata: { name: app, namespace: shop }\n    spec: { template: { metadata: { labels: { app: app } }, spec: { containers: [{ name: app, image: busybox }] } } }\n";

#[test]
fn every_default_of_the_contract_is_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "deployment.yml", DEPLOYMENT);
    let path = write(
        &folder,
        "a.yaml",
        &scenario("a", "  fault: [{ exec: { deployment: app, command: [sh] } }]\n  detect: { cause: crash }\n"),
    );
    let loaded = load(&[path], &LoadOptions::default()).unwrap();
    let plan = serde_json::to_value(loaded.plans[0].as_ref()).unwrap();
    let ready = serde_json::json!([{ "ready": { "deployment": "app" } }]);
    assert_eq!(plan["steady"], serde_json::json!({ "until": ready, "within": "5m", "hold": "5s" }));
    assert_eq!(plan["effect"], serde_json::json!({ "within": "2m" }));
    assert_eq!(plan["detect"]["within"], "2m");
    assert_eq!(plan["recover"], serde_json::json!({ "until": ready, "hold": "30s", "within": "5m" }));
    assert_eq!((&plan["trials"], &plan["heal"]["by"]), (&Value::from(1), &Value::from("kubernetes")));
    assert_eq!(plan["expect"], serde_json::json!(["recovered"]));
    assert_eq!(plan["needs"], serde_json::json!(["exec"]));
    assert_eq!(plan["manifests"].as_array().unwrap().len(), 1, "the Namespace is left out");
    assert_eq!(plan["manifests"][0]["object"]["metadata"], serde_json::json!({ "name": "app" }));
    assert_eq!(plan["manifests"][0]["line"], 5);
}

#[test]
fn a_suite_gives_what_scenarios_leave_out_and_selects() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "deployment.yml", DEPLOYMENT);
    write(&folder, "a.yaml", &scenario("a", "  parameters: { hold: 10s }\n  recover: { hold: \"${hold}\" }\n"));
    write(&folder, "b.yaml", &scenario("b", "  recover: { rto: 10s }\n  trials: 2\n"));
    write(&folder, "c.yaml", &scenario("c", ""));
    let suite = "apiVersion: comeback.dev/v1alpha1\nkind: Suite\nmetadata: { name: s }\nspec:\n  scenarios: [.]\n  select: tier!=c\n  \
                 defaults: { trials: 5 }\n  with: { hold: 20s }\n  rto: { crash: 3m }\n  concurrency: 3\n  \
                 gate: { successRate: { atLeast: 0.9, judge: lowerBound } }\n";
    let path = write(&folder, "suite.yaml", suite);
    let options = LoadOptions { set: [("hold".to_owned(), "40s".to_owned())].into(), ..LoadOptions::default() };
    let given = |options: &LoadOptions| {
        let loaded = load(std::slice::from_ref(&path), options).unwrap();
        let plans = loaded.plans.iter();
        let seen = plans.map(|plan| (plan.name.clone(), plan.trials, plan.recover.rto, plan.recover.hold)).collect::<Vec<_>>();
        (seen, loaded)
    };
    let seconds = Duration::from_secs;
    let (seen, loaded) = given(&LoadOptions::default());
    let expected = [("a".to_owned(), 5, Some(seconds(180)), seconds(20)), ("b".to_owned(), 2, Some(seconds(10)), seconds(30))];
    assert_eq!(seen, expected);
    assert_eq!((loaded.concurrency, loaded.plans[0].recover.within), (Some(3), seconds(540)), "the larger of 5m and 3 x RTO");
    assert_eq!(loaded.warnings.len(), 2, "neither 5 nor 2 trials can prove 0.9");
    assert!(
        loaded.warnings[0].message.contains("can prove 0.") && loaded.warnings[0].help.as_ref().unwrap().contains("needs 35")
    );
    assert_eq!(given(&options).0[0].3, seconds(40), "--set beats a suite's `with`");
    let unknown = LoadOptions { set: [("hodl".to_owned(), "1s".to_owned())].into(), ..LoadOptions::default() };
    let found = load(std::slice::from_ref(&path), &unknown).unwrap_err();
    assert!(found.iter().any(|one| one.message.contains("`hodl`") && one.help.as_ref().unwrap().contains("`hold`")));
}

/// A suite that says something of nothing, and scenarios that two suites claim.
#[test]
fn what_a_suite_says_in_vain_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let suite = |spec: &str| {
        format!(
            "apiVersion: comeback.dev/v1alpha1\nkind: Suite\nmetadata: {{ name: s }}\nspec:\n  scenarios: [builtin:crashy-app]\n{spec}"
        )
    };
    let codes = |found: &[Diagnostic]| found.iter().map(|one| one.code.as_str()).collect::<Vec<_>>();
    let vain = write("vain.yaml", &suite("  with: { wrokers: 3 }\n"));
    assert_eq!(codes(&load_files(&[&vain]).unwrap_err()), ["unknown-parameter"]);
    let zero = write("zero.yaml", &suite("  gate: { successRate: { atLeast: 0 } }\n"));
    assert_eq!(codes(&load_files(&[&zero]).unwrap_err()), ["out-of-range"]);
    let typo = write("typo.yaml", &suite("  rto: { crsh: 30s }\n"));
    assert_eq!(codes(&load_files(&[&typo]).unwrap().warnings), ["unknown-class"]);
    let strict = write("strict.yaml", &suite("  rto: { crash: 30s }\n"));
    let plans = load_files(&["builtin:crashy-app", &strict]).unwrap().plans;
    let rtos: Vec<_> = plans.iter().map(|plan| plan.recover.rto).collect();
    assert_eq!(rtos.len(), 1);
    assert_eq!(load_files(&[&strict, "builtin:crashy-app"]).unwrap().plans[0].recover.rto, rtos[0]);
    let lax = write("lax.yaml", &suite("  rto: { crash: 300s }\n"));
    assert_eq!(codes(&load_files(&[&strict, &lax]).unwrap_err()), ["duplicate-scenario"]);
    assert_eq!(load_files(&[&strict, &strict]).unwrap().plans.len(), 1);
}

/// In a folder other YAML is left alone, but a scenario that is misspelt at its head is not.
#[test]
fn a_misspelt_head_in_a_folder_is_no_other_yaml() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string("scenarios/crash/crashy-app.yaml")
        .unwrap()
        .replace("../../fixtures", &format!("{}/fixtures", env!("CARGO_MANIFEST_DIR")));
    std::fs::write(folder.path().join("good.yaml"), &good).unwrap();
    std::fs::write(folder.path().join("values.yaml"), "kind: Suite\nname: of somebody else\n").unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(load_files(&[path]).unwrap().plans.len(), 1);
    for (wrong, right) in
        [("apiversion:", "apiVersion:"), ("apiVersion: comback.dev/v1alpha1", "apiVersion: comeback.dev/v1alpha1")]
    {
        std::fs::write(folder.path().join("bad.yaml"), good.replace(right, wrong)).unwrap();
        let found = load_files(&[path]).unwrap_err();
        assert!(found.iter().any(|one| one.code.as_str() == "api-version"), "{wrong}: {found:?}");
    }
}

/// What would hold whatever happens to a part of the workload, or at once.
#[test]
fn what_looks_at_nothing_is_refused() {
    let pod = "{ metadata: { labels: { app: a } }, spec: { containers: [{ name: a, image: busybox }] } }";
    let object = |kind: &str, version: &str| {
        format!(
            "{{ apiVersion: {version}, kind: {kind}, metadata: {{ name: a }}, spec: {{ selector: {{ matchLabels: {{ app: a }} }}, template: {pod} }} }}"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    let codes = |objects: &[String], rest: &str| {
        let text = format!(
            "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: x }}\nspec:\n  summary: x\n  workload: {{ inline: [{}] }}\n{rest}",
            objects.join(", ")
        );
        std::fs::write(&file, text).unwrap();
        let found = load_files(&[file.to_str().unwrap()]).map_or_else(|found| found, |loaded| loaded.warnings);
        found.iter().map(|one| one.code.as_str()).collect::<Vec<_>>()
    };
    let app = object("Deployment", "apps/v1");
    let fault = "  fault: [{ deletePods: { deployment: a } }]\n";
    assert!(codes(std::slice::from_ref(&app), fault).is_empty());
    assert_eq!(codes(std::slice::from_ref(&app), &format!("{fault}  recover: {{ hold: 0s }}\n")), ["out-of-range"]);
    assert_eq!(codes(std::slice::from_ref(&app), &format!("{fault}  recover: {{ hold: 1ms }}\n")), ["out-of-range"]);
    assert_eq!(codes(std::slice::from_ref(&app), "  expect: [quiet, false-alarm]\n"), ["bad-expectation"]);
    assert_eq!(
        codes(std::slice::from_ref(&app), "  effect: { until: [{ not: { ready: { deployment: a } } }] }\n"),
        ["empty-condition"]
    );
    assert_eq!(codes(std::slice::from_ref(&app), "  steady: { hold: 0s }\n  expect: quiet\n"), ["out-of-range"]);
    assert!(codes(std::slice::from_ref(&app), &format!("  steady: {{ hold: 0s }}\n{fault}")).is_empty());
    assert_eq!(codes(std::slice::from_ref(&app), &format!("{fault}  trials: 2000000000\n")), ["out-of-range"]);
    assert_eq!(codes(&[app, object("ReplicaSet", "apps/v1")], fault), ["not-supported-yet"]);
}
