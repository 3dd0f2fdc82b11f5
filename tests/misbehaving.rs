//! A cluster that misbehaves: refusals, lost answers, slowness, watches that break off, an expired token, pauses, cut connections.
//! A workload that never recovers is never reported as recovered, one that recovers is never reported as lost, and nothing is left
//! but what the run itself names.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what cannot be started or asked fails the test")]

#[path = "misbehaving/proxy.rs"]
mod proxy;
#[path = "kill/world.rs"]
mod world;

use comeback::measure::result::RunResult;
use comeback::scenario::Verdict;
use proxy::Misbehaviour;
use rstest::rstest;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use world::World;

/// A pod is deleted and replaced at once; an image that does not exist never starts; a pod is deleted, and its successor is ready only
/// after the RTO.
const SCENARIOS: [(&str, &str, &str, &str); 3] = [
    ("recovers", "{ deletePods: { deployment: app } }", "0", "12s"),
    ("stays", "{ setImage: { deployment: app, image: 'nowhere/none:1' } }", "0", "12s"),
    ("late", "{ deletePods: { deployment: app } }", "6", "3s"),
];

fn write(folder: &Path) {
    for (name, fault, delay, rto) in SCENARIOS {
        let text = format!(
            "apiVersion: comeback.dev/v1alpha1
kind: Scenario
metadata: {{ name: {name} }}
spec:
  summary: Under a server that misbehaves
  workload:
    inline:
      - apiVersion: apps/v1
        kind: Deployment
        metadata: {{ name: app }}
        spec:
          replicas: 1
          strategy: {{ type: Recreate }}
          selector: {{ matchLabels: {{ app: app }} }}
          template:
            metadata: {{ labels: {{ app: app }} }}
            spec:
              terminationGracePeriodSeconds: 1
              containers:
                - name: app
                  image: 'busybox:1.37'
                  command: [ sleep, '3600' ]
                  readinessProbe: {{ exec: {{ command: [ 'true' ] }}, initialDelaySeconds: {delay}, periodSeconds: 1 }}
  steady: {{ within: 60s, hold: 1s }}
  fault: [ {fault} ]
  effect: {{ within: 20s }}
  recover: {{ within: 12s, hold: 1s, rto: {rto} }}
"
        );
        std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    }
}

/// Runs the harness; its exit code, and its output.
fn comeback(folder: &Path, kubeconfig: &str, arguments: &[&str]) -> (i32, String) {
    std::fs::write(folder.join("kubeconfig"), kubeconfig).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).env("KUBECONFIG", folder.join("kubeconfig"));
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), text)
}

fn kubeconfig_of(address: std::net::SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: bad\nclusters: [{{ name: bad, cluster: {{ server: 'http://{address}' }} }}]\n\
         contexts: [{{ name: bad, context: {{ cluster: bad, user: u }} }}]\nusers: [{{ name: u, user: {{}} }}]\n"
    )
}

#[rstest]
#[case::too_many_requests(Misbehaviour::Refuses(429), true)]
#[case::internal_errors(Misbehaviour::Refuses(500), true)]
#[case::unavailable(Misbehaviour::Refuses(503), true)]
#[case::lost_answers(Misbehaviour::Loses(504), true)]
#[case::slow(Misbehaviour::IsSlow, true)]
#[case::dropped_watches(Misbehaviour::DropsWatches, true)]
#[case::compacted(Misbehaviour::Forgets, true)]
#[case::expired(Misbehaviour::Expires, false)]
#[case::paused(Misbehaviour::Pauses(4), true)]
#[case::cut(Misbehaviour::IsCut(4), true)]
fn the_truth_or_no_verdict_and_nothing_left(#[case] how: Misbehaviour, #[case] recovers: bool) {
    let (verdict, reason) = play(how, 20.0);
    assert_eq!(verdict == Verdict::Recovered, recovers, "{how:?}: {verdict:?}: {reason}");
}

/// What happened meanwhile was not seen: no verdict says that it was late or lost.
#[rstest]
#[case::paused(Misbehaviour::Pauses(60))]
#[case::cut(Misbehaviour::IsCut(60))]
#[ignore = "takes minutes; .ci/run plays it"]
fn a_minute_without_the_server_is_survived(#[case] how: Misbehaviour) {
    let (verdict, reason) = play(how, 1.0);
    // It may have recovered before the server went away.
    assert!(matches!(verdict, Verdict::Invalid | Verdict::Recovered), "{how:?}: {verdict:?}: {reason}");
}

/// Watches that stay open and silent, while everything else is answered: what they deliver in the end is old.
#[test]
fn what_a_stalled_watch_delivers_late_did_not_happen_just_now() {
    let world = World::start(1.0);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let bad = kubeconfig_of(proxy::start(Misbehaviour::StallsWatches(12), &world.kubeconfig));
    let (code, output) =
        comeback(folder.path(), &bad, &["run", "--cluster", "context", "--no-progress", "--out", "run", "late.yaml"]);
    let text = std::fs::read_to_string(folder.path().join("run/result.json")).unwrap_or_else(|_| panic!("{output}"));
    let result: RunResult = serde_json::from_str(&text).unwrap();
    let trial = &result.scenarios[0].trials[0];
    // It recovers after 6 s at least, which is more than its RTO of 3 s.
    assert!(matches!(trial.verdict, Verdict::Invalid | Verdict::Late), "{}: {output}", trial.verdict);
    assert_ne!(code, 0, "{output}");
}

/// Plays both scenarios under a misbehaviour and checks what holds under each; the verdict of the one that recovers.
fn play(how: Misbehaviour, speed: f64) -> (Verdict, String) {
    let world = World::start(speed);
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let before = world.snapshot(&BTreeSet::new());
    assert!(world.kubeconfig.contains(&world.address.to_string()));
    let bad = kubeconfig_of(proxy::start(how, &world.kubeconfig));
    let run =
        ["run", "--cluster", "context", "--no-progress", "--concurrency", "2", "--out", "run", "recovers.yaml", "stays.yaml"];
    let (code, output) = comeback(folder.path(), &bad, &run);
    let text = std::fs::read_to_string(folder.path().join("run/result.json")).unwrap_or_else(|_| panic!("{how:?}: {output}"));
    let result: RunResult = serde_json::from_str(&text).unwrap();
    let verdict = |name: &str| {
        let scenario = result.scenarios.iter().find(|scenario| scenario.name == name).unwrap();
        let trial = &scenario.trials[0];
        (trial.verdict, format!("{}; {}", trial.reason, trial.notes.join("; ")))
    };
    let (good, stays) = (verdict("recovers"), verdict("stays"));
    let unsaid = |verdict: Verdict| matches!(verdict, Verdict::Error | Verdict::Invalid);
    assert!(matches!(stays.0, Verdict::Unrecovered | Verdict::Regressed) || unsaid(stays.0), "{how:?}: {stays:?}");
    assert!(good.0 == Verdict::Recovered || unsaid(good.0), "{how:?}: {good:?}");
    assert_ne!(code, 0, "{how:?}: the workload that stays broken is no pass\n{output}");
    if code != 5 {
        let left = world.differences(&before, &BTreeSet::new());
        assert!(left.is_empty(), "{how:?} with code {code}:\n{}\n{output}", left.join("\n"));
    }
    // What could not be removed then is removed by a clean-up that can reach the server.
    let (code, output) = comeback(folder.path(), &world.kubeconfig, &["cleanup", "--all"]);
    assert_eq!(code, 0, "{how:?}: {output}");
    let left = world.differences(&before, &BTreeSet::new());
    assert!(left.is_empty(), "{how:?}:\n{}", left.join("\n"));
    good
}
