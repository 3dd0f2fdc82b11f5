//! Ownership of fields (`metadata.managedFields`): which manager set which leaf, in the `FieldsV1` notation.
//! Conflicts and removals of server-side apply are in `apply`.

use super::face::{Face, Served};
use super::resource::Resource;
use super::schema::{ListKind, Place};
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
    /// The apiVersion that the request speaks, where it is not the stored one.
    pub(super) version: Option<String>,
}

impl Writer {
    /// The same writer, speaking the version of what is served.
    pub(super) fn speaking(mut self, served: Served) -> Self {
        self.version = (served.face != Face::Stored).then(|| served.api_version());
        self
    }

    /// The apiVersion under which its fields are noted.
    pub(super) fn api_version(&self, resource: Resource) -> String {
        self.version.clone().unwrap_or_else(|| resource.api_version())
    }
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
pub(super) fn leaves(root: &Place<'_>, object: &Value) -> BTreeMap<Path, Value> {
    walked(root, object).leaves
}

/// What can be owned in an object.
#[derive(Debug, Default)]
struct Walked {
    leaves: BTreeMap<Path, Value>,
    /// Maps and lists that are there because somebody set something in them.
    containers: Paths,
}

fn walked(root: &Place<'_>, object: &Value) -> Walked {
    let mut found = Walked::default();
    for (name, value) in object.as_object().into_iter().flatten() {
        let place = root.top(name);
        let path = vec![format!("f:{name}")];
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (name, value) in value.as_object().into_iter().flatten().filter(|(name, _)| !UNOWNED.contains(&name.as_str()))
                {
                    found.walk(value, &place.field(name), vec!["f:metadata".to_owned(), format!("f:{name}")], false);
                }
            }
            _ => found.walk(value, &place, path, false),
        }
    }
    found
}

impl Walked {
    /// In an entry of a list nothing is there before the entry is, so there everything counts (`new`).
    fn walk(&mut self, value: &Value, place: &Place<'_>, path: Path, new: bool) {
        let step = |step: String| path.iter().cloned().chain([step]).collect::<Path>();
        match value {
            Value::Object(fields) if !fields.is_empty() && !place.atomic => {
                for (field, inner) in fields {
                    self.walk(inner, &place.field(field), step(format!("f:{field}")), new);
                }
                if new || !place.always {
                    self.containers.insert(path);
                }
            }
            Value::Array(items) if !items.is_empty() && place.apply == ListKind::Set => {
                self.leaves.extend(items.iter().map(|item| (step(format!("v:{item}")), Value::Null)));
                if new || !place.always {
                    self.containers.insert(path);
                }
            }
            Value::Array(items) if !items.is_empty() => match &place.apply {
                ListKind::Keyed(keys) => {
                    for item in items {
                        self.walk_item(item, place, step(item_key(item, keys)));
                    }
                    if new || !place.always {
                        self.containers.insert(path);
                    }
                }
                _ => {
                    self.leaves.insert(path, value.clone());
                }
            },
            leaf => {
                self.leaves.insert(path, leaf.clone());
            }
        }
    }

    fn walk_item(&mut self, item: &Value, list: &Place<'_>, path: Path) {
        let place = list.item();
        if place.atomic {
            self.leaves.insert(path, item.clone());
            return;
        }
        for (field, inner) in item.as_object().into_iter().flatten() {
            self.walk(inner, &place.field(field), path.iter().cloned().chain([format!("f:{field}")]).collect(), true);
        }
        self.leaves.insert(path, Value::Null);
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
pub(super) fn after_write(
    old: Option<&Value>,
    new: &mut Value,
    root: &Place<'_>,
    api_version: &str,
    writer: &Writer,
    subresource: Option<&str>,
) {
    let before = old.map(|old| walked(root, old)).unwrap_or_default();
    let after = walked(root, new);
    let mut changed: Paths = after
        .leaves
        .iter()
        .filter(|(path, value)| before.leaves.get(*path) != Some(value))
        .map(|(path, _)| path.clone())
        .collect();
    changed.extend(after.containers.difference(&before.containers).cloned());
    let is_there = |path: &Path| after.leaves.contains_key(path) || after.containers.contains(path);
    let removed: Paths = before.leaves.keys().chain(&before.containers).filter(|path| !is_there(path)).cloned().collect();
    // What the write says of ownership itself was looked at before: see `are_given`.
    let mut owners = old.map(|_| entries(new)).unwrap_or_default();
    for entry in &mut owners {
        entry.paths.retain(|path| !removed.contains(path));
        if !entry.is_of(&writer.manager, "Update", api_version, subresource) {
            entry.paths.retain(|path| !changed.contains(path));
        }
    }
    if !changed.is_empty() {
        match owners.iter_mut().find(|entry| entry.is_of(&writer.manager, "Update", api_version, subresource)) {
            Some(own) => {
                own.paths.extend(changed);
                own.time.clone_from(&writer.time);
            }
            None => owners.push(Entry {
                manager: writer.manager.clone(),
                operation: "Update".to_owned(),
                api_version: api_version.to_owned(),
                subresource: subresource.map(ToOwned::to_owned),
                time: writer.time.clone(),
                paths: changed,
            }),
        }
    }
    set_entries(new, &owners);
}

/// Whether a write says itself who owns what: with entries that are whole, or with one empty entry, which clears them.
pub(super) fn are_given(object: &Value) -> bool {
    let Some(given) = object.pointer("/metadata/managedFields").and_then(Value::as_array) else { return false };
    let text = |entry: &Value, field: &str| entry.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let whole = |entry: &Value| text(entry, "manager") && text(entry, "operation") && text(entry, "apiVersion");
    let cleared = given.as_slice() == [json!({})];
    cleared
        || (!given.is_empty() && given.iter().all(|entry| whole(entry) && entry.get("fieldsV1").is_some_and(Value::is_object)))
}

/// Whether something can be owned at a path of an object: a leaf, or a map or list with something in it.
pub(super) fn owned_paths(root: &Place<'_>, object: &Value) -> Paths {
    let found = walked(root, object);
    found.leaves.into_keys().chain(found.containers).collect()
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
