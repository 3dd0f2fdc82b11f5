//! Pods as the Job controller sees them: tracked or not, failed, of which index, finished when.
//! Nothing here decides; `untrack` alone writes.

use super::super::context::Context;
use super::super::object::{annotation, condition, integer, is_deleting, is_pod_finished, list, name, text, time};
use super::super::pods::ignore_missing;
use super::super::queue::Key;
use super::FINALIZER;
use crate::sim::api::resource::PODS;
use crate::sim::api::{ApiError, Subresource};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// Annotation and label with a pod's completion index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// Annotation with the failures of an index before a pod.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// Annotation with the failures of an index that a policy ignored.
pub(super) const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// Whether a pod waits to be counted.
pub(super) fn is_tracked(pod: &Value) -> bool {
    list(pod, "/metadata/finalizers").iter().any(|finalizer| finalizer == FINALIZER)
}

/// Takes the finalizer off a pod; says whether the pod was there.
pub(super) async fn untrack(context: &Context, key: &Key, pod: &Value) -> Result<bool, ApiError> {
    if !is_tracked(pod) {
        return Ok(false);
    }
    context.before_write(key).await;
    let freed = context.api.modify(PODS, &key.0, name(pod), Subresource::Main, |pod| {
        let Some(metadata) = pod["metadata"].as_object_mut() else { return };
        if let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|finalizer| finalizer != FINALIZER);
            if finalizers.is_empty() {
                metadata.remove("finalizers");
            }
        }
    });
    ignore_missing(freed).map(|freed| freed.is_some())
}

/// Whether a pod counts as failed; one that is being deleted does, unless only failed pods are replaced.
pub(super) fn is_failed(pod: &Value, only_failed_are_replaced: bool) -> bool {
    let phase = text(pod, "/status/phase");
    phase == "Failed" || !only_failed_are_replaced && is_deleting(pod) && phase != "Succeeded"
}

/// Whether a pod is on its way out.
pub(super) fn is_terminating(pod: &Value) -> bool {
    is_deleting(pod) && !is_pod_finished(pod)
}

/// A pod's completion index.
pub(super) fn index(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok().filter(|index| *index >= 0)
}

fn count(pod: &Value, annotation_name: &str) -> i64 {
    annotation(pod, annotation_name).and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// The counted failures of a pod's index before it.
pub(super) fn failures(pod: &Value) -> i64 {
    count(pod, FAILURES)
}

/// The ignored failures of a pod's index before it.
pub(super) fn ignored_failures(pod: &Value) -> i64 {
    count(pod, IGNORED_FAILURES)
}

/// When a pod ended: its last container, else when it stopped being ready, else when its deletion was asked for.
pub(super) fn finished_at(pod: &Value) -> Timestamp {
    let ready = condition(&pod["status"], "Ready").filter(|ready| ready["status"] == "False");
    let deletion = || {
        let grace = SignedDuration::from_secs(integer(pod, "/metadata/deletionGracePeriodSeconds"));
        time(pod, "/metadata/deletionTimestamp")?.checked_sub(grace).ok()
    };
    containers_finished_at(pod)
        .or_else(|| time(ready?, "/lastTransitionTime"))
        .or_else(deletion)
        .or_else(|| time(pod, "/metadata/creationTimestamp"))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn containers_finished_at(pod: &Value) -> Option<Timestamp> {
    let is_sidecar = |status: &&Value| {
        let named = |container: &&Value| container["name"] == status["name"] && container["restartPolicy"] == "Always";
        list(pod, "/spec/initContainers").iter().any(|container| named(&container))
    };
    let statuses =
        list(pod, "/status/containerStatuses").iter().chain(list(pod, "/status/initContainerStatuses").iter().filter(is_sidecar));
    let ends: Option<Vec<_>> = statuses.map(|status| time(status, "/state/terminated/finishedAt")).collect();
    ends?.into_iter().max()
}
