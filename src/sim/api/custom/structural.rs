//! Structural schemas at work on objects: what they do not know is pruned, what is absent gets its default.
//! What breaks a schema's rules is `validation`'s.

use serde_json::{Map, Value};

/// Whether a schema keeps fields that it does not name.
fn keeps_unknown(schema: &Value) -> bool {
    schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true))
}

fn is_embedded(schema: &Value) -> bool {
    schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true))
}

/// The schema of a field, of its own or of any.
pub(in crate::sim::api) fn field<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let own = schema.get("properties").and_then(|properties| properties.get(name));
    own.or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
}

/// Takes out what the schema does not know and collects the paths of it.
pub(super) fn prune(schema: &Value, object: &mut Value, unknown: &mut Vec<String>) {
    const ROOT: &[&str] = &["apiVersion", "kind", "metadata"];
    let Some(fields) = object.as_object_mut() else { return };
    prune_fields(schema, fields, "", ROOT, unknown);
}

fn prune_fields(schema: &Value, fields: &mut Map<String, Value>, path: &str, kept: &[&str], unknown: &mut Vec<String>) {
    let keeps = keeps_unknown(schema) || schema.get("additionalProperties") == Some(&Value::Bool(true));
    fields.retain(|name, value| {
        if kept.contains(&name.as_str()) {
            return true;
        }
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match field(schema, name) {
            Some(schema) => prune_value(schema, value, &inner, unknown),
            None if keeps => {}
            None => {
                unknown.push(inner);
                return false;
            }
        }
        true
    });
}

fn prune_value(schema: &Value, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    const EMBEDDED: &[&str] = &["apiVersion", "kind", "metadata"];
    match value {
        Value::Object(fields) => {
            prune_fields(schema, fields, path, if is_embedded(schema) { EMBEDDED } else { &[] }, unknown);
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for (index, item) in items.iter_mut().enumerate() {
                prune_value(schema, item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Takes out nulls where none may stand, and puts defaults where nothing stands.
pub(super) fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                let schema = field(schema, name);
                !value.is_null() || schema.is_none_or(|schema| schema.get("nullable") == Some(&Value::Bool(true)))
            });
            for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                if let Some(default) = schema.get("default").filter(|_| !fields.contains_key(name)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(schema) = field(schema, name) {
                    default(schema, value);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| default(schema, item));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn prunes_and_defaults_at_every_depth() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 1},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "list": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string", "default": "x"}}}},
            "opt": {"type": "string", "nullable": true},
        }}}});
        let mut object = json!({
            "apiVersion": "a/v1", "kind": "W", "metadata": {"name": "x"}, "zzz": 1,
            "spec": {"size": null, "free": {"y": 1}, "list": [{"no": 1}], "opt": null, "unknown": {}},
        });
        let mut unknown = Vec::new();
        prune(&schema, &mut object, &mut unknown);
        default(&schema, &mut object);
        assert_eq!(unknown, ["spec.list[0].no", "spec.unknown", "zzz"]);
        assert_eq!(object["spec"], json!({"size": 1, "free": {"y": 1}, "list": [{"k": "x"}], "opt": null}));
    }
}
