//! The difference between two states of an object, leaf by leaf, and the JSON patch that takes it back.
//! Reading and writing objects is `undo`'s.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One changed place of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// JSON pointer.
    pub path: String,
    /// The value before; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Whether `before` and `after` are one item of the list at `path`, which others change beside us.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub item: bool,
}

/// Lists that several writers share, with the fields that tell their items apart.
const SHARED: (&str, [&str; 2]) = ("/spec/taints", ["key", "effect"]);

/// What the server and its controllers write themselves.
const NOT_OURS: &[&str] = &[
    "/status",
    "/metadata/managedFields",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/uid",
    "/metadata/creationTimestamp",
    "/metadata/deletionTimestamp",
    "/metadata/deletionGracePeriodSeconds",
    "/metadata/annotations/deployment.kubernetes.io~1revision",
];

/// What differs between two states, in order of path, without what the server writes itself.
#[must_use]
pub fn diff(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(before), Some(after), &mut changes);
    changes
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    if before == after || NOT_OURS.contains(&path) {
        return;
    }
    if path == SHARED.0 {
        return shared(path, before, after, changes);
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                compare(&format!("{path}/{}", escaped(key)), old.get(key), new.get(key), changes);
            }
        }
        // Lists of another length have no places that could be compared one by one.
        (Some(Value::Array(old)), Some(Value::Array(new))) if old.len() == new.len() => {
            for (position, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{path}/{position}"), Some(old), Some(new), changes);
            }
        }
        _ => changes.push(Change { path: path.to_owned(), before: before.cloned(), after: after.cloned(), item: false }),
    }
}

fn items(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn same_item(a: &Value, b: &Value) -> bool {
    SHARED.1.iter().all(|field| a.get(field) == b.get(field))
}

/// Item by item.
fn shared(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    let (old, new) = (items(before), items(after));
    let mut note = |before: Option<&Value>, after: Option<&Value>| {
        if before != after {
            changes.push(Change { path: path.to_owned(), before: before.cloned(), after: after.cloned(), item: true });
        }
    };
    for item in old {
        note(Some(item), new.iter().find(|other| same_item(item, other)));
    }
    for item in new.iter().filter(|item| !old.iter().any(|other| same_item(item, other))) {
        note(None, Some(item));
    }
}

/// The list without the change of one of its items; the path where somebody else has changed that item.
fn without(change: &Change, present: &mut Vec<Value>) -> Result<(), String> {
    let Some(item) = change.after.as_ref().or(change.before.as_ref()) else { return Ok(()) };
    let position = present.iter().position(|other| same_item(item, other));
    let now = position.and_then(|position| present.get(position));
    if now == change.before.as_ref() {
        return Ok(());
    }
    if now != change.after.as_ref() {
        return Err(change.path.clone());
    }
    match (position, &change.before) {
        (Some(position), Some(before)) => present[position] = before.clone(),
        (Some(position), None) => drop(present.remove(position)),
        (None, before) => present.extend(before.clone()),
    }
    Ok(())
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// How a present state relates to a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Reversal {
    /// The JSON patch that takes the changes back; each place is tested to be still what the change made it.
    Patch(Value),
    /// Everything is as it was before.
    AlreadyBack,
    /// A place is neither as before nor as after: somebody else changed it.
    ChangedSince(String),
}

/// What takes `changes` back from the present state of an object of this uid.
#[must_use]
pub fn reversal(changes: &[Change], present: &Value, uid: &str) -> Reversal {
    let mut operations = vec![json!({ "op": "test", "path": "/metadata/uid", "value": uid })];
    let list = present.pointer(SHARED.0);
    let mut shared = items(list).to_vec();
    for change in changes.iter().filter(|change| change.item) {
        if let Err(path) = without(change, &mut shared) {
            return Reversal::ChangedSince(path);
        }
    }
    if shared != items(list) {
        operations.push(json!({ "op": "test", "path": SHARED.0, "value": list }));
        operations.push(match shared.as_slice() {
            [] => json!({ "op": "remove", "path": SHARED.0 }),
            left => json!({ "op": if list.is_some() { "replace" } else { "add" }, "path": SHARED.0, "value": left }),
        });
    }
    for change in changes.iter().filter(|change| !change.item) {
        let now = present.pointer(&change.path);
        if now == change.before.as_ref() {
            continue;
        }
        if now != change.after.as_ref() {
            return Reversal::ChangedSince(change.path.clone());
        }
        if let Some(after) = &change.after {
            operations.push(json!({ "op": "test", "path": change.path, "value": after }));
        }
        operations.push(match (&change.before, &change.after) {
            (Some(before), Some(_)) => json!({ "op": "replace", "path": change.path, "value": before }),
            (Some(before), None) => json!({ "op": "add", "path": change.path, "value": before }),
            (None, _) => json!({ "op": "remove", "path": change.path }),
        });
    }
    if operations.len() == 1 { Reversal::AlreadyBack } else { Reversal::Patch(Value::Array(operations)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_was_changed_is_taken_back() {
        let before = json!({ "metadata": { "uid": "u", "resourceVersion": "1" }, "data": { "a": "1", "b/c": "2" }, "status": 1 });
        let after = json!({ "metadata": { "uid": "u", "resourceVersion": "9" }, "data": { "a": "x", "d": "3" }, "status": 2 });
        let changes = diff(&before, &after);
        let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["/data/a", "/data/b~1c", "/data/d"]);
        let mut present = after.clone();
        present["data"]["e"] = json!("somebody's");
        let Reversal::Patch(patch) = reversal(&changes, &present, "u") else { panic!("nothing to revert") };
        assert_eq!(patch.as_array().unwrap().len(), 6);
        assert_eq!(reversal(&changes, &before, "u"), Reversal::AlreadyBack);
        present["data"]["a"] = json!("y");
        assert_eq!(reversal(&changes, &present, "u"), Reversal::ChangedSince("/data/a".to_owned()));
    }

    #[test]
    fn of_a_shared_list_only_the_own_item_is_taken_back() {
        let taint = |key: &str| json!({ "key": key, "effect": "NoExecute" });
        let node = |taints: &[&str]| match taints {
            [] => json!({ "spec": {} }),
            taints => json!({ "spec": { "taints": taints.iter().map(|key| taint(key)).collect::<Vec<_>>() } }),
        };
        let changes = diff(&node(&["a"]), &node(&["a", "ours"]));
        assert_eq!(changes.len(), 1);
        let Reversal::Patch(patch) = reversal(&changes, &node(&["ours", "later"]), "u") else { panic!("nothing to revert") };
        assert_eq!(patch[2], json!({ "op": "replace", "path": "/spec/taints", "value": [taint("later")] }));
        let Reversal::Patch(patch) = reversal(&diff(&node(&[]), &node(&["ours"])), &node(&["ours"]), "u") else { panic!() };
        assert_eq!(patch[2], json!({ "op": "remove", "path": "/spec/taints" }));
        assert_eq!(reversal(&changes, &node(&["later"]), "u"), Reversal::AlreadyBack);
        let mut changed = node(&["ours"]);
        changed["spec"]["taints"][0]["value"] = json!("x");
        assert_eq!(reversal(&changes, &changed, "u"), Reversal::ChangedSince("/spec/taints".to_owned()));
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), "[a-c]{0,2}".prop_map(Value::from)];
        leaf.prop_recursive(3, 20, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{1,2}", inner, 0..3).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_diff_names_exactly_the_places_that_differ(before in tree(), after in tree()) {
            let (before, after) = (json!({ "spec": before }), json!({ "spec": after }));
            let changes = diff(&before, &after);
            prop_assert_eq!(changes.is_empty(), before == after);
            for change in &changes {
                prop_assert_eq!(before.pointer(&change.path), change.before.as_ref());
                prop_assert_eq!(after.pointer(&change.path), change.after.as_ref());
            }
            prop_assert_eq!(reversal(&changes, &before, "u"), Reversal::AlreadyBack);
        }
    }
}
