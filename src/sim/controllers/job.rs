//! The Job controller: pods that run to their end, counted exactly once (`kubernetes-behaviour.md` 2.5).
//! This file hears the news and frees pods that nobody counts any more; one sync is in `sync`.

mod backoff;
mod indexes;
mod manage;
mod pod;
mod policy;
mod status;
mod sync;
#[cfg(test)]
mod tests;
mod track;

use super::context::Context;
use super::object::{condition, controller_of, integer, is_deleting, key, list, name, namespace, text, uid};
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::{JOBS, PODS};
use crate::sim::api::{ApiError, WatchItem};
use crate::sim::store::{ChangeKind, Object};
use backoff::BackOffs;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The finalizer that keeps a pod until it is counted.
const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
/// How long news of pods and statuses are gathered before a sync.
const BATCH_PERIOD: Duration = Duration::from_secs(1);
/// The first retry of a failed sync comes after this, no retry after more than the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Starts the controller; `orphans` is the queue of pods that are to be freed.
pub(super) fn start(context: &Arc<Context>, orphans: &Arc<Context>) {
    let back_offs = Arc::new(BackOffs::default());
    for queue in [&context.queue, &orphans.queue] {
        queue.set_back_off(RETRY.0, RETRY.1);
    }
    let freed = Arc::clone(orphans);
    context.inform(JOBS, move |context, item| job_news(context, &freed, item));
    let freed = Arc::clone(orphans);
    context.inform(PODS, move |context, item| pod_news(context, &freed, item));
    context.serve(move |context, key| {
        let back_offs = Arc::clone(&back_offs);
        Box::pin(async move { sync::sync(context, key, &back_offs).await })
    });
    orphans.serve(|context, key| Box::pin(free(context, key)));
}

/// Whether a Job has ended, well or badly.
pub(super) fn is_finished(job: &Value) -> bool {
    finished(job).is_some()
}

/// The condition that ended a Job.
pub(super) fn finished(job: &Value) -> Option<&Value> {
    let ended = |kind: &str| condition(&job["status"], kind).filter(|condition| condition["status"] == "True");
    ended("Complete").or_else(|| ended("Failed"))
}

/// Whether some other controller looks after a Job.
fn is_foreign(job: &Value) -> bool {
    !["", "kubernetes.io/job-controller"].contains(&text(job, "/spec/managedBy"))
}

fn job_news(context: &Context, orphans: &Context, item: &WatchItem) -> Vec<Key> {
    let job = &item.object;
    if item.kind == ChangeKind::Deleted || is_finished(job) {
        for pod in context.api.list(PODS, Some(namespace(job))) {
            let is_selected = selector::matches(job.at("/spec/selector"), pod.at("/metadata/labels"));
            if is_selected && pod::is_tracked(&pod) {
                orphans.enqueue(key(&pod));
            }
        }
        return if item.kind == ChangeKind::Deleted { vec![key(job)] } else { Vec::new() };
    }
    let generation = |job: &Value| integer(job, "/metadata/generation");
    if item.previous.as_deref().is_some_and(|previous| generation(previous) == generation(job)) {
        context.queue.add_after(key(job), BATCH_PERIOD);
        return Vec::new();
    }
    vec![key(job)]
}

fn job_of(context: &Context, pod: &Value) -> Option<Object> {
    let owner = controller_of(pod).filter(|owner| owner["kind"] == JOBS.kind)?;
    let job = context.api.get(JOBS, namespace(pod), text(owner, "/name")).ok()?;
    (uid(&job) == text(owner, "/uid")).then_some(job)
}

/// News of pods are gathered: the sync comes a second later.
fn pod_news(context: &Context, orphans: &Context, item: &WatchItem) -> Vec<Key> {
    let pod = &item.object;
    let job = job_of(context, pod);
    if item.kind == ChangeKind::Deleted || is_deleting(pod) {
        match job.filter(|job| !is_finished(job)) {
            Some(job) => context.queue.add_after(key(&job), BATCH_PERIOD),
            None if pod::is_tracked(pod) => orphans.enqueue(key(pod)),
            None => {}
        }
        return Vec::new();
    }
    let former = item.previous.as_deref().and_then(|previous| job_of(context, previous));
    for job in former.iter().chain(&job) {
        context.queue.add_after(key(job), BATCH_PERIOD);
    }
    if controller_of(pod).is_none() {
        if pod::is_tracked(pod) {
            orphans.enqueue(key(pod));
        }
        for job in context.api.list(JOBS, Some(namespace(pod))) {
            if selector::matches(job.at("/spec/selector"), pod.at("/metadata/labels")) {
                context.queue.add_after(key(&job), BATCH_PERIOD);
            }
        }
    }
    Vec::new()
}

/// Takes the finalizer off a pod whose Job is gone or has ended.
async fn free(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(pod) = context.api.get(PODS, &key.0, &key.1) else { return Ok(()) };
    if controller_of(&pod).is_some_and(|owner| owner["kind"] != JOBS.kind) {
        return Ok(());
    }
    if job_of(context, &pod).is_some_and(|job| is_foreign(&job) || !is_finished(&job)) {
        return Ok(());
    }
    pod::untrack(context, key, &pod).await.map(|_| ())
}

/// The values of a list of texts.
fn texts(object: &Value, pointer: &str) -> Vec<String> {
    list(object, pointer).iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// A pod's name for messages.
fn place(pod: &Value) -> String {
    format!("{}/{}", namespace(pod), name(pod))
}
