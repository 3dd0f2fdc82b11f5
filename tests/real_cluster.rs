//! The same scenarios on a real Kubernetes and on the embedded one: equal verdicts, durations that agree.
//! Ignored by default; `cargo test --test real_cluster -- --ignored` fails when there is no cluster.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "real_cluster/node_access.rs"]
mod node_access;
#[path = "real_cluster/registry.rs"]
mod registry;
#[path = "real_cluster/submit.rs"]
mod submit;

use comeback::measure::result::{Measured, RunResult, TrialResult};
use std::path::Path;
use std::process::Command;

/// The scenarios of the comparison, with what their detection and recovery times may differ by, in seconds: what the real
/// kubelet draws by chance. A crash is seen at a relist (1 s), a probe's first failure within its period, a missing
/// configuration is retried every 10 to 15 s, and a mounted ConfigMap arrives after up to 90 s (but only the way to the
/// effect depends on that). The first readiness probe of a new container may run before the kubelet has written that it
/// started: then the next one comes a whole period later, 5 s for the pods of `store` (seen in 2 of 6 trials on a busy kind, 1.9
/// to 4.0 s without and 6.5 to 6.7 s with it; the simulation loses the race in 7 of 86 starts, as recorded on a quiet one).
const SCENARIOS: &[(&str, f64)] = &[
    ("crashy-app", 8.0),
    ("probe-bad-liveness", 6.0),
    ("crash-after-config-change", 8.0),
    ("pod-deleted", 6.0),
    ("pod-stateful-deleted", 9.0),
    ("image-not-found", 4.0),
];

fn run(cluster: &str, directory: &Path, scenarios: &[&str], more: &[&str]) -> RunResult {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    command.args([
        "run",
        "--cluster",
        cluster,
        "--concurrency",
        "5",
        "--no-progress",
        "--seed",
        "7",
        "--report",
        "json",
        "--out",
    ]);
    command.arg(directory).args(more).args(scenarios.iter().map(|name| format!("builtin:{name}")));
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{cluster}: no result ({error}), exit {:?}:\n{errors}", output.status.code()))
}

fn trial<'a>(results: &'a [RunResult], name: &str) -> &'a TrialResult {
    let mut scenarios = results.iter().flat_map(|result| &result.scenarios);
    let scenario = scenarios.find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("no scenario {name}"));
    &scenario.trials[0]
}

fn seconds(measured: Option<&Measured>) -> Option<f64> {
    measured.filter(|measured| !measured.censored).map(|measured| measured.value)
}

fn compare(name: &str, slack: f64, real: &TrialResult, embedded: &TrialResult) -> Vec<String> {
    let mut wrong = Vec::new();
    if real.verdict != embedded.verdict {
        wrong.push(format!("{name}: {} ({}) but embedded {} ({})", real.verdict, real.reason, embedded.verdict, embedded.reason));
    }
    let who = |trial: &TrialResult| trial.healed_by.as_ref().map(|healed| healed.who);
    if who(real) != who(embedded) {
        wrong.push(format!("{name}: healed by {:?} but embedded {:?}", real.healed_by, embedded.healed_by));
    }
    let mut row = format!("{name:<28} {:>10} {:>10}", real.verdict, embedded.verdict);
    for (what, a, b) in [
        ("detection", seconds(real.durations.to_detect.as_ref()), seconds(embedded.durations.to_detect.as_ref())),
        ("recovery", seconds(real.durations.to_recover.as_ref()), seconds(embedded.durations.to_recover.as_ref())),
    ] {
        let show = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.2}s"));
        row += &format!(" {:>22}", format!("{} / {}", show(a), show(b)));
        match (a, b) {
            (Some(a), Some(b)) if (a - b).abs() > slack => wrong.push(format!("{name}: {what} took {a:.2}s, embedded {b:.2}s")),
            (Some(_), None) | (None, Some(_)) => wrong.push(format!("{name}: {what} was measured on one cluster only")),
            _ => {}
        }
    }
    println!("{row}");
    if !real.leftovers.is_empty() {
        wrong.push(format!("{name}: left behind {:?}", real.leftovers));
    }
    wrong
}

#[test]
#[ignore = "needs a real cluster: COMEBACK_TEST_CONTEXT names its kubeconfig context"]
fn verdicts_and_durations_agree_with_the_embedded_cluster() {
    let context = std::env::var("COMEBACK_TEST_CONTEXT").expect("set COMEBACK_TEST_CONTEXT to the context of a test cluster");
    let folder = tempfile::tempdir().unwrap();
    let (names, image): (Vec<&str>, Vec<&str>) =
        (SCENARIOS.iter().map(|(name, _)| *name).filter(|name| *name != "image-not-found").collect(), vec!["image-not-found"]);
    let cluster = format!("context:{context}");
    let real = vec![
        run(&cluster, &folder.path().join("real"), &names, &[]),
        // Only a registry can say "not found"; a cluster without a network gets one of its own.
        registry::with(&context, || {
            run(&cluster, &folder.path().join("image"), &image, &["--set", "image=localhost:5000/web:missing"])
        }),
    ];
    let all: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
    let embedded = vec![run("embedded", &folder.path().join("embedded"), &all, &[])];
    assert!(real.iter().all(|result| result.complete && !result.cluster.fingerprint.simulated));
    assert!(embedded[0].complete && embedded[0].cluster.fingerprint.simulated);
    println!("{:<28} {:>10} {:>10} {:>22} {:>22}", "scenario", "real", "embedded", "detection real/emb.", "recovery real/emb.");
    let wrong: Vec<String> =
        SCENARIOS.iter().flat_map(|(name, slack)| compare(name, *slack, trial(&real, name), trial(&embedded, name))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs a real cluster and an image of comeback in it: COMEBACK_TEST_CONTEXT and COMEBACK_TEST_IMAGE name them"]
fn a_submitted_run_loses_a_pod_and_no_trial() {
    let context = std::env::var("COMEBACK_TEST_CONTEXT").expect("set COMEBACK_TEST_CONTEXT to the context of a test cluster");
    let image =
        std::env::var("COMEBACK_TEST_IMAGE").expect("set COMEBACK_TEST_IMAGE to an image of ci/image that the nodes have");
    submit::a_killed_pod_costs_no_trial(&context, &image);
}

#[test]
#[ignore = "needs a kind cluster with two workers and docker: COMEBACK_TEST_CONTEXT names its context; its nodes are broken"]
fn nodes_are_broken_by_pods_where_their_machines_cannot_be_reached() {
    let context = std::env::var("COMEBACK_TEST_CONTEXT").expect("set COMEBACK_TEST_CONTEXT to the context of a test cluster");
    node_access::pods_break_nodes_as_containers_do(&context);
}

#[test]
#[ignore = "needs a kind cluster with two workers and docker: COMEBACK_TEST_CONTEXT names its context; its nodes are broken"]
fn a_killed_run_leaves_nodes_that_mend_themselves() {
    let context = std::env::var("COMEBACK_TEST_CONTEXT").expect("set COMEBACK_TEST_CONTEXT to the context of a test cluster");
    for (fault, is_broken) in node_access::KILLED_IN.into_iter().take(node_access::of_each()) {
        node_access::a_killed_run_is_cleaned_up(&context, fault, is_broken);
    }
}
