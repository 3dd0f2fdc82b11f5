//! Objects as JSON, encoded once for each version that somebody asks for and then shared by every answer.
//! The lines of watches are encoded with their change, in `store`.

use super::{Inner, Object, Store, key_of};
use crate::sim::api::resource::Resource;
use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::sync::Arc;

/// An object without its apiVersion and kind: an item of a list of a built-in kind.
struct Bare<'a>(&'a Value);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(fields) = self.0.as_object() else { return self.0.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in fields.iter().filter(|(name, _)| *name != "apiVersion" && *name != "kind") {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Encodes an object without its apiVersion and kind.
pub(crate) fn bare(object: &Value) -> Bytes {
    // A JSON value can always be written.
    serde_json::to_vec(&Bare(object)).map(Bytes::from).unwrap_or_default()
}

/// Completes such an encoding by the apiVersion and kind that the object has.
#[must_use]
pub fn whole(object: &Value, bare: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(bare.len() + 64);
    bytes.push(b'{');
    for name in ["kind", "apiVersion"] {
        if let Some(value) = object.get(name) {
            bytes.extend(format!("\"{name}\":{value},").bytes());
        }
    }
    match bare.strip_prefix(b"{") {
        Some(b"}") => {
            bytes.pop_if(|last| *last == b',');
            bytes.push(b'}');
        }
        Some(rest) => bytes.extend(rest),
        None => return bare.to_vec(),
    }
    bytes
}

impl Inner {
    fn bare(&mut self, resource: Resource, object: &Object) -> Bytes {
        let Some(shelf) = self.shelves.get_mut(&resource) else { return bare(object) };
        let key = key_of(object);
        if let Some((known, bytes)) = shelf.encodings.get(&key)
            && Arc::ptr_eq(known, object)
        {
            return bytes.clone();
        }
        let bytes = bare(object);
        // What is past is asked for by few.
        if shelf.objects.get(&key).is_some_and(|present| Arc::ptr_eq(present, object)) {
            shelf.encodings.insert(key, (Arc::clone(object), bytes.clone()));
        }
        bytes
    }
}

impl Store {
    /// The encodings of objects of a resource without apiVersion and kind, in order.
    #[must_use]
    pub fn encoded(&self, resource: Resource, objects: &[Object]) -> Vec<Bytes> {
        let mut inner = self.lock();
        objects.iter().map(|object| inner.bare(resource, object)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::resource::CONFIG_MAPS;
    use serde_json::json;

    #[test]
    fn a_version_is_encoded_once_and_forgotten_with_its_object() {
        let store = Store::default();
        let object = |text: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}, "data": {"k": text}});
        let first = store.put(CONFIG_MAPS, "n", "a", object("1"));
        let (one, two) = (store.encoded(CONFIG_MAPS, &[Arc::clone(&first)]), store.encoded(CONFIG_MAPS, &[Arc::clone(&first)]));
        assert_eq!(one[0].as_ptr(), two[0].as_ptr(), "the same bytes");
        let read: Value = serde_json::from_slice(&one[0]).unwrap();
        assert_eq!((read.get("kind"), &read["data"]["k"]), (None, &json!("1")));
        let read: Value = serde_json::from_slice(&whole(&first, &one[0])).unwrap();
        assert_eq!(read, *first);
        let second = store.put(CONFIG_MAPS, "n", "a", object("2"));
        let both = store.encoded(CONFIG_MAPS, &[first, second]);
        assert!(both[0] == one[0] && both[1] != one[0]);
        store.remove(CONFIG_MAPS, "n", "a");
        assert!(store.lock().shelves[&CONFIG_MAPS].encodings.is_empty());
    }

    #[test]
    fn objects_of_nothing_are_whole_too() {
        let object = json!({"apiVersion": "v1", "kind": "X"});
        assert_eq!(whole(&object, &bare(&object)), br#"{"kind":"X","apiVersion":"v1"}"#);
        assert_eq!(whole(&json!({}), &bare(&json!({}))), b"{}");
    }
}
