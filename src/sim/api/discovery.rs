//! Discovery: which groups, versions, resources, verbs and subresources are served, in both of the server's forms.
//! Built from the tables of `resource` and the register of custom kinds alone.

use super::custom::CustomKind;
use super::event;
use super::resource::{self, GROUPS, REVIEWS, Resource, group_version};
use serde_json::{Value, json};
use std::sync::Arc;

/// (group, version, kind)
type Body = (String, String, String);

/// One resource of one version.
#[derive(Clone, Debug)]
struct Entry {
    plural: String,
    singular: String,
    kind: String,
    namespaced: bool,
    verbs: Vec<&'static str>,
    short_names: Vec<String>,
    categories: Vec<String>,
    /// (name, body, verbs)
    subresources: Vec<(String, Body, &'static [&'static str])>,
}

/// A version with its resources.
type Version = (String, Vec<Entry>);
/// A group with its versions, the preferred one first.
type Group = (String, Vec<Version>);

const CHANGE: &[&str] = &["get", "patch", "update"];

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn built_in(resource: Resource, group: &str, version: &str) -> Entry {
    let body = |body: Option<(&str, &str, &str)>| {
        let (group, version, kind) = body.unwrap_or((group, version, resource.kind));
        (group.to_owned(), version.to_owned(), kind.to_owned())
    };
    Entry {
        plural: resource.plural.to_owned(),
        singular: resource.kind.to_lowercase(),
        kind: resource.kind.to_owned(),
        namespaced: resource.namespaced,
        verbs: resource.verbs().to_vec(),
        short_names: owned(resource.short_names()),
        categories: owned(resource.categories()),
        subresources: resource.subresources().iter().map(|sub| (sub.name.to_owned(), body(sub.body), sub.verbs)).collect(),
    }
}

fn custom(kind: &CustomKind, version: &str) -> Option<Entry> {
    let resource = kind.resource;
    let details = kind.version(version)?;
    let mut subresources = Vec::new();
    if details.scale.is_some() {
        subresources.push(("scale".to_owned(), ("autoscaling".to_owned(), "v1".to_owned(), "Scale".to_owned()), CHANGE));
    }
    if details.status {
        let own = (resource.group.to_owned(), version.to_owned(), resource.kind.to_owned());
        subresources.push(("status".to_owned(), own, CHANGE));
    }
    Some(Entry {
        plural: resource.plural.to_owned(),
        singular: kind.singular.clone(),
        kind: resource.kind.to_owned(),
        namespaced: resource.namespaced,
        verbs: resource.verbs().to_vec(),
        short_names: kind.short_names.clone(),
        categories: kind.categories.clone(),
        subresources,
    })
}

/// What a group of the server itself serves.
fn built_in_group(group: &str) -> Group {
    let mut versions: Vec<Version> = Vec::new();
    let mut add = |version: &str, entry: Entry| match versions.iter_mut().find(|(name, _)| name == version) {
        Some((_, entries)) => entries.push(entry),
        None => versions.push((version.to_owned(), vec![entry])),
    };
    for resource in resource::ALL.iter().filter(|resource| resource.group == group) {
        for version in std::iter::once(resource.version).chain(resource.other_versions().iter().copied()) {
            add(version, built_in(*resource, group, version));
        }
    }
    if group == event::GROUP {
        add("v1", built_in(resource::EVENTS, group, "v1"));
    }
    for review in REVIEWS.iter().filter(|review| review.group == group) {
        let entry = Entry {
            plural: review.plural.to_owned(),
            singular: review.kind.to_lowercase(),
            kind: review.kind.to_owned(),
            namespaced: review.namespaced,
            verbs: vec!["create"],
            short_names: Vec::new(),
            categories: Vec::new(),
            subresources: Vec::new(),
        };
        add("v1", entry);
    }
    (group.to_owned(), versions)
}

/// Each group with its versions and their resources, in order.
fn groups(kinds: &[Arc<CustomKind>]) -> Vec<Group> {
    let mut groups: Vec<Group> = GROUPS.iter().map(|group| built_in_group(group)).collect();
    for kind in kinds {
        let place = groups.iter().position(|(name, _)| name == kind.resource.group).unwrap_or_else(|| {
            groups.push((kind.resource.group.to_owned(), Vec::new()));
            groups.len() - 1
        });
        for version in &kind.versions {
            let Some(entry) = custom(kind, version.name) else { continue };
            let versions = &mut groups[place].1;
            match versions.iter_mut().find(|(name, _)| name == version.name) {
                Some((_, entries)) => entries.push(entry),
                None => versions.push((version.name.to_owned(), vec![entry])),
            }
        }
    }
    for (_, versions) in &mut groups {
        versions.iter_mut().for_each(|(_, entries)| entries.sort_by(|left, right| left.plural.cmp(&right.plural)));
    }
    groups
}

/// What `/api` says.
pub(super) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// What `/apis` says.
pub(super) fn group_list(kinds: &[Arc<CustomKind>]) -> Value {
    let shown: Vec<Value> =
        groups(kinds).iter().filter(|(name, _)| !name.is_empty()).map(|(name, versions)| group(name, versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": shown})
}

/// What `/apis/<group>` says.
pub(super) fn one_group(kinds: &[Arc<CustomKind>], name: &str) -> Option<Value> {
    let all = groups(kinds);
    let (name, versions) = all.iter().find(|(candidate, _)| candidate == name && !name.is_empty())?;
    let mut shown = group(name, versions);
    shown["kind"] = json!("APIGroup");
    shown["apiVersion"] = json!("v1");
    Some(shown)
}

fn group(name: &str, versions: &[Version]) -> Value {
    let shown: Vec<Value> =
        versions.iter().map(|(version, _)| json!({"groupVersion": group_version(name, version), "version": version})).collect();
    json!({"name": name, "preferredVersion": shown.first(), "versions": shown})
}

/// What `/api/v1` and `/apis/<group>/<version>` say.
pub(super) fn resource_list(kinds: &[Arc<CustomKind>], group: &str, version: &str) -> Option<Value> {
    let all = groups(kinds);
    let (_, versions) = all.iter().find(|(name, _)| name == group)?;
    let (_, entries) = versions.iter().find(|(name, _)| name == version)?;
    let mut shown: Vec<Value> = Vec::new();
    for entry in entries {
        let mut resource = json!({
            "name": entry.plural, "singularName": entry.singular, "namespaced": entry.namespaced, "kind": entry.kind,
            "verbs": entry.verbs,
        });
        if !entry.short_names.is_empty() {
            resource["shortNames"] = json!(entry.short_names);
        }
        if !entry.categories.is_empty() {
            resource["categories"] = json!(entry.categories);
        }
        shown.push(resource);
        for (name, body, verbs) in &entry.subresources {
            let mut resource = json!({
                "name": format!("{}/{name}", entry.plural), "singularName": "", "namespaced": entry.namespaced, "kind": body.2,
                "verbs": verbs,
            });
            if (body.0.as_str(), body.1.as_str()) != (group, version) {
                resource["group"] = json!(body.0);
                resource["version"] = json!(body.1);
            }
            shown.push(resource);
        }
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(group, version), "resources": shown,
    }))
}

/// The aggregated form of `/api` (`core`) or `/apis`.
pub(super) fn aggregated(kinds: &[Arc<CustomKind>], core: bool) -> Value {
    let mut items: Vec<Value> = Vec::new();
    for (name, versions) in groups(kinds).iter().filter(|(name, _)| name.is_empty() == core) {
        let versions: Vec<Value> = versions
            .iter()
            .map(|(version, entries)| {
                let resources: Vec<Value> = entries.iter().map(|entry| described(entry, name, version)).collect();
                json!({"version": version, "freshness": "Current", "resources": resources})
            })
            .collect();
        items.push(json!({"metadata": if core { json!({}) } else { json!({"name": name}) }, "versions": versions}));
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn described(entry: &Entry, group: &str, version: &str) -> Value {
    let mut shown = json!({
        "resource": entry.plural,
        "responseKind": {"group": group, "version": version, "kind": entry.kind},
        "scope": if entry.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": entry.singular, "verbs": entry.verbs,
    });
    if !entry.short_names.is_empty() {
        shown["shortNames"] = json!(entry.short_names);
    }
    if !entry.categories.is_empty() {
        shown["categories"] = json!(entry.categories);
    }
    let inner: Vec<Value> = entry
        .subresources
        .iter()
        .map(|(name, (group, version, kind), verbs)| {
            json!({"subresource": name, "responseKind": {"group": group, "version": version, "kind": kind}, "verbs": verbs})
        })
        .collect();
    if !inner.is_empty() {
        shown["subresources"] = json!(inner);
    }
    shown
}

#[cfg(test)]
mod tests;
