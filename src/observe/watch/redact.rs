//! What is kept of an object: everything but secret values, of which only a hash remains that shows a change.
//! Nothing is written from here.

use serde_json::{Map, Value, json};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// `kubectl apply` keeps a whole copy of the object in this annotation.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object as it may be written down: a Secret's `data` and `stringData` become `dataHash`, one hash per key.
#[must_use]
pub fn observed(mut object: Value) -> Value {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return object;
    }
    let Some(fields) = object.as_object_mut() else { return object };
    let mut hashes = Map::new();
    for section in ["data", "stringData"] {
        if let Some(Value::Object(values)) = fields.remove(section) {
            hashes.extend(values.into_iter().map(|(key, value)| (key, json!(hash(&value)))));
        }
    }
    fields.insert("dataHash".to_owned(), Value::Object(hashes));
    if let Some(annotations) = fields.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations")?.as_object_mut()) {
        annotations.remove(LAST_APPLIED);
    }
    object
}

fn hash(value: &Value) -> String {
    let mut hasher = SipHasher13::new_with_keys(0x636f_6d65_6261_636b, 0x7365_6372_6574_7321);
    hasher.write(value.as_str().unwrap_or_default().as_bytes());
    format!("{:032x}", hasher.finish128().as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_values_leave_only_a_hash_that_shows_changes() {
        let secret = |value: &str| {
            observed(json!({ "kind": "Secret", "metadata": { "name": "s", "annotations": { LAST_APPLIED: "geheim", "a": "b" } },
                "data": { "password": value, "same": "eA==" } }))
        };
        let (one, two) = (secret("Z2VoZWlt"), secret("YW5kZXJz"));
        assert!(!one.to_string().contains("Z2VoZWlt") && !one.to_string().contains("geheim"), "{one}");
        assert_ne!(one["dataHash"]["password"], two["dataHash"]["password"]);
        assert_eq!(one["dataHash"]["same"], two["dataHash"]["same"]);
        assert_eq!(one["metadata"]["annotations"], json!({ "a": "b" }));
    }

    #[test]
    fn other_kinds_stay_as_they_are() {
        let object = json!({ "kind": "ConfigMap", "data": { "workers": "3" } });
        assert_eq!(observed(object.clone()), object);
    }
}
