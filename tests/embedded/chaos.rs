//! Chaos Mesh on the embedded cluster: what its objects do is real, seen, and taken back; what matches nothing is no trial.

use super::faults::{run, scenario};
use comeback::measure::result::TrialResult;
use comeback::scenario::Verdict;

/// A trial of one object of Chaos Mesh.
fn trial(chaos: &str, more: &str) -> (TrialResult, String) {
    let folder = tempfile::tempdir().unwrap();
    let text = scenario("chaos", &format!("{{ chaosMesh: {{ {chaos} }} }}"), more);
    std::fs::write(folder.path().join("one.yaml"), text).unwrap();
    let trial = run(folder.path()).scenarios.remove(0).trials.remove(0);
    let timeline = std::fs::read_to_string(folder.path().join("run").join(&trial.timeline)).unwrap();
    assert!(trial.leftovers.is_empty(), "{trial:#?}");
    (trial, timeline)
}

const RECOVERS: &str = "  recover: { rto: 2m, hold: 10s }\n";
const POOL: &str = "mode: all, selector: { labelSelectors: { app: pool } }";

#[test]
fn pods_that_fail_get_their_images_back() {
    let (trial, timeline) = trial(&format!("kind: PodChaos, spec: {{ action: pod-failure, {POOL} }}, for: 20s"), RECOVERS);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
    let recovered = trial.durations.to_recover_from_request.as_ref().unwrap().value;
    assert!((20.0..100.0).contains(&recovered), "{recovered}");
    assert!(timeline.contains("gcr.io/google-containers/pause:latest"));
    assert!(trial.stamps.effective.is_some());
}

#[test]
fn a_partition_cuts_pods_off_until_it_is_taken_back() {
    let spec = "action: partition, mode: all, direction: both, selector: { labelSelectors: { app: front } }, target: { mode: all, \
                selector: { labelSelectors: { app: pool } } }";
    let (trial, _) = trial(&format!("kind: NetworkChaos, spec: {{ {spec} }}, for: 30s"), RECOVERS);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
    let recovered = trial.durations.to_recover_from_request.as_ref().unwrap().value;
    assert!((30.0..45.0).contains(&recovered), "{recovered}");
}

#[test]
fn slow_and_lossy_ways_outlast_a_clients_patience_until_they_are_taken_back() {
    let ways = "mode: all, selector: { labelSelectors: { app: front } }, target: { mode: all, selector: { labelSelectors: { app: pool } } }";
    for what in [
        "action: delay, delay: { latency: 3s, jitter: 100ms }",
        "action: delay, direction: from, delay: { latency: 3s }",
        "action: loss, loss: { loss: '100' }",
    ] {
        let (trial, _) = trial(&format!("kind: NetworkChaos, spec: {{ {what}, {ways} }}, for: 30s"), RECOVERS);
        assert_eq!(trial.verdict, Verdict::Recovered, "{what}: {}", trial.reason);
        let recovered = trial.durations.to_recover_from_request.as_ref().unwrap().value;
        assert!((30.0..45.0).contains(&recovered), "{what}: {recovered}");
    }
    // What nobody minds is no effect, whatever the records say.
    let slight = format!("kind: NetworkChaos, spec: {{ action: delay, delay: {{ latency: 20ms }}, {ways} }}, for: 30s");
    let (trial, timeline) = trial(&slight, RECOVERS);
    assert_eq!(trial.verdict, Verdict::Invalid, "{}", trial.reason);
    assert!(timeline.contains("\"phase\":\"Injected\""));
}

#[test]
fn a_schedule_makes_an_object_each_time_and_takes_them_along() {
    let kill = format!("podChaos: {{ action: pod-kill, {POOL} }}");
    let spec = format!("type: PodChaos, schedule: '@every 10s', historyLimit: 1, {kill}");
    let (trial, timeline) = trial(&format!("kind: Schedule, spec: {{ {spec} }}, for: 35s"), RECOVERS);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
    let named = |line: &str| line.split("\"name\":\"comeback-chaos-").nth(1).map(|rest| rest[..5].to_owned());
    let made: std::collections::BTreeSet<_> =
        timeline.lines().filter(|line| line.contains("\"kind\":\"PodChaos\"")).filter_map(named).collect();
    assert_eq!(made.len(), 3, "after 10, 20 and 30 s: {made:?}");
    let recovered = trial.durations.to_recover_from_request.as_ref().unwrap().value;
    assert!((30.0..50.0).contains(&recovered), "{recovered}");
}

#[test]
fn a_workflow_goes_through_its_steps_and_deletes_what_they_made() {
    let chaos = "kind: Workflow, spec: { entry: all, templates: [
        { name: all, templateType: Serial, children: [wait, cut] },
        { name: wait, templateType: Suspend, deadline: 10s },
        { name: cut, templateType: NetworkChaos, deadline: 20s, networkChaos: { action: partition, mode: all, direction: both,
          selector: { labelSelectors: { app: front } }, target: { mode: all, selector: { labelSelectors: { app: pool } } } } }] }";
    let (trial, timeline) = trial(chaos, RECOVERS);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
    // It ended by itself: nobody took it back before the trial's end.
    let at = |value: &comeback::measure::result::Measured| value.value;
    let recovered = at(trial.durations.to_recover_from_request.as_ref().unwrap());
    assert!((30.0..45.0).contains(&recovered), "{recovered}");
    assert!(at(trial.durations.to_effect.as_ref().unwrap()) >= 10.0);
    assert!(timeline.contains("\"chaos-mesh.org/workflow\":\"comeback-chaos\""));
}

#[test]
fn memory_beyond_the_limit_kills_the_container() {
    let spec = format!("{POOL}, containerNames: [worker], stressors: {{ memory: {{ workers: 1, size: 256MB }} }}");
    let (trial, timeline) = trial(&format!("kind: StressChaos, spec: {{ {spec} }}, for: 20s"), RECOVERS);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
    assert!(timeline.contains("OOMKilled"));
}

#[test]
fn a_container_that_is_killed_is_started_again() {
    let spec = "action: container-kill, mode: one, selector: { labelSelectors: { app: pool } }, containerNames: [worker]";
    let (trial, _) = trial(&format!("kind: PodChaos, spec: {{ {spec} }}"), RECOVERS);
    assert_eq!(trial.verdict, Verdict::Recovered, "{}", trial.reason);
}

#[test]
fn what_is_selected_by_nothing_is_invalid_at_once() {
    let spec = "action: pod-kill, mode: one, selector: { labelSelectors: { app: nobody } }";
    let (trial, timeline) = trial(&format!("kind: PodChaos, spec: {{ {spec} }}"), RECOVERS);
    assert_eq!(trial.verdict, Verdict::Invalid, "{}", trial.reason);
    assert!(trial.reason.contains("no pod is selected"), "{}", trial.reason);
    let seconds = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["at"].as_f64().unwrap();
    let requested = timeline.lines().find(|line| line.contains("\"requested\"")).map(seconds).unwrap();
    let ended = timeline.lines().find(|line| line.contains("\"ended\"")).map(seconds).unwrap();
    assert!(ended - requested < 16.0, "{requested} to {ended}");
}

#[test]
fn what_is_not_simulated_is_skipped_with_the_reason() {
    for (chaos, named) in [
        (format!("kind: IOChaos, spec: {{ action: latency, {POOL} }}"), "IOChaos latency"),
        (format!("kind: NetworkChaos, spec: {{ action: delay, {POOL} }}"), "NetworkChaos delay"),
        (format!("kind: NetworkChaos, spec: {{ action: corrupt, corrupt: {{ corrupt: '5' }}, {POOL} }}"), "NetworkChaos corrupt"),
        ("kind: Schedule, spec: { type: IOChaos, schedule: '@every 10s' }".to_owned(), "Schedule of IOChaos"),
        (
            "kind: Workflow, spec: { entry: a, templates: [{ name: a, templateType: Task }] }".to_owned(),
            "Workflow with a Task step",
        ),
    ] {
        let (trial, _) = trial(&chaos, RECOVERS);
        assert_eq!(trial.verdict, Verdict::Skipped, "{}", trial.reason);
        assert!(trial.reason.contains(named), "{}", trial.reason);
    }
}
