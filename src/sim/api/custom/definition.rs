//! `CustomResourceDefinition`s: defaults, what is refused, acceptance of their names, and what they make the server serve.
//! How objects of the new kinds are checked is in `structural` and `validation`.

use super::{CustomKind, CustomVersion};
use crate::sim::api::delete::Deleted;
use crate::sim::api::field::FieldError;
use crate::sim::api::pipeline::text;
use crate::sim::api::resource::{self, Resource, Service};
use crate::sim::api::server::{ApiServer, DeleteOptions, Subresource};
use crate::sim::api::status::ApiError;
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::store::{Object, key_of};
use serde_json::{Value, json};
use std::sync::Arc;

/// What holds a definition back until its objects are gone.
const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

fn set(parent: &mut Value, field: &str, value: Value) {
    if parent.get(field).is_none_or(Value::is_null) && parent.is_object() {
        parent[field] = value;
    }
}

/// Fills in what a definition leaves open.
pub(in crate::sim::api) fn defaults(definition: &mut Value) {
    let kind = text(definition, "/spec/names/kind").to_owned();
    let Some(spec) = definition.get_mut("spec") else { return };
    set(spec, "conversion", json!({"strategy": "None"}));
    if let Some(names) = spec.get_mut("names") {
        set(names, "singular", json!(kind.to_lowercase()));
        set(names, "listKind", json!(format!("{kind}List")));
    }
}

/// The status that a new definition begins with.
pub(in crate::sim::api) fn begin(definition: &mut Value) {
    let stored: Vec<Value> =
        versions(definition).filter(|version| version["storage"] == true).map(|v| v["name"].clone()).collect();
    definition["status"] = json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": stored});
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition.pointer("/spec/versions").and_then(Value::as_array).into_iter().flatten()
}

/// What is wrong with a definition.
pub(in crate::sim::api) fn check(definition: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (group, plural) = (text(definition, "/spec/group"), text(definition, "/spec/names/plural"));
    let name = text(definition, "/metadata/name");
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &json!(name), why));
    }
    for (field, value) in
        [("spec.group", group), ("spec.names.plural", plural), ("spec.names.kind", text(definition, "/spec/names/kind"))]
    {
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        }
    }
    let scope = text(definition, "/spec/scope");
    if !["Cluster", "Namespaced"].contains(&scope) {
        errors.push(FieldError::not_supported("spec.scope", &json!(scope), &["Cluster", "Namespaced"]));
    }
    if versions(definition).filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", &json!(definition.pointer("/spec/versions")), why));
    }
    for (index, version) in versions(definition).enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        match version.pointer("/schema/openAPIV3Schema") {
            None => errors.push(FieldError::required(path, "schemas are required")),
            Some(schema) => structural(schema, &path, true, &mut errors),
        }
    }
    errors
}

/// What a schema needs to be structural: types everywhere.
fn structural(schema: &Value, path: &str, root: bool, errors: &mut Vec<FieldError>) {
    let is = |name: &str| schema.get(name) == Some(&json!(true));
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if root && kind != "object" {
        let message = if kind.is_empty() { "must not be empty at the root" } else { "must be object at the root" };
        errors.push(if kind.is_empty() {
            FieldError::required(format!("{path}.type"), message)
        } else {
            FieldError::invalid(format!("{path}.type"), &json!(kind), message)
        });
    } else if kind.is_empty() && !is("x-kubernetes-int-or-string") && !is("x-kubernetes-preserve-unknown-fields") {
        errors.push(FieldError::required(format!("{path}.type"), "must not be empty for specified object fields"));
    }
    if kind == "array" && schema.get("items").is_none() {
        errors.push(FieldError::required(format!("{path}.items"), "must be specified"));
    }
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if !(root && ["metadata", "apiVersion", "kind"].contains(&name.as_str())) {
            structural(field, &format!("{path}.properties[{name}]"), false, errors);
        }
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(name).filter(|inner| inner.is_object()) {
            structural(inner, &format!("{path}.{name}"), false, errors);
        }
    }
}

/// `v1` before `v2beta1` before `v1alpha2` before all other names.
fn priority(name: &str) -> (u8, std::cmp::Reverse<u64>, std::cmp::Reverse<u64>, &str) {
    let parsed = name.strip_prefix('v').and_then(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let major = rest[..end].parse::<u64>().ok()?;
        let (stage, minor) = match &rest[end..] {
            "" => (0, ""),
            suffix => suffix.strip_prefix("beta").map(|n| (1, n)).or_else(|| suffix.strip_prefix("alpha").map(|n| (2, n)))?,
        };
        let minor = if minor.is_empty() { 0 } else { minor.parse().ok()? };
        Some((stage, std::cmp::Reverse(major), std::cmp::Reverse(minor), ""))
    });
    parsed.unwrap_or((3, std::cmp::Reverse(0), std::cmp::Reverse(0), name))
}

/// The kind that a definition describes, stored as its storage version says or as it was stored before.
fn kind_of(api: &ApiServer, definition: &Value) -> Option<CustomKind> {
    let strings = |pointer: &str| -> Vec<String> {
        let all = definition.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let (group, plural) = (text(definition, "/spec/group"), text(definition, "/spec/names/plural"));
    let kind = text(definition, "/spec/names/kind");
    let storage = versions(definition).find(|version| version["storage"] == true)?;
    let new = Resource {
        group: resource::interned(group),
        version: resource::interned(storage["name"].as_str()?),
        kind: resource::interned(kind),
        plural: resource::interned(plural),
        namespaced: text(definition, "/spec/scope") == "Namespaced",
        service: Service::Custom,
    };
    let before = api.custom.find(group, plural).map(|known| known.resource);
    let resource = before.filter(|known| known.kind == kind && known.namespaced == new.namespaced).unwrap_or(new);
    let mut served: Vec<&Value> = versions(definition).filter(|version| version["served"] == true).collect();
    served.sort_by_key(|version| priority(version["name"].as_str().unwrap_or_default()));
    let preferred = served.iter().find(|version| version["deprecated"] != true).and_then(|version| version["name"].as_str());
    let versions = served.iter().map(|version| version_of(resource, version, preferred)).collect::<Option<Vec<_>>>()?;
    Some(CustomKind {
        resource,
        singular: text(definition, "/spec/names/singular").to_owned(),
        short_names: strings("/spec/names/shortNames"),
        categories: strings("/spec/names/categories"),
        versions,
    })
}

fn version_of(resource: Resource, version: &Value, preferred: Option<&str>) -> Option<CustomVersion> {
    let name = resource::interned(version["name"].as_str()?);
    let instead =
        preferred.map(|preferred| format!("; use {}/{preferred} {}", resource.group, resource.kind)).unwrap_or_default();
    let warning = || format!("{}/{name} {} is deprecated{instead}", resource.group, resource.kind);
    let own = version.get("deprecationWarning").and_then(Value::as_str).map(ToOwned::to_owned);
    let fields = version.get("selectableFields").and_then(Value::as_array).into_iter().flatten();
    Some(CustomVersion {
        name,
        schema: version.pointer("/schema/openAPIV3Schema").cloned().map(Arc::new),
        columns: Arc::new(version.get("additionalPrinterColumns").and_then(Value::as_array).cloned().unwrap_or_default()),
        status: version.pointer("/subresources/status").is_some(),
        scale: version.pointer("/subresources/scale").cloned().map(Arc::new),
        selectable: fields.filter_map(|field| Some(field["jsonPath"].as_str()?.trim_start_matches('.').to_owned())).collect(),
        warning: (version["deprecated"] == true).then(|| own.unwrap_or_else(warning)),
    })
}

/// Accepts the names of a definition that was just stored and serves its kind; another definition's names are refused.
pub(in crate::sim::api) fn stored(api: &ApiServer, definition: &Object) {
    if definition.pointer("/metadata/deletionTimestamp").is_some() {
        return;
    }
    let name = text(definition, "/metadata/name").to_owned();
    let established = condition(definition, "Established") == Some("True");
    let conflict = taken(api, definition);
    if conflict.is_none()
        && let Some(kind) = kind_of(api, definition)
    {
        api.custom.put(kind);
        report_unsupported(api, definition);
    }
    let names = definition.pointer("/spec/names").cloned().unwrap_or_default();
    let now = api.clock.seconds();
    let write = |kind: &str, status: &str, reason: &str, message: &str| {
        // The definition may be gone only if somebody deletes it between two synchronous writes, which nobody can.
        let _ = api.modify(resource::CUSTOM_RESOURCE_DEFINITIONS, "", &name, Subresource::Status, |definition| {
            let entry = json!({"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message});
            let mut all = definition.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
            match all.iter_mut().find(|present| present["type"] == kind) {
                Some(present) if present["status"] == status => {}
                Some(present) => *present = entry,
                None => all.push(entry),
            }
            definition["status"]["conditions"] = Value::Array(all);
            if status == "True" && kind == "NamesAccepted" {
                definition["status"]["acceptedNames"] = names.clone();
            }
        });
    };
    if let Some((reason, taken)) = conflict {
        write("NamesAccepted", "False", reason, &format!("\"{taken}\" is already in use"));
        write("Established", "False", "NotAccepted", "not all names are accepted");
    } else {
        write("NamesAccepted", "True", "NoConflicts", "no conflicts found");
        if !established {
            write("Established", "True", "InitialNamesAccepted", "the initial names have been accepted");
        }
    }
}

fn condition<'a>(definition: &'a Value, kind: &str) -> Option<&'a str> {
    let all = definition.pointer("/status/conditions").and_then(Value::as_array)?;
    all.iter().find(|condition| condition["type"] == kind)?["status"].as_str()
}

/// The first name that another accepted definition of the group has.
fn taken(api: &ApiServer, definition: &Value) -> Option<(&'static str, String)> {
    let (group, name) = (text(definition, "/spec/group"), text(definition, "/metadata/name"));
    let others: Vec<Object> = api
        .list(resource::CUSTOM_RESOURCE_DEFINITIONS, None)
        .into_iter()
        .filter(|other| text(other, "/spec/group") == group && text(other, "/metadata/name") != name)
        .collect();
    let has = |field: &str, name: &str| others.iter().any(|other| other["status"]["acceptedNames"][field] == name);
    let checks = [("SingularConflict", "singular"), ("KindConflict", "kind"), ("ListKindConflict", "listKind")];
    let found = checks.into_iter().find_map(|(reason, field)| {
        let name = definition["spec"]["names"][field].as_str()?;
        has(field, name).then(|| (reason, name.to_owned()))
    });
    let short = definition.pointer("/spec/names/shortNames").and_then(Value::as_array).into_iter().flatten();
    let in_use = |name: &&Value| {
        let lists = others.iter().filter_map(|other| other["status"]["acceptedNames"]["shortNames"].as_array());
        lists.flatten().any(|other| other == *name)
    };
    found.or_else(|| {
        let name = short.into_iter().find(in_use)?;
        Some(("ShortNamesConflict", name.as_str().unwrap_or_default().to_owned()))
    })
}

/// What a definition asks for and the simulation cannot do.
fn report_unsupported(api: &ApiServer, definition: &Value) {
    let has_rules = versions(definition).any(|version| version.to_string().contains("\"x-kubernetes-validations\":[{"));
    let converts = text(definition, "/spec/conversion/strategy") == "Webhook";
    let found = [(has_rules, "x-kubernetes-validations (CEL)"), (converts, "conversion webhook")];
    for (_, what) in found.into_iter().filter(|(found, _)| *found) {
        api.limits.report(Limit {
            kind: LimitKind::Kind,
            uid: text(definition, "/metadata/uid").to_owned(),
            subject: format!("CustomResourceDefinition {}", text(definition, "/metadata/name")),
            construct: what.to_owned(),
            position: None,
            help: format!("the embedded cluster does not run {what}; run this on a real cluster"),
        });
    }
}

/// Refuses a new object of a kind whose definition is being deleted.
pub(in crate::sim::api) fn check_creation(api: &ApiServer, resource: Resource) -> Result<(), ApiError> {
    let name = format!("{}.{}", resource.plural, resource.group);
    let definition = api.store.get(resource::CUSTOM_RESOURCE_DEFINITIONS, "", &name);
    if definition.is_some_and(|definition| definition.pointer("/metadata/deletionTimestamp").is_some()) {
        let why = "create not allowed while custom resource definition is terminating";
        let mut error = ApiError::method_not_allowed("create", resource);
        why.clone_into(&mut error.message);
        return Err(error);
    }
    Ok(())
}

/// Begins to delete a definition: its objects go first.
pub(in crate::sim::api) fn delete(api: &ApiServer, definition: &Object) -> Result<Deleted, ApiError> {
    let crds = resource::CUSTOM_RESOURCE_DEFINITIONS;
    let name = text(definition, "/metadata/name").to_owned();
    if definition.pointer("/metadata/deletionTimestamp").is_none() {
        let now = api.clock.seconds();
        let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will be initiated soon";
        let terminating = json!({
            "type": "Terminating", "status": "True", "lastTransitionTime": now, "reason": "InstanceDeletionPending",
            "message": message,
        });
        let mut marked = (**definition).clone();
        marked["metadata"]["deletionTimestamp"] = json!(now);
        let mut finalizers = marked.pointer("/metadata/finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
        finalizers.push(json!(FINALIZER));
        marked["metadata"]["finalizers"] = Value::Array(finalizers);
        let mut conditions = marked.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        conditions.push(terminating);
        marked["status"]["conditions"] = Value::Array(conditions);
        let marked = api.store.put(crds, "", &name, marked);
        if let Some(kind) = kind(api, definition) {
            for object in api.list(kind, None) {
                let (namespace, name) = key_of(&object);
                match api.delete(kind, &namespace, &name, &DeleteOptions::default()) {
                    Err(error) if error.code != 404 => return Err(error),
                    _ => {}
                }
            }
        }
        finish(api, &name);
        return Ok(Deleted { object: marked, gone: false });
    }
    Ok(Deleted { object: Arc::clone(definition), gone: false })
}

fn kind(api: &ApiServer, definition: &Value) -> Option<Resource> {
    let known = api.custom.find(text(definition, "/spec/group"), text(definition, "/spec/names/plural"))?;
    Some(known.resource)
}

/// After an object of a custom kind is gone: ends the deletion of its definition when it was the last.
pub(in crate::sim::api) fn object_removed(api: &ApiServer, resource: Resource) {
    finish(api, &format!("{}.{}", resource.plural, resource.group));
}

fn finish(api: &ApiServer, name: &str) {
    let crds = resource::CUSTOM_RESOURCE_DEFINITIONS;
    let Some(definition) = api.store.get(crds, "", name) else { return };
    let known = kind(api, &definition);
    let empty = known.is_none_or(|kind| api.list(kind, None).is_empty());
    if definition.pointer("/metadata/deletionTimestamp").is_none() || !empty {
        return;
    }
    let _ = api.modify(crds, "", name, Subresource::Status, |definition| {
        if let Some(finalizers) = definition.pointer_mut("/metadata/finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|finalizer| finalizer != FINALIZER);
        }
    });
}

/// After a definition is gone: its kind is no longer served.
pub(in crate::sim::api) fn removed(api: &ApiServer, definition: &Value) {
    api.custom.remove(text(definition, "/spec/group"), text(definition, "/spec/names/plural"));
}

#[cfg(test)]
mod tests;
