//! Defaulting of every kind but pods: what the server fills in before validation and storage.
//! The pod template and the pod itself are in `pod_defaults`.

mod service;
mod storage;
mod workload;

use super::pod_defaults::{self, set};
use super::quantity;
use super::resource::Resource;
use super::server::ApiServer;
use crate::json::At as _;
use serde_json::{Map, Value, json};

pub(in crate::sim::api) use service::allocate;
pub(in crate::sim) use storage::default_class;
pub(super) use workload::{follow, identify};

/// Defaults of an object's fields, the same for a new and a changed object.
pub(super) fn apply(resource: Resource, object: &mut Value) {
    match (resource.group, resource.kind) {
        ("", "Pod") => pod_defaults::pod(object),
        ("", "Secret") => secret(object),
        ("", "Namespace") => namespace(object),
        ("", "Event") => event(object),
        ("", "ResourceQuota") => canonical_quantities(object, &["/spec/hard"]),
        ("", "Service") => service::apply(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => super::custom::definition::defaults(object),
        ("", "LimitRange") => super::limit_range::complete(object),
        ("scheduling.k8s.io", "PriorityClass") => set(object, "preemptionPolicy", || json!("PreemptLowerPriority")),
        _ => {
            workload::apply(resource, object);
            storage::apply(resource, object);
        }
    }
}

/// What a new object of a kind begins with: a status of its own, and addresses from the cluster.
pub(super) fn begin(api: &ApiServer, resource: Resource, object: &mut Value) {
    match (resource.group, resource.kind) {
        ("", "Pod") => pod_defaults::begin(object, &api.clock.seconds()),
        ("", "Namespace") => {
            set(&mut object["spec"], "finalizers", || json!(["kubernetes"]));
            object["status"] = json!({"phase": "Active"});
        }
        ("", "Service") => object["status"] = json!({"loadBalancer": {}}),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => super::custom::definition::begin(object),
        ("", "Node") => {}
        _ if storage::begin(api, resource, object) => {}
        ("policy", "PodDisruptionBudget") => {
            object["status"] = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
        }
        _ if resource.has_status() => {
            object["status"] = workload::first_status(resource).unwrap_or_else(|| json!({}));
        }
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    let name = object.at("/metadata/name").cloned().unwrap_or_default();
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
}

fn secret(object: &mut Value) {
    set(object, "type", || json!("Opaque"));
    let Some(Value::Object(plain)) = object.as_object_mut().and_then(|fields| fields.remove("stringData")) else { return };
    for (key, value) in plain {
        object["data"][key] = json!(base64(value.as_str().unwrap_or_default().as_bytes()));
    }
}

fn event(object: &mut Value) {
    for field in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        set(object, field, || Value::Null);
    }
    set(object, "source", || json!({}));
    for field in ["reportingComponent", "reportingInstance"] {
        set(object, field, || json!(""));
    }
}

fn canonical_quantities(object: &mut Value, pointers: &[&str]) {
    for pointer in pointers {
        if let Some(Value::Object(quantities)) = object.pointer_mut(pointer) {
            quantity::canonical_map(quantities);
        }
    }
}

fn template(object: &mut Value, pointer: &str) {
    if let Some(template) = object.pointer_mut(pointer) {
        pod_defaults::template(template);
    }
}

/// Standard base64 with padding, as Secret data is written.
pub(in crate::sim) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

/// The fields of an object, made an object if it is absent or null.
pub(super) fn object_at<'a>(parent: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    set(parent, field, || json!({}));
    parent.get_mut(field).and_then(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_the_standard_says() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }
}
