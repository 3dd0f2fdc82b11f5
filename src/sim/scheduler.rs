//! The scheduler: binds pending pods to nodes by requests, selectors and taints, and writes the real messages.
//! No affinity between pods, spread or preemption yet.

mod filter;
mod resources;
#[cfg(test)]
mod tests;

use super::api::resource::{NODES, PODS};
use super::api::{ApiServer, Subresource, WatchItem};
use super::controllers::Context;
use super::controllers::object::{condition, is_deleting, is_pod_finished, key, list, name, text, uid};
use super::controllers::queue::Key;
use super::events::{EventType, ObjectRef};
use super::limits::{Limit, LimitKind};
use super::profile::Profile;
use super::store::{ChangeKind, Object};
use filter::Refusal;
use resources::Amounts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const NAME: &str = "default-scheduler";
/// A pod that nothing wakes is tried again after this, at the next tick of [`LEFTOVER_TICK`].
const LEFTOVER_AFTER: Duration = Duration::from_mins(5);
/// How often the real scheduler looks for such pods.
const LEFTOVER_TICK: Duration = Duration::from_secs(30);

/// What the scheduler remembers between attempts.
#[derive(Debug, Default)]
struct Memory {
    /// Nodes of pods that are being bound, by uid.
    assumed: BTreeMap<String, String>,
    /// Pods that found no node, and whether a pod that goes could help them.
    failed: BTreeMap<Key, bool>,
}

struct Scheduler {
    context: Arc<Context>,
    memory: Mutex<Memory>,
    binding: Duration,
}

/// Starts the scheduler; it runs until the runtime ends.
pub fn start(api: &Arc<ApiServer>, profile: &Profile) {
    let context = Context::new(api, &profile.latencies, NAME);
    let memory = Mutex::default();
    let scheduler = Arc::new(Scheduler { context: Arc::clone(&context), memory, binding: profile.latencies.scheduling });
    let informed = Arc::clone(&scheduler);
    context.inform(PODS, move |_, item| informed.woken_by_pod(item));
    let informed = Arc::clone(&scheduler);
    context.inform(NODES, move |_, item| informed.woken_by_node(item));
    tokio::spawn(async move {
        loop {
            let key = scheduler.context.queue.next().await;
            scheduler.attempt(&key).await;
        }
    });
}

fn is_waiting(pod: &Value) -> bool {
    text(pod, "/spec/nodeName").is_empty()
        && !is_deleting(pod)
        && !is_pod_finished(pod)
        && pod.pointer("/spec/schedulerName").and_then(Value::as_str).is_none_or(|scheduler| scheduler == NAME)
        && list(pod, "/spec/schedulingGates").is_empty()
}

/// What of a node decides whether pods fit it: heartbeats and conditions do not.
fn offers(node: &Value) -> [Option<&Value>; 4] {
    ["/metadata/labels", "/spec/taints", "/spec/unschedulable", "/status/allocatable"].map(|part| node.pointer(part))
}

impl Scheduler {
    fn with_memory<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        change(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A pod to schedule wakes itself, when it is new or its spec changed; one that leaves a node wakes those that
    /// found no room. The real queue's back-off does not show: an idle scheduler takes pods out of it early.
    fn woken_by_pod(&self, item: &WatchItem) -> Vec<Key> {
        let pod = &item.object;
        if item.kind != ChangeKind::Deleted && is_waiting(pod) {
            let told = item.previous.as_deref().is_some_and(|before| before["spec"] == pod["spec"]);
            return if told { Vec::new() } else { vec![key(pod)] };
        }
        let gone = item.kind == ChangeKind::Deleted || is_pod_finished(pod);
        let was_there = item.previous.as_deref().is_none_or(|before| !is_pod_finished(before));
        self.with_memory(|memory| {
            if item.kind == ChangeKind::Deleted {
                memory.failed.remove(&key(pod));
                memory.assumed.remove(uid(pod));
            }
            let frees = gone && was_there && !text(pod, "/spec/nodeName").is_empty();
            memory.failed.iter().filter(|(_, by_pods)| frees && **by_pods).map(|(key, _)| key.clone()).collect()
        })
    }

    fn woken_by_node(&self, item: &WatchItem) -> Vec<Key> {
        let same = item.previous.as_deref().is_some_and(|before| offers(before) == offers(&item.object));
        if same || item.kind == ChangeKind::Deleted {
            return Vec::new();
        }
        self.with_memory(|memory| memory.failed.keys().cloned().collect())
    }

    async fn attempt(self: &Arc<Self>, key: &Key) {
        let api = &self.context.api;
        let Ok(pod) = api.get(PODS, &key.0, &key.1) else { return };
        if !is_waiting(&pod) || self.with_memory(|memory| memory.assumed.contains_key(uid(&pod))) {
            return;
        }
        let nodes = api.list(NODES, None);
        let pods = api.list(PODS, None);
        let assumed = self.with_memory(|memory| memory.assumed.clone());
        let mut fitting: Vec<(i128, &Object)> = Vec::new();
        let mut refusals = Vec::new();
        for node in &nodes {
            let placed: Vec<&Value> = pods.iter().map(|pod| &**pod).filter(|pod| is_on(pod, name(node), &assumed)).collect();
            match filter::refusal(&pod, node, &placed) {
                None => fitting.push((score(&pod, node, &placed), node)),
                Some(refusal) => refusals.push(refusal),
            }
        }
        let best = fitting.iter().map(|(score, _)| *score).max();
        let equal: Vec<_> = fitting.iter().filter(|(score, _)| Some(*score) == best).collect();
        let draw = api.random.bits(uid(&pod), "node", 0) % u64::try_from(equal.len().max(1)).unwrap_or(1);
        match equal.get(usize::try_from(draw).unwrap_or_default()) {
            Some((_, node)) => self.bind(key.clone(), &pod, name(node)),
            None => self.refuse(key, &pod, &refusals).await,
        }
    }

    /// Assumes the pod on the node and binds it on the side, as the real binding cycle runs beside the next attempt.
    fn bind(self: &Arc<Self>, key: Key, pod: &Object, node: &str) {
        self.with_memory(|memory| {
            memory.failed.remove(&key);
            memory.assumed.insert(uid(pod).to_owned(), node.to_owned());
        });
        let (scheduler, pod, node) = (Arc::clone(self), Arc::clone(pod), node.to_owned());
        tokio::spawn(async move {
            let context = &scheduler.context;
            context.wait(&key, "binding", scheduler.binding).await;
            let bound = context.api.bind(&key.0, &key.1, &node);
            scheduler.with_memory(|memory| memory.assumed.remove(uid(&pod)));
            if bound.is_ok() {
                let message = format!("Successfully assigned {}/{} to {node}", key.0, key.1);
                context.recorder.event(&ObjectRef::of(&pod), EventType::Normal, "Scheduled", &message);
            }
        });
    }

    /// A real scheduler would look for pods of lower priority to evict; this one says that it does not.
    fn report_preemption(&self, pod: &Object) {
        let priority = |pod: &Value| pod.pointer("/spec/priority").and_then(Value::as_i64).unwrap_or(0);
        let api = &self.context.api;
        let lower = |other: &Object| {
            !is_pod_finished(other) && !text(other, "/spec/nodeName").is_empty() && priority(other) < priority(pod)
        };
        if text(pod, "/spec/preemptionPolicy") != "Never" && api.list(PODS, None).iter().any(lower) {
            api.limits.report(Limit {
                kind: LimitKind::Kind,
                uid: uid(pod).to_owned(),
                subject: format!("pod {}/{}", text(pod, "/metadata/namespace"), name(pod)),
                construct: "preemption of pods of lower priority".to_owned(),
                position: None,
                help: "give all pods the same priority, or run this scenario on a real cluster".to_owned(),
            });
        }
    }

    async fn refuse(&self, key: &Key, pod: &Object, refusals: &[Refusal]) {
        let api = &self.context.api;
        if refusals.iter().any(|refusal| refusal.resolvable) {
            self.report_preemption(pod);
        }
        let message = filter::message(pod, refusals);
        self.with_memory(|memory| memory.failed.insert(key.clone(), refusals.iter().any(|refusal| refusal.by_pods)));
        self.context.recorder.event(&ObjectRef::of(pod), EventType::Warning, "FailedScheduling", &message);
        let known = condition(&pod["status"], "PodScheduled").is_some_and(|known| {
            known["status"] == "False" && known["reason"] == "Unschedulable" && known["message"] == *message
        });
        if !known {
            self.context.before_write(key).await;
            let failed = json!({
                "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": api.clock.seconds(),
                "reason": "Unschedulable", "message": message, "observedGeneration": pod["metadata"]["generation"],
            });
            // A pod that vanished meanwhile needs no condition.
            let _ = api.modify(PODS, &key.0, &key.1, Subresource::Status, |stored| {
                if uid(stored) == uid(pod) && is_waiting(stored) {
                    put_condition(stored, failed);
                }
            });
        }
        let since_start = api.clock.elapsed() + LEFTOVER_AFTER;
        let ticks = since_start.as_nanos().div_ceil(LEFTOVER_TICK.as_nanos());
        let tick = LEFTOVER_TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        self.context.queue.add_after(key.clone(), tick.saturating_sub(api.clock.elapsed()));
    }
}

fn is_on(pod: &Value, node: &str, assumed: &BTreeMap<String, String>) -> bool {
    if is_pod_finished(pod) {
        return false;
    }
    match text(pod, "/spec/nodeName") {
        "" => assumed.get(uid(pod)).is_some_and(|assumed| assumed == node),
        bound => bound == node,
    }
}

/// `LeastAllocated` over cpu and memory, of 200 points. A container without requests counts as 100m and 200 MB.
fn score(pod: &Value, node: &Value, placed: &[&Value]) -> i128 {
    let defaults = Amounts::from([("cpu".to_owned(), 100), ("memory".to_owned(), 200 * 1024 * 1024 * 1000)]);
    let mut used = resources::requested(pod, &defaults);
    for other in placed {
        resources::add(&mut used, &resources::requested(other, &defaults));
    }
    let offered = resources::allocatable(node);
    ["cpu", "memory"]
        .iter()
        .map(|name| {
            let (offer, used) = (offered.get(*name).copied().unwrap_or(0), used.get(*name).copied().unwrap_or(0));
            if offer == 0 || used > offer { 0 } else { (offer - used) * 100 / offer }
        })
        .sum()
}

/// What a pod asks for (`requests`) or may take (`limits`), in thousandths by resource: what quotas count, too.
pub(crate) fn requested_amounts(pod: &Value, field: &str) -> BTreeMap<String, i128> {
    resources::sum(pod, field, &Amounts::new())
}

/// Replaces the condition of its type in place, keeping the transition time when the status is the same.
fn put_condition(pod: &mut Value, mut wanted: Value) {
    if !pod["status"]["conditions"].is_array() {
        pod["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = pod["status"]["conditions"].as_array_mut() else { return };
    match conditions.iter_mut().find(|known| known["type"] == wanted["type"]) {
        Some(known) => {
            if known["status"] == wanted["status"] {
                wanted["lastTransitionTime"] = known["lastTransitionTime"].clone();
            }
            *known = wanted;
        }
        None => conditions.push(wanted),
    }
}
