//! The taint eviction controller: deletes pods that do not tolerate a `NoExecute` taint of their node, or not any longer.
//! Who taints nodes, and why, is not its business.

use super::context::Context;
use super::object::{key, list, name, namespace, text, uid};
use super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::{NODES, PODS};
use crate::sim::api::{DeleteOptions, Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::scheduler::put_condition;
use crate::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A deletion that is planned, or done.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// It happens at `at`; the taints were noticed at `since`.
    Planned { since: Instant, at: Instant },
    /// It has happened; it does not happen again while the pod and the taints stay.
    Done,
}

struct Evictor {
    context: Arc<Context>,
    work: Mutex<BTreeMap<Key, Work>>,
}

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    let evictor = Arc::new(Evictor { context: Arc::clone(context), work: Mutex::default() });
    let informed = Arc::clone(&evictor);
    context.inform(NODES, move |_, item| {
        informed.node_changed(item);
        Vec::new()
    });
    let informed = Arc::clone(&evictor);
    context.inform(PODS, move |_, item| {
        informed.pod_changed(item);
        Vec::new()
    });
    let tasks = evictor.context.api.gate.control_plane.clone();
    tasks.spawn(async move {
        loop {
            let key = evictor.context.queue.next().await;
            evictor.fire(&key).await;
        }
    });
}

fn evicting(node: &Value) -> Vec<&Value> {
    list(node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") == "NoExecute").collect()
}

/// How long a pod stays with these taints; none for ever.
fn patience(pod: &Value, taints: &[&Value]) -> Option<Duration> {
    let mut least: Option<i64> = None;
    for taint in taints {
        let tolerates = |toleration: &&Value| {
            let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
            (effect.is_empty() || effect == "NoExecute")
                && match text(toleration, "/operator") {
                    "Exists" => key.is_empty() || key == text(taint, "/key"),
                    _ => key == text(taint, "/key") && text(toleration, "/value") == text(taint, "/value"),
                }
        };
        // The first matching toleration of a taint counts.
        let Some(toleration) = list(pod, "/spec/tolerations").iter().find(tolerates) else { return Some(Duration::ZERO) };
        if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
            least = Some(least.map_or(seconds, |least| least.min(seconds)).max(0));
        }
    }
    least.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

impl Evictor {
    fn with_work<T>(&self, change: impl FnOnce(&mut BTreeMap<Key, Work>) -> T) -> T {
        change(&mut self.work.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn node_changed(&self, item: &WatchItem) {
        let taints = if item.kind == ChangeKind::Deleted { Vec::new() } else { evicting(&item.object) };
        let before = item.previous.as_deref().map(evicting).unwrap_or_default();
        if item.kind == ChangeKind::Deleted || taints == before {
            return;
        }
        for pod in self.context.api.list(PODS, None) {
            if text(&pod, "/spec/nodeName") == name(&item.object) {
                self.plan(&pod, &taints);
            }
        }
    }

    fn pod_changed(&self, item: &WatchItem) {
        let pod = &item.object;
        if item.kind == ChangeKind::Deleted {
            self.cancel(&key(pod));
            return;
        }
        let node = text(pod, "/spec/nodeName");
        let part = |pod: &Value, pointer: &str| pod.at(pointer).cloned();
        let same = item.previous.as_deref().is_some_and(|before| {
            ["/spec/nodeName", "/spec/tolerations"].iter().all(|pointer| part(before, pointer) == part(pod, pointer))
        });
        if node.is_empty() || same {
            return;
        }
        if let Ok(node) = self.context.api.get(NODES, "", node)
            && !evicting(&node).is_empty()
        {
            self.plan(pod, &evicting(&node));
        }
    }

    /// Plans, moves or cancels the deletion of a pod.
    fn plan(&self, pod: &Value, taints: &[&Value]) {
        let key = key(pod);
        let Some(patience) = patience(pod, taints).filter(|_| !taints.is_empty()) else {
            self.cancel(&key);
            return;
        };
        let now = Instant::now();
        let known = self.with_work(|work| work.get(&key).copied());
        let (since, at) = match known {
            Some(Work::Done) => return,
            Some(Work::Planned { since, .. }) if patience > Duration::ZERO => {
                if since + patience < now + patience {
                    return;
                }
                self.cancel(&key);
                (since, now + patience)
            }
            Some(Work::Planned { .. }) => {
                self.cancel(&key);
                (now, now)
            }
            None => (now, now + patience),
        };
        self.with_work(|work| work.insert(key.clone(), Work::Planned { since, at }));
        self.context.queue.add_after(key, at - now);
    }

    /// Forgets what was planned, and says so if it had not happened.
    fn cancel(&self, key: &Key) {
        if let Some(Work::Planned { .. }) = self.with_work(|work| work.remove(key)) {
            self.say(key, &format!("Cancelling deletion of Pod {}/{}", key.0, key.1));
        }
    }

    fn say(&self, key: &Key, message: &str) {
        let pod = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: key.0.clone(),
            name: key.1.clone(),
            ..ObjectRef::default()
        };
        self.context.recorder.event(&pod, EventType::Normal, "TaintManagerEviction", message);
    }

    async fn fire(&self, key: &Key) {
        let now = Instant::now();
        match self.with_work(|work| work.get(key).copied()) {
            Some(Work::Planned { at, .. }) if at <= now => {}
            Some(Work::Planned { at, .. }) => return self.context.queue.add_after(key.clone(), at - now),
            Some(Work::Done) | None => return,
        }
        self.with_work(|work| work.insert(key.clone(), Work::Done));
        self.say(key, &format!("Marking for deletion Pod {}/{}", key.0, key.1));
        let Ok(pod) = self.context.api.get(PODS, &key.0, &key.1) else { return };
        self.context.before_write(key).await;
        let target = json!({
            "type": "DisruptionTarget", "status": "True", "lastProbeTime": null, "reason": "DeletionByTaintManager",
            "lastTransitionTime": self.context.api.clock.seconds(), "message": "Taint manager: deleting due to NoExecute taint",
            "observedGeneration": pod["metadata"]["generation"],
        });
        // A pod that went by itself needs no condition, nor to be deleted.
        let _ = self.context.api.modify(PODS, namespace(&pod), name(&pod), Subresource::Status, |stored| {
            if uid(stored) == uid(&pod) {
                put_condition(stored, target);
            }
        });
        self.context.before_write(key).await;
        let options = DeleteOptions { uid: Some(uid(&pod).to_owned()), ..DeleteOptions::default() };
        let _ = self.context.api.delete(PODS, &key.0, &key.1, &options);
    }
}
