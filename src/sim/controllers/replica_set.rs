//! The `ReplicaSet` and `ReplicationController` controllers: as many active pods as asked for, no more, no fewer
//! (`kubernetes-behaviour.md` 2.2). Which pods go first when there are too many is decided in `ranking`.

mod census;
pub(super) mod ranking;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{
    condition, controller_of, counters, integer, is_controlled_by, is_deleting, is_pod_active, is_pod_finished, key, name,
    namespace, set_condition, text, uid, without_condition,
};
use super::pods::{self, ignore_missing};
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::{PODS, REPLICA_SETS, REPLICATION_CONTROLLERS};
use crate::sim::api::{ApiError, Resource, Subresource};
use crate::sim::store::Object;
use census::{Census, Tally};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most pods that one sync makes or deletes (`BurstReplicas`).
const BURST: usize = 500;

/// Starts the controller of `ReplicaSet`s.
pub(super) fn start(context: &Arc<Context>) {
    serve(context, REPLICA_SETS);
}

/// Starts the controller of `ReplicationController`s.
pub(super) fn start_replication(context: &Arc<Context>) {
    serve(context, REPLICATION_CONTROLLERS);
}

/// What is counted of each set's pods.
type Censuses = Mutex<BTreeMap<Key, Census>>;

fn serve(context: &Arc<Context>, resource: Resource) {
    context.inform(resource, |_, item| vec![key(&item.object)]);
    context.inform(PODS, move |context, item| pods::concerned(context, item, resource, selects));
    let censuses = Arc::new(Censuses::default());
    context.serve(move |context, key| {
        let censuses = Arc::clone(&censuses);
        Box::pin(async move { sync(context, key, resource, &censuses).await })
    });
}

/// A `ReplicationController`'s selector is a plain map.
fn selects(set: &Value, pod: &Value) -> bool {
    let (wanted, labels) = (set.at("/spec/selector"), pod.at("/metadata/labels"));
    if set["kind"] == REPLICA_SETS.kind { selector::matches(wanted, labels) } else { selector::matches_map(wanted, labels) }
}

async fn sync(context: &Context, key: &Key, resource: Resource, censuses: &Censuses) -> Result<(), ApiError> {
    let Ok(set) = context.api.get(resource, &key.0, &key.1) else {
        censuses.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        return Ok(());
    };
    if !is_deleting(&set) {
        let wanted = usize::try_from(integer(&set, "/spec/replicas")).unwrap_or_default();
        let tally = {
            let mut censuses = censuses.lock().unwrap_or_else(PoisonError::into_inner);
            censuses.entry(key.clone()).or_default().take(&context.api, &set, &selects)
        };
        // Only whoever claims or deletes pods needs to look at them all.
        if let Some(tally) = tally.filter(|tally| tally.active <= wanted) {
            let managed = create(context, key, &set, (wanted - tally.active).min(BURST)).await;
            write_status(context, key, resource, &set, tally, managed.as_ref().err()).await?;
            return managed;
        }
    }
    let pods = pods::claim(context, key, &set, |pod| selects(&set, pod)).await?;
    let (active, rest): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| is_pod_active(pod));
    let terminating = rest.iter().filter(|pod| is_deleting(pod) && !is_pod_finished(pod)).count();
    let managed = if is_deleting(&set) { Ok(()) } else { manage(context, key, &set, &active).await };
    let tally = Tally::of(&set, &active, terminating, context.api.clock.now());
    write_status(context, key, resource, &set, tally, managed.as_ref().err()).await?;
    managed?;
    if let Some(delay) = next_availability(context, &set, &active) {
        context.queue.add_after(key.clone(), delay);
    }
    Ok(())
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
            match pods::create(context, key, set, pods::from_template(set, &set["spec"]["template"])).await {
                Ok(Some(_)) => {}
                // The rest of the sync would fail the same way, and nothing is to be told or retried.
                Ok(None) => return Ok(()),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        remaining -= size;
        batch *= 2;
    }
    refused.map_or(Ok(()), Err)
}

async fn delete(context: &Context, key: &Key, set: &Object, surplus: &[Object]) -> Result<(), ApiError> {
    let mut failed = None;
    for pod in surplus {
        if let Err(error) = pods::delete(context, key, set, name(pod)).await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(()), Err)
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
    pods.into_iter().filter(|pod| is_controlled_by(pod, set) || sets.iter().any(|set| is_controlled_by(pod, set))).collect()
}

fn next_availability(context: &Context, set: &Value, active: &[Object]) -> Option<Duration> {
    let (minimum, now) = (integer(set, "/spec/minReadySeconds"), context.api.clock.now());
    active.iter().filter_map(|pod| pods::remaining(pod, minimum, now)).min()
}

async fn write_status(
    context: &Context,
    key: &Key,
    resource: Resource,
    set: &Value,
    tally: Tally,
    failure: Option<&ApiError>,
) -> Result<(), ApiError> {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut status = counters(&[
        ("fullyLabeledReplicas", number(tally.labelled)),
        ("readyReplicas", number(tally.ready)),
        ("availableReplicas", number(tally.available)),
        ("observedGeneration", integer(set, "/metadata/generation")),
    ]);
    status["replicas"] = json!(tally.active);
    if resource == REPLICA_SETS {
        status["terminatingReplicas"] = json!(tally.terminating);
    }
    if let Some(conditions) = set.at("/status/conditions") {
        status["conditions"] = conditions.clone();
    }
    let reported = condition(&status, "ReplicaFailure").is_some();
    match failure {
        Some(error) if !reported => {
            let missing = number(tally.active) < integer(set, "/spec/replicas");
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
    ignore_missing(context.api.modify(resource, &key.0, &key.1, Subresource::Status, |set| set["status"] = status)).map(|_| ())
}
