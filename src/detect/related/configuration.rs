//! The ConfigMaps and Secrets that a pod reads: which changed before it broke, which are missing.
//! Values of Secrets never leave this file; the timeline holds only their hashes.

use super::siblings;
use crate::detect::exits::looks_self_made;
use crate::json::At as _;
use crate::observe::Index;
use crate::observe::index::{PodRecord, text};
use crate::scenario::Thresholds;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest value that evidence quotes.
const QUOTE: usize = 40;

/// An object whose content a pod reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigRead {
    /// `ConfigMap` or `Secret`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether the pod starts without it.
    pub optional: bool,
}

/// A change of configuration that may have broken a pod.
#[derive(Clone, Debug)]
pub struct ConfigSuspect<'a> {
    /// `ConfigMap` or `Secret`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// When the change was seen.
    pub changed_at: Duration,
    /// The first crash after it.
    pub onset: Duration,
    /// The keys that changed.
    pub keys: Vec<String>,
    /// The object before.
    pub before: &'a Value,
    /// The object after.
    pub after: &'a Value,
}

impl ConfigSuspect<'_> {
    /// What changed, in words; for a Secret the keys only.
    #[must_use]
    pub fn change(&self) -> String {
        let changes: Vec<_> = self
            .keys
            .iter()
            .map(|key| {
                if self.kind == "Secret" {
                    return format!("key {key}");
                }
                match (value_of(self.before, key), value_of(self.after, key)) {
                    (Some(before), Some(after)) => format!("key {key} `{}` -> `{}`", short(before), short(after)),
                    (None, Some(after)) => format!("key {key} added as `{}`", short(after)),
                    (_, None) => format!("key {key} removed"),
                }
            })
            .collect();
        if changes.is_empty() { "replaced".to_owned() } else { changes.join(", ") }
    }
}

fn value_of<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("data")?.get(key)?.as_str()
}

fn short(value: &str) -> String {
    let line = value.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(QUOTE).collect();
    if cut.len() < value.trim_end().len() { format!("{cut}…") } else { cut }
}

/// Every ConfigMap and Secret that a pod spec mounts or reads into the environment, each once, in order of kind and name.
/// The certificates that Kubernetes mounts into every pod are left out.
#[must_use]
pub fn config_reads(spec: &Value) -> Vec<ConfigRead> {
    let mut reads = BTreeSet::new();
    let mut note = |kind: &'static str, name: &str, source: &Value| {
        if !name.is_empty() && name != "kube-root-ca.crt" {
            let optional = source.get("optional").and_then(Value::as_bool).unwrap_or(false);
            reads.insert(ConfigRead { kind, name: name.to_owned(), optional });
        }
    };
    let list = |value: &Value, pointer: &str| value.at(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    for volume in list(spec, "/volumes") {
        let mut sources = list(&volume, "/projected/sources");
        sources.push(volume);
        for source in sources {
            if let Some(map) = source.get("configMap") {
                note("ConfigMap", text(map, "/name"), map);
            }
            if let Some(secret) = source.get("secret") {
                note("Secret", [text(secret, "/secretName"), text(secret, "/name")].concat().as_str(), secret);
            }
        }
    }
    for container in list(spec, "/initContainers").into_iter().chain(list(spec, "/containers")) {
        for (entries, map, secret) in
            [("/env", "/valueFrom/configMapKeyRef", "/valueFrom/secretKeyRef"), ("/envFrom", "/configMapRef", "/secretRef")]
        {
            for entry in list(&container, entries) {
                for (kind, pointer) in [("ConfigMap", map), ("Secret", secret)] {
                    if let Some(reference) = entry.at(pointer) {
                        note(kind, text(reference, "/name"), reference);
                    }
                }
            }
        }
    }
    // An object read twice is needed if one of the reads needs it.
    let mut unique: Vec<ConfigRead> = Vec::new();
    for read in reads {
        match unique.last_mut() {
            Some(known) if known.kind == read.kind && known.name == read.name => known.optional &= read.optional,
            _ => unique.push(read),
        }
    }
    unique
}

/// Configuration that a pod reads and that changed after its workload's last good state and before a crash, newest change first.
///
/// Good before the change: this revision existed and none of its containers had yet ended by itself often enough to be a crash loop.
#[must_use]
pub fn config_suspects<'a>(index: &'a Index, pod: &'a PodRecord, thresholds: &Thresholds) -> Vec<ConfigSuspect<'a>> {
    let spec = pod.object().get("spec").unwrap_or(&Value::Null);
    let mut suspects: Vec<_> = config_reads(spec)
        .into_iter()
        .filter_map(|read| {
            let record = index.record(read.kind, &read.name)?;
            let pairs = record.versions.iter().zip(record.versions.iter().skip(1));
            pairs.rev().find_map(|((_, before), (changed_at, after))| {
                let onset = onset_after(index, pod, *changed_at, thresholds)?;
                let keys = changed_keys(before, after);
                let (kind, name) = (read.kind, read.name.clone());
                Some(ConfigSuspect { kind, name, changed_at: *changed_at, onset, keys, before, after })
            })
        })
        .collect();
    suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.changed_at));
    suspects
}

/// The first crash of the pod's revision after a change, if the revision was good until then and the crash came within the window.
fn onset_after(index: &Index, pod: &PodRecord, changed_at: Duration, thresholds: &Thresholds) -> Option<Duration> {
    let set =
        pod.owner.as_ref().filter(|owner| owner.kind == "ReplicaSet").and_then(|owner| index.record("ReplicaSet", &owner.name));
    if set.map_or(pod.first_seen, |set| set.first_seen) >= changed_at {
        return None;
    }
    let mut onset: Option<Duration> = None;
    for sibling in siblings(index, pod) {
        for container in sibling.containers.values() {
            let crashes: Vec<_> = container
                .exits
                .iter()
                .filter(|exit| looks_self_made(exit) && sibling.terminating.is_none_or(|at| exit.at < at))
                .map(|exit| exit.at)
                .collect();
            let before = crashes.iter().filter(|at| **at < changed_at).count();
            // The restart count first seen tells of ends that nobody saw.
            let unseen = container.restarts.first().map_or(0, |(at, count)| if *at < changed_at { *count } else { 0 });
            if u32::try_from(before).unwrap_or(u32::MAX).max(unseen) >= thresholds.exits.max(1) {
                return None;
            }
            let first = crashes.into_iter().find(|at| *at >= changed_at);
            onset = [onset, first].into_iter().flatten().min();
        }
    }
    onset.filter(|onset| onset.saturating_sub(changed_at) <= thresholds.config_window)
}

/// The keys of a ConfigMap or Secret.
#[must_use]
pub fn content_keys(object: &Value) -> BTreeSet<String> {
    content(object).into_iter().map(|(key, _)| key.clone()).collect()
}

fn content(object: &Value) -> Vec<(&String, &Value)> {
    ["data", "binaryData", "dataHash"].iter().filter_map(|field| object.get(field)?.as_object()).flatten().collect()
}

fn changed_keys(before: &Value, after: &Value) -> Vec<String> {
    let keys: BTreeSet<_> = content_keys(before).union(&content_keys(after)).cloned().collect();
    let of = |object: &Value, key: &String| {
        content(object).into_iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())
    };
    keys.into_iter().filter(|key| of(before, key) != of(after, key)).collect()
}

/// An object, or a key of it, that a message says is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// `ConfigMap` or `Secret`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The key, where the object itself is there.
    pub key: Option<String>,
}

/// Reads the kubelet's words: `configmap "cfg" not found`, `couldn't find key k in ConfigMap ns/cfg`.
#[must_use]
pub fn missing_in(message: &str) -> Option<Missing> {
    if let Some((_, rest)) = message.split_once("couldn't find key ") {
        let (key, rest) = rest.split_once(" in ")?;
        let (kind, object) = rest.split_once(' ')?;
        let kind = if kind.eq_ignore_ascii_case("secret") { "Secret" } else { "ConfigMap" };
        let name = object.split_whitespace().next()?.rsplit('/').next()?;
        return Some(Missing { kind, name: name.to_owned(), key: Some(key.to_owned()) });
    }
    [("configmap \"", "ConfigMap"), ("secret \"", "Secret")].into_iter().find_map(|(start, kind)| {
        let (_, rest) = message.split_once(start)?;
        let (name, rest) = rest.split_once('"')?;
        rest.starts_with(" not found").then(|| Missing { kind, name: name.to_owned(), key: None })
    })
}
