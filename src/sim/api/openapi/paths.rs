//! The paths of the documents: for every resource what can be done with it, as far as clients look it up there.
//! Schemas are in `schemas`.

use super::{Part, schemas};
use crate::sim::api::kinds;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

/// One resource of a part.
#[derive(Debug)]
struct Entry {
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    schema: String,
    strategic: bool,
}

fn entries(part: &Part) -> Vec<Entry> {
    let mut entries = Vec::new();
    for resource in &part.built_in {
        let Some(kind) = kinds::shown(&part.group, &part.version, *resource) else { continue };
        let reference = (kind.schema)(&mut SchemaGenerator::default());
        let schema = reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        entries.push(Entry {
            plural: resource.plural,
            kind: resource.kind,
            namespaced: resource.namespaced,
            schema: schema.to_owned(),
            strategic: true,
        });
    }
    for kind in &part.custom {
        entries.push(Entry {
            plural: kind.resource.plural,
            kind: kind.resource.kind,
            namespaced: kind.resource.namespaced,
            schema: schemas::custom_name(kind, &part.version),
            strategic: false,
        });
    }
    entries
}

/// The patch types of an entry.
fn patches(entry: &Entry) -> Vec<&'static str> {
    let mut all = vec!["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
    if entry.strategic {
        all.push("application/strategic-merge-patch+json");
    }
    all
}

/// (method, action, query parameters) of a collection and of an object.
const COLLECTION: &[(&str, &str, &[&str])] = &[
    ("get", "list", &["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "watch"]),
    ("post", "post", &["dryRun", "fieldManager", "fieldValidation"]),
    ("delete", "deletecollection", &["dryRun", "labelSelector", "fieldSelector"]),
];
const OBJECT: &[(&str, &str, &[&str])] = &[
    ("get", "get", &[]),
    ("put", "put", &["dryRun", "fieldManager", "fieldValidation"]),
    ("patch", "patch", &["dryRun", "fieldManager", "fieldValidation", "force"]),
    ("delete", "delete", &["dryRun", "gracePeriodSeconds", "propagationPolicy"]),
];

fn all(part: &Part, operation: impl Fn(&Part, &Entry, &str, &str, &[&str]) -> Value) -> Map<String, Value> {
    let base = format!("/{}", part.path());
    let mut paths = Map::new();
    let operations = |entry: &Entry, list: &[(&str, &str, &[&str])]| -> Value {
        list.iter().map(|(method, action, query)| ((*method).to_owned(), operation(part, entry, method, action, query))).collect()
    };
    for entry in entries(part) {
        let plural = entry.plural;
        let home =
            if entry.namespaced { format!("{base}/namespaces/{{namespace}}/{plural}") } else { format!("{base}/{plural}") };
        if entry.namespaced {
            paths.insert(format!("{base}/{plural}"), operations(&entry, &COLLECTION[..1]));
        }
        paths.insert(format!("{home}/{{name}}"), operations(&entry, OBJECT));
        paths.insert(home, operations(&entry, COLLECTION));
    }
    paths
}

fn common(part: &Part, entry: &Entry, action: &str) -> Value {
    json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": part.group, "version": part.version, "kind": entry.kind},
    })
}

/// The paths of an `OpenAPI` 3 document.
pub(super) fn third(part: &Part) -> Map<String, Value> {
    all(part, |part, entry, method, action, query| {
        let mut operation = common(part, entry, action);
        let parameter = |name: &&str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        let object = json!({"schema": {"$ref": format!("#/components/schemas/{}", entry.schema)}});
        operation["parameters"] = query.iter().map(parameter).collect();
        operation["responses"] = json!({"200": {"description": "OK", "content": {"application/json": object}}});
        match method {
            "patch" => {
                let content: Map<String, Value> =
                    patches(entry).into_iter().map(|name| (name.to_owned(), json!({"schema": {"type": "object"}}))).collect();
                operation["requestBody"] = json!({"content": content, "required": true});
            }
            "post" | "put" => operation["requestBody"] = json!({"content": {"*/*": object}, "required": true}),
            _ => {}
        }
        operation
    })
}

/// The paths of a Swagger 2 document.
pub(super) fn second(part: &Part) -> Map<String, Value> {
    all(part, |part, entry, method, action, query| {
        let mut operation = common(part, entry, action);
        let parameter = |name: &&str| json!({"name": name, "in": "query", "type": "string", "uniqueItems": true});
        let object = json!({"$ref": format!("#/definitions/{}", entry.schema)});
        let mut parameters: Vec<Value> = query.iter().map(parameter).collect();
        if ["post", "put"].contains(&method) {
            parameters.push(json!({"name": "body", "in": "body", "required": true, "schema": object}));
        }
        operation["parameters"] = Value::Array(parameters);
        operation["consumes"] = if method == "patch" { json!(patches(entry)) } else { json!(["*/*"]) };
        operation["produces"] = json!(["application/json"]);
        operation["responses"] = json!({"200": {"description": "OK", "schema": object}});
        operation
    })
}
