//! What breaks the rules of a structural schema, in the words of the real server.
//! Rules in CEL are not evaluated: a definition that has some is reported as a limit.

use super::structural::field;
use crate::sim::api::field::FieldError;
use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

/// Everything that is wrong with an object.
pub(super) fn check(schema: &Value, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let Some(fields) = object.as_object() else { return errors };
    required(schema, object, "", &mut errors);
    for (name, value) in fields.iter().filter(|(name, _)| !["apiVersion", "kind", "metadata"].contains(&name.as_str())) {
        if let Some(schema) = field(schema, name) {
            value_of(schema, value, name, &mut errors);
        }
    }
    combined(schema, object, "", &mut errors);
    errors
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if is_whole(number) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

fn error(reason: &'static str, path: &str, message: String) -> FieldError {
    FieldError { reason, field: path.to_owned(), message }
}

fn wrong_type(path: &str, expected: &str, shown: &str) -> FieldError {
    let message = format!("Invalid value: \"{shown}\": {path} in body must be of type {expected}: \"{shown}\"");
    error("FieldValueTypeInvalid", path, message)
}

fn invalid(path: &str, value: &Value, why: &str) -> FieldError {
    FieldError::invalid(path, value, &format!("{path} in body {why}"))
}

fn value_of(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
        return;
    }
    let int_or_string = schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
    let expected = if int_or_string { "integer,string" } else { schema["type"].as_str().unwrap_or_default() };
    let found = type_of(value);
    let fits = expected.is_empty() || expected.split(',').any(|one| one == found || (one == "number" && found == "integer"));
    if !fits {
        errors.push(wrong_type(path, expected, found));
        return;
    }
    match value {
        Value::String(text) => string(schema, text, value, path, errors),
        Value::Number(number) => bounds(schema, number.as_f64().unwrap_or_default(), value, path, errors),
        Value::Array(items) => list(schema, items, path, errors),
        Value::Object(_) => object(schema, value, path, errors),
        _ => {}
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", list.join(", "));
        errors.push(error("FieldValueNotSupported", path, message));
    }
    combined(schema, value, path, errors);
}

fn count(schema: &Value, name: &str) -> Option<usize> {
    schema.get(name)?.as_u64().and_then(|count| usize::try_from(count).ok())
}

fn string(schema: &Value, text: &str, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let length = text.chars().count();
    if let Some(most) = count(schema, "maxLength").filter(|most| length > *most) {
        errors.push(error("FieldValueTooLong", path, format!("Too long: may not be more than {most} bytes")));
    }
    if let Some(least) = count(schema, "minLength").filter(|least| length < *least) {
        errors.push(invalid(path, value, &format!("should be at least {least} chars long")));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        errors.push(invalid(path, value, &format!("should match '{pattern}'")));
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str).filter(|format| !has_format(text, format)) {
        errors.push(wrong_type(path, format, text));
    }
}

fn has_format(text: &str, format: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => {
            let hex = text.chars().filter(|letter| *letter != '-');
            text.len() == 36 && hex.clone().count() == 32 && hex.clone().all(|letter| letter.is_ascii_hexdigit())
        }
        _ => true,
    }
}

fn bounds(schema: &Value, number: f64, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let is = |name: &str| schema.get(name) == Some(&Value::Bool(true));
    if let Some(least) = bound("minimum") {
        if is("exclusiveMinimum") && number <= least {
            errors.push(invalid(path, value, &format!("should be greater than {least}")));
        } else if number < least {
            errors.push(invalid(path, value, &format!("should be greater than or equal to {least}")));
        }
    }
    if let Some(most) = bound("maximum") {
        if is("exclusiveMaximum") && number >= most {
            errors.push(invalid(path, value, &format!("should be less than {most}")));
        } else if number > most {
            errors.push(invalid(path, value, &format!("should be less than or equal to {most}")));
        }
    }
    if let Some(factor) = bound("multipleOf").filter(|factor| *factor != 0.0 && (number / factor).fract() != 0.0) {
        errors.push(invalid(path, value, &format!("should be a multiple of {factor}")));
    }
}

fn list(schema: &Value, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    if let Some(schema) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            value_of(schema, item, &format!("{path}[{index}]"), errors);
        }
    }
    if let Some(most) = count(schema, "maxItems").filter(|most| items.len() > *most) {
        let message = format!("Too many: {}: must have at most {most} items", items.len());
        errors.push(error("FieldValueTooMany", path, message));
    }
    if let Some(least) = count(schema, "minItems").filter(|least| items.len() < *least) {
        errors.push(invalid(path, &items.len().into(), &format!("should have at least {least} items")));
    }
    duplicates(schema, items, path, errors);
}

/// Entries of a set or map that occur before.
fn duplicates(schema: &Value, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let identity = |item: &Value| -> Value {
        match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("map") => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
                let pairs = keys.filter_map(Value::as_str).filter_map(|key| Some((key.to_owned(), item.get(key)?.clone())));
                Value::Object(pairs.collect())
            }
            _ => item.clone(),
        }
    };
    let kind = schema.get("x-kubernetes-list-type").and_then(Value::as_str);
    if !matches!(kind, Some("map" | "set")) {
        return;
    }
    let mut seen = std::collections::HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let identity = identity(item);
        if !seen.insert(identity.to_string()) {
            errors.push(FieldError::duplicate(format!("{path}[{index}]"), &identity));
        }
    }
}

fn required(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            errors.push(FieldError::required(field, ""));
        }
    }
}

fn object(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let fields = value.as_object().into_iter().flatten();
    required(schema, value, path, errors);
    let size = value.as_object().map_or(0, serde_json::Map::len);
    if let Some(most) = count(schema, "maxProperties").filter(|most| size > *most) {
        errors.push(error("FieldValueTooMany", path, format!("Too many: {size}: must have at most {most} items")));
    }
    if let Some(least) = count(schema, "minProperties").filter(|least| size < *least) {
        errors.push(invalid(path, &size.into(), &format!("should have at least {least} properties")));
    }
    for (name, value) in fields {
        if let Some(schema) = field(schema, name) {
            value_of(schema, value, &format!("{path}.{name}"), errors);
        }
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn combined(schema: &Value, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let found = |schema: &Value| {
        let mut errors = Vec::new();
        value_of(schema, value, path, &mut errors);
        errors
    };
    let all = |name: &str| schema.get(name).and_then(Value::as_array);
    let mut refuse = |why: String| {
        let shown = if path.is_empty() { "<nil>" } else { path };
        errors.push(error("FieldValueInvalid", shown, format!("Invalid value: \"\": \"{path}\" {why}")));
    };
    if let Some(schemas) = all("anyOf")
        && !schemas.is_empty()
        && !schemas.iter().any(|schema| found(schema).is_empty())
    {
        refuse("must validate at least one schema (anyOf)".to_owned());
    }
    if let Some(schemas) = all("oneOf") {
        let valid = schemas.iter().filter(|schema| found(schema).is_empty()).count();
        if valid != 1 {
            let what = if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
            refuse(format!("must validate one and only one schema (oneOf). {what}"));
        }
    }
    if schema.get("not").is_some_and(|not| found(not).is_empty()) {
        refuse("must not validate the schema (not)".to_owned());
    }
    for schema in all("allOf").into_iter().flatten() {
        errors.extend(found(schema));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10},
            "mode": {"type": "string", "enum": ["a", "b"]},
            "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
            "list": {"type": "array", "maxItems": 2, "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}},
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]},
            "port": {"x-kubernetes-int-or-string": true},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "when": {"type": "string", "format": "date-time"},
            "either": {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
        }}}})
    }

    // The texts were taken from a real 1.36.2.
    #[rstest::rstest]
    #[case(json!({}), "spec.size: Required value")]
    #[case(json!({"size": "x"}), "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"")]
    #[case(json!({"size": 11}), "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10")]
    #[case(json!({"size": 0}), "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1")]
    #[case(json!({"size": 1, "mode": "c"}), "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"")]
    #[case(json!({"size": 1, "name": "abcdefg"}), "spec.name: Too long: may not be more than 5 bytes")]
    #[case(json!({"size": 1, "list": [{"k": "1"}, {"k": "2"}, {"k": "3"}]}), "spec.list: Too many: 3: must have at most 2 items")]
    #[case(json!({"size": 1, "list": [{"k": "a"}, {"k": "a"}]}), "spec.list[1]: Duplicate value: {\"k\":\"a\"}")]
    #[case(json!({"size": 1, "list": [{}]}), "spec.list[0].k: Required value")]
    #[case(json!({"size": 1, "port": true}), "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"")]
    #[case(json!({"size": 1, "tags": {"a": 1}}), "spec.tags.a: Invalid value: \"integer\": spec.tags.a in body must be of type string: \"integer\"")]
    #[case(json!({"size": 1, "when": "x"}), "spec.when: Invalid value: \"x\": spec.when in body must be of type date-time: \"x\"")]
    #[case(json!({"size": 1, "either": {}}), "spec.either: Invalid value: \"\": \"spec.either\" must validate one and only one schema (oneOf). Found none valid")]
    fn says_what_is_wrong(#[case] spec: Value, #[case] expected: &str) {
        let errors = check(&schema(), &json!({"metadata": {"name": "x"}, "spec": spec}));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [expected]);
    }

    #[test]
    fn what_fits_is_accepted() {
        let spec = json!({"size": 3, "mode": "a", "name": "abc", "port": "http", "tags": {"a": "b"}, "when": "2026-01-01T00:00:00Z", "either": {"a": 1}});
        assert_eq!(check(&schema(), &json!({"spec": spec})), []);
    }
}
