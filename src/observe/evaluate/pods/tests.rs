//! Conditions about pods on hand-made objects: what must not count as good although somebody says so.

use super::super::{Frame, Truth, evaluate};
use crate::observe::index::Index;
use crate::observe::timeline::{Baseline, Fact, LogLine, Observation, Source};
use crate::scenario::Condition;
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn index(objects: &[Value]) -> Index {
    let mut index = Index::new("c");
    for (seq, object) in objects.iter().enumerate() {
        let fact = Fact::Object(Arc::new(object.clone()));
        index.apply(&Observation { seq: seq as u64, at: Duration::from_secs(1), source: Source::Watch, fact });
    }
    index
}

fn truth(condition: Value, index: &Index, baseline: Option<&Baseline>) -> (Truth, String) {
    let condition: Condition = serde_json::from_value(condition).unwrap();
    let seen = evaluate(&condition, Frame { index, baseline, since: Duration::ZERO, standing: false });
    (seen.truth, seen.text)
}

fn deployment(observed: u64) -> Value {
    json!({ "kind": "Deployment", "metadata": { "name": "app", "namespace": "n", "uid": "d", "generation": 2 },
        "spec": { "replicas": 1 }, "status": { "observedGeneration": observed } })
}

fn daemon_set(desired: u64) -> Value {
    json!({ "kind": "DaemonSet", "metadata": { "name": "app", "namespace": "n", "uid": "s", "generation": 1 },
        "spec": { "template": { "metadata": { "labels": { "app": "app" } } } },
        "status": { "observedGeneration": 1, "desiredNumberScheduled": desired } })
}

fn pod(uid: &str, owner: (&str, &str), terminating: bool) -> Value {
    let mut pod = json!({ "kind": "Pod",
        "metadata": { "name": uid, "namespace": "n", "uid": uid, "labels": { "app": "app" },
            "ownerReferences": [{ "kind": owner.0, "name": owner.1, "uid": "o", "controller": true }] },
        "spec": { "containers": [] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
    if terminating {
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    pod
}

#[test]
fn a_generation_that_nobody_acted_on_yet_is_neither_good_nor_bad() {
    let set = json!({ "kind": "ReplicaSet", "metadata": { "name": "app-1", "namespace": "n", "uid": "r",
        "ownerReferences": [{ "kind": "Deployment", "name": "app", "uid": "d", "controller": true }] } });
    let ready = || json!({ "ready": { "deployment": "app" } });
    let pod = pod("p", ("ReplicaSet", "app-1"), false);
    let lagging = truth(ready(), &index(&[deployment(1), set.clone(), pod.clone()]), None);
    assert_eq!(lagging.0, Truth::Unknown, "{}", lagging.1);
    let lagging = truth(json!({ "not": ready() }), &index(&[deployment(1), set.clone(), pod.clone()]), None);
    assert_eq!(lagging.0, Truth::Unknown, "{}", lagging.1);
    let settled = truth(ready(), &index(&[deployment(2), set, pod]), None);
    assert_eq!(settled.0, Truth::True, "{}", settled.1);
}

#[rstest]
#[case::told_later(0, 3, Truth::False)]
#[case::fewer_nodes(3, 1, Truth::False)]
#[case::one_node(1, 1, Truth::True)]
fn a_daemon_set_needs_a_pod_on_each_node_that_it_ever_wanted(
    #[case] before: u64,
    #[case] now: u64,
    #[case] expected: Truth,
    #[values(json!({ "daemonSet": "app" }), json!({ "selector": "app=app" }))] target: Value,
) {
    let baseline = Baseline { objects: vec![Arc::new(daemon_set(before))], pods: Vec::new() };
    let index = index(&[daemon_set(now), pod("p", ("DaemonSet", "app"), false)]);
    let (seen, text) = truth(json!({ "ready": target }), &index, Some(&baseline));
    assert_eq!(seen, expected, "{text}");
}

#[rstest]
#[case(false, Truth::True)]
#[case(true, Truth::False)]
fn a_pod_on_its_way_out_has_no_phase_that_counts(#[case] terminating: bool, #[case] expected: Truth) {
    let index = index(&[pod("p", ("ReplicaSet", "app-1"), terminating)]);
    let (seen, text) = truth(json!({ "phase": { "selector": "app=app", "is": "Running" } }), &index, None);
    assert_eq!(seen, expected, "{text}");
}

#[rstest]
#[case::an_effect_was_seen_whoever_showed_it(true, false, Truth::True)]
#[case::a_recovery_stands_only_while_its_pod_does(true, true, Truth::False)]
#[case::of_a_pod_that_stays(false, true, Truth::True)]
fn what_a_pod_said_on_its_way_out(#[case] terminating: bool, #[case] standing: bool, #[case] expected: Truth) {
    let mut with_container = pod("p", ("ReplicaSet", "app-1"), terminating);
    with_container["spec"]["containers"] = json!([{ "name": "app" }]);
    let event = json!({ "kind": "Event", "metadata": { "name": "e", "namespace": "n", "uid": "e" }, "reason": "Started",
        "message": "", "involvedObject": { "kind": "Pod", "name": "p", "namespace": "n", "uid": "p" } });
    let mut index = index(&[with_container, event]);
    let line =
        LogLine { pod: "p".into(), uid: "p".into(), container: "app".into(), restart: 0, server: None, text: "serving".into() };
    let fact = Fact::LogLine(line);
    index.apply(&Observation { seq: 9, at: Duration::from_secs(2), source: Source::Log, fact });
    for condition in
        [json!({ "log": { "selector": "app=app", "pattern": "serving" } }), json!({ "event": { "reason": "Started" } })]
    {
        let condition: Condition = serde_json::from_value(condition).unwrap();
        let seen = evaluate(&condition, Frame { index: &index, baseline: None, since: Duration::ZERO, standing });
        assert_eq!(seen.truth, expected, "{}", seen.text);
    }
}
