//! Lost nodes: what was measured on a real kind comes out on the embedded cluster, for several seeds.

use comeback::measure::result::{Outcome, TrialResult};
use comeback::scenario::Verdict;

/// From the loss of a node until it is seen not Ready: 50 s after the last renewal of its lease, which is 0 to 10.4 s old, at the next
/// tick of 5 s. Recorded: 41.7, 46.9, 51.3 s; measured on kind by these scenarios: 46.2, 48.0, 48.7, 50.2, 52.2 s.
const GIVEN_UP: std::ops::RangeInclusive<f64> = 39.0..=56.0;

fn to_effect(trial: &TrialResult) -> f64 {
    trial.durations.to_effect.as_ref().unwrap().value
}

#[test]
fn nodes_are_lost_and_given_up_as_on_a_real_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let result = super::run(
        &["builtin:node", "builtin:control-kubelet-restart", "builtin:control-runtime-restart"],
        folder.path(),
        7,
        2,
        Some(2),
    );
    let failed: Vec<_> = result.scenarios.iter().filter(|one| one.outcome != Outcome::Passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let lost =
        ["node-paused", "node-partitioned", "node-kubelet-stopped", "node-stateful-stays", "node-default-tolerations-late"];
    let trials = result.scenarios.iter().filter(|one| lost.contains(&one.name.as_str())).flat_map(|one| &one.trials);
    let times: Vec<f64> = trials.map(to_effect).collect();
    assert_eq!(times.len(), lost.len() * 2);
    assert!(times.iter().all(|time| GIVEN_UP.contains(time)), "{times:?}");
    // A kubelet calls its runtime down 25 to 30 s after the last word of it, at the next look of one each 10 s. Recorded: 28.2 s.
    let silent = ["node-runtime-stopped", "node-runtime-dead-rebooted"];
    let trials = result.scenarios.iter().filter(|one| silent.contains(&one.name.as_str())).flat_map(|one| &one.trials);
    let times: Vec<f64> = trials.map(to_effect).collect();
    assert_eq!(times.len(), silent.len() * 2);
    assert!(times.iter().all(|time| (25.0..=41.0).contains(time)), "{times:?}");
}

#[test]
fn a_single_node_is_given_up_and_nobody_is_evicted() {
    let folder = tempfile::tempdir().unwrap();
    let workload = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/workloads/shop.yaml");
    let text = format!(
        "apiVersion: comeback.dev/v1alpha1\nkind: Scenario\nmetadata: {{ name: alone }}\nspec:\n  summary: The only node hangs\n  \
         workload: {{ manifests: [{workload}] }}\n  fault: [{{ pauseNode: {{ deployment: front }} }}]\n  \
         detect: {{ cause: node.unreachable, within: 15s }}\n  recover: {{ within: 20m, hold: 30s }}\n  expect: unrecovered\n"
    );
    let file = folder.path().join("alone.yaml");
    std::fs::write(&file, text).unwrap();
    let result = super::run(&[file.to_str().unwrap()], &folder.path().join("run"), 3, 1, Some(1));
    let trial = &result.scenarios[0].trials[0];
    assert_eq!(trial.verdict, Verdict::Unrecovered, "{trial:#?}");
    assert!(GIVEN_UP.contains(&to_effect(trial)));
    let timeline = std::fs::read_to_string(folder.path().join("run").join(&trial.timeline)).unwrap();
    let before_the_end = timeline.lines().take_while(|line| !line.contains("\"ended\"")).collect::<String>();
    assert!(before_the_end.contains("NodeNotReady"));
    assert!(!before_the_end.contains("TaintManagerEviction") && !before_the_end.contains("deletionTimestamp"));
}

#[test]
fn a_server_that_hangs_is_measured_and_nothing_is_evicted_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let result = super::run(&["builtin:node-api-server-paused"], folder.path(), 5, 2, Some(2));
    for trial in &result.scenarios[0].trials {
        assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
        assert!(trial.leftovers.is_empty(), "{trial:#?}");
        let timeline = std::fs::read_to_string(folder.path().join(&trial.timeline)).unwrap();
        assert!(timeline.contains("did not answer within 3 s"));
        let at = |what: &str| {
            let line = timeline.lines().find(|line| line.contains(what)).unwrap();
            serde_json::from_str::<serde_json::Value>(line).unwrap()["at"].as_f64().unwrap()
        };
        // Between the two nothing is seen.
        let (from, to) = (at("\"measured\""), at("\"reverted\""));
        assert!((29.0..=31.0).contains(&(to - from)), "{from} to {to}");
        let seen = timeline.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let during = seen.filter(|seen| seen["source"] == "watch" && seen["at"].as_f64().is_some_and(|at| at > from && at < to));
        assert_eq!(during.count(), 0);
        assert!(!timeline.contains("NodeNotReady"));
    }
}

#[test]
fn a_release_waits_for_a_registry_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let result = super::run(&["builtin:image-registry-blocked"], folder.path(), 5, 2, Some(2));
    for trial in &result.scenarios[0].trials {
        assert_eq!(trial.verdict, Verdict::Recovered, "{trial:#?}");
        assert!(trial.durations.to_recover_from_request.as_ref().unwrap().value > 60.0, "{trial:#?}");
    }
}

#[test]
fn probes_of_a_container_without_processor_time_fail_until_it_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let result = super::run(&["builtin:probe-cpu-used-up"], folder.path(), 5, 2, Some(2));
    assert_eq!(result.scenarios[0].outcome, Outcome::Passed, "{result:#?}");
}
