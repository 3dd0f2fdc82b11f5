//! Traps in which other harnesses report success: each must end in a verdict that says what really happened.

use super::run;
use comeback::measure::result::{RunResult, TrialResult};
use comeback::scenario::Verdict;
use rstest::rstest;

const APP: &str = r#"
        - apiVersion: v1
          kind: ConfigMap
          metadata: { name: cfg }
          data: { mode: good }
        - apiVersion: apps/v1
          kind: Deployment
          metadata: { name: app }
          spec:
            replicas: 2
            selector: { matchLabels: { app: app } }
            template:
              metadata: { labels: { app: app } }
              spec:
                terminationGracePeriodSeconds: 1
                containers:
                  - name: app
                    image: IMAGE
                    command: COMMAND
                    env: [{ name: MODE, valueFrom: { configMapKeyRef: { name: cfg, key: mode } } }]
"#;

/// A scenario around the app above.
fn scenario(image: &str, command: &str, rest: &str) -> String {
    let workload = APP.replace("IMAGE", image).replace("COMMAND", command);
    format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: trap }}\nspec:\n  summary: a trap\n  workload:\n    inline:{workload}{rest}"
    )
}

fn try_out(text: &str) -> (RunResult, TrialResult) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trap.yaml");
    std::fs::write(&file, text).unwrap();
    let result = run(&[file.to_str().unwrap()], &folder.path().join("run"), 1, 1, None);
    let trial = result.scenarios[0].trials[0].clone();
    (result, trial)
}

const SLEEP: &str = r#"["sleep", "100000"]"#;

#[rstest]
// Environment variables never change: nothing comes of it.
#[case::no_effect(
    "  fault: [{ setConfig: { configMap: cfg, key: mode, value: bad } }]\n",
    Verdict::Invalid,
    "effect of the fault was not seen"
)]
// The pod on its way out goes on saying so; no other ever starts.
#[case::said_by_who_leaves(
    "  fault: [{ patch: { kind: Deployment, name: app, patch: { spec: { strategy: { type: Recreate, rollingUpdate: null }, template: { spec: { nodeSelector: { no: where } } } } } } }]\n  recover: { until: [{ event: { reason: Killing } }], within: 1m }\n",
    Verdict::Unrecovered,
    "event Killing: not seen"
)]
// The server accepts it, and the controller has nothing to do.
#[case::only_the_generation_rose(
    "  fault: [{ patch: { kind: Deployment, name: app, patch: { spec: { revisionHistoryLimit: 3 } } } }]\n",
    Verdict::Invalid,
    "effect of the fault was not seen"
)]
#[case::paused_before_the_change(
    "  fault: [{ patch: { kind: Deployment, name: app, patch: { spec: { paused: true } } } }, { setImage: { deployment: app, image: 'nope:1' } }]\n",
    Verdict::Invalid,
    "effect of the fault was not seen"
)]
#[case::already_so(
    "  fault: [{ setConfig: { configMap: cfg, key: mode, value: good } }]\n  expect: quiet\n",
    Verdict::Invalid,
    "configmap/cfg is already as the fault would make it"
)]
#[case::too_few_targets("  fault: [{ deletePods: { deployment: app, count: 3 } }]\n", Verdict::Invalid, "no target")]
#[case::effect_held_before(
    "  fault: [{ deletePods: { deployment: app } }]\n  effect: { until: [{ phase: { deployment: app, is: Running } }] }\n",
    Verdict::Invalid,
    "held already before the fault"
)]
#[case::never_broken("  effect: { within: 30s }\n", Verdict::Invalid, "effect of the fault was not seen")]
#[case::steady_never(
    "  steady: { until: [{ ready: { deployment: app, atLeast: 5 } }], within: 20s }\n  fault: [{ deletePods: { deployment: app } }]\n",
    Verdict::Invalid,
    "steady state was not held"
)]
#[case::deployment_deleted(
    "  fault: [{ delete: { kind: Deployment, name: app } }]\n  recover: { within: 1m }\n",
    Verdict::Unrecovered,
    "does not exist"
)]
#[case::scaled_to_nothing(
    "  fault: [{ patch: { kind: Deployment, name: app, patch: { spec: { replicas: 0 } } } }]\n  recover: { until: [{ not: { phase: { deployment: app, is: Pending } } }], within: 1m }\n",
    Verdict::Regressed,
    "0 replicas instead of 2"
)]
fn nothing_that_proves_nothing_passes(#[case] rest: &str, #[case] verdict: Verdict, #[case] reason: &str) {
    let (result, trial) = try_out(&scenario("busybox:1.37", SLEEP, rest));
    assert_eq!(trial.verdict, verdict, "{}", trial.reason);
    assert!(trial.reason.contains(reason), "{}", trial.reason);
    assert_ne!(result.exit_code, 0);
}

#[rstest]
#[case::unknown_program("busybox:1.37", r#"["sh", "-c", "echo up; udhcpc"]"#, Verdict::Error, "udhcpc")]
#[case::unknown_image("registry.example/shop/api:7", "null", Verdict::Skipped, "registry.example/shop/api:7")]
fn what_cannot_be_simulated_is_never_silently_healthy(
    #[case] image: &str,
    #[case] command: &str,
    #[case] verdict: Verdict,
    #[case] reason: &str,
) {
    let (result, trial) = try_out(&scenario(image, command, "  fault: [{ deletePods: { deployment: app } }]\n"));
    assert_eq!(trial.verdict, verdict, "{}", trial.reason);
    assert!(trial.reason.contains(reason), "{}", trial.reason);
    assert_eq!(result.exit_code, 4);
}

#[test]
fn a_stand_in_makes_an_unknown_image_run() {
    let rest = "    images: { \"registry.example/shop/*\": { command: [sleep, \"100000\"] } }\n  fault: [{ deletePods: { deployment: app } }]\n";
    let (result, trial) = try_out(&scenario("registry.example/shop/api:7", "null", rest));
    assert_eq!((trial.verdict, result.exit_code), (Verdict::Recovered, 0), "{}", trial.reason);
}

#[test]
fn a_refused_manifest_shows_the_servers_words_and_its_place() {
    let text = scenario("busybox:1.37", SLEEP, "  fault: [{ deletePods: { deployment: app } }]\n")
        .replace("replicas: 2", "replicas: -2");
    let (_, trial) = try_out(&text);
    assert_eq!(trial.verdict, Verdict::Error, "{}", trial.reason);
    assert!(
        trial.reason.contains("trap.yaml:") && trial.reason.contains("must be greater than or equal to 0"),
        "{}",
        trial.reason
    );
}
