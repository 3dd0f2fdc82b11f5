//! Claims and volumes: which claim may take which volume.
//! The controllers that bind and make them are in `volumes/`.

pub(super) mod binder;
pub(super) mod protection;
mod reclaim;
#[cfg(test)]
mod tests;

use super::object::{annotation, integer, list, name, namespace, text, uid};
use super::selector;
use crate::json::At as _;
use crate::sim::api::quantity;
use serde_json::Value;

/// Set on a claim once it is bound for good.
pub(crate) const BOUND: &str = "pv.kubernetes.io/bind-completed";

/// The class of a claim or volume, if it names one.
pub(crate) fn class_of(object: &Value) -> Option<&str> {
    annotation(object, "volume.beta.kubernetes.io/storage-class")
        .or_else(|| object.at("/spec/storageClassName").and_then(Value::as_str))
        .filter(|class| !class.is_empty())
}

/// Whether a claim is bound for good.
pub(crate) fn is_bound(claim: &Value) -> bool {
    !text(claim, "/spec/volumeName").is_empty() && annotation(claim, BOUND).is_some()
}

/// Whether `object` is controlled by `owner`.
pub(crate) fn owned_by(object: &Value, owner: &Value) -> bool {
    super::object::is_controlled_by(object, owner)
}

/// A volume's size in thousandths of a byte.
pub(crate) fn capacity(volume: &Value) -> i128 {
    size(text(volume, "/spec/capacity/storage"))
}

/// The size that a claim asks for, in thousandths of a byte.
pub(crate) fn wanted(claim: &Value) -> i128 {
    size(text(claim, "/spec/resources/requests/storage"))
}

fn size(text: &str) -> i128 {
    quantity::parse(text).unwrap_or(0)
}

/// Whether a volume is meant for a claim, by name and, where known, uid.
pub(crate) fn is_reserved_for(volume: &Value, claim: &Value) -> bool {
    text(volume, "/spec/claimRef/name") == name(claim)
        && text(volume, "/spec/claimRef/namespace") == namespace(claim)
        && matches!(text(volume, "/spec/claimRef/uid"), uid_of if uid_of.is_empty() || uid_of == uid(claim))
}

/// Whether a volume could satisfy a claim: free or reserved for it, of its class and mode, large enough, selected.
pub(crate) fn fits(claim: &Value, volume: &Value) -> bool {
    let mode = |object: &Value| match text(object, "/spec/volumeMode") {
        "Block" => "Block",
        _ => "Filesystem",
    };
    let reserved = volume.at("/spec/claimRef").is_some();
    if mode(claim) != mode(volume)
        || volume.at("/metadata/deletionTimestamp").is_some()
        || wanted(claim) > capacity(volume)
        || reserved && !is_reserved_for(volume, claim)
    {
        return false;
    }
    let modes = list(volume, "/spec/accessModes");
    let accessible = list(claim, "/spec/accessModes").iter().all(|mode| modes.contains(mode));
    let selector = claim.at("/spec/selector");
    let selected = selector.is_none() || selector::matches(selector, volume.at("/metadata/labels"));
    let available = reserved || matches!(text(volume, "/status/phase"), "Available" | "");
    available
        && accessible
        && selected
        && class_of(claim) == class_of(volume)
        && integer(volume, "/metadata/deletionGracePeriodSeconds") == 0
}
