//! Pod templates: when two are equal, and the hash that names a `ReplicaSet`. Pure.
//! The hash has the shape of the real one but not its value: that one depends on Go's printing of structs.

use serde_json::Value;

/// The label that tells the pods of one revision from those of another.
pub(super) const HASH_LABEL: &str = "pod-template-hash";

fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("creationTimestamp");
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove(HASH_LABEL);
        }
    }
    template
}

/// Whether two templates ask for the same pods: equal but for the hash label.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    without_hash(a) == without_hash(b)
}

/// The name part of a template's `ReplicaSet`: FNV-32a, in decimal, its digits mapped to the name alphabet.
pub(in crate::sim::controllers) fn hash(template: &Value, collisions: i64) -> String {
    let mut text = without_hash(template).to_string();
    if collisions > 0 {
        text.push_str(&collisions.to_string());
    }
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    super::super::revisions::encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_label_and_the_order_of_keys_do_not_matter() {
        let plain = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"x": 1, "y": 2}});
        let labelled = json!({"metadata": {"labels": {"pod-template-hash": "5d67dc6b9", "app": "a"}}, "spec": {"y": 2, "x": 1}});
        assert!(equal(&plain, &labelled));
        assert_eq!(hash(&plain, 0), hash(&labelled, 0));
        assert_ne!(hash(&plain, 0), hash(&plain, 1));
    }

    #[test]
    fn the_hash_has_the_shape_of_the_real_one() {
        for n in 0..200 {
            let hash = hash(&json!({"spec": {"n": n}}), 0);
            assert!((6..=10).contains(&hash.len()), "{hash}");
            // Only the images of the ten digits occur, as in `64dcb698bb`.
            assert!(hash.chars().all(|c| "456789bcdf".contains(c)), "{hash}");
        }
    }
}
