//! The schemas of the documents: descriptions and types from the Rust types, merge keys from `schema`, custom kinds as defined.
//! Paths are in `paths`.

use super::{Edition, Part};
use crate::sim::api::custom::CustomKind;
use crate::sim::api::kinds;
use crate::sim::api::schema::{extensions, is_atomic_type};
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const METADATA: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The name of a custom kind's schema: its group backwards.
pub(super) fn custom_name(kind: &CustomKind, version: &str) -> String {
    let group: Vec<&str> = kind.resource.group.rsplit('.').collect();
    format!("{}.{version}.{}", group.join("."), kind.resource.kind)
}

/// Every schema that some parts need.
pub(super) fn of(parts: &[Part], edition: Edition) -> Map<String, Value> {
    let mut generator = SchemaGenerator::default();
    let mut roots: Vec<(String, Value)> = Vec::new();
    let mut published = Map::new();
    for part in parts {
        for resource in &part.built_in {
            let Some(kind) = kinds::shown(&part.group, &part.version, *resource) else { continue };
            let reference = (kind.schema)(&mut generator);
            let name = reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            let gvk = json!([{"group": part.group, "version": part.version, "kind": resource.kind}]);
            roots.extend(name.map(|name| (name.to_owned(), gvk)));
        }
        if !part.custom.is_empty() {
            generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>();
        }
        for kind in &part.custom {
            published.insert(custom_name(kind, &part.version), custom(kind, &part.version, edition));
        }
    }
    for (name, schema) in generator.take_definitions(true) {
        let mut schema = published_form(&name, schema, edition);
        if let Some((_, gvk)) = roots.iter().find(|(root, _)| *root == name) {
            schema["x-kubernetes-group-version-kind"] = gvk.clone();
        }
        published.insert(name, schema);
    }
    published
}

fn reference(name: &str, edition: Edition) -> String {
    match edition {
        Edition::Second => format!("#/definitions/{name}"),
        Edition::Third => format!("#/components/schemas/{name}"),
    }
}

/// A type's schema in the form of an edition.
fn published_form(name: &str, schema: Value, edition: Edition) -> Value {
    let description = schema.get("description").cloned().unwrap_or_default();
    match (name, edition) {
        (INT_OR_STRING, Edition::Second) => {
            return json!({"description": description, "type": "string", "format": "int-or-string"});
        }
        (INT_OR_STRING, Edition::Third) => {
            return json!({"description": description, "format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]});
        }
        (QUANTITY, Edition::Second) => return json!({"description": description, "type": "string"}),
        (QUANTITY, Edition::Third) => {
            return json!({"description": description, "oneOf": [{"type": "string"}, {"type": "number"}]});
        }
        _ => {}
    }
    let mut schema = rewritten(schema, edition);
    let short = name.strip_prefix("io.k8s.").unwrap_or(name);
    if is_atomic_type(short) {
        schema["x-kubernetes-map-type"] = json!("atomic");
    }
    for (field, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        for (extension, value) in extensions(short, field) {
            property[extension] = value;
        }
    }
    schema
}

/// References of an edition; beside a reference there stands nothing in the third but inside `allOf`.
fn rewritten(schema: Value, edition: Edition) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut out = Map::new();
            let described = fields.len() > 1;
            for (name, value) in fields {
                match (name.as_str(), &value) {
                    ("$ref", Value::String(path)) => {
                        let path = reference(path.rsplit('/').next().unwrap_or_default(), edition);
                        if described && edition == Edition::Third {
                            out.insert("allOf".to_owned(), json!([{"$ref": path}]));
                        } else {
                            out.insert(name, json!(path));
                        }
                    }
                    _ => {
                        out.insert(name, rewritten(value, edition));
                    }
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| rewritten(item, edition)).collect()),
        // A schema that allows everything.
        other => other,
    }
}

/// A custom kind's schema with what every object has.
fn custom(kind: &CustomKind, version: &str, edition: Edition) -> Value {
    let own = kind.version(version).and_then(|version| version.schema.as_deref().cloned());
    let mut schema = own.unwrap_or_else(|| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
    let text = |description: &str| json!({"description": description, "type": "string"});
    let metadata = reference(METADATA, edition);
    schema["properties"]["apiVersion"] = text("The version of this representation of an object.");
    schema["properties"]["kind"] = text("The resource that this object represents.");
    let about = "Standard object's metadata.";
    schema["properties"]["metadata"] = match edition {
        Edition::Second => json!({"description": about, "$ref": metadata}),
        Edition::Third => json!({"description": about, "allOf": [{"$ref": metadata}]}),
    };
    schema["x-kubernetes-group-version-kind"] =
        json!([{"group": kind.resource.group, "version": version, "kind": kind.resource.kind}]);
    schema
}
