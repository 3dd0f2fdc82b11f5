//! Ownership of fields (`metadata.managedFields`): which manager set which leaf, in the `FieldsV1` notation.
//! Conflicts and removals of server-side apply are in `apply`.

use super::resource::Resource;
use super::schema::{ListKind, apply_list, is_atomic_map};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A path to a leaf, in `FieldsV1` steps: `f:name`, `k:{"name":"c"}`, `v:"x"`.
pub(super) type Path = Vec<String>;
/// A set of paths.
pub(super) type Paths = BTreeSet<Path>;

/// Who writes, and when.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// The field manager.
    pub(super) manager: String,
    /// The time of the write, as `metav1.Time` writes it.
    pub(super) time: String,
}

/// One entry of `managedFields`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: String,
    pub(super) api_version: String,
    pub(super) subresource: Option<String>,
    pub(super) time: String,
    pub(super) paths: Paths,
}

impl Entry {
    /// Whether two entries are of one writer in one role.
    pub(super) fn is_of(&self, manager: &str, operation: &str, api_version: &str, subresource: Option<&str>) -> bool {
        self.manager == manager
            && self.operation == operation
            && self.api_version == api_version
            && self.subresource.as_deref() == subresource
    }
}

/// Metadata that nobody owns.
const UNOWNED: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "selfLink",
    "managedFields",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// The leaves of an object with their values. An entry of a keyed list is a leaf itself (with a null value) beside its own.
pub(super) fn leaves(resource: Resource, object: &Value) -> BTreeMap<Path, Value> {
    let built_in = resource.is_built_in();
    let mut found = BTreeMap::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let path = vec![format!("f:{name}")];
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| !UNOWNED.contains(&name.as_str()))
                {
                    let inner = vec!["f:metadata".to_owned(), format!("f:{name}")];
                    walk(value, "metadata", name, inner, true, &mut found);
                }
            }
            _ => walk(value, "", name, path, built_in, &mut found),
        }
    }
    found
}

fn walk(value: &Value, parent: &str, name: &str, path: Path, built_in: bool, found: &mut BTreeMap<Path, Value>) {
    let step = |step: String| path.iter().cloned().chain([step]).collect::<Path>();
    match value {
        Value::Null => {}
        Value::Object(fields) if !fields.is_empty() && (!built_in || !is_atomic_map(name)) => {
            for (field, inner) in fields {
                walk(inner, name, field, step(format!("f:{field}")), built_in, found);
            }
        }
        Value::Array(items) if built_in && apply_list(parent, name) == ListKind::Set => {
            found.extend(items.iter().map(|item| (step(format!("v:{item}")), Value::Null)));
        }
        Value::Array(items) if built_in => match apply_list(parent, name) {
            ListKind::Keyed(keys) => {
                for item in items {
                    let place = step(item_key(item, keys));
                    // An owner reference is one value.
                    let own = if name == "ownerReferences" { item.clone() } else { Value::Null };
                    found.insert(place.clone(), own);
                    for (field, inner) in item.as_object().into_iter().flatten().filter(|_| name != "ownerReferences") {
                        let deeper = place.iter().cloned().chain([format!("f:{field}")]).collect();
                        walk(inner, name, field, deeper, built_in, found);
                    }
                }
            }
            _ => {
                found.insert(path, value.clone());
            }
        },
        leaf => {
            found.insert(path, leaf.clone());
        }
    }
}

/// The step to an item of a keyed list.
pub(super) fn item_key(item: &Value, keys: &[&str]) -> String {
    let identity: Map<String, Value> = keys
        .iter()
        .filter_map(|key| {
            let default = (*key == "protocol").then(|| json!("TCP"));
            Some(((*key).to_owned(), item.get(*key).cloned().or(default)?))
        })
        .collect();
    format!("k:{}", Value::Object(identity))
}

/// The entries of an object's `managedFields`.
pub(super) fn entries(object: &Value) -> Vec<Entry> {
    let all = object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    all.map(|entry| {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
        let mut paths = Paths::new();
        collect(entry.get("fieldsV1").unwrap_or(&Value::Null), &mut Vec::new(), &mut paths);
        Entry {
            manager: text("manager").unwrap_or_default(),
            operation: text("operation").unwrap_or_default(),
            api_version: text("apiVersion").unwrap_or_default(),
            subresource: text("subresource"),
            time: text("time").unwrap_or_default(),
            paths,
        }
    })
    .collect()
}

fn collect(tree: &Value, path: &mut Path, paths: &mut Paths) {
    for (step, inner) in tree.as_object().into_iter().flatten() {
        if step == "." {
            paths.insert(path.clone());
            continue;
        }
        path.push(step.clone());
        if inner.as_object().is_none_or(Map::is_empty) {
            paths.insert(path.clone());
        }
        collect(inner, path, paths);
        path.pop();
    }
}

/// Writes an object's `managedFields`; managers that own nothing are left out.
pub(super) fn set_entries(object: &mut Value, entries: &[Entry]) {
    let shown: Vec<Value> = entries
        .iter()
        .filter(|entry| !entry.paths.is_empty())
        .map(|entry| {
            let mut shown = json!({
                "manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version, "time": entry.time,
                "fieldsType": "FieldsV1", "fieldsV1": tree(&entry.paths),
            });
            if let Some(subresource) = &entry.subresource {
                shown["subresource"] = json!(subresource);
            }
            shown
        })
        .collect();
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if shown.is_empty() {
        metadata.remove("managedFields");
    } else {
        metadata.insert("managedFields".to_owned(), Value::Array(shown));
    }
}

fn tree(paths: &Paths) -> Value {
    let mut root = json!({});
    for path in paths {
        let mut node = &mut root;
        for step in path {
            // serde_json inserts what is absent; a node begins as an empty object.
            let next = &mut node[step.as_str()];
            if next.is_null() {
                *next = json!({});
            }
            node = next;
        }
    }
    for path in paths {
        let mut node = &mut root;
        for step in path {
            node = &mut node[step.as_str()];
        }
        if node.as_object().is_some_and(|inner| !inner.is_empty()) {
            node["."] = json!({});
        }
    }
    root
}

/// After a write that is no apply: its writer owns what it changed, and nobody owns what is gone.
pub(super) fn after_write(old: Option<&Value>, new: &mut Value, resource: Resource, writer: &Writer, subresource: Option<&str>) {
    let before = old.map(|old| leaves(resource, old)).unwrap_or_default();
    let after = leaves(resource, new);
    let changed: Paths =
        after.iter().filter(|(path, value)| before.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect();
    let removed: Paths = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
    let mut owners = old.map(entries).unwrap_or_default();
    let api_version = resource.api_version();
    for entry in &mut owners {
        entry.paths.retain(|path| !removed.contains(path));
        if !entry.is_of(&writer.manager, "Update", &api_version, subresource) {
            entry.paths.retain(|path| !changed.contains(path));
        }
    }
    if !changed.is_empty() {
        match owners.iter_mut().find(|entry| entry.is_of(&writer.manager, "Update", &api_version, subresource)) {
            Some(own) => {
                own.paths.extend(changed);
                own.time.clone_from(&writer.time);
            }
            None => owners.push(Entry {
                manager: writer.manager.clone(),
                operation: "Update".to_owned(),
                api_version,
                subresource: subresource.map(ToOwned::to_owned),
                time: writer.time.clone(),
                paths: changed,
            }),
        }
    }
    set_entries(new, &owners);
}

/// A path as errors show it: `.spec.containers[name="c"].image`.
pub(super) fn shown(path: &[String]) -> String {
    path.iter()
        .map(|step| match step.split_once(':') {
            Some(("f", name)) => format!(".{name}"),
            Some(("k", key)) => {
                let fields: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
                let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", parts.join(","))
            }
            Some((_, value)) => format!("[={value}]"),
            None => String::new(),
        })
        .collect()
}
