//! Pod garbage: pods of nodes that are gone, terminating pods of nodes that are out of service, and too many ended pods.
//! The real collector looks every twenty seconds; here only while there could be something to collect.

use super::context::Context;
use super::object::{is_deleting, is_pod_finished, key, list, name, namespace, text, uid};
use super::queue::Key;
use crate::sim::api::resource::{NODES, PODS};
use crate::sim::api::{DeleteOptions, Subresource, WatchItem};
use crate::sim::scheduler::put_condition;
use crate::sim::store::{ChangeKind, Object};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(20);
/// A node must be missing for this long.
const QUARANTINE: Duration = Duration::from_secs(40);
/// Pods that have ended are kept up to this number (`--terminated-pod-gc-threshold`).
const MOST_ENDED: usize = 12_500;

/// Starts the collector.
pub(super) fn start(context: &Arc<Context>) {
    let look = (String::new(), String::new());
    let at = look.clone();
    context.inform(NODES, move |context, item| {
        let out = |node: &Value| is_out_of_service(node);
        let turned = item.kind == ChangeKind::Deleted || out(&item.object);
        wake(context, &at, turned);
        Vec::new()
    });
    let at = look.clone();
    let mut ended: BTreeSet<Key> = BTreeSet::new();
    let ended_pods = std::sync::Mutex::new(std::mem::take(&mut ended));
    context.inform(PODS, move |context, item: &WatchItem| {
        let pod = &item.object;
        let many = {
            let mut ended = ended_pods.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if item.kind != ChangeKind::Deleted && is_pod_finished(pod) {
                ended.insert(key(pod));
            } else {
                ended.remove(&key(pod));
            }
            ended.len() > MOST_ENDED
        };
        let node = text(pod, "/spec/nodeName");
        let moved = item
            .previous
            .as_deref()
            .is_none_or(|before| text(before, "/spec/nodeName") != node || is_deleting(before) != is_deleting(pod));
        let lost = || context.api.get(NODES, "", node).map_or(true, |node| is_out_of_service(&node));
        wake(context, &at, many || item.kind != ChangeKind::Deleted && moved && !node.is_empty() && lost());
        Vec::new()
    });
    let context = Arc::clone(context);
    let tasks = context.api.gate.control_plane.clone();
    tasks.spawn(async move {
        let mut missing: BTreeMap<String, Instant> = BTreeMap::new();
        loop {
            context.queue.next().await;
            if collect(&context, &mut missing).await {
                context.queue.add_after(look.clone(), until_next(&context));
            }
        }
    });
}

fn until_next(context: &Context) -> Duration {
    let phase = Duration::from_millis(context.api.random.bits("pod-garbage-collector", "phase", 0) % 20_000);
    let past = (context.api.clock.elapsed() + PERIOD).saturating_sub(phase).as_millis() % PERIOD.as_millis();
    PERIOD.saturating_sub(Duration::from_millis(u64::try_from(past).unwrap_or(0)))
}

fn wake(context: &Context, look: &Key, wanted: bool) {
    if wanted {
        context.queue.add_after(look.clone(), until_next(context));
    }
}

fn is_out_of_service(node: &Value) -> bool {
    list(node, "/spec/taints").iter().any(|taint| text(taint, "/key") == "node.kubernetes.io/out-of-service")
}

/// One look; says whether another is needed.
async fn collect(context: &Context, missing: &mut BTreeMap<String, Instant>) -> bool {
    let pods = context.api.list(PODS, None);
    let nodes: BTreeMap<String, Object> =
        context.api.list(NODES, None).into_iter().map(|node| (name(&node).to_owned(), node)).collect();
    let mut ended: Vec<&Object> = pods.iter().filter(|pod| is_pod_finished(pod)).collect();
    if ended.len() > MOST_ENDED {
        ended.sort_by_key(|pod| {
            let evicted = text(pod, "/status/reason") == "Evicted";
            (!evicted, text(pod, "/metadata/creationTimestamp").to_owned(), name(pod).to_owned())
        });
        for pod in ended.iter().take(ended.len() - MOST_ENDED) {
            remove(context, pod, None).await;
        }
    }
    let absent: BTreeSet<&str> = pods
        .iter()
        .map(|pod| text(pod, "/spec/nodeName"))
        .filter(|node| !node.is_empty() && !nodes.contains_key(*node))
        .collect();
    missing.retain(|node, _| absent.contains(node.as_str()));
    let now = Instant::now();
    for node in &absent {
        missing.entry((*node).to_owned()).or_insert(now);
    }
    let mut again = !absent.is_empty();
    for pod in &pods {
        let node = text(pod, "/spec/nodeName");
        let overdue = missing.get(node).is_some_and(|since| now.duration_since(*since) >= QUARANTINE);
        if overdue {
            remove(context, pod, Some(("DeletionByPodGC", "PodGC: node no longer exists"))).await;
        } else if let Some(node) = nodes.get(node).filter(|node| is_deleting(pod) && is_out_of_service(node)) {
            let ready = super::object::condition(&node["status"], "Ready").is_some_and(|ready| ready["status"] == "True");
            if ready {
                again = true;
            } else {
                remove(context, pod, None).await;
            }
        }
    }
    again
}

/// Removes a pod at once; one that had not ended has failed then.
async fn remove(context: &Context, pod: &Object, why: Option<(&str, &str)>) {
    context.before_write(&key(pod)).await;
    if !is_pod_finished(pod) {
        let target = why.map(|(reason, message)| {
            json!({
                "type": "DisruptionTarget", "status": "True", "lastProbeTime": null, "reason": reason, "message": message,
                "lastTransitionTime": context.api.clock.seconds(), "observedGeneration": pod["metadata"]["generation"],
            })
        });
        // A pod that is gone already needs neither.
        let _ = context.api.modify(PODS, namespace(pod), name(pod), Subresource::Status, |stored| {
            if uid(stored) == uid(pod) {
                stored["status"]["phase"] = json!("Failed");
                if let Some(target) = target {
                    put_condition(stored, target);
                }
            }
        });
    }
    let options = DeleteOptions { grace_seconds: Some(0), uid: Some(uid(pod).to_owned()), ..DeleteOptions::default() };
    let _ = context.api.delete(PODS, namespace(pod), name(pod), &options);
}
