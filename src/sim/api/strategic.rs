//! Strategic merge patches: lists merged by key, and the directives `$patch`, `$setElementOrder`, `$deleteFromPrimitiveList`, `$retainKeys`.
//! Other patch types are in `patch`.

use super::resource::Resource;
use super::schema::{ListKind, Place};
use super::status::ApiError;
use serde_json::{Map, Value};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_SCALARS: &str = "$deleteFromPrimitiveList/";

/// Merges a patch into an object of a built-in kind.
pub(super) fn merge(resource: Resource, object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let Some(patch) = patch.as_object() else {
        return Err(ApiError::bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ));
    };
    let fields = object.as_object_mut().ok_or_else(|| ApiError::internal("the stored object is no object"))?;
    merge_map(fields, patch, &Place::root(resource, None))
}

fn merge_map(object: &mut Map<String, Value>, patch: &Map<String, Value>, place: &Place<'_>) -> Result<(), ApiError> {
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            *object = without_directives(patch);
            return Ok(());
        }
        Some("delete") => {
            object.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(ApiError::bad_request(format!("Unknown patch type found: {other}"))),
    }
    if let Some(keys) = patch.get(RETAIN).and_then(Value::as_array) {
        object.retain(|field, _| keys.iter().any(|key| key == field));
    }
    for (field, list) in patch.iter().filter_map(|(field, list)| Some((field.strip_prefix(DELETE_SCALARS)?, list.as_array()?))) {
        if let Some(present) = object.get_mut(field).and_then(Value::as_array_mut) {
            present.retain(|item| !list.contains(item));
        }
    }
    for (field, change) in patch.iter().filter(|(field, _)| !field.starts_with('$')) {
        match change {
            Value::Null => {
                object.remove(field);
            }
            Value::Object(inner) => {
                if !object.get(field).is_some_and(Value::is_object) {
                    object.insert(field.clone(), Value::Object(Map::new()));
                }
                if let Some(present) = object.get_mut(field).and_then(Value::as_object_mut) {
                    merge_map(present, inner, &place.field(field))?;
                }
                if inner.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
                    object.remove(field);
                }
            }
            Value::Array(items) => {
                let order = patch.get(&format!("{ORDER}{field}")).and_then(Value::as_array);
                merge_list(object, place, field, items, order)?;
            }
            scalar => {
                check_shape(&place.field(field), object.get(field), scalar)?;
                object.insert(field.clone(), scalar.clone());
            }
        }
    }
    order_only(object, patch, place);
    Ok(())
}

/// A scalar cannot take the place of a list that merges.
fn check_shape(place: &Place<'_>, present: Option<&Value>, given: &Value) -> Result<(), ApiError> {
    let merges = place.patch != ListKind::Atomic && present.is_some_and(Value::is_array);
    if !merges {
        return Ok(());
    }
    let kind = if given.is_string() { "string" } else { "scalar" };
    let why = format!("cannot restore slice from {kind}");
    Err(ApiError::invalid_kind("", "", "", &[super::field::FieldError::invalid("patch", given, &why)]))
}

fn merge_list(
    object: &mut Map<String, Value>,
    parent: &Place<'_>,
    field: &str,
    items: &[Value],
    order: Option<&Vec<Value>>,
) -> Result<(), ApiError> {
    let present = object.entry(field.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    let Some(present) = present.as_array_mut() else {
        *present = Value::Array(items.to_vec());
        return Ok(());
    };
    let place = parent.field(field);
    match &place.patch {
        ListKind::Atomic => *present = items.iter().map(cleaned).collect(),
        ListKind::Set => {
            for item in items {
                if !present.contains(item) {
                    present.push(item.clone());
                }
            }
            sort_by_order(present, order, |item, wanted| item == wanted);
        }
        ListKind::Keyed(keys) => {
            let key = keys.first().copied().unwrap_or_default();
            if items.iter().any(|item| item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace")) {
                let rest = items.iter().filter(|item| item.get(DIRECTIVE).is_none());
                *present = rest.map(cleaned).collect();
                return Ok(());
            }
            for item in items {
                merge_item(present, item, key, field, &place.item())?;
            }
            sort_by_order(present, order, |item, wanted| item.get(key) == wanted.get(key));
        }
    }
    Ok(())
}

/// A value as Go's `%v` prints it, which is what the real server puts into this message.
fn as_go_prints(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(as_go_prints).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut pairs: Vec<_> = fields.iter().map(|(key, value)| format!("{key}:{}", as_go_prints(value))).collect();
            pairs.sort_unstable();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

fn merge_item(present: &mut Vec<Value>, item: &Value, key: &str, field: &str, entry: &Place<'_>) -> Result<(), ApiError> {
    let Some(patch) = item.as_object() else {
        return Err(ApiError::bad_request(format!("{field}: an entry of this list must be an object")));
    };
    let Some(identity) = patch.get(key) else {
        return Err(ApiError::unclassified(format!("map: {} does not contain declared merge key: {key}", as_go_prints(item))));
    };
    let place = present.iter().position(|candidate| candidate.get(key) == Some(identity));
    if patch.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
        if let Some(place) = place {
            present.remove(place);
        }
        return Ok(());
    }
    if let Some(existing) = place.and_then(|place| present[place].as_object_mut()) {
        merge_map(existing, patch, entry)
    } else {
        let mut fresh = Map::new();
        merge_map(&mut fresh, patch, entry)?;
        present.push(Value::Object(fresh));
        Ok(())
    }
}

/// An order may come without the list itself.
fn order_only(object: &mut Map<String, Value>, patch: &Map<String, Value>, parent: &Place<'_>) {
    for (field, order) in patch.iter().filter_map(|(field, order)| Some((field.strip_prefix(ORDER)?, order.as_array()?))) {
        if patch.contains_key(field) {
            continue;
        }
        let place = parent.field(field);
        if let (ListKind::Keyed(keys), Some(present)) = (&place.patch, object.get_mut(field).and_then(Value::as_array_mut)) {
            let key = keys.first().copied().unwrap_or_default();
            sort_by_order(present, Some(order), |item, wanted| item.get(key) == wanted.get(key));
        }
    }
}

/// Puts listed items into the listed order, each in the places that listed items had; others keep theirs.
fn sort_by_order(present: &mut [Value], order: Option<&Vec<Value>>, same: impl Fn(&Value, &Value) -> bool) {
    let Some(order) = order else { return };
    let rank = |item: &Value| order.iter().position(|wanted| same(item, wanted));
    let places: Vec<usize> = (0..present.len()).filter(|place| rank(&present[*place]).is_some()).collect();
    let mut listed: Vec<Value> = places.iter().map(|place| present[*place].clone()).collect();
    listed.sort_by_key(|item| rank(item));
    for (place, item) in places.into_iter().zip(listed) {
        present[place] = item;
    }
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(field, value)| !field.starts_with('$') && !value.is_null())
        .map(|(f, v)| (f.clone(), cleaned(v)))
        .collect()
}

fn cleaned(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(without_directives(fields)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::resource::{DEPLOYMENTS, PODS, SERVICES};
    use serde_json::json;

    fn resource_of(object: &Value) -> Resource {
        let spec = &object["spec"];
        if spec["ports"].is_array() {
            SERVICES
        } else if spec["tolerations"].is_array() {
            PODS
        } else {
            DEPLOYMENTS
        }
    }

    fn containers(items: Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": items}}}})
    }

    #[rstest::rstest]
    #[case::scalar(json!({"a": 1, "b": 2}), json!({"a": 3}), json!({"a": 3, "b": 2}))]
    #[case::null_deletes(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null}}), json!({"a": {"c": 2}}))]
    #[case::keyed(
        containers(json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}])),
        containers(json!([{"name": "a", "env": [{"name": "Y", "value": "2"}]}])),
        containers(json!([{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}, {"name": "b"}]))
    )]
    #[case::keyed_delete(
        containers(json!([{"name": "a"}, {"name": "b"}])),
        containers(json!([{"name": "a", "$patch": "delete"}])),
        containers(json!([{"name": "b"}]))
    )]
    #[case::keyed_replace(
        containers(json!([{"name": "a"}, {"name": "b"}])),
        containers(json!([{"$patch": "replace"}, {"name": "c"}])),
        containers(json!([{"name": "c"}]))
    )]
    #[case::atomic(
        containers(json!([{"name": "a", "command": ["x", "y"]}])),
        containers(json!([{"name": "a", "command": ["z"]}])),
        containers(json!([{"name": "a", "command": ["z"]}]))
    )]
    #[case::map_replace(
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}}),
        json!({"spec": {"strategy": {"type": "Recreate"}}})
    )]
    #[case::retain_keys(
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        json!({"spec": {"strategy": {"type": "Recreate"}}})
    )]
    #[case::map_delete(json!({"spec": {"a": {"b": 1}, "c": 1}}), json!({"spec": {"a": {"$patch": "delete"}}}), json!({"spec": {"c": 1}}))]
    #[case::scalars_deleted(
        json!({"metadata": {"finalizers": ["a", "b"]}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
        json!({"metadata": {"finalizers": ["b"]}})
    )]
    #[case::scalars_added(
        json!({"metadata": {"finalizers": ["a"]}}),
        json!({"metadata": {"finalizers": ["b", "a"]}}),
        json!({"metadata": {"finalizers": ["a", "b"]}})
    )]
    #[case::order(
        containers(json!([{"name": "a"}, {"name": "b"}, {"name": "c"}])),
        json!({"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]}}}}),
        containers(json!([{"name": "c"}, {"name": "b"}, {"name": "a"}]))
    )]
    #[case::service_ports(
        json!({"spec": {"ports": [{"port": 80, "targetPort": 1}]}}),
        json!({"spec": {"ports": [{"port": 80, "targetPort": 2}, {"port": 81}]}}),
        json!({"spec": {"ports": [{"port": 80, "targetPort": 2}, {"port": 81}]}})
    )]
    #[case::tolerations_are_atomic(
        json!({"spec": {"tolerations": [{"key": "a"}]}}),
        json!({"spec": {"tolerations": [{"key": "b"}]}}),
        json!({"spec": {"tolerations": [{"key": "b"}]}})
    )]
    fn merges(#[case] mut object: Value, #[case] patch: Value, #[case] expected: Value) {
        merge(resource_of(&object), &mut object, &patch).unwrap();
        assert_eq!(object, expected);
    }

    #[test]
    fn an_item_without_its_key_is_refused() {
        let mut object = containers(json!([{"name": "a"}]));
        // Compared with kind (Kubernetes 1.36.2).
        let item = json!({"na": "X", "value": null, "n": 1.5, "b": true, "l": ["a", 2], "m": {"k": "v"}});
        let error = merge(DEPLOYMENTS, &mut object, &containers(json!([item]))).unwrap_err();
        assert_eq!((error.code, error.reason), (500, ""));
        let map = "map[b:true l:[a 2] m:map[k:v] n:1.5 na:X value:<nil>]";
        assert_eq!(error.message, format!("map: {map} does not contain declared merge key: name"));
    }
}
