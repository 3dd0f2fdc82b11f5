//! Named strategies in whole trials: the ladder of the cause is climbed as its file says, and a file of one's own goes before the defaults.

use comeback::heal::ActionOutcome;
use comeback::measure::result::{RunResult, Who};
use comeback::scenario::Verdict;
use serde_json::json;

const POOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/workloads/pool.yaml");

/// What was done, in turn, by the healer of the first trial.
fn steps(result: &RunResult) -> Vec<(&str, ActionOutcome)> {
    let trial = &result.scenarios[0].trials[0];
    assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
    assert_eq!(trial.healed_by.as_ref().unwrap().who, Who::Comeback, "{trial:#?}");
    trial.actions.iter().map(|action| (action.step.as_str(), action.outcome)).collect()
}

#[test]
fn the_tables_of_the_controller_wait_and_reboot() {
    let folder = tempfile::tempdir().unwrap();
    let result = super::run(&["builtin:node-healed-by-controller-tables"], folder.path(), 5, 1, None);
    assert_eq!(result.exit_code, 0);
    let done = steps(&result);
    let reboots: Vec<_> = done.iter().filter(|(step, _)| *step != "wait").collect();
    assert_eq!(
        (done[0], reboots.as_slice()),
        (("wait", ActionOutcome::Acted), [&("rebootNode", ActionOutcome::Acted)].as_slice())
    );
    let at = |step: &str| result.scenarios[0].trials[0].actions.iter().find(|action| action.step == step).unwrap().at.as_secs();
    assert!(at("rebootNode") - at("wait") == 300, "{done:?}");
}

#[test]
fn a_service_that_misleads_is_led_back_and_no_pod_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let result = super::run(&["builtin:network-service-selector-healed"], folder.path(), 5, 1, None);
    assert_eq!(result.exit_code, 0, "{result:#?}");
    assert_eq!(steps(&result), [("revertConfig", ActionOutcome::Acted)]);
    let action = &result.scenarios[0].trials[0].actions[0];
    assert_eq!((action.subject.kind.as_str(), action.subject.name.as_str()), ("Service", "database"));
}

#[test]
fn the_runbook_runs_fewer_replicas_for_a_while_and_doubles_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let result = super::run(&["builtin:oom-healed-by-runbook"], folder.path(), 5, 1, None);
    assert_eq!(steps(&result), [("scale", ActionOutcome::Acted), ("setMemory", ActionOutcome::Acted)]);
    let scaled = &result.scenarios[0].trials[0].actions[0];
    assert_eq!(scaled.after, Some(json!({ "spec": { "replicas": 2 } })), "{scaled:#?}");
    assert!(scaled.reason.ends_with("3 replicas again after 30s"), "{}", scaled.reason);
}

#[test]
fn a_file_beside_the_scenario_goes_before_the_default_ladder() {
    let folder = tempfile::tempdir().unwrap();
    let strategies = "apiVersion: comeback.dev/v1alpha1\nkind: Strategy\nmetadata: { name: values }\nspec:\n  causes: [config]\n  \
                      steps: [{ revertConfig: { timeout: 1s } }]\n  then: afresh\n---\napiVersion: comeback.dev/v1alpha1\nkind: Strategy\n\
                      metadata: { name: afresh }\nspec: { causes: [], steps: [{ scale: { replicas: 0, for: 10s } }] }\n";
    let scenario = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: own }}\nspec:\n  summary: a ladder of one's own\n  \
         workload: {{ manifests: [{POOL}] }}\n  steady: {{ until: [{{ ready: {{ deployment: pool }} }}], within: 2m, hold: 5s }}\n  \
         fault: [{{ setConfig: {{ configMap: pool, key: workers, value: many }} }}]\n  \
         effect: {{ until: [{{ restarts: {{ deployment: pool, atLeast: 1 }} }}], within: 3m }}\n  \
         heal: {{ by: comeback, strategies: [ladders/own.yaml] }}\n  recover: {{ rto: 4m, hold: 45s, within: 12m }}\n"
    );
    std::fs::create_dir(folder.path().join("ladders")).unwrap();
    std::fs::write(folder.path().join("ladders/own.yaml"), strategies).unwrap();
    let file = folder.path().join("own.yaml");
    std::fs::write(&file, scenario).unwrap();
    let result = super::run(&[file.to_str().unwrap()], &folder.path().join("run"), 5, 1, None);
    assert_eq!(steps(&result), [("revertConfig", ActionOutcome::Acted), ("scale", ActionOutcome::Acted)]);
}
