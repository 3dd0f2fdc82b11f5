//! `workload.patches`: strategic merge, merge (RFC 7396) and JSON patch (RFC 6902) on manifests that are not yet applied.
//! Patches on a live cluster are the server's business.

use super::fault::PatchType;
use serde_json::{Map, Value};

/// Applies one patch.
///
/// # Errors
/// A sentence saying what does not fit.
pub fn apply(object: &mut Value, type_: PatchType, patch: &Value) -> Result<(), String> {
    match type_ {
        PatchType::Merge => {
            merge(object, patch);
            Ok(())
        }
        PatchType::Strategic => strategic(object, patch, ""),
        PatchType::Json => json(object, patch),
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    let fields = as_map(target);
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was made a mapping above"),
    }
}

/// By which key the elements of a list merge, from the field's name, as the API's types say for pods and services.
fn merge_key(field: &str, element: &Value) -> Option<&'static str> {
    Some(match field {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "hostAliases" => "ip",
        "topologySpreadConstraints" => "topologyKey",
        "ports" if element.get("containerPort").is_some() => "containerPort",
        "ports" => "port",
        "ownerReferences" => "uid",
        _ => return None,
    })
}

fn strategic(target: &mut Value, patch: &Value, field: &str) -> Result<(), String> {
    match patch {
        Value::Object(changes) => {
            if let Some(directive) = changes.keys().find(|key| key.starts_with('$') && *key != "$patch") {
                return Err(format!("the directive `{directive}` is not supported in patches on manifests"));
            }
            if changes.get("$patch").and_then(Value::as_str) == Some("replace") {
                let mut whole = changes.clone();
                whole.remove("$patch");
                *target = Value::Object(whole);
                return Ok(());
            }
            let fields = as_map(target);
            for (key, value) in changes.iter().filter(|(key, _)| *key != "$patch") {
                if value.is_null() || value.get("$patch").and_then(Value::as_str) == Some("delete") {
                    fields.remove(key);
                } else {
                    strategic(fields.entry(key.clone()).or_insert(Value::Null), value, key)?;
                }
            }
            Ok(())
        }
        Value::Array(elements) => strategic_list(target, elements, field),
        scalar => {
            *target = scalar.clone();
            Ok(())
        }
    }
}

fn strategic_list(target: &mut Value, elements: &[Value], field: &str) -> Result<(), String> {
    let present = target.as_array().cloned().unwrap_or_default();
    if field == "finalizers" {
        let added = elements.iter().filter(|element| !present.contains(element)).cloned();
        *target = Value::Array(present.iter().cloned().chain(added).collect());
        return Ok(());
    }
    let Some(key) = elements.first().or(present.first()).and_then(|element| merge_key(field, element)) else {
        *target = Value::Array(elements.to_vec());
        return Ok(());
    };
    let mut list = present;
    for element in elements {
        let Some(id) = element.get(key) else {
            return Err(format!("an element of `{field}` in the patch has no `{key}`, by which elements are found"));
        };
        let at = list.iter().position(|old| old.get(key) == Some(id));
        let delete = element.get("$patch").and_then(Value::as_str) == Some("delete");
        match (at, delete) {
            (Some(at), true) => drop(list.remove(at)),
            (None, true) => {}
            (Some(at), false) => {
                if let Some(old) = list.get_mut(at) {
                    strategic(old, element, "")?;
                }
            }
            (None, false) => {
                let mut new = Value::Null;
                strategic(&mut new, element, "")?;
                list.push(new);
            }
        }
    }
    *target = Value::Array(list);
    Ok(())
}

fn json(object: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("a JSON patch is a list of operations (`op`, `path`, `value`)")?;
    for operation in operations {
        let text = |key: &str| {
            operation.get(key).and_then(Value::as_str).ok_or_else(|| format!("an operation of a JSON patch needs `{key}`"))
        };
        let value = || operation.get("value").cloned().ok_or("`add`, `replace` and `test` need a `value`");
        let path = text("path")?;
        match text("op")? {
            "add" => add(object, path, value()?)?,
            "remove" => drop(remove(object, path)?),
            "replace" => {
                let value = value()?;
                *object.pointer_mut(path).ok_or_else(|| nothing_at(path))? = value;
            }
            "move" => {
                let moved = remove(object, text("from")?)?;
                add(object, path, moved)?;
            }
            "copy" => {
                let from = text("from")?;
                let copied = object.pointer(from).cloned().ok_or_else(|| nothing_at(from))?;
                add(object, path, copied)?;
            }
            "test" => {
                if object.pointer(path) != Some(&value()?) {
                    return Err(format!("the test of `{path}` does not hold"));
                }
            }
            other => {
                return Err(format!("`{other}` is not an operation of a JSON patch: add, remove, replace, move, copy, test"));
            }
        }
    }
    Ok(())
}

fn nothing_at(path: &str) -> String {
    format!("there is nothing at `{path}`")
}

/// The value that holds the path's last part, and that part.
fn parent<'a>(object: &'a mut Value, path: &str) -> Result<(&'a mut Value, String), String> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| format!("`{path}` is not a path: it begins with `/`"))?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Ok((object.pointer_mut(parent).ok_or_else(|| nothing_at(parent))?, last))
}

fn add(object: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *object = value;
        return Ok(());
    }
    let (holder, last) = parent(object, path)?;
    match holder {
        Value::Object(map) => drop(map.insert(last, value)),
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let at = last.parse::<usize>().ok().filter(|at| *at <= list.len()).ok_or_else(|| nothing_at(path))?;
            list.insert(at, value);
        }
        _ => return Err(nothing_at(path)),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &str) -> Result<Value, String> {
    let (holder, last) = parent(object, path)?;
    match holder {
        Value::Object(map) => map.remove(&last).ok_or_else(|| nothing_at(path)),
        Value::Array(list) => {
            let at = last.parse::<usize>().ok().filter(|at| *at < list.len()).ok_or_else(|| nothing_at(path))?;
            Ok(list.remove(at))
        }
        _ => Err(nothing_at(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::a_container_by_name(
        PatchType::Strategic,
        json!({"spec": {"containers": [{"name": "b", "image": "new"}]}}),
        json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "new", "tty": true}], "x": [1]}}),
    )]
    #[case::an_added_container(
        PatchType::Strategic,
        json!({"spec": {"containers": [{"name": "c"}], "x": null}}),
        json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2", "tty": true}, {"name": "c"}]}}),
    )]
    #[case::a_deleted_container(
        PatchType::Strategic,
        json!({"spec": {"containers": [{"name": "a", "$patch": "delete"}], "x": [2, 3]}}),
        json!({"spec": {"containers": [{"name": "b", "image": "2", "tty": true}], "x": [2, 3]}}),
    )]
    #[case::merge_replaces_lists(
        PatchType::Merge,
        json!({"spec": {"containers": [{"name": "c"}], "x": null}}),
        json!({"spec": {"containers": [{"name": "c"}]}}),
    )]
    #[case::json(
        PatchType::Json,
        json!([
            {"op": "test", "path": "/spec/x/0", "value": 1},
            {"op": "add", "path": "/spec/x/-", "value": 2},
            {"op": "replace", "path": "/spec/containers/0/image", "value": "9"},
            {"op": "remove", "path": "/spec/containers/1"},
        ]),
        json!({"spec": {"containers": [{"name": "a", "image": "9"}], "x": [1, 2]}}),
    )]
    fn patches(#[case] type_: PatchType, #[case] patch: Value, #[case] expected: Value) {
        let mut object =
            json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2", "tty": true}], "x": [1]}});
        apply(&mut object, type_, &patch).unwrap();
        assert_eq!(object, expected);
    }

    #[rstest]
    #[case(PatchType::Strategic, json!({"spec": {"containers": [{"image": "x"}]}}))]
    #[case(PatchType::Strategic, json!({"spec": {"$retainKeys": ["x"]}}))]
    #[case(PatchType::Json, json!({"op": "add"}))]
    #[case(PatchType::Json, json!([{"op": "remove", "path": "/nowhere"}]))]
    #[case(PatchType::Json, json!([{"op": "frob", "path": "/spec"}]))]
    fn what_does_not_fit_is_an_error(#[case] type_: PatchType, #[case] patch: Value) {
        let mut object = json!({"spec": {"containers": []}});
        assert!(apply(&mut object, type_, &patch).is_err());
    }
}
