//! What is read of an object as it came: its reference, its version, its controller, whether two states are the same in content.
//! What is kept of objects is `index`'s.

use crate::json::At as _;
use crate::observe::timeline::Reference;
use serde_json::Value;

/// Kind, namespace, name.
pub(super) type Key = (String, String, String);

/// Whether a state is from before another of the same object (resource versions are comparable, KEP-5504).
pub(super) fn is_older(object: &Value, known: &Value) -> bool {
    matches!((version_of(object), version_of(known)), (Some(one), Some(other)) if one < other)
}

pub(super) fn version_of(object: &Value) -> Option<u64> {
    text(object, "/metadata/resourceVersion").parse().ok()
}

/// The revision annotation of a ReplicaSet or Deployment; 0 without one.
#[must_use]
pub fn revision_of(object: &Value) -> u64 {
    text(object, "/metadata/annotations/deployment.kubernetes.io~1revision").parse().unwrap_or(0)
}

/// The controlling owner of an object.
#[must_use]
pub fn controller_of(object: &Value) -> Option<Reference> {
    let owner = object
        .at("/metadata/ownerReferences")?
        .as_array()?
        .iter()
        .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    Some(Reference {
        kind: text(owner, "/kind").to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: text(owner, "/name").to_owned(),
        uid: text(owner, "/uid").to_owned(),
    })
}

/// The text at a JSON pointer, or nothing.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A reference to an observed object.
#[must_use]
pub fn reference_to(object: &Value) -> Reference {
    Reference {
        kind: kind_of(object).to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: text(object, "/metadata/name").to_owned(),
        uid: text(object, "/metadata/uid").to_owned(),
    }
}

pub(super) fn kind_of(object: &Value) -> &str {
    text(object, "/kind")
}

pub(super) fn key_of(object: &Value) -> Key {
    let reference = reference_to(object);
    (reference.kind, reference.namespace, reference.name)
}

pub(super) fn same_content(a: &Value, b: &Value) -> bool {
    ["spec", "data", "binaryData", "dataHash", "endpoints"].iter().all(|field| a.get(field) == b.get(field))
        && text(a, "/metadata/uid") == text(b, "/metadata/uid")
}
