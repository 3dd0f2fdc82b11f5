//! How many pods are kept open, and that what is packed is whole.

use super::*;
use crate::observe::timeline::Source;
use serde_json::json;

fn pod(uid: &str, version: u64) -> Arc<Value> {
    let metadata = json!({ "namespace": "n", "name": uid, "uid": uid, "resourceVersion": version.to_string() });
    Arc::new(json!({ "kind": "Pod", "metadata": metadata, "spec": { "nodeName": "a" } }))
}

fn show(index: &mut Index, pod: Arc<Value>) {
    index.apply(&Observation { seq: 0, at: index.now(), source: Source::Watch, fact: Fact::Object(pod) });
}

#[test]
fn of_many_pods_few_are_open_and_all_are_whole() {
    let uid = |n: usize| format!("{n:04}");
    let mut index = Index::new("c");
    // A server's uids come in no order.
    (0..2000).for_each(|n| show(&mut index, pod(&uid(n * 7919 % 2000), 1)));
    let open = |index: &Index| index.pods().filter(|pod| pod.is_open()).count();
    assert!(open(&index) <= OPEN, "{}", open(&index));
    assert!(index.pods().all(|pod| pod.object()["metadata"]["uid"] == *pod.reference.uid && pod.node == "a"));
    // All were looked at: they are closed again while pods change.
    assert_eq!(open(&index), 2000);
    for n in 0..500 {
        show(&mut index, pod(&uid(n), 2));
    }
    assert!(open(&index) <= 2 * OPEN, "{}", open(&index));
    assert_eq!(index.pod("0003").unwrap().object()["metadata"]["resourceVersion"], "2");
}
