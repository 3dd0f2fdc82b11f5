//! The `OpenAPI` documents, versions 2 and 3: made from the kinds' types when they are first asked for, then kept.
//! How the schemas are published is in `openapi/schemas`, the paths of each resource in `openapi/paths`.

mod paths;
mod schemas;

use super::custom::CustomKind;
use super::event;
use super::resource::{self, Resource, group_version};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edition {
    /// Swagger 2: all groups in one document.
    Second,
    /// `OpenAPI` 3: a document for each group and version.
    Third,
}

/// One group's version: where it is served, and by which kinds.
#[derive(Clone, Debug)]
struct Part {
    group: String,
    version: String,
    built_in: Vec<Resource>,
    custom: Vec<Arc<CustomKind>>,
}

impl Part {
    /// `api/v1` or `apis/apps/v1`.
    fn path(&self) -> String {
        let prefix = if self.group.is_empty() { "api" } else { "apis" };
        format!("{prefix}/{}", group_version(&self.group, &self.version))
    }
}

/// Every group's version in order.
fn parts(kinds: &[Arc<CustomKind>]) -> Vec<Part> {
    let mut parts: BTreeMap<(String, String), Part> = BTreeMap::new();
    let mut part = |group: &str, version: &str, built_in: Option<Resource>, custom: Option<&Arc<CustomKind>>| {
        let key = (group.to_owned(), version.to_owned());
        let new = || Part { group: group.to_owned(), version: version.to_owned(), built_in: Vec::new(), custom: Vec::new() };
        let part = parts.entry(key).or_insert_with(new);
        part.built_in.extend(built_in);
        part.custom.extend(custom.cloned());
    };
    for resource in resource::ALL {
        for version in std::iter::once(resource.version).chain(resource.other_versions().iter().copied()) {
            part(resource.group, version, Some(*resource), None);
        }
    }
    part(event::GROUP, "v1", Some(resource::EVENTS), None);
    for kind in kinds {
        for version in &kind.versions {
            part(kind.resource.group, version.name, None, Some(kind));
        }
    }
    parts.into_values().collect()
}

/// What `/openapi/v3` says: where each document is.
pub(super) fn index(kinds: &[Arc<CustomKind>]) -> Value {
    let paths: Map<String, Value> = parts(kinds)
        .iter()
        .map(|part| (part.path(), json!({"serverRelativeURL": format!("/openapi/v3/{}", part.path())})))
        .collect();
    json!({"paths": paths})
}

/// The document of one group's version (`apis/apps/v1`), if it is served.
pub(super) fn third(kinds: &[Arc<CustomKind>], path: &str) -> Option<Bytes> {
    let part = parts(kinds).into_iter().find(|part| part.path() == path)?;
    let build = || {
        let document = json!({
            "openapi": "3.0.0", "info": info(), "paths": paths::third(&part),
            "components": {"schemas": schemas::of(std::slice::from_ref(&part), Edition::Third)},
        });
        Bytes::from(document.to_string())
    };
    // A custom kind can change at any time.
    Some(if part.custom.is_empty() { kept(path, build) } else { build() })
}

/// The document of all groups.
pub(super) fn second(kinds: &[Arc<CustomKind>]) -> Bytes {
    let parts = parts(kinds);
    let build = || {
        let mut paths = Map::new();
        for part in &parts {
            paths.extend(paths::second(part));
        }
        let document = json!({
            "swagger": "2.0", "info": info(), "paths": paths, "definitions": schemas::of(&parts, Edition::Second),
        });
        Bytes::from(document.to_string())
    };
    if kinds.is_empty() { kept("v2", build) } else { build() }
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "1.36"})
}

/// A document of built-in kinds is made once in a process.
fn kept(name: &str, build: impl FnOnce() -> Bytes) -> Bytes {
    static MADE: Mutex<BTreeMap<String, Bytes>> = Mutex::new(BTreeMap::new());
    if let Some(made) = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
        return made.clone();
    }
    let made = build();
    MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), made.clone());
    made
}

#[cfg(test)]
mod tests;
