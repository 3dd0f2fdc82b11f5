//! The JSON Schemas of the language, as printed for editors and as used by the structure check: one truth for both.
//! They are made from the types of `model`; formats that no type can say are added here.

use super::model::{API_VERSION, Scenario, Suite};
use super::strategy::Strategy;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Durations as Kubernetes writes them.
pub const DURATION: &str = "comeback-duration";
/// Quantities as Kubernetes writes them.
pub const QUANTITY: &str = "comeback-quantity";
/// Label selectors as kubectl writes them.
pub const SELECTOR: &str = "comeback-selector";
/// Regular expressions.
pub const REGEX: &str = "comeback-regex";
/// Names that Kubernetes takes for namespaces and labels.
pub const NAME: &str = "comeback-name";

static SCENARIO: LazyLock<Value> = LazyLock::new(|| finish(schemars::schema_for!(Scenario).to_value()));
static SUITE: LazyLock<Value> = LazyLock::new(|| finish(schemars::schema_for!(Suite).to_value()));

static STRATEGY: LazyLock<Value> = LazyLock::new(|| finish(schemars::schema_for!(Strategy).to_value()));

/// The schema of a strategy.
#[must_use]
pub fn strategy() -> &'static Value {
    &STRATEGY
}

/// The schema of a scenario.
#[must_use]
pub fn scenario() -> &'static Value {
    &SCENARIO
}

/// The schema of a suite.
#[must_use]
pub fn suite() -> &'static Value {
    &SUITE
}

fn finish(mut schema: Value) -> Value {
    without_null(&mut schema);
    if let Some(version) = schema.pointer_mut("/properties/apiVersion") {
        version["enum"] = json!([API_VERSION]);
    }
    for definition in schema.get_mut("$defs").and_then(Value::as_object_mut).into_iter().flatten() {
        formats(definition.0, definition.1);
    }
    schema
}

/// An absent key says "not given"; the language has no null.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [only] = choices.as_slice() {
                    let only = only.as_object().cloned().unwrap_or_default();
                    fields.remove("anyOf");
                    for (key, value) in only {
                        fields.entry(key).or_insert(value);
                    }
                }
            }
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            fields.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

fn formats(definition: &str, schema: &mut Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, property) in properties {
        let (format, property) = match (definition, name.as_str()) {
            ("StressMemory" | "FillDisk", "size") => (QUANTITY, Some(property)),
            ("SetResources", "requests" | "limits") | ("Quota", "hard") => (QUANTITY, values_of(property)),
            ("SuiteSpec", "rto") => (DURATION, values_of(property)),
            (
                _,
                "within" | "hold" | "rto" | "for" | "after" | "allow" | "every" | "backoff" | "timeout" | "notReadyFor"
                | "unschedulableFor" | "configWindow",
            ) => (DURATION, Some(property)),
            (_, "selector" | "select") => (SELECTOR, Some(property)),
            ("LogMatches" | "LogPattern", "pattern") | ("EventSeen", "message") => (REGEX, Some(property)),
            ("Metadata", "name") | ("Existing", "namespace") => (NAME, Some(property)),
            _ => continue,
        };
        let Some(fields) = property.and_then(Value::as_object_mut) else { continue };
        format_of(format, fields);
    }
}

fn values_of(map: &mut Value) -> Option<&mut Value> {
    map.get_mut("additionalProperties")
}

/// The format's name for our own check, and a pattern for editors.
fn format_of(format: &str, fields: &mut Map<String, Value>) {
    fields.insert("format".into(), json!(format));
    let pattern = match format {
        DURATION => r"^(0|([0-9]+(\.[0-9]+)?(h|m|s|ms|us|µs|ns))+)$",
        QUANTITY => r"^[0-9.]+([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
        NAME => r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        _ => return,
    };
    fields.insert("pattern".into(), json!(pattern));
}
