//! The workload's objects: read from files and inline, lists taken apart, namespaces removed.
//! Patching them lives in `patching`; whether conditions fit them in `check`.

use super::diagnostic::{Code, Diagnostic, Position, allowed};
use super::fault::Patch;
use super::node::{Node, Span};
use super::parse::{Dialect, documents};
use super::patching;
use super::plan::Manifest;
use super::rendering;
use super::source::{Place, Source};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// One object with its position, for diagnostics.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// As it goes into the plan.
    pub manifest: Manifest,
    /// Where it stands.
    pub at: Position,
}

impl Object {
    /// The object's kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.manifest.object.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.manifest.object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    /// The object's apiVersion.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.manifest.object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Kubernetes' own kinds that belong to the whole cluster.
const CLUSTER_SCOPED: [&str; 24] = [
    "APIService",
    "CSIDriver",
    "CSINode",
    "CertificateSigningRequest",
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterTrustBundle",
    "CustomResourceDefinition",
    "DeviceClass",
    "FlowSchema",
    "IPAddress",
    "IngressClass",
    "MutatingAdmissionPolicy",
    "MutatingWebhookConfiguration",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "RuntimeClass",
    "ServiceCIDR",
    "StorageClass",
    "ValidatingAdmissionPolicy",
    "ValidatingWebhookConfiguration",
    "VolumeAttachment",
];

/// Reads `workload.manifests`, what `workload.render` prints, and `workload.inline`, in this order.
pub fn read(workload: &Node, place: &Place, source: &Arc<Source>, found: &mut Vec<Diagnostic>) -> Vec<Object> {
    let mut reader = Reader { objects: Vec::new(), namespaces: BTreeMap::new(), found };
    for entry in workload.get("manifests").map(Node::items).unwrap_or_default() {
        if let Some(path) = entry.text() {
            reader.file(&place.beside(path), source, entry.span);
        }
    }
    if let Some(render) = workload.get("render") {
        reader.rendered(render, place, source);
    }
    for inline in workload.get("inline").map(Node::items).unwrap_or_default() {
        reader.object(inline, source, 0);
    }
    reader.finish(workload, source)
}

struct Reader<'a> {
    objects: Vec<Object>,
    /// Each namespace named, with the place of the first mention.
    namespaces: BTreeMap<String, Position>,
    found: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn file(&mut self, place: &Place, scenario: &Arc<Source>, entry: Span) {
        if place.is_folder() {
            let message = format!("`{place}` is a folder; name each manifest file");
            self.found.push(Diagnostic::error(Code::BadManifest, scenario, entry, message));
            return;
        }
        match place.read() {
            Err(message) => {
                let help = "Relative paths start at the folder of the scenario's file.";
                self.found
                    .push(Diagnostic::error(Code::BadManifest, scenario, entry, format!("the manifest {message}")).help(help));
            }
            Ok(source) => {
                let before = self.found.len();
                let documents = documents(&source, Dialect::Manifest, self.found);
                if documents.is_empty() && self.found.len() == before {
                    let message = format!("the manifest `{place}` is empty");
                    self.found.push(Diagnostic::error(Code::BadManifest, scenario, entry, message));
                }
                for document in documents {
                    self.object(&document, &source, 0);
                }
            }
        }
    }

    /// What a program prints.
    fn rendered(&mut self, render: &Node, place: &Place, scenario: &Arc<Source>) {
        let words: Vec<String> = render.items().iter().filter_map(|word| word.text().map(ToOwned::to_owned)).collect();
        if words.is_empty() || words.len() < render.items().len() {
            // What is no list of words is reported elsewhere.
            return;
        }
        let failed =
            |message: String| Diagnostic::error(Code::BadManifest, scenario, render.span, format!("`render`: {message}"));
        let Place::Disk(file) = place else {
            let message = "a built-in scenario has no folder in which a program could run".to_owned();
            self.found.push(failed(message).help("Write it to a file: `comeback show builtin:NAME > FILE`."));
            return;
        };
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        let text = match rendering::run(&words, folder, rendering::WITHIN) {
            Ok(text) => text,
            Err(message) => {
                let help = "Run it in the folder of the scenario's file to see why.";
                self.found.push(failed(message).help(help));
                return;
            }
        };
        let source = Arc::new(Source { name: format!("`{}`", words.join(" ")), text });
        let before = self.found.len();
        let documents = documents(&source, Dialect::Manifest, self.found);
        if documents.is_empty() && self.found.len() == before {
            self.found.push(failed(format!("{} printed no manifest", source.name)));
        }
        for document in documents {
            self.object(&document, &source, 0);
        }
    }

    fn object(&mut self, node: &Node, source: &Arc<Source>, depth: usize) {
        let kind = node.text_of("kind").unwrap_or_default();
        let is_list = kind.ends_with("List") && node.get("items").is_some();
        let missing: Vec<&str> = [
            ("apiVersion", node.text_of("apiVersion").is_some()),
            ("kind", !kind.is_empty()),
            ("metadata.name", is_list || node.at(&["metadata", "name"]).and_then(Node::text).is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| (!given).then_some(key))
        .collect();
        if !missing.is_empty() {
            let message = format!("this is not a Kubernetes object: it has no `{}`", missing.join("`, no `"));
            let help = "Every object of a workload has `apiVersion`, `kind` and `metadata.name`, all of them text.";
            self.found.push(Diagnostic::error(Code::BadManifest, source, node.span, message).help(help));
            return;
        }
        if is_list && depth < 4 {
            for item in node.get("items").map(Node::items).unwrap_or_default() {
                self.object(item, source, depth + 1);
            }
            return;
        }
        let kind_span = node.get("kind").map_or(node.span, |kind| kind.span);
        if kind == "Namespace" && node.text_of("apiVersion") == Some("v1") {
            if let Some(name) = node.at(&["metadata", "name"]) {
                self.namespace(name, source);
            }
            return;
        }
        if CLUSTER_SCOPED.contains(&kind) {
            let message = format!("a {kind} belongs to the whole cluster, not to the trial's namespace");
            let help = "Workloads with cluster-scoped objects are not supported yet; leave it out, or create it beforehand.";
            self.found.push(Diagnostic::error(Code::ClusterScoped, source, kind_span, message).help(help));
            return;
        }
        if let Some(namespace) = node.at(&["metadata", "namespace"]) {
            self.namespace(namespace, source);
        }
        let mut object = node.to_json();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("namespace");
        }
        let manifest = Manifest { file: source.name.clone(), line: node.span.line, object };
        self.objects.push(Object { manifest, at: Position { source: Arc::clone(source), span: node.span } });
    }

    fn namespace(&mut self, name: &Node, source: &Arc<Source>) {
        if let Some(text) = name.text() {
            let at = Position { source: Arc::clone(source), span: name.span };
            self.namespaces.entry(text.to_owned()).or_insert(at);
        }
    }

    fn finish(self, workload: &Node, source: &Arc<Source>) -> Vec<Object> {
        if self.namespaces.len() > 1
            && let Some((_, second)) = self.namespaces.iter().nth(1)
        {
            let names = self.namespaces.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let message = format!("a workload in several namespaces ({names}) is not supported yet");
            let help = "Each trial has one namespace of its own, which replaces the one that the manifests name.";
            self.found.push(Diagnostic::error(Code::NotSupportedYet, &second.source, second.span, message).help(help));
        }
        let mut seen: BTreeMap<(String, String, String), String> = BTreeMap::new();
        for object in &self.objects {
            let group = object.api_version().split_once('/').map_or("", |(group, _)| group);
            let key = (group.to_owned(), object.kind().to_owned(), object.name().to_owned());
            let here = format!("{}:{}", object.at.source.name, object.at.span.line);
            if let Some(first) = seen.get(&key) {
                let message = format!("the workload has the {} `{}` twice; the first is at {first}", key.1, key.2);
                self.found.push(Diagnostic::error(Code::DuplicateObject, &object.at.source, object.at.span, message));
            } else {
                seen.insert(key, here);
            }
        }
        let named = |key: &str| workload.get(key).is_some_and(|list| !list.items().is_empty());
        if self.objects.is_empty()
            && !named("manifests")
            && !named("inline")
            && !named("render")
            && workload.get("existing").is_none()
        {
            let help = "Name manifest files under `manifests`, a program that prints some under `render`, or write objects under `inline`.";
            self.found
                .push(Diagnostic::error(Code::EmptyWorkload, source, workload.span, "the workload has no objects").help(help));
        }
        self.objects
    }
}

/// Applies `workload.patches`.
pub fn patch(objects: &mut [Object], workload: &Node, source: &Arc<Source>, found: &mut Vec<Diagnostic>) {
    for node in workload.get("patches").map(Node::items).unwrap_or_default() {
        // Mistakes of structure are reported elsewhere; such a patch is skipped here.
        let Ok(patch) = serde_json::from_value::<Patch>(node.to_json()) else { continue };
        let fits = |object: &&mut Object| {
            object.kind() == patch.kind
                && object.name() == patch.name
                && patch.api_version.as_deref().is_none_or(|version| version == object.api_version())
        };
        let Some(object) = objects.iter_mut().find(fits) else {
            let names: Vec<_> = objects.iter().filter(|object| object.kind() == patch.kind).map(Object::name).collect();
            let message = format!("the workload has no {} `{}` to patch", patch.kind, patch.name);
            let help = allowed(&format!("Its {}s", patch.kind), &patch.name, &names);
            let span = node.get("name").map_or(node.span, |name| name.span);
            found.push(Diagnostic::error(Code::UnknownObject, source, span, message).help(help));
            continue;
        };
        if let Err(message) = patching::apply(&mut object.manifest.object, patch.type_, &patch.patch) {
            let span = node.get("patch").map_or(node.span, |patch| patch.span);
            found.push(Diagnostic::error(Code::BadPatch, source, span, format!("the patch does not fit: {message}")));
        }
    }
}
