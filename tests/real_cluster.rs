//! The same scenarios on a real Kubernetes and on the embedded one: equal verdicts, durations that agree.
//! Ignored by default; `cargo test --test real_cluster -- --ignored` fails when there is no cluster.

use comeback::measure::result::{RunResult, ScenarioResult};
use std::process::Command;

/// The scenarios of the comparison, with what their recovery and detection times may differ by, in seconds.
/// The slack is what the real kubelet draws by chance: back-off jitter (up to half the back-off), and the 60 to 90 s
/// after which a mounted ConfigMap arrives.
const SCENARIOS: &[(&str, f64)] = &[
    ("crashy-app", 25.0),
    ("bad-liveness", 45.0),
    ("image-not-found", 15.0),
    ("crash-after-config-change", 45.0),
    ("pod-deleted", 10.0),
];

fn run(cluster: &str, directory: &std::path::Path) -> RunResult {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    command
        .args(["run", "--cluster", cluster, "--concurrency", "5", "--no-progress", "--seed", "7", "--report", "json", "--out"])
        .arg(directory);
    command.args(SCENARIOS.iter().map(|(name, _)| format!("builtin:{name}")));
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{cluster}: no result ({error}), exit {:?}:\n{errors}", output.status.code()))
}

fn find<'a>(result: &'a RunResult, name: &str) -> &'a ScenarioResult {
    result.scenarios.iter().find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("no scenario {name}"))
}

#[test]
#[ignore = "needs a real cluster: COMEBACK_TEST_CONTEXT names its kubeconfig context"]
fn verdicts_and_durations_agree_with_the_embedded_cluster() {
    let context = std::env::var("COMEBACK_TEST_CONTEXT").expect("set COMEBACK_TEST_CONTEXT to the context of a test cluster");
    let folder = tempfile::tempdir().unwrap();
    let real = run(&format!("context:{context}"), &folder.path().join("real"));
    let embedded = run("embedded", &folder.path().join("embedded"));
    assert!(real.complete && !real.cluster.fingerprint.simulated && embedded.cluster.fingerprint.simulated);
    let mut wrong = Vec::new();
    println!("{:<28} {:>12} {:>12} {:>22} {:>22}", "scenario", "real", "embedded", "detect (real/emb.)", "recover (real/emb.)");
    for (name, slack) in SCENARIOS {
        let (a, b) = (&find(&real, name).trials[0], &find(&embedded, name).trials[0]);
        let time = |measured: Option<&comeback::measure::result::Measured>| measured.filter(|m| !m.censored).map(|m| m.value);
        let (detect_a, detect_b) = (time(a.durations.to_detect.as_ref()), time(b.durations.to_detect.as_ref()));
        let (recover_a, recover_b) = (time(a.durations.to_recover.as_ref()), time(b.durations.to_recover.as_ref()));
        let show = |x: Option<f64>, y: Option<f64>| {
            format!("{} / {}", x.map_or("-".to_owned(), |x| format!("{x:.2}")), y.map_or("-".to_owned(), |y| format!("{y:.2}")))
        };
        println!(
            "{name:<28} {:>12} {:>12} {:>22} {:>22}",
            a.verdict,
            b.verdict,
            show(detect_a, detect_b),
            show(recover_a, recover_b)
        );
        if a.verdict != b.verdict {
            wrong.push(format!("{name}: {} ({}) but embedded {} ({})", a.verdict, a.reason, b.verdict, b.reason));
        }
        for (what, x, y) in [("detection", detect_a, detect_b), ("recovery", recover_a, recover_b)] {
            match (x, y) {
                (Some(x), Some(y)) if (x - y).abs() > *slack => {
                    wrong.push(format!("{name}: {what} took {x:.2}s, embedded {y:.2}s"))
                }
                (Some(_), None) | (None, Some(_)) => wrong.push(format!("{name}: {what} was measured on one cluster only")),
                _ => {}
            }
        }
        if !a.leftovers.is_empty() {
            wrong.push(format!("{name}: left behind {:?}", a.leftovers));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
