//! What could be taken for something else: one fault's loss for another's effect, a finding elsewhere for the right one, a
//! control that ends too early for quiet.

use super::faults::{run, scenario};
use comeback::measure::result::TrialResult;
use comeback::scenario::Verdict;

fn trial(text: &str) -> TrialResult {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.yaml"), text).unwrap();
    run(folder.path()).scenarios[0].trials[0].clone()
}

#[test]
fn a_deletion_does_not_show_the_effect_of_a_change_beside_it() {
    let with = |key: &str, value: &str| {
        let faults = format!(
            "{{ setConfig: {{ configMap: pool, key: {key}, value: {value} }} }}, {{ deletePods: {{ deployment: pool }} }}"
        );
        trial(&scenario("two", &faults, "  recover: { hold: 10s, within: 1m }\n"))
    };
    let without_effect = with("unused", "many");
    assert_eq!(without_effect.verdict, Verdict::Invalid, "{}", without_effect.reason);
    assert!(without_effect.reason.contains("`setConfig`: no pod that it concerns was seen failing"), "{}", without_effect.reason);
    let with_effect = with("workers", "many");
    assert_eq!(with_effect.verdict, Verdict::Unrecovered, "{}", with_effect.reason);
}

#[test]
fn a_second_deletion_is_not_shown_by_the_first() {
    let faults = "{ deletePods: { deployment: pool, all: true } }, { deletePods: { deployment: pool, all: true } }";
    let trial = trial(&scenario("twice", faults, "  recover: { hold: 10s, within: 1m }\n"));
    if trial.verdict.is_valid() {
        // Each has its own two pods.
        assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
    } else {
        assert!(trial.reason.contains("no target"), "{}", trial.reason);
    }
}

/// A Deployment that has nothing to do with the pool: it begins to crash a minute after its start.
const FLAKY: &str = "{ apiVersion: apps/v1, kind: Deployment, metadata: { name: flaky }, spec: { selector: { matchLabels: { app: flaky } }, \
    template: { metadata: { labels: { app: flaky } }, spec: { containers: [{ name: flaky, image: \"busybox:1.37\", \
    command: [sh, -c, \"test -f /tmp/old || sleep 60; exit 1\"] }] } } } }";

#[test]
fn a_finding_on_an_unrelated_workload_detects_nothing() {
    let text = scenario(
        "elsewhere",
        "{ killContainer: { deployment: pool, signal: TERM } }",
        "  detect: { cause: crash.app-error, within: 4m }\n  recover: { until: [{ ready: { deployment: pool } }], hold: 10s }\n",
    );
    let trial = trial(&text.replace("workload: { ", &format!("workload: {{ inline: [{FLAKY}], ")));
    assert!(trial.findings.iter().any(|finding| finding.cause == "crash.app-error"), "{:?}", trial.findings);
    assert!(trial.stamps.detected.is_none(), "{:?}", trial.findings);
    let note = "crash.app-error was found on deployment/flaky, which the faults do not concern";
    assert!(trial.notes.iter().any(|line| line == note), "{:?}", trial.notes);
}

#[test]
fn a_control_lasts_long_enough_for_a_false_alarm() {
    let unready = "{ apiVersion: v1, kind: Pod, metadata: { name: app, labels: { app: app } }, spec: { containers: [{ name: app, \
        image: \"busybox:1.37\", command: [sh, -c, \"touch /tmp/ready; sleep 15; rm /tmp/ready; sleep 50; touch /tmp/ready; sleep 1000\"], \
        readinessProbe: { exec: { command: [test, -f, /tmp/ready] }, periodSeconds: 1, failureThreshold: 1 } }] } }";
    // The steady condition does not see what the detectors see.
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: control }}\nspec:\n  summary: A control\n  \
         workload: {{ inline: [{unready}] }}\n  steady: {{ until: [{{ phase: {{ pod: app, is: Running }} }}] }}\n  expect: quiet\n"
    );
    let trial = trial(&text);
    assert_eq!(trial.verdict, Verdict::FalseAlarm, "{}", trial.reason);
}

#[test]
fn what_an_expression_says_holds_again_after_a_restart() {
    let app = "{ apiVersion: v1, kind: Pod, metadata: { name: app, labels: { app: app } }, spec: { containers: [{ name: app, \
        image: \"busybox:1.37\", command: [sh, -c, \"trap 'exit 0' TERM; while :; do sleep 1; done\"] }] } }";
    let good = "[{ ready: { pod: app } }, { cel: { kind: Pod, name: app, expression: \"object.status.containerStatuses.all(c, c.ready)\" } }]";
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: expressed }}\nspec:\n  summary: Expressed\n  \
         workload: {{ inline: [{app}] }}\n  steady: {{ until: {good} }}\n  fault: [{{ killContainer: {{ pod: app, signal: TERM }} }}]\n  \
         recover: {{ until: {good}, rto: 1m, hold: 10s }}\n"
    );
    let trial = trial(&text);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
}

#[test]
fn what_is_used_of_a_limit_is_measured() {
    let hungry = "{ apiVersion: v1, kind: Pod, metadata: { name: app, labels: { app: app } }, spec: { containers: [{ name: app, \
        image: \"busybox:1.37\", command: [sh, -c, \"trap 'exit 0' TERM; dd if=/dev/zero of=/dev/shm/fill bs=1M count=60; while :; do sleep 1; done\"], \
        resources: { limits: { memory: 64Mi } } }] } }";
    let good = "[{ ready: { pod: app } }, { metric: { pod: app, resource: memory, above: 80 } }, \
        { not: { metric: { pod: app, resource: memory, below: 50 } } }]";
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: measured }}\nspec:\n  summary: Measured\n  \
         workload: {{ inline: [{hungry}] }}\n  steady: {{ until: {good} }}\n  fault: [{{ killContainer: {{ pod: app, signal: TERM }} }}]\n  \
         recover: {{ until: {good}, rto: 1m, hold: 10s }}\n"
    );
    let trial = trial(&text);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
}
