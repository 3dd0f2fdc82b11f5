//! What a fresh list adds to what watches have shown.

use super::*;
use crate::observe::timeline::{Fact, Observation, Source};

fn pod(uid: &str, version: u64) -> Arc<Value> {
    let metadata = json!({ "namespace": "n", "name": format!("pod-{uid}"), "uid": uid, "resourceVersion": version.to_string() });
    Arc::new(json!({ "kind": "Pod", "metadata": metadata, "spec": { "nodeName": "a" } }))
}

fn shown(pods: impl IntoIterator<Item = Arc<Value>>) -> Index {
    let mut index = Index::new("c");
    for pod in pods {
        show(&mut index, pod);
    }
    index
}

fn show(index: &mut Index, pod: Arc<Value>) {
    index.apply(&Observation { seq: 0, at: index.now(), source: Source::Watch, fact: Fact::Object(pod) });
}

fn listing(version: u64, pods: &[(&str, u64)], known: &BTreeMap<String, u64>) -> Listing {
    let listed = |(uid, version): &(&str, u64)| Listed {
        uid: (*uid).to_owned(),
        version: Some(*version),
        object: (known.get(*uid) != Some(version)).then(|| pod(uid, *version)),
    };
    Listing { kind: "Pod".to_owned(), version: Some(version), objects: pods.iter().map(listed).collect() }
}

#[test]
fn a_fresh_list_tells_what_is_gone_new_and_newer() {
    let index = shown([pod("gone", 1), pod("same", 2), pod("changed", 3), pod("made-since", 9)]);
    let fresh = listing(7, &[("same", 2), ("changed", 5), ("new", 6)], &index.versions());
    let missed: Vec<_> = index
        .missed(&fresh)
        .into_iter()
        .map(|missed| match missed {
            Ok(object) => format!("+{}@{}", text(&object, "/metadata/uid"), text(&object, "/metadata/resourceVersion")),
            Err(reference) => format!("-{}", index.last_of(&reference)["metadata"]["name"]),
        })
        .collect();
    assert_eq!(missed, ["-\"pod-gone\"", "+changed@5", "+new@6"]);
}

#[test]
fn what_a_watch_told_while_the_list_was_on_its_way_is_newer_than_the_list() {
    let mut index = shown([pod("a", 2), pod("b", 2)]);
    let fresh = listing(4, &[("a", 3), ("b", 2)], &index.versions());
    show(&mut index, pod("a", 5));
    assert!(index.missed(&fresh).is_empty());
}

#[test]
fn of_what_was_never_kept_the_name_is_told() {
    let event = Reference { kind: "Event".to_owned(), namespace: "n".to_owned(), name: "e".to_owned(), uid: "u".to_owned() };
    assert_eq!(*shown([]).last_of(&event), json!({ "kind": "Event", "metadata": { "namespace": "n", "name": "e", "uid": "u" } }));
}
