//! The scheduler: finds a node for each pending pod, as the default plugins of kube-scheduler do, and tells why there is none.
//! Which node fits is in `filter`, which is best in `score`; here are the attempts, their writes and what wakes them.

pub(crate) mod admission;
mod bind;
mod cache;
mod filter;
mod info;
mod message;
mod neighbours;
pub(crate) mod node_match;
mod preemption;
mod resources;
mod score;
mod spread;
mod term;
#[cfg(test)]
mod tests;
pub(crate) mod volumes;
mod waiting;
mod wake;

use super::api::resource::{NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES};
use super::api::{ApiServer, Subresource};
use super::controllers::Context;
use super::controllers::object::{condition, is_deleting, is_pod_finished, key, list, text, uid};
use super::controllers::queue::Key;
use super::events::{EventType, ObjectRef};
use super::profile::Profile;
use super::store::Object;
use crate::json::At as _;
use cache::{Cache, NodeId};
use filter::{Cycle, Plugin, Refusal};
use info::PodInfo;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use volumes::Decision;
use waiting::{Failed, Waiting};

const NAME: &str = "default-scheduler";
/// A pod that nothing wakes is tried again so long after its last attempt, at the next tick of [`LEFTOVER_TICK`].
const LEFTOVER_AFTER: Duration = Duration::from_mins(5);
/// How often the real scheduler looks for such pods: 30 s after the end of the look before (recorded: ten looks are 300.011 s
/// apart, so that a pod that one look woke is old enough for the tenth).
const LEFTOVER_TICK: Duration = Duration::from_micros(30_001_100);
/// With fewer nodes than this all are looked at.
const FEW_NODES: usize = 100;

/// What the scheduler remembers between attempts.
#[derive(Debug)]
struct State {
    cache: Cache,
    waiting: Waiting,
    /// Where the next attempt begins to look.
    first: usize,
    budget: bind::Budget,
}

struct Scheduler {
    context: Arc<Context>,
    state: Mutex<State>,
    binding: Duration,
}

/// What came of looking for a node.
enum Outcome {
    Found { node: String, decisions: Vec<Decision>, settled: bool },
    Refused { message: String, plugins: BTreeSet<Plugin>, preempt: Option<Preempt> },
}

/// Whom to delete for the pod, and from where.
struct Preempt {
    node: String,
    victims: Vec<Object>,
    outranked: Vec<Object>,
}

/// Starts the scheduler; it runs until the runtime ends.
pub fn start(api: &Arc<ApiServer>, profile: &Profile) {
    let context = Context::new(api, &profile.latencies, NAME);
    let state = State { cache: Cache::new(api), waiting: Waiting::default(), first: 0, budget: bind::Budget::default() };
    let binding = profile.latencies.scheduling;
    let scheduler = Arc::new(Scheduler { context: Arc::clone(&context), state: Mutex::new(state), binding });
    for (resource, woken) in [
        (NODES, Scheduler::woken_by_node as fn(&Scheduler, &super::api::WatchItem) -> Vec<Key>),
        (PODS, Scheduler::woken_by_pod),
        (PERSISTENT_VOLUME_CLAIMS, Scheduler::woken_by_claim),
        (PERSISTENT_VOLUMES, Scheduler::woken_by_volume),
        (STORAGE_CLASSES, Scheduler::woken_by_volume),
    ] {
        let informed = Arc::clone(&scheduler);
        context.inform(resource, move |_, item| woken(&informed, item));
    }
    let tasks = scheduler.context.api.gate.control_plane.clone();
    tasks.spawn(async move {
        loop {
            let mut keys = vec![scheduler.context.queue.next().await];
            keys.extend(std::iter::from_fn(|| scheduler.context.queue.next_due()));
            scheduler.sort(&mut keys);
            for key in keys {
                scheduler.attempt(&key).await;
            }
        }
    });
}

fn is_waiting(pod: &Value) -> bool {
    text(pod, "/spec/nodeName").is_empty()
        && !is_deleting(pod)
        && !is_pod_finished(pod)
        && pod.at("/spec/schedulerName").and_then(Value::as_str).is_none_or(|scheduler| scheduler == NAME)
        && list(pod, "/spec/schedulingGates").is_empty()
}

impl Scheduler {
    fn with_state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The pods that wait together go by priority, then in the order in which they came.
    fn sort(&self, keys: &mut [Key]) {
        if keys.len() > 1 {
            keys.sort_by_cached_key(|key| {
                let pod = self.context.api.get(PODS, &key.0, &key.1);
                std::cmp::Reverse(pod.map_or(0, |pod| super::controllers::object::integer(&pod, "/spec/priority")))
            });
        }
    }

    async fn attempt(self: &Arc<Self>, key: &Key) {
        let Ok(pod) = self.context.api.get(PODS, &key.0, &key.1) else { return };
        if !is_waiting(&pod) || self.with_state(|state| state.cache.is_assumed(uid(&pod))) {
            return;
        }
        match self.with_state(|state| state.look(&pod)) {
            Outcome::Found { node, decisions, settled } => self.bind(key.clone(), &pod, &node, decisions, settled),
            Outcome::Refused { message, plugins, preempt } => self.refuse(key, &pod, message, plugins, preempt).await,
        }
    }

    async fn refuse(
        self: &Arc<Self>,
        key: &Key,
        pod: &Object,
        message: String,
        plugins: BTreeSet<Plugin>,
        preempt: Option<Preempt>,
    ) {
        let api = &self.context.api;
        let old_enough = api.clock.elapsed() + LEFTOVER_AFTER;
        self.with_state(|state| {
            let info = PodInfo::new(pod);
            let failed = Failed { pod: Arc::clone(&info), plugins };
            state.waiting.failed.insert(key.clone(), failed);
            match &preempt {
                Some(preempt) => {
                    let node = state.cache.id(&preempt.node);
                    state.cache.nominated.insert(uid(pod).to_owned(), (node, info));
                }
                None => {
                    state.cache.nominated.remove(uid(pod));
                }
            }
        });
        self.context.recorder.event(&ObjectRef::of(pod), EventType::Warning, "FailedScheduling", &message);
        let nominated = preempt.as_ref().map(|preempt| preempt.node.clone());
        let known = condition(&pod["status"], "PodScheduled").is_some_and(|known| {
            known["status"] == "False" && known["reason"] == "Unschedulable" && known["message"] == *message
        });
        if let Some(preempt) = preempt {
            self.preempt(key, pod, preempt);
        }
        if !known || nominated.as_deref().unwrap_or_default() != text(pod, "/status/nominatedNodeName") {
            self.context.before_write(key).await;
            let failed = json!({
                "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": api.clock.seconds(),
                "reason": "Unschedulable", "message": message, "observedGeneration": pod["metadata"]["generation"],
            });
            // A pod that vanished meanwhile needs no condition.
            let _ = api.modify(PODS, &key.0, &key.1, Subresource::Status, |stored| {
                if uid(stored) == uid(pod) && is_waiting(stored) {
                    put_condition(stored, failed);
                    match (nominated, stored["status"].as_object_mut()) {
                        (Some(node), _) => stored["status"]["nominatedNodeName"] = json!(node),
                        (None, Some(status)) => {
                            status.remove("nominatedNodeName");
                        }
                        (None, None) => {}
                    }
                }
            });
        }
        let ticks = old_enough.as_nanos().div_ceil(LEFTOVER_TICK.as_nanos());
        let tick = LEFTOVER_TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        self.context.queue.postpone(key.clone(), tick.saturating_sub(api.clock.elapsed()));
    }
}

impl State {
    /// Looks for a node for a pod, and for whom to preempt when there is none.
    fn look(&mut self, pod: &Object) -> Outcome {
        let pod = PodInfo::new(pod);
        let total = self.cache.existing().count();
        let refused = |message: String, plugins: BTreeSet<Plugin>| Outcome::Refused { message, plugins, preempt: None };
        if total == 0 {
            return refused("no nodes available to schedule pods".to_owned(), BTreeSet::new());
        }
        let cycle = match Cycle::new(&mut self.cache, &pod) {
            Ok(cycle) => cycle,
            Err((plugin, why)) => return refused(message::impossible(total, &why), BTreeSet::from([plugin])),
        };
        let mut refusals = BTreeMap::new();
        let fitting = self.fitting(&cycle, total, &mut refusals);
        if !fitting.is_empty() {
            return self.choose(&cycle, &fitting);
        }
        let absent = total - refusals.len();
        let elsewhere = std::iter::repeat_n("node(s) didn't satisfy plugin(s) [NodeAffinity]", absent);
        let reasons = || refusals.values().flat_map(|refusal: &Refusal| &refusal.reasons).map(AsRef::as_ref);
        let mut plugins: BTreeSet<Plugin> = refusals.values().map(|refusal| refusal.plugin).collect();
        plugins.extend((absent > 0).then_some(Plugin::NodeAffinity));
        let offset = self.cache.api().random.bits(pod.uid(), "preemption", 0);
        match preemption::plan(&self.cache, &cycle, &refusals, offset) {
            Ok(plan) => {
                let node = self.cache.nodes.get(plan.node).map_or("", |node| node.name()).to_owned();
                let victims = plan.victims.iter().map(|victim| Object::clone(&victim.object)).collect();
                let lower = self.cache.nominated.values().filter(|(on, info)| *on == plan.node && info.priority < pod.priority);
                let outranked = lower.map(|(_, info)| Object::clone(&info.object)).collect();
                let message = message::unfit(total, reasons().chain(elsewhere), None);
                Outcome::Refused { message, plugins, preempt: Some(Preempt { node, victims, outranked }) }
            }
            Err(why) => refused(message::unfit(total, reasons().chain(elsewhere), Some(&why)), plugins),
        }
    }

    /// Nodes that fit: at most as many as the real scheduler looks for, beginning where the last attempt ended.
    fn fitting(&mut self, cycle: &Cycle, total: usize, refusals: &mut BTreeMap<NodeId, Refusal>) -> Vec<NodeId> {
        let nominated = self.cache.known(text(&cycle.pod.object, "/status/nominatedNodeName"));
        if let Some(id) = nominated
            && let Some(node) = self.cache.nodes.get(id).filter(|node| node.object.is_some())
            && cycle.refusal(&self.cache, id, node).is_none()
        {
            return vec![id];
        }
        let named = filter::named(&cycle.pod);
        let wanted = if total < FEW_NODES { total } else { (total * (50 - total / 125).max(5) / 100).max(FEW_NODES) };
        let ids: Vec<NodeId> = self.cache.existing().map(|(id, _)| id).collect();
        let mut fitting = Vec::new();
        let mut seen = 0;
        for place in 0..ids.len() {
            if fitting.len() >= wanted {
                break;
            }
            seen += 1;
            let Some(id) = ids.get((self.first + place) % ids.len()).copied() else { continue };
            let Some(node) = self.cache.nodes.get(id) else { continue };
            if named.as_ref().is_some_and(|named| !named.contains(&node.name())) {
                continue;
            }
            match cycle.refusal(&self.cache, id, node) {
                None => fitting.push(id),
                Some(refusal) => {
                    refusals.insert(id, refusal);
                }
            }
        }
        self.first = (self.first + seen) % ids.len().max(1);
        fitting.sort_unstable();
        fitting
    }

    /// The best of the fitting nodes, assumed at once; equals are drawn.
    fn choose(&mut self, cycle: &Cycle, fitting: &[NodeId]) -> Outcome {
        let pod = &cycle.pod;
        let best: Vec<NodeId> = if fitting.len() == 1 {
            fitting.to_vec()
        } else {
            let scores = score::scores(&mut self.cache, pod, fitting);
            let most = scores.iter().max().copied();
            fitting.iter().zip(&scores).filter(|(_, score)| Some(**score) == most).map(|(id, _)| *id).collect()
        };
        let draw = self.cache.api().random.bits(pod.uid(), "node", 0) % u64::try_from(best.len().max(1)).unwrap_or(1);
        let chosen = usize::try_from(draw).ok().and_then(|draw| best.get(draw)).and_then(|id| self.cache.nodes.get(*id));
        let (node, decisions) =
            chosen.map(|node| (node.name().to_owned(), cycle.volumes.decide(node).unwrap_or_default())).unwrap_or_default();
        self.waiting.failed.remove(&key(&pod.object));
        self.cache.place(pod, &node, true);
        self.cache.nominated.remove(pod.uid());
        Outcome::Found { node, decisions, settled: cycle.volumes.is_settled() }
    }
}

/// What a pod asks for (`requests`) or may take (`limits`), in thousandths by resource: what quotas count, too.
pub(crate) fn requested_amounts(pod: &Value, field: &str) -> BTreeMap<String, i128> {
    resources::sum(pod, field)
}

/// Replaces the condition of its type in place, keeping the transition time when the status is the same.
pub(crate) fn put_condition(pod: &mut Value, mut wanted: Value) {
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
