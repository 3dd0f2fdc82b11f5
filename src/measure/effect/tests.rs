//! What breaks by itself, after it was steady.

use super::{Expected, Latch};
use crate::observe::Index;
use crate::observe::timeline::{Fact, Observation, Source};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn pod(uid: &str, phase: &str) -> Value {
    json!({ "kind": "Pod", "metadata": { "name": uid, "namespace": "n", "uid": uid }, "spec": { "containers": [] },
        "status": { "phase": phase } })
}

fn see(index: &mut Index, at: u64, object: Value) {
    let fact = Fact::Object(Arc::new(object));
    index.apply(&Observation { seq: at, at: Duration::from_secs(at), source: Source::Watch, fact });
}

fn sick(latch: &Latch, index: &Index) -> Option<String> {
    match &latch.what {
        Expected::Sick { since, before } => super::sick(index, *since, before),
        other => panic!("not a latch of what breaks by itself: {other:?}"),
    }
}

#[test]
fn a_pod_that_had_failed_before_the_steady_state_is_no_effect() {
    let mut index = Index::new("c");
    see(&mut index, 1, pod("old", "Failed"));
    see(&mut index, 2, pod("app", "Running"));
    let latch = Latch::by_itself(Duration::from_secs(5), &index);
    assert_eq!(sick(&latch, &index), None);
    see(&mut index, 8, pod("app", "Failed"));
    assert_eq!(sick(&latch, &index).as_deref(), Some("pod app failed"));
}
