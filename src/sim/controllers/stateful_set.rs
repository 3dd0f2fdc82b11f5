//! The `StatefulSet` controller: pods with names, ordinals and claims of their own, in order (`kubernetes-behaviour.md` 2.3).
//! This file syncs one set: its revisions and its status; what happens to its pods is in `replicas`.

mod claims;
mod identity;
mod replicas;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{integer, key, name, owner_reference, text};
use super::queue::Key;
use super::{pods, revisions, selector};
use crate::json::At as _;
use crate::sim::api::resource::{CONTROLLER_REVISIONS, PODS, STATEFUL_SETS};
use crate::sim::api::{ApiError, Subresource};
use crate::sim::store::Object;
use jiff::Timestamp;
use replicas::Counters;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The label of a revision with its hash.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// One run of the controller over one set.
struct Sync<'a> {
    context: &'a Context,
    key: &'a Key,
    set: &'a Object,
    /// The revision that pods below the partition, and pods not yet updated, have.
    current: Object,
    /// The revision of the present template.
    update: Object,
    now: Timestamp,
}

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(STATEFUL_SETS, |_, item| vec![key(&item.object)]);
    context.inform(PODS, |context, item| pods::concerned(context, item, STATEFUL_SETS, is_selected));
    context.serve(|context, key| Box::pin(sync(context, key)));
}

fn is_selected(set: &Value, pod: &Value) -> bool {
    selector::matches(set.at("/spec/selector"), pod.at("/metadata/labels"))
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(set) = context.api.get(STATEFUL_SETS, &key.0, &key.1) else { return Ok(()) };
    revisions::adopt(context, key, &set).await?;
    let is_member = |pod: &Value| is_selected(&set, pod) && identity::is_member(&set, pod);
    let pods = pods::claim(context, key, &set, is_member).await?;
    let history = revisions::list(context, &set);
    let (update, collisions) = update_revision(context, key, &set, &history).await?;
    let current = history.iter().find(|revision| name(revision) == text(&set, "/status/currentRevision"));
    let current = current.unwrap_or(&update).clone();
    let sync = Sync { context, key, set: &set, current, update, now: context.api.clock.now() };
    let (counters, outcome) = sync.arrange(&pods).await;
    sync.write_status(&counters, collisions).await?;
    let is_live = |revision: &Value| {
        let name = name(revision);
        name == self::name(&sync.current)
            || name == self::name(&sync.update)
            || pods.iter().any(|pod| identity::revision(pod) == name)
    };
    revisions::prune(context, key, &set, &history, is_live).await?;
    outcome?;
    let minimum = integer(&set, "/spec/minReadySeconds");
    if minimum > 0 && counters.ready != counters.available {
        let next = pods.iter().filter_map(|pod| pods::remaining(pod, minimum, sync.now)).min();
        let fallback = Duration::from_secs(u64::try_from(minimum).unwrap_or_default());
        context.queue.add_after(key.clone(), next.unwrap_or(fallback));
    }
    Ok(())
}

/// The revision of the present template, found, numbered anew (a rollback) or made, and the number of collisions.
async fn update_revision(context: &Context, key: &Key, set: &Object, history: &[Object]) -> Result<(Object, i64), ApiError> {
    let mut collisions = integer(set, "/status/collisionCount");
    let patch = revisions::patch_of(&set["spec"]["template"]);
    let number = revisions::next_number(history);
    if let Some(equal) = history.iter().rev().find(|revision| revision["data"] == patch) {
        let is_newest = history.last().is_some_and(|newest| newest["data"] == patch);
        let revision = if is_newest {
            history.last().unwrap_or(equal).clone()
        } else {
            revisions::renumber(context, key, equal, number).await?
        };
        return Ok((revision, collisions));
    }
    loop {
        let hash = revisions::hash(&patch, collisions);
        let revision_name = format!("{}-{hash}", name(set));
        let mut labels = set.at("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
        labels[HASH_LABEL] = json!(hash);
        let mut metadata =
            json!({"name": revision_name, "namespace": key.0, "labels": labels, "ownerReferences": [owner_reference(set)]});
        if let Some(annotations) = set.at("/metadata/annotations") {
            metadata["annotations"] = annotations.clone();
        }
        context.before_write(key).await;
        let revision = json!({"metadata": metadata, "data": patch, "revision": number});
        match context.api.create(CONTROLLER_REVISIONS, &key.0, revision) {
            Err(error) if error.reason == "AlreadyExists" => {
                let present = context.api.get(CONTROLLER_REVISIONS, &key.0, &revision_name)?;
                if present["data"] == patch {
                    return Ok((present, collisions));
                }
                collisions += 1;
            }
            created => return Ok((created?, collisions)),
        }
    }
}

impl Sync<'_> {
    /// Writes the status when a counter, a revision or the seen generation differs.
    async fn write_status(&self, counters: &Counters, collisions: i64) -> Result<(), ApiError> {
        let wanted = integer(self.set, "/spec/replicas");
        let (mut current, mut current_revision) = (counters.current, name(&self.current));
        let is_complete = [counters.updated, counters.ready, counters.replicas].iter().all(|count| *count == wanted);
        if self.set.at("/spec/updateStrategy/type") == Some(&json!("RollingUpdate")) && is_complete {
            (current, current_revision) = (counters.updated, name(&self.update));
        }
        let mut status = super::object::counters(&[
            ("observedGeneration", integer(self.set, "/metadata/generation")),
            ("readyReplicas", counters.ready),
            ("currentReplicas", current),
            ("updatedReplicas", counters.updated),
        ]);
        status["replicas"] = json!(counters.replicas);
        status["availableReplicas"] = json!(counters.available);
        status["currentRevision"] = json!(current_revision);
        status["updateRevision"] = json!(name(&self.update));
        status["collisionCount"] = json!(collisions);
        let before = &self.set["status"];
        let differs = [
            "replicas",
            "currentReplicas",
            "readyReplicas",
            "updatedReplicas",
            "availableReplicas",
            "currentRevision",
            "updateRevision",
        ]
        .iter()
        .any(|field| {
            let blank = |value: &Value| value.is_null() || *value == json!(0);
            before[*field] != status[*field] && !(blank(&before[*field]) && blank(&status[*field]))
        });
        if !differs && integer(before, "/observedGeneration") >= integer(&status, "/observedGeneration") {
            return Ok(());
        }
        self.context.before_write(self.key).await;
        let written = self.context.api.modify(STATEFUL_SETS, &self.key.0, &self.key.1, Subresource::Status, |set| {
            set["status"] = status;
        });
        pods::ignore_missing(written).map(|_| ())
    }
}
