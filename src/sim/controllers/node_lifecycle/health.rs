//! What the loss of a node means for its pods: their Ready condition becomes False, nothing else.
//! The kubelet puts it right when it is back.

use super::super::context::Context;
use super::super::object::{condition, key, namespace, text, uid};
use super::super::queue::Key;
use crate::sim::api::resource::{NODES, PODS};
use crate::sim::api::{Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::scheduler::put_condition;
use crate::sim::store::{ChangeKind, Object};
use serde_json::json;

/// Sets Ready to False, keeping reason and message, and says why.
pub(super) async fn mark_not_ready(context: &Context, pod: &Object) {
    let is_ready = |status| condition(status, "Ready").is_some_and(|ready| ready["status"] != "False");
    if !is_ready(&pod["status"]) {
        return;
    }
    let (namespace, name) = (namespace(pod).to_owned(), super::super::object::name(pod).to_owned());
    context.before_write(&key(pod)).await;
    let now = context.api.clock.seconds();
    let marked = context.api.modify(PODS, &namespace, &name, Subresource::Status, |stored| {
        if uid(stored) == uid(pod)
            && let Some(mut ready) = condition(&stored["status"], "Ready").cloned()
        {
            ready["status"] = json!("False");
            ready["lastTransitionTime"] = json!(now);
            put_condition(stored, ready);
        }
    });
    if marked.is_ok() {
        context.recorder.event(&ObjectRef::of(pod), EventType::Warning, "NodeNotReady", "Node is not ready");
    }
}

/// A pod that was bound to a node which is not ready is marked, too.
pub(super) fn placed_on_a_lost_node(context: &Context, item: &WatchItem) -> Vec<Key> {
    let node = text(&item.object, "/spec/nodeName");
    let moved = item.previous.as_deref().is_none_or(|before| text(before, "/spec/nodeName") != node);
    if item.kind == ChangeKind::Deleted || node.is_empty() || !moved || condition(&item.object["status"], "Ready").is_none() {
        return Vec::new();
    }
    let lost = context.api.get(NODES, "", node).is_ok_and(|node| super::ready(&node).is_some_and(|ready| ready != "True"));
    if lost {
        let pod = Object::clone(&item.object);
        let (api, recorder) = (std::sync::Arc::clone(&context.api), context.recorder.clone());
        let marked = api.modify(PODS, namespace(&pod), super::super::object::name(&pod), Subresource::Status, |stored| {
            if let Some(mut ready) = condition(&stored["status"], "Ready").cloned().filter(|ready| ready["status"] != "False") {
                ready["status"] = json!("False");
                ready["lastTransitionTime"] = json!(api.clock.seconds());
                put_condition(stored, ready);
            }
        });
        if marked.is_ok_and(|now| now["metadata"]["resourceVersion"] != pod["metadata"]["resourceVersion"]) {
            recorder.event(&ObjectRef::of(&pod), EventType::Warning, "NodeNotReady", "Node is not ready");
        }
    }
    Vec::new()
}
