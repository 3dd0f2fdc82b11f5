//! The `ReplicaSet` controller: as many active pods as asked for, no more, no fewer (`kubernetes-behaviour.md` 2.2).
//! Which pods go first when there are too many is decided in `ranking`.

mod ranking;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{
    condition, controller_of, counters, integer, is_controlled_by, is_deleting, is_pod_active, is_pod_finished, is_pod_ready,
    key, list, name, namespace, owner_reference, ready_since, set_condition, text, uid, without_condition,
};
use super::queue::Key;
use super::selector;
use crate::sim::api::resource::{PODS, REPLICA_SETS};
use crate::sim::api::{ApiError, DeleteOptions, Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// The most pods that one sync makes or deletes (`BurstReplicas`).
const BURST: usize = 500;

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(REPLICA_SETS, |_, item| vec![key(&item.object)]);
    context.inform(PODS, concerned);
    context.serve(|context, key| Box::pin(sync(context, key)));
}

/// The `ReplicaSet`s that a change of a pod concerns: its owner, its former owner, or all that would adopt it.
fn concerned(context: &Context, item: &WatchItem) -> Vec<Key> {
    let pod = &item.object;
    let owner = |pod: &Value| {
        let owner = controller_of(pod).filter(|owner| owner["kind"] == REPLICA_SETS.kind)?;
        Some((namespace(pod).to_owned(), text(owner, "/name").to_owned()))
    };
    let mut keys: Vec<_> = owner(pod).into_iter().collect();
    keys.extend(item.previous.as_deref().and_then(owner).filter(|former| !keys.contains(former)));
    if controller_of(pod).is_none() {
        let sets = context.api.list(REPLICA_SETS, Some(namespace(pod)));
        let adopters =
            sets.iter().filter(|set| selector::matches(set.pointer("/spec/selector"), pod.pointer("/metadata/labels")));
        keys.extend(adopters.map(|set| key(set)));
    }
    keys
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(set) = context.api.get(REPLICA_SETS, &key.0, &key.1) else { return Ok(()) };
    let pods = claim(context, key, &set).await?;
    let (active, rest): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| is_pod_active(pod));
    let terminating = rest.iter().filter(|pod| is_deleting(pod) && !is_pod_finished(pod)).count();
    let managed = if is_deleting(&set) { Ok(()) } else { manage(context, key, &set, &active).await };
    write_status(context, key, &set, &active, terminating, managed.as_ref().err()).await?;
    managed?;
    if let Some(delay) = next_availability(context, &set, &active) {
        context.queue.add_after(key.clone(), delay);
    }
    Ok(())
}

/// The pods of a `ReplicaSet`; matching orphans are adopted, owned pods that match no longer are released.
async fn claim(context: &Context, key: &Key, set: &Value) -> Result<Vec<Object>, ApiError> {
    let mut pods = Vec::new();
    for pod in context.api.list(PODS, Some(&key.0)) {
        let matching = selector::matches(set.pointer("/spec/selector"), pod.pointer("/metadata/labels"));
        match controller_of(&pod) {
            Some(owner) if text(owner, "/uid") != uid(set) => {}
            Some(_) if matching => pods.push(pod),
            Some(_) if is_deleting(set) => {}
            Some(_) => {
                context.before_write(key).await;
                let released = context.api.modify(PODS, &key.0, name(&pod), Subresource::Main, |pod| {
                    if let Some(owners) = pod.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
                        owners.retain(|owner| text(owner, "/uid") != uid(set));
                    }
                });
                ignore_missing(released)?;
            }
            None if matching && !is_deleting(set) && !is_deleting(&pod) && !is_pod_finished(&pod) => {
                context.before_write(key).await;
                let adopted = context.api.modify(PODS, &key.0, name(&pod), Subresource::Main, |pod| {
                    if !pod["metadata"]["ownerReferences"].is_array() {
                        pod["metadata"]["ownerReferences"] = json!([]);
                    }
                    if let Some(owners) = pod["metadata"]["ownerReferences"].as_array_mut() {
                        owners.push(owner_reference(set));
                    }
                });
                pods.extend(ignore_missing(adopted)?);
            }
            None => {}
        }
    }
    Ok(pods)
}

fn ignore_missing(result: Result<Object, ApiError>) -> Result<Option<Object>, ApiError> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn manage(context: &Context, key: &Key, set: &Object, active: &[Object]) -> Result<(), ApiError> {
    let wanted = usize::try_from(integer(set, "/spec/replicas")).unwrap_or_default();
    match active.len().cmp(&wanted) {
        Ordering::Less => create(context, key, set, (wanted - active.len()).min(BURST)).await,
        Ordering::Greater => {
            let related = related_pods(context, set);
            let count = (active.len() - wanted).min(BURST);
            let surplus = ranking::first_to_go(active, &related, context.api.clock.now(), count);
            delete(context, key, set, &surplus).await
        }
        Ordering::Equal => Ok(()),
    }
}

/// Makes pods in batches of 1, 2, 4, ...; the batch in which one is refused is the last.
async fn create(context: &Context, key: &Key, set: &Object, count: usize) -> Result<(), ApiError> {
    let (mut remaining, mut batch, mut refused) = (count, 1, None);
    while remaining > 0 && refused.is_none() {
        let size = batch.min(remaining);
        for _ in 0..size {
            context.before_write(key).await;
            match context.api.create(PODS, &key.0, pod_of(set)) {
                Ok(pod) => {
                    let message = format!("Created pod: {}", name(&pod));
                    context.recorder.event(&ObjectRef::of(set), EventType::Normal, "SuccessfulCreate", &message);
                }
                // The rest of the sync would fail the same way, and nothing is to be told or retried.
                Err(error) if is_namespace_terminating(&error) => return Ok(()),
                Err(error) => {
                    let message = format!("Error creating: {error}");
                    context.recorder.event(&ObjectRef::of(set), EventType::Warning, "FailedCreate", &message);
                    refused.get_or_insert(error);
                }
            }
        }
        remaining -= size;
        batch *= 2;
    }
    refused.map_or(Ok(()), Err)
}

fn is_namespace_terminating(error: &ApiError) -> bool {
    error
        .details
        .as_ref()
        .is_some_and(|details| list(details, "/causes").iter().any(|cause| cause["reason"] == "NamespaceTerminating"))
}

async fn delete(context: &Context, key: &Key, set: &Object, surplus: &[Object]) -> Result<(), ApiError> {
    let mut failed = None;
    for pod in surplus {
        context.before_write(key).await;
        match context.api.delete(PODS, &key.0, name(pod), &DeleteOptions::default()) {
            Ok(_) => {
                let message = format!("Deleted pod: {}", name(pod));
                context.recorder.event(&ObjectRef::of(set), EventType::Normal, "SuccessfulDelete", &message);
            }
            Err(error) if error.code == 404 => {}
            Err(error) => {
                let message = format!("Error deleting: {error}");
                context.recorder.event(&ObjectRef::of(set), EventType::Warning, "FailedDelete", &message);
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// A pod from the template.
fn pod_of(set: &Value) -> Value {
    let mut metadata = json!({
        "generateName": format!("{}-", name(set)),
        "ownerReferences": [owner_reference(set)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = set.pointer(&format!("/spec/template/metadata/{field}")) {
            metadata[field] = value.clone();
        }
    }
    json!({"metadata": metadata, "spec": set["spec"]["template"]["spec"]})
}

/// The pods of all `ReplicaSet`s that share this one's owner; their nodes weigh in the ranking.
fn related_pods(context: &Context, set: &Value) -> Vec<Object> {
    let owner = controller_of(set).map(|owner| text(owner, "/uid").to_owned());
    let sets: Vec<_> = context
        .api
        .list(REPLICA_SETS, Some(namespace(set)))
        .into_iter()
        .filter(|other| {
            uid(other) == uid(set) || owner.is_some() && controller_of(other).map(|owner| text(owner, "/uid")) == owner.as_deref()
        })
        .collect();
    let pods = context.api.list(PODS, Some(namespace(set)));
    pods.into_iter().filter(|pod| sets.iter().any(|set| is_controlled_by(pod, set))).collect()
}

fn is_available(context: &Context, set: &Value, pod: &Value) -> bool {
    is_pod_ready(pod) && remaining_seconds(context, set, pod).is_none()
}

/// How long a ready pod must still stay ready to count as available.
fn remaining_seconds(context: &Context, set: &Value, pod: &Value) -> Option<Duration> {
    let minimum = SignedDuration::from_secs(integer(set, "/spec/minReadySeconds"));
    let left = minimum - context.api.clock.now().duration_since(ready_since(pod)?);
    (minimum.is_positive() && left.is_positive()).then(|| left.unsigned_abs())
}

fn next_availability(context: &Context, set: &Value, active: &[Object]) -> Option<Duration> {
    active.iter().filter_map(|pod| remaining_seconds(context, set, pod)).min()
}

async fn write_status(
    context: &Context,
    key: &Key,
    set: &Value,
    active: &[Object],
    terminating: usize,
    failure: Option<&ApiError>,
) -> Result<(), ApiError> {
    let template = set.pointer("/spec/template/metadata/labels");
    let count = |test: &dyn Fn(&Value) -> bool| i64::try_from(active.iter().filter(|pod| test(pod)).count()).unwrap_or(i64::MAX);
    let mut status = counters(&[
        ("fullyLabeledReplicas", count(&|pod| selector::matches_map(template, pod.pointer("/metadata/labels")))),
        ("readyReplicas", count(&is_pod_ready)),
        ("availableReplicas", count(&|pod| is_available(context, set, pod))),
        ("observedGeneration", integer(set, "/metadata/generation")),
    ]);
    status["replicas"] = json!(active.len());
    status["terminatingReplicas"] = json!(terminating);
    if let Some(conditions) = set.pointer("/status/conditions") {
        status["conditions"] = conditions.clone();
    }
    let reported = condition(&status, "ReplicaFailure").is_some();
    match failure {
        Some(error) if !reported => {
            let missing = count(&|_| true) < integer(set, "/spec/replicas");
            let failed = json!({
                "type": "ReplicaFailure", "status": "True", "lastTransitionTime": context.api.clock.seconds(),
                "reason": if missing { "FailedCreate" } else { "FailedDelete" }, "message": error.message,
            });
            set_condition(&mut status, failed);
        }
        None if reported => without_condition(&mut status, "ReplicaFailure"),
        _ => {}
    }
    if set.get("status") == Some(&status) {
        return Ok(());
    }
    context.before_write(key).await;
    ignore_missing(context.api.modify(REPLICA_SETS, &key.0, &key.1, Subresource::Status, |set| set["status"] = status))
        .map(|_| ())
}
