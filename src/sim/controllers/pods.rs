//! The pods of a workload: whom a pod's change concerns, which pods a workload owns, and a new pod from its template.
//! How many there should be, and which go first, is the business of each workload's controller.

use super::context::Context;
use super::object::{
    controller_of, is_deleting, is_pod_finished, is_pod_ready, key, list, name, namespace, owner_reference, ready_since, text,
    uid,
};
use super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::PODS;
use crate::sim::api::{ApiError, DeleteOptions, Resource, Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

/// The controller of `resource` that a pod names, as a key.
pub(super) fn owner_key(pod: &Value, resource: Resource) -> Option<Key> {
    let owner = controller_of(pod).filter(|owner| owner["kind"] == resource.kind)?;
    Some((namespace(pod).to_owned(), text(owner, "/name").to_owned()))
}

/// The workloads that a change of a pod concerns: its owner, its former owner, or all that would adopt it.
pub(super) fn concerned(
    context: &Context,
    item: &WatchItem,
    resource: Resource,
    selects: impl Fn(&Value, &Value) -> bool,
) -> Vec<Key> {
    let pod = &item.object;
    let mut keys: Vec<_> = owner_key(pod, resource).into_iter().collect();
    let former = item.previous.as_deref().and_then(|previous| owner_key(previous, resource));
    keys.extend(former.filter(|former| !keys.contains(former)));
    if controller_of(pod).is_none() {
        let owners = context.api.list(resource, Some(namespace(pod)));
        keys.extend(owners.iter().filter(|owner| selects(owner, pod)).map(|owner| key(owner)));
    }
    keys
}

/// The pods of a workload; orphans that it `selects` are adopted, owned pods that it does not select any more are released.
pub(super) async fn claim(
    context: &Context,
    queue_key: &Key,
    owner: &Value,
    selects: impl Fn(&Value) -> bool,
) -> Result<Vec<Object>, ApiError> {
    let mut pods = Vec::new();
    for pod in context.api.list(PODS, Some(&queue_key.0)) {
        match controller_of(&pod) {
            Some(reference) if text(reference, "/uid") != uid(owner) => {}
            Some(_) if selects(&pod) => pods.push(pod),
            Some(_) if is_deleting(owner) => {}
            Some(_) => {
                context.before_write(queue_key).await;
                let released = context.api.modify(PODS, &queue_key.0, name(&pod), Subresource::Main, |pod| {
                    if let Some(owners) = pod.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
                        owners.retain(|reference| text(reference, "/uid") != uid(owner));
                    }
                });
                ignore_missing(released)?;
            }
            None if !is_deleting(owner) && !is_deleting(&pod) && !is_pod_finished(&pod) && selects(&pod) => {
                context.before_write(queue_key).await;
                let adopted = context.api.modify(PODS, &queue_key.0, name(&pod), Subresource::Main, |pod| {
                    if !pod["metadata"]["ownerReferences"].is_array() {
                        pod["metadata"]["ownerReferences"] = json!([]);
                    }
                    if let Some(owners) = pod["metadata"]["ownerReferences"].as_array_mut() {
                        owners.push(owner_reference(owner));
                    }
                });
                pods.extend(ignore_missing(adopted)?);
            }
            None => {}
        }
    }
    Ok(pods)
}

/// A result without the error that the object is gone.
pub(super) fn ignore_missing(result: Result<Object, ApiError>) -> Result<Option<Object>, ApiError> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// A pod from a workload's template, named by the server.
pub(super) fn from_template(owner: &Value, template: &Value) -> Value {
    let mut metadata = json!({
        "generateName": format!("{}-", name(owner)),
        "ownerReferences": [owner_reference(owner)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.at(&format!("/metadata/{field}")) {
            metadata[field] = value.clone();
        }
    }
    json!({"metadata": metadata, "spec": template["spec"]})
}

/// Whether a creation was refused because its namespace goes away.
pub(super) fn is_namespace_terminating(error: &ApiError) -> bool {
    let causes = error.details.as_ref().map_or(&[][..], |details| list(details, "/causes"));
    causes.iter().any(|cause| cause["reason"] == "NamespaceTerminating")
}

/// Makes a pod for a workload and tells of it. None, and not a word, when the namespace goes away.
pub(super) async fn create(context: &Context, key: &Key, owner: &Value, pod: Value) -> Result<Option<Object>, ApiError> {
    context.before_write(key).await;
    match context.api.create(PODS, &key.0, pod) {
        Ok(pod) => {
            let message = format!("Created pod: {}", name(&pod));
            context.recorder.event(&ObjectRef::of(owner), EventType::Normal, "SuccessfulCreate", &message);
            Ok(Some(pod))
        }
        Err(error) if is_namespace_terminating(&error) => Ok(None),
        Err(error) => {
            let message = format!("Error creating: {error}");
            context.recorder.event(&ObjectRef::of(owner), EventType::Warning, "FailedCreate", &message);
            Err(error)
        }
    }
}

/// Deletes a pod of a workload and tells of it, unless it is gone already.
pub(super) async fn delete(context: &Context, key: &Key, owner: &Value, pod: &str) -> Result<(), ApiError> {
    context.before_write(key).await;
    match context.api.delete(PODS, &key.0, pod, &DeleteOptions::default()) {
        Ok(_) => {
            let message = format!("Deleted pod: {pod}");
            context.recorder.event(&ObjectRef::of(owner), EventType::Normal, "SuccessfulDelete", &message);
            Ok(())
        }
        Err(error) if error.code == 404 => Ok(()),
        Err(error) => {
            let message = format!("Error deleting: {error}");
            context.recorder.event(&ObjectRef::of(owner), EventType::Warning, "FailedDelete", &message);
            Err(error)
        }
    }
}

/// Whether a pod has been Ready for `minimum` seconds.
pub(super) fn is_available(pod: &Value, minimum: i64, now: Timestamp) -> bool {
    is_pod_ready(pod) && remaining(pod, minimum, now).is_none()
}

/// How long a ready pod must still stay ready to count as available.
pub(super) fn remaining(pod: &Value, minimum: i64, now: Timestamp) -> Option<Duration> {
    let minimum = SignedDuration::from_secs(minimum);
    let left = minimum - now.duration_since(ready_since(pod)?);
    (minimum.is_positive() && left.is_positive()).then(|| left.unsigned_abs())
}

/// How many satisfy a test, as the API counts.
pub(super) fn count<'a>(pods: impl IntoIterator<Item = &'a Object>, test: impl Fn(&Value) -> bool) -> i64 {
    i64::try_from(pods.into_iter().filter(|pod| test(pod)).count()).unwrap_or(i64::MAX)
}
