//! Detectors of the user's own, on objects that come, change and go.

use super::*;
use crate::detect::replay::seen;
use crate::detect::{Finding, detect_with};
use crate::observe::timeline::Fact;
use crate::scenario::Thresholds;
use serde_json::json;

fn expression(cause: &str, kind: &str, expression: &str, more: &Value) -> Detector {
    let mut body = json!({ "cause": cause, "kind": kind, "expression": expression, "message": "it is stuck" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(json!({ "cel": body })).unwrap()
}

fn map(uid: &str, name: &str, data: &Value) -> Fact {
    Fact::Object(Arc::new(
        json!({ "kind": "ConfigMap", "metadata": { "uid": uid, "name": name, "namespace": "n" }, "data": data }),
    ))
}

fn pod(uid: &str, ready: bool) -> Fact {
    let owner = json!([{ "kind": "StatefulSet", "name": "pool", "uid": "s", "controller": true }]);
    Fact::Object(Arc::new(json!({
        "kind": "Pod",
        "metadata": { "uid": uid, "name": format!("pool-{uid}"), "namespace": "n", "ownerReferences": owner },
        "spec": { "containers": [{ "name": "c", "image": "i" }] },
        "status": { "phase": "Running", "stuck": !ready },
    })))
}

struct Trial {
    index: Index,
    own: UserDetectors,
}

impl Trial {
    fn new(detectors: &[Detector]) -> Self {
        Self { index: Index::new("test"), own: UserDetectors::new(detectors) }
    }

    fn at(&mut self, second: u64, fact: Fact) -> Vec<Finding> {
        self.index.apply(&seen(Duration::from_secs(second), fact));
        assert_eq!(self.own.look(&self.index), Vec::<String>::new());
        detect_with(&self.index, &Thresholds::default(), &self.own)
    }
}

#[test]
fn an_expression_finds_what_it_is_true_of_and_lets_go_of_it() {
    let mut trial = Trial::new(&[expression("shop.stuck", "ConfigMap", "has(object.data.stuck)", &json!({}))]);
    assert_eq!(trial.at(1, map("1", "a", &json!({}))), Vec::new());
    let found = trial.at(2, map("1", "a", &json!({ "stuck": "x" })));
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.cause.as_str(), one.group.as_str(), one.confidence), ("shop.stuck", "configmap/a", Confidence::Medium));
    assert_eq!(one.evidence[0].text, "it is stuck (`has(object.data.stuck)`)");
    // Another object of the kind is another finding; a later state does not begin anew.
    let found = trial.at(3, map("2", "b", &json!({ "stuck": "y" })));
    assert_eq!(found.len(), 2);
    let found = trial.at(4, map("1", "a", &json!({ "stuck": "z" })));
    assert_eq!((found[0].first_seen, found[0].last_seen), (Duration::from_secs(2), Duration::from_secs(4)));
    assert_eq!(trial.at(5, map("1", "a", &json!({}))).len(), 1);
}

#[test]
fn pods_of_a_workload_are_one_finding_that_leads_before_ours() {
    let mut trial = Trial::new(&[
        expression("shop.second", "Pod", "object.status.phase == 'Running'", &json!({ "confidence": "low" })),
        expression("shop.first", "Pod", "object.status.stuck", &json!({})),
    ]);
    trial.at(1, pod("1", false));
    let found = trial.at(2, pod("2", false));
    let causes: Vec<_> = found.iter().map(|finding| (finding.cause.as_str(), finding.leading, finding.count)).collect();
    assert_eq!(causes, [("shop.second", true, 2), ("shop.first", false, 2)], "in the order in which they are written");
    assert_eq!(found[0].group, "statefulset/pool");
    assert_eq!(found[0].alternatives, ["shop.first"]);
}

#[test]
fn it_must_hold_for_its_time() {
    let mut trial = Trial::new(&[expression("shop.stuck", "ConfigMap", "object.data.n == '1'", &json!({ "for": "10s" }))]);
    assert_eq!(trial.at(1, map("1", "a", &json!({ "n": "1" }))), Vec::new());
    assert_eq!(trial.own.next_deadline(trial.index.now()), Some(Duration::from_secs(11)));
    trial.at(5, map("1", "a", &json!({ "n": "2" })));
    trial.at(6, map("1", "a", &json!({ "n": "1" })));
    assert_eq!(trial.at(15, map("2", "b", &json!({}))), Vec::new(), "a break begins anew");
    assert_eq!(trial.at(16, map("2", "b", &json!({ "x": "" }))).len(), 1);
}

#[test]
fn an_expression_without_a_truth_is_told_once() {
    let mut trial = Trial::new(&[expression("shop.stuck", "ConfigMap", "object.data.n", &json!({}))]);
    trial.index.apply(&seen(Duration::ZERO, map("1", "a", &json!({ "n": "1" }))));
    trial.index.apply(&seen(Duration::ZERO, map("2", "b", &json!({ "n": "1" }))));
    let told = trial.own.look(&trial.index);
    assert!(told.len() == 1 && told[0].contains("shop.stuck") && told[0].contains("no truth value"), "{told:?}");
    assert_eq!(trial.own.look(&trial.index), Vec::<String>::new());
}

#[test]
fn what_a_program_says_holds_until_its_object_changes() {
    let program = json!({ "program": { "run": ["x"], "causes": ["shop.stuck"] } });
    let mut trial = Trial::new(&[serde_json::from_value(program).unwrap()]);
    assert_eq!(trial.at(1, pod("1", true)), Vec::new());
    let said = |name: &str| Answered {
        cause: "shop.stuck".to_owned(),
        kind: "Pod".to_owned(),
        name: name.to_owned(),
        container: Some("c".to_owned()),
        message: "stuck".to_owned(),
        confidence: Confidence::High,
    };
    assert!(trial.own.answer(0, said("pool-9"), &trial.index).unwrap_err().contains("which is not there"));
    trial.own.answer(0, said("pool-1"), &trial.index).unwrap();
    let found = trial.at(2, pod("2", true));
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (one.subject.container.as_deref(), one.confidence, one.sources[0].as_str()),
        (Some("c"), Confidence::High, "program")
    );
    trial.own.forget(0, "1");
    assert_eq!(trial.at(3, pod("1", true)), Vec::new());
}
