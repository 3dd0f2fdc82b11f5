//! The tables of volumes, claims, classes and storage drivers.
//! Nothing else lives here.

use super::{Cell, NONE};
use crate::sim::api::resource::Resource;
use serde_json::{Value, json};

const UNSET: &str = "<unset>";

/// The cells of a storage kind; none for other kinds.
pub(super) fn cells(resource: Resource, cell: &Cell<'_>) -> Option<Vec<Value>> {
    Some(match resource.kind {
        "PersistentVolume" => volume(cell),
        "PersistentVolumeClaim" => claim(cell),
        "StorageClass" => class(cell),
        "VolumeAttachment" => vec![
            cell.name(),
            json!(cell.text("/spec/attacher")),
            json!(cell.text("/spec/source/persistentVolumeName")),
            json!(cell.text("/spec/nodeName")),
            cell.flag("/status/attached", false),
            cell.age(),
        ],
        "VolumeAttributesClass" => vec![cell.name(), json!(cell.text("/driverName")), cell.age()],
        "CSIDriver" => driver(cell),
        "CSINode" => vec![cell.name(), cell.count("/spec/drivers"), cell.age()],
        _ => return None,
    })
}

/// `RWO,ROX`
fn modes(cell: &Cell<'_>, pointer: &str) -> String {
    const SHORT: &[(&str, &str)] =
        &[("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let given = cell.list(pointer);
    let named = SHORT.iter().filter(|(long, _)| given.iter().any(|mode| mode == long));
    named.map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn phase(cell: &Cell<'_>) -> Value {
    json!(if cell.is_deleted() { "Terminating" } else { cell.text("/status/phase") })
}

/// The class in the annotation that came before the field, or the field.
fn class_of(cell: &Cell<'_>) -> Value {
    const ANNOTATION: &str = "/metadata/annotations/volume.beta.kubernetes.io~1storage-class";
    let old = cell.text(ANNOTATION);
    json!(if old.is_empty() { cell.text("/spec/storageClassName") } else { old })
}

fn volume(cell: &Cell<'_>) -> Vec<Value> {
    let has_claim = cell.object.pointer("/spec/claimRef").is_some_and(|claim| !claim.is_null());
    let claim = if has_claim {
        format!("{}/{}", cell.text("/spec/claimRef/namespace"), cell.text("/spec/claimRef/name"))
    } else {
        String::new()
    };
    vec![
        cell.name(),
        cell.text_or("/spec/capacity/storage", "0"),
        json!(modes(cell, "/spec/accessModes")),
        json!(cell.text("/spec/persistentVolumeReclaimPolicy")),
        phase(cell),
        json!(claim),
        class_of(cell),
        cell.text_or("/spec/volumeAttributesClassName", UNSET),
        json!(cell.text("/status/reason")),
        cell.age(),
        cell.text_or("/spec/volumeMode", UNSET),
    ]
}

fn claim(cell: &Cell<'_>) -> Vec<Value> {
    let bound = !cell.text("/spec/volumeName").is_empty();
    vec![
        cell.name(),
        phase(cell),
        json!(cell.text("/spec/volumeName")),
        if bound { cell.text_or("/status/capacity/storage", "0") } else { json!("") },
        json!(if bound { modes(cell, "/status/accessModes") } else { String::new() }),
        class_of(cell),
        cell.text_or("/spec/volumeAttributesClassName", UNSET),
        cell.age(),
        cell.text_or("/spec/volumeMode", UNSET),
    ]
}

fn class(cell: &Cell<'_>) -> Vec<Value> {
    const DEFAULT: &[&str] = &["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let annotation = |name: &&str| cell.object.pointer("/metadata/annotations").is_some_and(|all| all[*name] == "true");
    let name = cell.text("/metadata/name");
    vec![
        json!(if DEFAULT.iter().any(annotation) { format!("{name} (default)") } else { name.to_owned() }),
        json!(cell.text("/provisioner")),
        cell.text_or("/reclaimPolicy", "Delete"),
        cell.text_or("/volumeBindingMode", "Immediate"),
        cell.flag("/allowVolumeExpansion", false),
        cell.age(),
    ]
}

fn driver(cell: &Cell<'_>) -> Vec<Value> {
    let modes: Vec<&str> = cell.list("/spec/volumeLifecycleModes").iter().filter_map(Value::as_str).collect();
    let requests = cell.object.pointer("/spec/tokenRequests").and_then(Value::as_array);
    let audiences = requests.map_or_else(
        || UNSET.to_owned(),
        |all| all.iter().map(|one| one["audience"].as_str().unwrap_or_default()).collect::<Vec<_>>().join(","),
    );
    vec![
        cell.name(),
        cell.flag("/spec/attachRequired", true),
        cell.flag("/spec/podInfoOnMount", false),
        cell.flag("/spec/storageCapacity", false),
        json!(audiences),
        cell.flag("/spec/requiresRepublish", false),
        json!(if modes.is_empty() { NONE.to_owned() } else { modes.join(",") }),
        cell.age(),
    ]
}
