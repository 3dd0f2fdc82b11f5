//! The node lifecycle controller: notices nodes whose kubelet is silent, taints them and marks their pods not ready.
//! Evicting pods for the taints is `taint_eviction`'s; taints that follow conditions at once are in `node_lifecycle/taints`.
//!
//! The real controller looks every five seconds for ever. Here it looks on the same grid, but only while a look could find
//! something: while all nodes are well, or as bad as they can be and marked so, it sleeps until news of a node.

mod health;
pub(super) mod taints;
mod zones;

#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{condition, name, text, uid};
use crate::json::At as _;
use crate::sim::api::Subresource;
use crate::sim::api::resource::{LEASES, NODES, PODS};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::scheduler::put_condition;
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use taints::{Taint, has};
use tokio::time::Instant;
use zones::Zones;

/// Nodes are looked at this often (`--node-monitor-period`); the look itself takes a little, so the grace is over at the tenth.
const PERIOD: Duration = Duration::from_secs(5);
/// A node whose kubelet says nothing for longer is unknown (`--node-monitor-grace-period`).
const GRACE: Duration = Duration::from_secs(50);
/// The same for a node that never said anything (`--node-startup-grace-period`).
const STARTUP_GRACE: Duration = Duration::from_mins(1);
/// The queue of nodes to taint is worked off this often.
const TAINT_PASS: Duration = Duration::from_millis(100);

/// When a node without a kubelet of ours last changed its lease or heartbeat, as the looks saw it.
#[derive(Debug)]
struct Seen {
    heartbeat: String,
    at: Instant,
}

#[derive(Debug)]
struct Monitor {
    context: Arc<Context>,
    first: Instant,
    /// Nodes that were there at the last look, with their uids.
    known: BTreeMap<String, String>,
    seen: BTreeMap<String, Seen>,
    /// Since when nodes count as heard of, at least: set when a total disruption ends.
    amnesty: Option<Instant>,
    zones: Zones,
}

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    taints::start(context);
    let phase = Duration::from_millis(context.api.random.bits("node-controller", "monitor", 0) % 5_000);
    let monitor = Monitor {
        context: Arc::clone(context),
        first: Instant::now() + phase,
        known: BTreeMap::new(),
        seen: BTreeMap::new(),
        amnesty: None,
        zones: Zones::default(),
    };
    context.api.gate.control_plane.spawn(monitor.run());
    context.inform(PODS, health::placed_on_a_lost_node);
}

fn ready(node: &Value) -> Option<&str> {
    condition(&node["status"], "Ready").map(|ready| text(ready, "/status"))
}

/// The key under which the latencies of writes about a node are drawn.
fn key_of(node: &Value) -> (String, String) {
    (String::new(), name(node).to_owned())
}

impl Monitor {
    async fn run(mut self) {
        let api = Arc::clone(&self.context.api);
        let (mut turns, mut changes) = (api.heartbeats.subscribe(), api.store.subscribe(NODES));
        loop {
            turns.mark_unchanged();
            changes.mark_unchanged();
            let look = self.is_due().then(|| self.next_look(Instant::now()));
            let pass = self.zones.next();
            match [look, pass].into_iter().flatten().min() {
                None => tokio::select! {
                    biased;
                    _ = turns.changed() => {}
                    _ = changes.changed() => {}
                },
                Some(at) => {
                    tokio::time::sleep_until(at).await;
                    if look == Some(at) {
                        self.look().await;
                    } else {
                        self.taint().await;
                    }
                }
            }
        }
    }

    /// The first look after `at`.
    fn next_look(&self, at: Instant) -> Instant {
        let past = at.saturating_duration_since(self.first);
        if at < self.first {
            return self.first;
        }
        let looks = past.as_millis() / PERIOD.as_millis() + 1;
        self.first + PERIOD * u32::try_from(looks).unwrap_or(u32::MAX)
    }

    /// Whether a look could find something.
    fn is_due(&self) -> bool {
        let nodes = self.context.api.list(NODES, None);
        nodes.len() != self.known.len() || nodes.iter().any(|node| self.is_unsettled(node))
    }

    fn is_unsettled(&self, node: &Value) -> bool {
        let ready = ready(node);
        self.known.get(name(node)).is_none_or(|known| known != uid(node))
            || self.context.api.heartbeats.silent(name(node)) && ready != Some("Unknown")
            || self.zones.is_unsettled(node)
            || match ready {
                Some("True") | None => has(node, Taint::UnreachableNoExecute) || has(node, Taint::NotReadyNoExecute),
                Some("False") => !has(node, Taint::NotReadyNoExecute) && !self.zones.all_lost(),
                Some(_) => !has(node, Taint::UnreachableNoExecute) && !self.zones.all_lost(),
            }
    }

    async fn look(&mut self) {
        let nodes = self.context.api.list(NODES, None);
        self.register(&nodes).await;
        let mut conditions: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for node in &nodes {
            let observed = ready(node).map(ToOwned::to_owned);
            let is_lost = self.is_lost(node);
            let current = if is_lost { Some("Unknown".to_owned()) } else { observed.clone() };
            if is_lost && observed.as_deref() != Some("Unknown") {
                self.mark_unknown(node).await;
            }
            // A node may ask not to count (the API's label).
            if node.at("/metadata/labels/node.kubernetes.io~1exclude-disruption").is_none() {
                conditions.entry(zones::zone_of(node)).or_default().push(current.as_deref() == Some("True"));
            }
            let Some(current) = current else { continue };
            self.settle(node, &current).await;
            if current != "True" && observed.as_deref() == Some("True") {
                let message = format!("Node {} status is now: NodeNotReady", name(node));
                self.say(node, "NodeNotReady", &message);
                self.mark_pods(name(node)).await;
            }
        }
        self.judge_zones(&nodes, &conditions).await;
    }

    fn say(&self, node: &Value, reason: &str, message: &str) {
        let reference = ObjectRef { resource_version: String::new(), ..ObjectRef::of(node) };
        self.context.recorder.event(&reference, EventType::Normal, reason, message);
    }

    /// Tells of nodes that came and went since the last look.
    async fn register(&mut self, nodes: &[Object]) {
        let present: BTreeMap<String, String> = nodes.iter().map(|node| (name(node).to_owned(), uid(node).to_owned())).collect();
        for node in nodes.iter().filter(|node| !self.known.contains_key(name(node))) {
            self.say(node, "RegisteredNode", &format!("Registered Node {} in Controller", name(node)));
            taints::remove(&self.context, name(node), &[Taint::UnreachableNoExecute, Taint::NotReadyNoExecute]).await;
        }
        for (gone, uid) in self.known.iter().filter(|(known, _)| !present.contains_key(*known)) {
            let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": gone, "uid": uid}});
            self.say(&node, "RemovingNode", &format!("Removing Node {gone} from Controller"));
            self.seen.remove(gone);
        }
        self.known = present;
    }

    /// Whether the node's kubelet was silent for too long.
    fn is_lost(&mut self, node: &Value) -> bool {
        let now = Instant::now();
        let heard = match self.context.api.heartbeats.last_renewal(name(node)) {
            // The look that first saw the renewal counts.
            Some(last) => self.next_look(last - Duration::from_millis(1)).min(now),
            None => self.last_change(node, now),
        };
        let anew = [self.amnesty, self.context.api.gate.restarted()];
        let heard = anew.into_iter().flatten().fold(heard, Instant::max);
        let grace = if ready(node).is_some() { GRACE } else { STARTUP_GRACE };
        now.saturating_duration_since(heard) >= grace
    }

    /// When a look first saw the present lease and heartbeat of a node whose kubelet is none of ours.
    fn last_change(&mut self, node: &Value, now: Instant) -> Instant {
        let lease = self.context.api.get(LEASES, "kube-node-lease", name(node));
        let renewed = lease.map(|lease| text(&lease, "/spec/renewTime").to_owned()).unwrap_or_default();
        let beat = condition(&node["status"], "Ready").map(|ready| text(ready, "/lastHeartbeatTime").to_owned());
        let heartbeat = format!("{renewed} {}", beat.unwrap_or_default());
        let seen = self.seen.entry(name(node).to_owned()).or_insert_with(|| Seen { heartbeat: heartbeat.clone(), at: now });
        if seen.heartbeat != heartbeat {
            *seen = Seen { heartbeat, at: now };
        }
        seen.at
    }

    /// Brings the taints that evict in line with the Ready condition: at once, but for the first, which is rationed.
    async fn settle(&mut self, node: &Value, ready: &str) {
        let (wanted, other) = match ready {
            "False" => (Taint::NotReadyNoExecute, Taint::UnreachableNoExecute),
            "Unknown" => (Taint::UnreachableNoExecute, Taint::NotReadyNoExecute),
            _ => {
                self.zones.forget(node);
                taints::remove(&self.context, name(node), &[Taint::UnreachableNoExecute, Taint::NotReadyNoExecute]).await;
                return;
            }
        };
        if has(node, other) {
            taints::swap(&self.context, name(node), &[wanted], &[other]).await;
        } else if !has(node, wanted) {
            let pass = Instant::now() + TAINT_PASS.mul_f64(self.context.api.random.unit(name(node), "taint-pass", 0));
            self.zones.enqueue(node, pass);
        }
    }

    /// Works off the nodes whose turn has come.
    async fn taint(&mut self) {
        while let Some(node) = self.zones.take(Instant::now()) {
            let Ok(node) = self.context.api.get(NODES, "", &node) else { continue };
            let (wanted, other) = match ready(&node) {
                Some("False") => (Taint::NotReadyNoExecute, Taint::UnreachableNoExecute),
                Some("Unknown") => (Taint::UnreachableNoExecute, Taint::NotReadyNoExecute),
                _ => continue,
            };
            taints::swap(&self.context, name(&node), &[wanted], &[other]).await;
        }
    }

    /// When nothing is left, nobody is evicted; when something is back, everybody gets a new grace.
    async fn judge_zones(&mut self, nodes: &[Object], conditions: &BTreeMap<String, Vec<bool>>) {
        match self.zones.judge(conditions) {
            zones::Turn::None => {}
            zones::Turn::AllLost => {
                for node in nodes {
                    taints::remove(&self.context, name(node), &[Taint::UnreachableNoExecute, Taint::NotReadyNoExecute]).await;
                }
            }
            zones::Turn::Recovered => self.amnesty = Some(Instant::now()),
        }
    }

    /// Writes that nothing is known of a node any more.
    async fn mark_unknown(&self, node: &Value) {
        self.context.before_write(&key_of(node)).await;
        let now = self.context.api.clock.seconds();
        let created = text(node, "/metadata/creationTimestamp").to_owned();
        // A node that vanished needs no condition.
        let _ = self.context.api.modify(NODES, "", name(node), Subresource::Status, |node| {
            for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
                let known = condition(&node["status"], kind).cloned();
                let unknown = match known {
                    Some(known) if known["status"] == "Unknown" => continue,
                    Some(mut known) => {
                        known["status"] = json!("Unknown");
                        known["reason"] = json!("NodeStatusUnknown");
                        known["message"] = json!("Kubelet stopped posting node status.");
                        known["lastTransitionTime"] = json!(now);
                        known
                    }
                    None => json!({
                        "type": kind, "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                        "message": "Kubelet never posted node status.", "lastHeartbeatTime": created, "lastTransitionTime": now,
                    }),
                };
                put_condition(node, unknown);
            }
        });
    }

    async fn mark_pods(&self, node: &str) {
        let pods = self.context.api.list(PODS, None);
        for pod in pods.iter().filter(|pod| text(pod, "/spec/nodeName") == node) {
            health::mark_not_ready(&self.context, pod).await;
        }
    }
}
