//! Patches: the types by media type, JSON patch and merge patch.
//! Strategic merge and server-side apply have modules of their own.

use super::resource::Resource;
use super::status::ApiError;
use super::strategic;
use serde_json::Value;

/// The patch types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own, for built-in kinds.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl PatchKind {
    /// The patch type of a media type.
    pub(super) fn parse(media_type: &str) -> Result<Self, ApiError> {
        match media_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            _ => Err(ApiError::unsupported_media_type("415: Unsupported Media Type")),
        }
    }

    /// The object after the patch. Apply is not a patch of the object alone: see `apply`.
    pub(super) fn patched(self, resource: Resource, object: &Value, body: &[u8]) -> Result<Value, ApiError> {
        let patch: Value =
            serde_json::from_slice(body).map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
        let mut object = object.clone();
        match self {
            Self::Json => json(&mut object, &patch)?,
            Self::Merge if patch.is_object() => merge(&mut object, &patch),
            Self::Merge => {
                let why = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}";
                return Err(ApiError::bad_request(why));
            }
            Self::Strategic if resource.is_built_in() => strategic::merge(resource, &mut object, &patch)?,
            Self::Strategic | Self::Apply => {
                let accepted = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                let message =
                    format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
                return Err(ApiError::unsupported_media_type(message));
            }
        }
        Ok(object)
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(fields) = target.as_object_mut() else { return };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

/// RFC 6902: all operations, or none.
fn json(object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    let Some(operations) = patch.as_array() else {
        let why = "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp";
        return Err(ApiError::bad_request(why));
    };
    let mut changed = object.clone();
    for operation in operations {
        operate(&mut changed, operation).ok_or_else(ApiError::unprocessable_patch)?;
    }
    *object = changed;
    Ok(())
}

fn operate(object: &mut Value, operation: &Value) -> Option<()> {
    let path = operation.get("path")?.as_str()?;
    let from = || operation.get("from").and_then(Value::as_str);
    match operation.get("op")?.as_str()? {
        "add" => add(object, path, operation.get("value")?.clone()),
        "remove" => remove(object, path).map(drop),
        "replace" => {
            *object.pointer_mut(path)? = operation.get("value")?.clone();
            Some(())
        }
        "move" if path.starts_with(&format!("{}/", from()?)) => None,
        "move" => {
            let value = remove(object, from()?)?;
            add(object, path, value)
        }
        "copy" => {
            let value = object.pointer(from()?)?.clone();
            add(object, path, value)
        }
        "test" => (object.pointer(path)? == operation.get("value")?).then_some(()),
        _ => None,
    }
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(object: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *object = value;
        return Some(());
    }
    let (parent, last) = split(path)?;
    match object.pointer_mut(parent)? {
        Value::Object(fields) => {
            fields.insert(last, value);
            Some(())
        }
        Value::Array(items) => {
            let index = if last == "-" { items.len() } else { last.parse().ok()? };
            if index > items.len() {
                return None;
            }
            items.insert(index, value);
            Some(())
        }
        _ => None,
    }
}

fn remove(object: &mut Value, path: &str) -> Option<Value> {
    let (parent, last) = split(path)?;
    match object.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&last),
        Value::Array(items) => {
            let index: usize = last.parse().ok()?;
            (index < items.len()).then(|| items.remove(index))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::resource::CONFIG_MAPS;
    use serde_json::json;

    fn patched(kind: PatchKind, object: Value, patch: Value) -> Result<Value, u16> {
        kind.patched(CONFIG_MAPS, &object, patch.to_string().as_bytes()).map_err(|error| error.code)
    }

    #[rstest::rstest]
    #[case(json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/1", "value": 9}]), Ok(json!({"a": [1, 9, 2]})))]
    #[case(json!({"a": [1]}), json!([{"op": "add", "path": "/a/-", "value": 9}]), Ok(json!({"a": [1, 9]})))]
    #[case(json!({"a/b": 1}), json!([{"op": "remove", "path": "/a~1b"}]), Ok(json!({})))]
    #[case(json!({"a": 1}), json!([{"op": "move", "from": "/a", "path": "/b"}]), Ok(json!({"b": 1})))]
    #[case(json!({"a": {"b": 1}}), json!([{"op": "move", "from": "/a", "path": "/a/b"}]), Err(422))]
    #[case(json!({"a": 1}), json!([{"op": "copy", "from": "/a", "path": "/b"}]), Ok(json!({"a": 1, "b": 1})))]
    #[case(json!({"a": 1}), json!([{"op": "test", "path": "/a", "value": 2}]), Err(422))]
    #[case(json!({"a": 1}), json!([{"op": "replace", "path": "/b", "value": 2}]), Err(422))]
    #[case(json!({"a": [1]}), json!([{"op": "add", "path": "/a/7", "value": 2}]), Err(422))]
    #[case(json!({"a": 1}), json!([{"op": "frob", "path": "/a"}]), Err(422))]
    #[case(json!({"a": 1}), json!({"a": 2}), Err(400))]
    fn json_patches(#[case] object: Value, #[case] patch: Value, #[case] expected: Result<Value, u16>) {
        assert_eq!(patched(PatchKind::Json, object, patch), expected);
    }

    #[rstest::rstest]
    #[case(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null, "d": 3}}), Ok(json!({"a": {"c": 2, "d": 3}})))]
    #[case(json!({"a": [1, 2]}), json!({"a": [3]}), Ok(json!({"a": [3]})))]
    #[case(json!({"a": 1}), json!({"a": {"b": null, "c": 1}}), Ok(json!({"a": {"c": 1}})))]
    #[case(json!({"a": 1}), json!([1]), Err(400))]
    fn merge_patches(#[case] object: Value, #[case] patch: Value, #[case] expected: Result<Value, u16>) {
        assert_eq!(patched(PatchKind::Merge, object, patch), expected);
    }
}
