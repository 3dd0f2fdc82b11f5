//! The example of every fault as a whole trial: its effect is seen, on its own evidence, on the embedded cluster.

use comeback::engine::{self, RunRequest};
use comeback::measure::result::RunResult;
use comeback::scenario::{self, Verdict};
use std::path::Path;

const SOURCES: [&str; 10] = [
    include_str!("../../src/scenario/fault.rs"),
    include_str!("../../src/scenario/fault/chaos_mesh.rs"),
    include_str!("../../src/scenario/fault/config.rs"),
    include_str!("../../src/scenario/fault/machine.rs"),
    include_str!("../../src/scenario/fault/network.rs"),
    include_str!("../../src/scenario/fault/node.rs"),
    include_str!("../../src/scenario/fault/object.rs"),
    include_str!("../../src/scenario/fault/pod.rs"),
    include_str!("../../src/scenario/fault/stress.rs"),
    include_str!("../../src/scenario/fault/workload.rs"),
];

/// The example in the documentation of each fault, as one line of YAML.
fn examples() -> Vec<String> {
    let blocks = SOURCES.iter().flat_map(|source| source.split("/// ```yaml\n").skip(1));
    let text = |block: &str| {
        let lines = block.lines().take_while(|line| line.trim() != "/// ```");
        lines.map(|line| line.trim().trim_start_matches("///").trim()).collect::<Vec<_>>().join(" ")
    };
    blocks.map(text).collect()
}

pub fn scenario(name: &str, faults: &str, more: &str) -> String {
    let workload = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/faults-pool.yaml");
    format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: {name} }}\nspec:\n  summary: An example\n  \
         workload: {{ manifests: [{}] }}\n  \
         steady: {{ until: [{{ ready: {{ deployment: pool }} }}, {{ ready: {{ deployment: front }} }}, {{ endpoints: {{ service: pool }} }}], hold: 5s }}\n  \
         fault: [{faults}]\n  effect: {{ within: 3m }}\n{more}",
        workload.display()
    )
}

pub fn run(folder: &Path) -> RunResult {
    let loaded = scenario::load(&[folder.display().to_string()], &scenario::LoadOptions::default()).unwrap_or_else(|found| {
        panic!("{}", scenario::render::render(&found, scenario::render::Look { color: false, width: 100 }));
    });
    let directory = folder.join("run");
    std::fs::create_dir_all(&directory).unwrap();
    let request = RunRequest { plans: loaded.plans, directory, concurrency: 2, ..super::request() };
    let (_keep, stop) = tokio::sync::watch::channel(None);
    engine::run(&request, &stop, &mut |_| {})
}

#[test]
fn the_effect_of_every_example_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    for (number, example) in examples().iter().enumerate() {
        // A quota takes nothing from what runs: it shows when a pod is to be replaced.
        let faults = match example.as_str() {
            quota if quota.starts_with("quota:") => format!("{{ {quota} }}, {{ deletePods: {{ deployment: pool }} }}"),
            // It shows when an image is to be pulled.
            block if block.starts_with("blockRegistry:") => {
                format!("{{ {block} }}, {{ deletePods: {{ deployment: pool, all: true }} }}")
            }
            other => format!("{{ {other} }}"),
        };
        let text = scenario(&format!("example-{number}"), &faults, "  recover: { hold: 1s, within: 1s }\n");
        std::fs::write(folder.path().join(format!("{number}.yaml")), text).unwrap();
    }
    let result = run(folder.path());
    assert_eq!(result.scenarios.len(), examples().len());
    for scenario in &result.scenarios {
        for trial in &scenario.trials {
            let number: usize = scenario.name.trim_start_matches("example-").parse().unwrap();
            let example = &examples()[number];
            assert!(trial.verdict.is_valid(), "{example}: {} ({})", trial.verdict, trial.reason);
            assert!(trial.stamps.effective.is_some(), "{example}: {}", trial.reason);
            assert!(trial.leftovers.is_empty(), "{example}: {:?}", trial.leftovers);
        }
    }
}

#[test]
fn a_fault_that_undoes_itself_lets_the_workload_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let faults = "{ stopDependency: { deployment: pool, for: 30s } }, { deletePods: { deployment: front, after: 10s } }";
    let text = scenario("for-a-while", faults, "  recover: { rto: 1m, hold: 10s }\n");
    std::fs::write(folder.path().join("one.yaml"), text).unwrap();
    let result = run(folder.path());
    let trial = &result.scenarios[0].trials[0];
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
    let recovered = trial.durations.to_recover_from_request.as_ref().unwrap().value;
    assert!((30.0..40.0).contains(&recovered), "{recovered}");
    let healed = trial.healed_by.as_ref().unwrap();
    assert!(healed.evidence.iter().any(|line| line.contains("`stopDependency` undid itself")), "{healed:?}");
}

#[test]
fn what_is_tried_is_seen_to_fail_and_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let tried = "[{ http: { service: pool, path: /workers } }, { tcp: { service: pool } }, { dns: { name: pool } }, \
                 { exec: { deployment: front, command: [wget, -q, -T, \"1\", -O, /dev/null, \"http://pool:8080/mode\"] } }, \
                 { node: { ready: true, schedulable: true } }]";
    let gone = "[{ not: { http: { service: pool, path: /workers } } }, { not: { tcp: { service: pool } } }]";
    let text = scenario("tried", "{ breakService: { service: pool, for: 20s } }", "")
        .replace("  effect: { within: 3m }\n", &format!("  effect: {{ until: {gone} }}\n"))
        + &format!(
            "  recover: {{ until: {tried}, rto: 40s, hold: 10s }}\n  throughout: {{ until: [{{ http: {{ service: pool, path: /workers }} }}], allow: ALLOWED }}\n"
        );
    std::fs::write(folder.path().join("one.yaml"), text.replace("ALLOWED", "1s") + "  expect: degraded\n").unwrap();
    let other = text.replace("ALLOWED", "40s").replace("name: tried", "name: tried-patiently");
    std::fs::write(folder.path().join("two.yaml"), other).unwrap();
    let result = run(folder.path());
    let trials: Vec<_> = result.scenarios.iter().map(|scenario| &scenario.trials[0]).collect();
    assert_eq!(trials[0].verdict, Verdict::Degraded, "{}", trials[0].reason);
    assert!(trials[0].reason.contains("what must hold throughout did not for 2"), "{}", trials[0].reason);
    assert_eq!(trials[1].verdict, Verdict::Recovered, "{}", trials[1].reason);
    let recovered = trials[1].durations.to_recover_from_request.as_ref().unwrap().value;
    assert!((19.0..25.0).contains(&recovered), "{recovered}");
}
