//! What follows an attempt: binding the pod to its node, or clearing the node of less important pods.
//! Both run beside the next attempts, as in the real scheduler.

use super::super::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS};
use super::super::api::{DeleteOptions, Subresource};
use super::super::controllers::object::{annotate, is_deleting, name, namespace, text, uid};
use super::super::controllers::queue::Key;
use super::super::events::{EventType, ObjectRef};
use super::super::store::Object;
use super::volumes::{Decision, SELECTED_NODE, all_bound};
use super::{Preempt, Scheduler, put_condition};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bindings per second, once the first [`BURST`] are used up (`kube-scheduler`'s client: 50 QPS, burst 100).
const PER_SECOND: u32 = 50;
const BURST: u32 = 100;
/// How long a pod's volumes may take to be bound.
const VOLUMES_WITHIN: Duration = Duration::from_mins(10);

/// The token bucket of the scheduler's client.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When the bucket was, or will be, empty of waiting requests.
    next: Option<Instant>,
}

impl Budget {
    /// How long the next request waits.
    fn take(&mut self) -> Duration {
        let step = Duration::from_secs(1) / PER_SECOND;
        let now = Instant::now();
        let full = now.checked_sub(step * (BURST - 1)).unwrap_or(now);
        let at = self.next.map_or(full, |next| next.max(full));
        self.next = Some(at + step);
        at.saturating_duration_since(now)
    }
}

impl Scheduler {
    /// Binds the pod, which the cache has on the node already; its volumes come first.
    pub(super) fn bind(self: &Arc<Self>, key: Key, pod: &Object, node: &str, decisions: Vec<Decision>, settled: bool) {
        let (scheduler, pod, node) = (Arc::clone(self), Arc::clone(pod), node.to_owned());
        let tasks = scheduler.context.api.gate.control_plane.clone();
        tasks.spawn(async move {
            let context = &scheduler.context;
            let wait = scheduler.with_state(|state| state.budget.take());
            tokio::time::sleep(wait).await;
            context.wait(&key, "binding", scheduler.binding).await;
            if !settled && !scheduler.bind_volumes(&pod, &node, decisions).await {
                scheduler.give_up(&key, &pod);
                return;
            }
            let bound = context.api.bind(&key.0, &key.1, &node);
            if bound.is_ok() {
                let message = format!("Successfully assigned {}/{} to {node}", key.0, key.1);
                context.recorder.event(&ObjectRef::of(&pod), EventType::Normal, "Scheduled", &message);
            } else {
                // Gone, or bound by somebody else: its informer tells the rest.
                scheduler.with_state(|state| {
                    if state.cache.is_assumed(uid(&pod)) {
                        state.cache.displace(uid(&pod));
                    }
                });
                context.enqueue(key);
            }
        });
    }

    /// Has the claims of the pod bound; says whether that happened in time.
    async fn bind_volumes(&self, pod: &Object, node: &str, decisions: Vec<Decision>) -> bool {
        let api = &self.context.api;
        // While volumes are bound the pod shows where it will go.
        let _ = api.modify(PODS, namespace(pod), name(pod), Subresource::Status, |pod| {
            pod["status"]["nominatedNodeName"] = json!(node);
        });
        for decision in decisions {
            match decision {
                Decision::Bind(claim, volume) => {
                    let reference = json!({
                        "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace(&claim), "name": name(&claim),
                        "uid": uid(&claim), "resourceVersion": claim["metadata"]["resourceVersion"],
                    });
                    // A volume that vanished leaves the claim unbound, which is noticed below.
                    let _ = api.modify(PERSISTENT_VOLUMES, "", &volume, Subresource::Main, |volume| {
                        volume["spec"]["claimRef"] = reference;
                        annotate(volume, "pv.kubernetes.io/bound-by-controller", "yes");
                    });
                }
                Decision::Provision(claim) => {
                    let select = |claim: &mut serde_json::Value| {
                        annotate(claim, SELECTED_NODE, node);
                    };
                    let _ = api.modify(PERSISTENT_VOLUME_CLAIMS, namespace(&claim), name(&claim), Subresource::Main, select);
                }
            }
        }
        let deadline = Instant::now() + VOLUMES_WITHIN;
        let mut changes = api.store.subscribe(PERSISTENT_VOLUME_CLAIMS);
        loop {
            changes.mark_unchanged();
            if all_bound(api, pod) {
                return true;
            }
            if api.get(PODS, namespace(pod), name(pod)).is_ok_and(|now| uid(&now) == uid(pod) && !is_deleting(&now)) {
                tokio::select! {
                    biased;
                    _ = changes.changed() => {}
                    () = tokio::time::sleep_until(deadline) => return false,
                }
            } else {
                return false;
            }
        }
    }

    fn give_up(&self, key: &Key, pod: &Object) {
        self.with_state(|state| state.cache.displace(uid(pod)));
        let message = "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded";
        if self.context.api.get(PODS, &key.0, &key.1).is_ok_and(|now| uid(&now) == uid(pod)) {
            self.context.recorder.event(&ObjectRef::of(pod), EventType::Warning, "FailedScheduling", message);
            self.context.enqueue(key.clone());
        }
    }

    /// Deletes the victims, after telling them why.
    pub(super) fn preempt(self: &Arc<Self>, key: &Key, pod: &Object, preempt: Preempt) {
        let (scheduler, key, pod) = (Arc::clone(self), key.clone(), Arc::clone(pod));
        let tasks = scheduler.context.api.gate.control_plane.clone();
        tasks.spawn(async move {
            let (context, api) = (&scheduler.context, &scheduler.context.api);
            for outranked in &preempt.outranked {
                scheduler.with_state(|state| state.cache.nominated.remove(uid(outranked)));
                // A pod that is gone needs no other node.
                let _ = api.modify(PODS, namespace(outranked), name(outranked), Subresource::Status, |stored| {
                    if let Some(status) = stored["status"].as_object_mut() {
                        status.remove("nominatedNodeName");
                    }
                });
                context.enqueue((namespace(outranked).to_owned(), name(outranked).to_owned()));
            }
            for victim in preempt.victims.iter().filter(|victim| !is_deleting(victim)) {
                context.before_write(&key).await;
                let scheduler_name = match text(&pod, "/spec/schedulerName") {
                    "" => super::NAME,
                    named => named,
                };
                let target = json!({
                    "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "lastProbeTime": null,
                    "lastTransitionTime": api.clock.seconds(), "observedGeneration": victim["metadata"]["generation"],
                    "message": format!("{scheduler_name}: preempting to accommodate a higher priority pod"),
                });
                let told = api.modify(PODS, namespace(victim), name(victim), Subresource::Status, |stored| {
                    if uid(stored) == uid(victim) {
                        put_condition(stored, target);
                    }
                });
                if told.is_err() {
                    continue;
                }
                context.before_write(&key).await;
                let options = DeleteOptions { uid: Some(uid(victim).to_owned()), ..DeleteOptions::default() };
                if api.delete(PODS, namespace(victim), name(victim), &options).is_ok() {
                    let message = format!("Preempted by pod {} on node {}", uid(&pod), preempt.node);
                    context.recorder.event(&ObjectRef::of(victim), EventType::Normal, "Preempted", &message);
                }
            }
        });
    }
}
