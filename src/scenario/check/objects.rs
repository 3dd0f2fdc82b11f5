//! What a workload contains, as far as conditions and faults may name it.

use crate::scenario::manifest::Object;
use crate::scenario::node::Node;
use crate::selector::Selector;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// The objects of a workload, and those that an `apply` fault adds.
pub struct Objects<'a> {
    all: &'a [Object],
    applied: Vec<(String, String)>,
    /// The pods of `StatefulSets`, whose names are known beforehand, each with its set's name.
    numbered: Vec<(String, &'a str)>,
}

/// Pods that the workload's objects make or are.
pub struct Pods<'a> {
    /// The owner's kind.
    pub kind: &'a str,
    /// The owner's name.
    pub name: &'a str,
    labels: BTreeMap<String, String>,
    spec: &'a Value,
}

impl<'a> Objects<'a> {
    /// The objects of a workload.
    pub fn of(objects: &'a [Object], spec: &Node) -> Self {
        let mut applied = Vec::new();
        added(spec.get("fault"), &mut applied);
        let numbered = objects.iter().filter(|object| object.kind() == "StatefulSet").flat_map(numbered).collect();
        Self { all: objects, applied, numbered }
    }

    /// Whether nothing is known: the manifests could not be read, and nothing is said about names.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The names of all objects of a kind.
    pub fn names(&self, kind: &str) -> Vec<&str> {
        let own = self.all.iter().filter(|object| object.kind() == kind).map(Object::name);
        let numbered = self.numbered.iter().filter(|_| kind == "Pod").map(|(name, _)| name.as_str());
        own.chain(self.applied.iter().filter(|(of, _)| of == kind).map(|(_, name)| name.as_str())).chain(numbered).collect()
    }

    /// The kinds that the workload contains.
    pub fn kinds(&self) -> Vec<&str> {
        let own = self.all.iter().map(Object::kind).chain(self.applied.iter().map(|(kind, _)| kind.as_str()));
        let mut kinds: Vec<_> = own.chain(self.numbered.first().map(|_| "Pod")).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The keys of a ConfigMap or Secret.
    pub fn keys(&self, kind: &str, name: &str) -> Vec<&str> {
        let map = self.all.iter().find(|object| object.kind() == kind && object.name() == name);
        let keys = |field: &str| map.and_then(|map| map.manifest.object.get(field)).and_then(Value::as_object);
        ["data", "binaryData", "stringData"]
            .into_iter()
            .filter_map(keys)
            .flat_map(|data| data.keys())
            .map(String::as_str)
            .collect()
    }

    /// All pods that the workload makes.
    pub fn pods(&self) -> Vec<Pods<'a>> {
        self.all.iter().filter_map(pods_of).collect()
    }

    /// The pods of a Deployment or the pod of this name.
    pub fn pods_of(&self, kind: &str, name: &str) -> Option<Pods<'a>> {
        let numbered = self.numbered.iter().find(|(pod, _)| kind == "Pod" && pod == name);
        if let Some((_, set)) = numbered {
            return self.pods_of("StatefulSet", set);
        }
        self.pods().into_iter().find(|pods| pods.kind == kind && pods.name == name)
    }

    /// The pods that a selector matches.
    pub fn selected(&self, selector: &Selector) -> Vec<Pods<'a>> {
        self.pods().into_iter().filter(|pods| selector.matches(&pods.labels)).collect()
    }

    /// The longest period of a readiness, liveness or startup probe (10 s where none is given), and whose it is.
    pub fn longest_probe_period(&self) -> Option<(Duration, String)> {
        let mut longest = None;
        for pods in self.pods() {
            for container in containers(pods.spec) {
                for probe in
                    ["readinessProbe", "livenessProbe", "startupProbe"].into_iter().filter_map(|probe| container.get(probe))
                {
                    let period = Duration::from_secs(probe.get("periodSeconds").and_then(Value::as_u64).unwrap_or(10));
                    if longest.as_ref().is_none_or(|(known, _)| *known < period) {
                        longest = Some((period, format!("{} `{}`", pods.kind, pods.name)));
                    }
                }
            }
        }
        longest
    }
}

impl<'a> Pods<'a> {
    /// The names of the pod's containers, those that run to the end at its start included.
    pub fn containers(&self) -> Vec<&'a str> {
        let init = self.spec.get("initContainers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        containers(self.spec).iter().chain(init).filter_map(|container| container.get("name")?.as_str()).collect()
    }

    /// The names of the containers that are meant to run on.
    pub fn main_containers(&self) -> Vec<&'a str> {
        containers(self.spec).iter().filter_map(|container| container.get("name")?.as_str()).collect()
    }

    /// The pod's labels, as `key=value`.
    pub fn labels(&self) -> Vec<String> {
        self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }
}

/// What `apply` faults add, those within groups included.
fn added(faults: Option<&Node>, found: &mut Vec<(String, String)>) {
    for (_, body) in faults.map(Node::items).unwrap_or_default().iter().flat_map(Node::entries) {
        if let Some(manifest) = body.get("manifest")
            && let (Some(kind), Some(name)) = (manifest.text_of("kind"), manifest.at(&["metadata", "name"]).and_then(Node::text))
        {
            found.push((kind.to_owned(), name.to_owned()));
        }
        added(body.get("faults"), found);
    }
}

/// The pods of a `StatefulSet` as its manifest has it.
fn numbered(set: &Object) -> impl Iterator<Item = (String, &str)> {
    let number = |pointer: &str| set.manifest.object.pointer(pointer).and_then(Value::as_u64);
    let (first, replicas) = (number("/spec/ordinals/start").unwrap_or(0), number("/spec/replicas").unwrap_or(1));
    // Nobody names the last of so many.
    (first..first + replicas.min(1_000)).map(|ordinal| (format!("{}-{ordinal}", set.name()), set.name()))
}

fn containers(spec: &Value) -> &[Value] {
    spec.get("containers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn pods_of(object: &Object) -> Option<Pods<'_>> {
    let pod = match object.kind() {
        "Pod" => Some(&object.manifest.object),
        "CronJob" => object.manifest.object.pointer("/spec/jobTemplate/spec/template"),
        _ => object.manifest.object.pointer("/spec/template"),
    }?;
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
    let labels =
        labels.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    Some(Pods { kind: object.kind(), name: object.name(), labels, spec: pod.get("spec")? })
}
