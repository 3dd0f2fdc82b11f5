//! The `DaemonSet` controller: a pod on every node that fits (`kubernetes-behaviour.md` 2.4).
//! This file decides what each node needs; rolling updates are in `rolling`, revisions in `history`.

mod history;
mod placement;
mod rolling;
mod status;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{integer, is_deleting, is_pod_finished, is_pod_ready, key, name, namespace, text, uid};
use super::pods;
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::{DAEMON_SETS, NODES, PODS};
use crate::sim::api::{ApiError, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use jiff::Timestamp;
use placement::{Fit, fit, target_node};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The most pods that one sync makes, and deletes (`BurstReplicas`).
const BURST: usize = 250;
/// How long a failed pod stays before it is deleted; doubled with each further one on the node.
const BACK_OFF: Duration = Duration::from_secs(1);
/// No failed pod stays longer.
const BACK_OFF_MAX: Duration = Duration::from_mins(15);
/// The label with the hash of a pod's revision.
const HASH_LABEL: &str = "controller-revision-hash";
/// The label with the count of template changes at a pod's creation.
const GENERATION_LABEL: &str = "pod-template-generation";

/// Since when, and for how long, failed pods of (set uid, generation, node) stay.
type BackOffs = Mutex<BTreeMap<(String, i64, String), (Timestamp, Duration)>>;

/// One run of the controller over one set.
struct Sync<'a> {
    context: &'a Context,
    key: &'a Key,
    set: &'a Object,
    nodes: Vec<Object>,
    /// The hash of the present revision.
    hash: String,
    back_offs: &'a BackOffs,
}

/// What a sync makes and deletes.
#[derive(Debug, Default)]
struct Changes {
    /// Nodes that get a pod.
    create: Vec<String>,
    /// Names of the pods that go.
    delete: Vec<String>,
}

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    let back_offs = Arc::new(BackOffs::default());
    context.inform(DAEMON_SETS, |_, item| vec![key(&item.object)]);
    context.inform(PODS, |context, item| pods::concerned(context, item, DAEMON_SETS, is_selected));
    context.inform(NODES, concerned_by_node);
    context.serve(move |context, key| {
        let back_offs = Arc::clone(&back_offs);
        Box::pin(async move { sync(context, key, &back_offs).await })
    });
}

fn is_selected(set: &Value, pod: &Value) -> bool {
    selector::matches(set.at("/spec/selector"), pod.at("/metadata/labels"))
}

/// Labels and taints of a node decide which sets have to look at it; its heartbeats do not.
fn concerned_by_node(context: &Context, item: &WatchItem) -> Vec<Key> {
    let node = &item.object;
    let same =
        |previous: &Value| ["/metadata/labels", "/spec/taints"].iter().all(|pointer| previous.at(pointer) == node.at(pointer));
    if item.kind == crate::sim::store::ChangeKind::Deleted || item.previous.as_deref().is_some_and(same) {
        return Vec::new();
    }
    let needs_a_look = |set: &&Object| {
        let pods = context.api.list(PODS, Some(namespace(set)));
        let is_there =
            pods.iter().any(|pod| text(pod, "/spec/nodeName") == name(node) && super::object::is_controlled_by(pod, set));
        match fit(set, node) {
            Fit::Runs => !is_there || integer(set, "/status/numberMisscheduled") > 0,
            Fit::Stays => is_there && integer(set, "/status/numberMisscheduled") > 0,
            Fit::Goes => is_there,
        }
    };
    context.api.list(DAEMON_SETS, None).iter().filter(needs_a_look).map(|set| key(set)).collect()
}

async fn sync(context: &Context, key: &Key, back_offs: &BackOffs) -> Result<(), ApiError> {
    let Ok(set) = context.api.get(DAEMON_SETS, &key.0, &key.1) else { return Ok(()) };
    if is_deleting(&set) {
        return Ok(());
    }
    let history = history::bring_up_to_date(context, key, &set).await?;
    let nodes = context.api.list(NODES, None);
    let sync = Sync { context, key, set: &set, nodes, hash: history.hash().to_owned(), back_offs };
    let outcome = sync.arrange(&history).await;
    let written = sync.write_status().await;
    outcome.and(written)
}

impl Sync<'_> {
    async fn arrange(&self, history: &history::History) -> Result<(), ApiError> {
        let pods = self.pods_by_node().await?;
        let changes = self.needed(&pods);
        let is_settled = changes.create.is_empty() && changes.delete.is_empty();
        self.carry_out(changes).await?;
        // A rollout goes on when what was made and deleted has been seen.
        if is_settled && text(self.set, "/spec/updateStrategy/type") == "RollingUpdate" {
            self.roll(self.pods_by_node().await?).await?;
        }
        let live: Vec<_> = self.pods_by_node().await?.into_values().flatten().collect();
        history.prune(self.context, self.key, self.set, &live).await
    }

    /// The set's pods by the node that they run on or are meant for; those that ended and are being deleted left out.
    async fn pods_by_node(&self) -> Result<BTreeMap<String, Vec<Object>>, ApiError> {
        let mut by_node: BTreeMap<String, Vec<Object>> = BTreeMap::new();
        for pod in pods::claim(self.context, self.key, self.set, |pod| is_selected(self.set, pod)).await? {
            if let Some(node) = target_node(&pod).filter(|_| !is_pod_finished(&pod) || !is_deleting(&pod)) {
                by_node.entry(node.to_owned()).or_default().push(pod);
            }
        }
        for pods in by_node.values_mut() {
            pods.sort_by_key(|pod| {
                let is_bound = !text(pod, "/spec/nodeName").is_empty();
                (!is_bound, text(pod, "/metadata/creationTimestamp").to_owned(), name(pod).to_owned())
            });
        }
        Ok(by_node)
    }

    fn needed(&self, pods: &BTreeMap<String, Vec<Object>>) -> Changes {
        let mut changes = Changes::default();
        for node in &self.nodes {
            let present = pods.get(name(node));
            match (fit(self.set, node), present) {
                (Fit::Runs, None) => changes.create.push(name(node).to_owned()),
                (Fit::Runs | Fit::Stays, Some(present)) => self.tend(node, present, &mut changes),
                (Fit::Goes, Some(present)) => {
                    changes.delete.extend(present.iter().filter(|pod| !is_deleting(pod)).map(|pod| name(pod).to_owned()));
                }
                (_, None) => {}
            }
        }
        let is_known = |node: &str| self.nodes.iter().any(|known| name(known) == node);
        let stranded = pods.iter().filter(|(node, _)| !is_known(node)).flat_map(|(_, pods)| pods);
        changes.delete.extend(stranded.filter(|pod| text(pod, "/spec/nodeName").is_empty()).map(|pod| name(pod).to_owned()));
        changes
    }

    /// A node that has pods: those that ended go (failed ones after a back-off), and all but one of those that run.
    fn tend(&self, node: &Value, present: &[Object], changes: &mut Changes) {
        let mut running = Vec::new();
        for pod in present.iter().filter(|pod| !is_deleting(pod)) {
            let place = format!("{}/{} on node {}", namespace(pod), name(pod), name(node));
            match text(pod, "/status/phase") {
                "Failed" => {
                    if self.backs_off(node) {
                        continue;
                    }
                    let message = format!("Found failed daemon pod {place}, will try to kill it");
                    self.say(EventType::Warning, "FailedDaemonPod", &message);
                    changes.delete.push(name(pod).to_owned());
                }
                "Succeeded" => {
                    let message = format!("Found succeeded daemon pod {place}, will try to delete it");
                    self.say(EventType::Normal, "SucceededDaemonPod", &message);
                    changes.delete.push(name(pod).to_owned());
                }
                _ => running.push(pod),
            }
        }
        if rolling::surge(self.set, 1) == 0 {
            changes.delete.extend(running.iter().skip(1).map(|pod| name(pod).to_owned()));
            return;
        }
        if running.is_empty() && matches!(fit(self.set, node), Fit::Runs) {
            changes.create.push(name(node).to_owned());
        }
        if running.len() > 1 {
            self.keep_one_of_each(&running, changes);
        }
    }

    /// With a surge a node may have the oldest new and the oldest old pod, until the new one is available.
    fn keep_one_of_each(&self, running: &[&Object], changes: &mut Changes) {
        let (new, old): (Vec<_>, Vec<_>) = running.iter().copied().partition(|pod| label(pod, HASH_LABEL) == self.hash);
        changes.delete.extend(new.iter().skip(1).chain(old.iter().skip(1)).map(|pod| name(pod).to_owned()));
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!is_pod_ready(old) || self.is_available(new))
        {
            changes.delete.push(name(old).to_owned());
        }
    }

    /// Whether the failed pod of a node has to stay for now; if not, the next one stays twice as long.
    fn backs_off(&self, node: &Value) -> bool {
        let now = self.context.api.clock.now();
        let place = (uid(self.set).to_owned(), integer(self.set, "/status/observedGeneration"), name(node).to_owned());
        let mut back_offs = self.back_offs.lock().unwrap_or_else(PoisonError::into_inner);
        let next = match back_offs.get(&place) {
            Some(&(since, delay)) => {
                let passed = now.duration_since(since).unsigned_abs();
                if passed < delay {
                    self.context.queue.add_after(self.key.clone(), delay);
                    return true;
                }
                if passed > BACK_OFF_MAX * 2 { BACK_OFF } else { (delay * 2).min(BACK_OFF_MAX) }
            }
            None => BACK_OFF,
        };
        back_offs.insert(place, (now, next));
        false
    }

    async fn carry_out(&self, changes: Changes) -> Result<(), ApiError> {
        let mut failed = None;
        let (mut batch, mut nodes) = (1, changes.create.iter().take(BURST).peekable());
        while nodes.peek().is_some() && failed.is_none() {
            for node in nodes.by_ref().take(batch) {
                if let Err(error) = pods::create(self.context, self.key, self.set, self.pod_for(node)).await {
                    failed.get_or_insert(error);
                }
            }
            batch *= 2;
        }
        for pod in changes.delete.iter().take(BURST) {
            if let Err(error) = pods::delete(self.context, self.key, self.set, pod).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn pod_for(&self, node: &str) -> Value {
        let mut pod = pods::from_template(self.set, &self.set["spec"]["template"]);
        placement::tolerate(&mut pod["spec"]);
        placement::pin(&mut pod["spec"], node);
        if !pod["metadata"]["labels"].is_object() {
            pod["metadata"]["labels"] = json!({});
        }
        if let Some(generation) = history::template_generation(self.set) {
            pod["metadata"]["labels"][GENERATION_LABEL] = json!(generation);
        }
        pod["metadata"]["labels"][HASH_LABEL] = json!(self.hash);
        pod
    }

    fn is_available(&self, pod: &Value) -> bool {
        pods::is_available(pod, integer(self.set, "/spec/minReadySeconds"), self.context.api.clock.now())
    }

    /// Whether a pod is of the present revision.
    fn is_updated(&self, pod: &Value) -> bool {
        let by_generation = history::template_generation(self.set).is_some_and(|count| label(pod, GENERATION_LABEL) == count);
        by_generation || label(pod, HASH_LABEL) == self.hash
    }

    fn say(&self, kind: EventType, reason: &str, message: &str) {
        self.context.recorder.event(&ObjectRef::of(self.set), kind, reason, message);
    }
}

/// A label, empty when there is none.
fn label<'a>(object: &'a Value, name: &str) -> &'a str {
    object.at("/metadata/labels").map_or("", |labels| labels[name].as_str().unwrap_or_default())
}
