//! What was applied and what was done, told from what was seen: objects that nobody owns were applied, changes of their specs
//! are patches, and their disappearance is a deletion. Secrets are never recorded.

use super::files::Files;
use crate::fidelity::Error;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Kinds whose objects people apply, with the field that a patch may change.
const APPLIED: [(&str, &str); 11] = [
    ("configmaps", "data"),
    ("persistentvolumeclaims", "spec"),
    ("resourcequotas", "spec"),
    ("services", "spec"),
    ("poddisruptionbudgets", "spec"),
    ("deployments", "spec"),
    ("replicasets", "spec"),
    ("statefulsets", "spec"),
    ("daemonsets", "spec"),
    ("jobs", "spec"),
    ("pods", "spec"),
];
/// What the system puts into every namespace.
const OF_SYSTEM: [&str; 1] = ["kube-root-ca.crt"];

/// What is known of one applied object.
#[derive(Debug)]
struct Applied {
    first: Value,
    field: Value,
    deleting: bool,
}

/// The applied objects, and what was done to them.
#[derive(Debug)]
pub(super) struct History {
    namespace: String,
    began: Option<f64>,
    objects: BTreeMap<(usize, String), Applied>,
    actions: Vec<(f64, String)>,
}

impl History {
    pub(super) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), began: None, objects: BTreeMap::new(), actions: Vec::new() }
    }

    /// Takes in one watch event.
    pub(super) fn note(&mut self, at: f64, kind: &str, change: &str, object: &Value) {
        let Some(order) = APPLIED.iter().position(|(plural, _)| *plural == kind) else { return };
        let (plural, field) = APPLIED[order];
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let owned =
            object.pointer("/metadata/ownerReferences").and_then(Value::as_array).is_some_and(|owners| !owners.is_empty());
        if owned || OF_SYSTEM.contains(&name.as_str()) {
            return;
        }
        let value = object.get(field).cloned().unwrap_or_default();
        let deleting = object.pointer("/metadata/deletionTimestamp").is_some() || change == "DELETED";
        let key = (order, name.clone());
        let Some(known) = self.objects.get_mut(&key) else {
            if self.began.is_none() {
                self.began = Some(at);
            }
            self.objects.insert(key, Applied { first: applied(object), field: value, deleting });
            return;
        };
        if deleting && !known.deleting {
            known.deleting = true;
            self.actions.push((at, format!("kubectl -n $NS delete --wait=false {plural} {name}")));
        } else if !deleting && value != known.field && plural != "pods" {
            let patch = json!([{"op": "replace", "path": format!("/{field}"), "value": value}]);
            let quoted = patch.to_string().replace('\'', "'\\''");
            self.actions.push((at, format!("kubectl -n $NS patch {plural} {name} --type=json -p '{quoted}'")));
            known.field = value;
        }
    }

    /// Writes manifest and actions; how many actions there are.
    pub(super) fn finish(&mut self, files: &mut Files) -> Result<usize, Error> {
        let Some(began) = self.began else {
            return Err(Error::new(format!("nothing that could be replayed was seen in namespace {}", self.namespace)));
        };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        let items: Vec<Value> =
            std::iter::once(namespace).chain(self.objects.values().map(|object| object.first.clone())).collect();
        files.manifest(&items)?;
        files.action(began, "kubectl apply -f manifest.yaml")?;
        for (at, command) in &self.actions {
            files.action(*at, command)?;
        }
        Ok(self.actions.len() + 1)
    }
}

/// The object as somebody may have written it: without what servers, controllers and admission put in.
fn applied(object: &Value) -> Value {
    let mut object = object.clone();
    let name = object.pointer("/metadata/name").cloned().unwrap_or_default();
    let mut metadata = json!({"name": name});
    for field in ["namespace", "labels", "annotations", "finalizers"] {
        if let Some(value) = object.pointer(&format!("/metadata/{field}")) {
            metadata[field] = value.clone();
        }
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| !name.contains("kubernetes.io/"));
    }
    if let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
        finalizers.retain(|name| !name.as_str().unwrap_or_default().starts_with("kubernetes.io/"));
    }
    object["metadata"] = metadata;
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        match kind.as_str() {
            "Service" => spec.retain(|name, _| !name.starts_with("clusterIP")),
            "PersistentVolumeClaim" => drop(spec.remove("volumeName")),
            "Pod" => {
                spec.remove("nodeName");
                spec.values_mut().for_each(without_token);
            }
            _ => {}
        }
    }
    object
}

/// Takes the volume of the service account's token out, which admission adds again.
fn without_token(value: &mut Value) {
    let Some(items) = value.as_array_mut() else { return };
    let token = |item: &Value| item["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
    items.retain(|item| !token(item));
    for mounts in items.iter_mut().filter_map(|item| item.get_mut("volumeMounts")?.as_array_mut()) {
        mounts.retain(|mount| !token(mount));
    }
}
