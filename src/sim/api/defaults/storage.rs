//! Defaulting, first status and protection of claims, volumes and storage classes.
//! Binding them is the volume controller's.

use crate::sim::api::pod_defaults::set;
use crate::sim::api::quantity;
use crate::sim::api::resource::{Resource, STORAGE_CLASSES};
use crate::sim::api::server::ApiServer;
use crate::sim::controllers::object::{annotation, name, text};
use serde_json::{Value, json};

/// Defaults of a kind of storage; does nothing to other kinds.
pub(super) fn apply(resource: Resource, object: &mut Value) {
    match (resource.group, resource.kind) {
        ("", "PersistentVolumeClaim") => {
            set(&mut object["spec"], "volumeMode", || json!("Filesystem"));
            canonical(object, "/spec/resources/requests");
        }
        ("", "PersistentVolume") => {
            let spec = &mut object["spec"];
            set(spec, "volumeMode", || json!("Filesystem"));
            set(spec, "persistentVolumeReclaimPolicy", || json!("Retain"));
            if let Some(path) = spec.get_mut("hostPath").filter(|path| path.is_object()) {
                set(path, "type", || json!(""));
            }
            canonical(object, "/spec/capacity");
        }
        ("storage.k8s.io", "StorageClass") => {
            set(object, "reclaimPolicy", || json!("Delete"));
            set(object, "volumeBindingMode", || json!("Immediate"));
        }
        _ => {}
    }
}

fn canonical(object: &mut Value, pointer: &str) {
    if let Some(Value::Object(quantities)) = object.pointer_mut(pointer) {
        quantity::canonical_map(quantities);
    }
}

/// What a new claim or volume begins with; says whether the kind is one of storage.
pub(super) fn begin(api: &ApiServer, resource: Resource, object: &mut Value) -> bool {
    match (resource.group, resource.kind) {
        ("", "PersistentVolumeClaim") => {
            if object.pointer("/spec/storageClassName").is_none()
                && annotation(object, "volume.beta.kubernetes.io/storage-class").is_none()
                && let Some(class) = default_class(api)
            {
                object["spec"]["storageClassName"] = json!(class);
            }
            protect(object, "kubernetes.io/pvc-protection");
            object["status"] = json!({"phase": "Pending"});
            true
        }
        ("", "PersistentVolume") => {
            protect(object, "kubernetes.io/pv-protection");
            object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": api.clock.seconds()});
            true
        }
        _ => false,
    }
}

fn protect(object: &mut Value, finalizer: &str) {
    set(&mut object["metadata"], "finalizers", || json!([]));
    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut()
        && !finalizers.iter().any(|known| known == finalizer)
    {
        finalizers.push(json!(finalizer));
    }
}

/// The class that claims without one get: the newest that is marked, then the first by name.
pub(in crate::sim) fn default_class(api: &ApiServer) -> Option<String> {
    let mut marked = api.list(STORAGE_CLASSES, None);
    marked.retain(|class| annotation(class, "storageclass.kubernetes.io/is-default-class") == Some("true"));
    marked
        .sort_by_key(|class| (std::cmp::Reverse(text(class, "/metadata/creationTimestamp").to_owned()), name(class).to_owned()));
    marked.first().map(|class| name(class).to_owned())
}
