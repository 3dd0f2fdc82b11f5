//! Server-side apply: merge by the kind's structure, conflicts over owned leaves, removal of what is no longer applied.
//! The notation of ownership is in `fields`.

use super::fields::{self, Entry, Path, Paths, Writer, item_key};
use super::resource::Resource;
use super::schema::{ListKind, Place};
use super::status::ApiError;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What is applied to an existing object.
#[derive(Debug)]
pub(super) struct Application<'a> {
    /// The resource.
    pub(super) resource: Resource,
    /// What the manager wants, without server-set metadata.
    pub(super) wanted: &'a Value,
    /// Who applies.
    pub(super) writer: &'a Writer,
    /// The subresource, if it is one.
    pub(super) subresource: Option<&'a str>,
    /// Whether to take over what others own.
    pub(super) force: bool,
    /// How the kind's maps and lists merge.
    pub(super) root: Place<'a>,
}

/// The manager of kubectl's server-side apply.
const KUBECTL: &str = "kubectl";
/// Where kubectl's own apply notes what it applied.
const LAST_APPLIED: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

impl Application<'_> {
    /// The object after the apply, with its new ownership; refused while another manager owns what would change.
    pub(super) fn onto(&self, live: &Value) -> Result<Value, ApiError> {
        let api_version = self.writer.api_version(self.resource);
        let wanted: Paths = fields::leaves(&self.root, self.wanted).into_keys().collect();
        let mut owners = fields::entries(live);
        let is_mine = |entry: &Entry| entry.is_of(&self.writer.manager, "Apply", &api_version, self.subresource);
        let before = owners.iter().find(|entry| is_mine(entry)).map(|entry| entry.paths.clone()).unwrap_or_default();

        let mut merged = live.clone();
        overlay_object(&mut merged, self.wanted, &self.root);
        let others: Vec<&Paths> = owners.iter().filter(|entry| !is_mine(entry)).map(|entry| &entry.paths).collect();
        let kept_by_others = |path: &Path| others.iter().any(|paths| paths.iter().any(|owned| owned.starts_with(path)));
        // In order of the paths, so that an entry of a list goes before its fields.
        for path in before.iter().filter(|path| !wanted.contains(*path) && !is_identity(path) && !kept_by_others(path)) {
            remove(&mut merged, path);
        }

        let (old, new) = (fields::leaves(&self.root, live), fields::leaves(&self.root, &merged));
        let present = fields::owned_paths(&self.root, &merged);
        let changed = |path: &Path| old.get(path) != new.get(path);
        let mut conflicts: BTreeSet<(String, String)> = BTreeSet::new();
        let mut contested = Paths::new();
        for entry in owners.iter_mut().filter(|entry| !is_mine(entry)) {
            let taken: Paths = entry.paths.iter().filter(|path| wanted.contains(*path) && changed(path)).cloned().collect();
            contested.extend(taken.iter().cloned());
            for path in &taken {
                conflicts.insert((described(entry), fields::shown(path)));
            }
            entry.paths.retain(|path| !taken.contains(path) && present.contains(path));
        }
        if !conflicts.is_empty() && !self.force && !self.takes_over(live, &contested) {
            return Err(ApiError::apply_conflict(&conflicts.into_iter().collect::<Vec<_>>()));
        }
        self.own(&mut owners, wanted, &api_version);
        fields::set_entries(&mut merged, &owners);
        self.note_last_applied(&mut merged);
        Ok(merged)
    }

    /// Whether kubectl applies by the server what it applied by itself before: that is no conflict of two parties.
    fn takes_over(&self, live: &Value, contested: &Paths) -> bool {
        let last = live.pointer(LAST_APPLIED).and_then(Value::as_str).filter(|_| self.writer.manager == KUBECTL);
        let Some(last) = last.and_then(|last| serde_json::from_str::<Value>(last).ok()) else { return false };
        let same_version = last.get("apiVersion") == self.wanted.get("apiVersion");
        let applied = fields::leaves(&self.root, &last);
        same_version && contested.iter().all(|path| applied.contains_key(path))
    }

    /// Keeps the annotation of kubectl's own apply up to date, where there is one.
    fn note_last_applied(&self, merged: &mut Value) {
        let Some(noted) = merged.pointer_mut(LAST_APPLIED).filter(|_| self.writer.manager == KUBECTL) else { return };
        let mut applied = self.wanted.clone();
        if let Some(annotations) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        *noted = json!(format!("{applied}\n"));
    }

    /// Notes that the manager owns what it applied, and since when.
    pub(super) fn own(&self, owners: &mut Vec<Entry>, wanted: Paths, api_version: &str) {
        let manager = &self.writer.manager;
        match owners.iter_mut().find(|entry| entry.is_of(manager, "Apply", api_version, self.subresource)) {
            Some(own) if own.paths == wanted => {}
            Some(own) => {
                own.paths = wanted;
                own.time.clone_from(&self.writer.time);
            }
            None => owners.insert(
                0,
                Entry {
                    manager: manager.clone(),
                    operation: "Apply".to_owned(),
                    api_version: api_version.to_owned(),
                    subresource: self.subresource.map(ToOwned::to_owned),
                    time: self.writer.time.clone(),
                    paths: wanted,
                },
            ),
        }
    }
}

fn described(entry: &Entry) -> String {
    let role = entry.subresource.as_ref().map(|name| format!(" with subresource \"{name}\"")).unwrap_or_default();
    format!("\"{}\"{role} using {}", entry.manager, entry.api_version)
}

/// Puts the object that is wanted over the one that is there.
fn overlay_object(live: &mut Value, wanted: &Value, root: &Place<'_>) {
    let Some(present) = live.as_object_mut() else { return };
    for (field, change) in wanted.as_object().into_iter().flatten() {
        overlay(present.entry(field.clone()).or_insert(Value::Null), change, &root.top(field));
    }
}

/// Puts what is wanted over what is there.
fn overlay(live: &mut Value, wanted: &Value, place: &Place<'_>) {
    match wanted {
        Value::Object(changes) if !place.atomic => {
            if !live.is_object() {
                *live = Value::Object(Map::new());
            }
            let Some(present) = live.as_object_mut() else { return };
            for (field, change) in changes.iter().filter(|(field, _)| *field != "managedFields") {
                overlay(present.entry(field.clone()).or_insert(Value::Null), change, &place.field(field));
            }
        }
        Value::Array(items) => match &place.apply {
            ListKind::Keyed(keys) => {
                let mut merged = live.as_array().cloned().unwrap_or_default();
                for item in items {
                    let key = item_key(item, keys);
                    match merged.iter_mut().find(|present| item_key(present, keys) == key) {
                        Some(present) => overlay(present, item, &place.item()),
                        None => merged.push(item.clone()),
                    }
                }
                *live = Value::Array(merged);
            }
            ListKind::Set => {
                let mut merged = live.as_array().cloned().unwrap_or_default();
                merged
                    .extend(items.iter().filter(|item| !live.as_array().is_some_and(|present| present.contains(item))).cloned());
                *live = Value::Array(merged);
            }
            ListKind::Atomic => *live = wanted.clone(),
        },
        value => *live = value.clone(),
    }
}

/// Whether a path is a field that tells its list's entries apart: it lives as long as the entry.
fn is_identity(path: &[String]) -> bool {
    let [.., entry, field] = path else { return false };
    let (Some(entry), Some(field)) = (entry.strip_prefix("k:"), field.strip_prefix("f:")) else { return false };
    serde_json::from_str::<Map<String, Value>>(entry).is_ok_and(|keys| keys.contains_key(field))
}

/// Removes a leaf or a list's entry, and the maps that it leaves empty.
fn remove(object: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    let Some((kind, text)) = step.split_once(':') else { return };
    match (kind, object) {
        ("f", Value::Object(fields)) => {
            if rest.is_empty() {
                fields.remove(text);
                return;
            }
            let Some(inner) = fields.get_mut(text) else { return };
            remove(inner, rest);
            if inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty) {
                fields.remove(text);
            }
        }
        ("k", Value::Array(items)) => {
            let identity: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            let keys: Vec<&str> = identity.keys().map(String::as_str).collect();
            let Some(place) = items.iter().position(|item| item_key(item, &keys) == *step) else { return };
            if rest.is_empty() {
                items.remove(place);
            } else {
                remove(&mut items[place], rest);
            }
        }
        ("v", Value::Array(items)) => {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            items.retain(|item| *item != value);
        }
        _ => {}
    }
}

/// What a manager wants, checked: no ownership of its own, and the kind of the path.
pub(super) fn wanted(resource: Resource, name: &str, mut object: Value) -> Result<Value, ApiError> {
    let has_fields = object.pointer("/metadata/managedFields").and_then(Value::as_array).is_some_and(|fields| !fields.is_empty());
    if has_fields {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if api_version.is_empty() || kind.is_empty() {
        return Err(ApiError::bad_request("invalid object type: apiVersion and kind must be set"));
    }
    if api_version != resource.api_version() || kind != resource.kind {
        let version = if api_version.contains('/') { api_version } else { format!("/{api_version}") };
        return Err(ApiError::bad_request(format!("invalid object type: {version}, Kind={kind}")));
    }
    let Some(fields) = object.as_object_mut() else { return Err(ApiError::bad_request("an apply needs an object")) };
    let metadata = fields.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = json!({});
    }
    let Some(metadata) = metadata.as_object_mut() else {
        let got = metadata.as_str().map_or_else(|| metadata.to_string(), ToOwned::to_owned);
        let kind = format!("/; {}/{}, Kind={}", resource.group, resource.version, resource.kind);
        let why = format!("failed to create typed patch object ({kind}): .metadata: expected map, got &{{{got}}}");
        return Err(ApiError::unclassified(why));
    };
    metadata.insert("name".to_owned(), json!(name));
    Ok(object)
}
