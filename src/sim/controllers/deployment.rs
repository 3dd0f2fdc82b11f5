//! The Deployment controller: one `ReplicaSet` per template, moved from the old to the new by the strategy
//! (`kubernetes-behaviour.md` 2.1). This file decides which way a sync takes; the steps are below it.

pub(super) mod numbers;
mod replica_sets;
mod rollout;
mod scale;
mod status;
pub(super) mod template;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{condition, controller_of, is_deleting, key, list, namespace, set_condition, text, uid};
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::{DEPLOYMENTS, PODS, REPLICA_SETS};
use crate::sim::api::{ApiError, WatchItem};
use crate::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::sync::Arc;

/// Annotation with the number of a revision, on Deployments and their `ReplicaSet`s.
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";

/// One run of the controller over one Deployment.
struct Sync<'a> {
    context: &'a Context,
    key: &'a Key,
    /// The Deployment as this run sees it: its own status writes included, later changes of others not.
    deployment: Value,
    /// Whether the revision annotation of `deployment` is ahead of the stored one.
    annotated: bool,
    /// Whether this run has written the Deployment's status, so that its resourceVersion is an old one.
    stale: bool,
}

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(DEPLOYMENTS, |_, item| vec![key(&item.object)]);
    context.inform(REPLICA_SETS, concerned);
    context.inform(PODS, waiting_for_the_end_of);
    context.serve(|context, key| Box::pin(sync(context, key)));
}

fn owner(object: &Value, kind: &str) -> Option<Key> {
    let owner = controller_of(object).filter(|owner| owner["kind"] == kind)?;
    Some((namespace(object).to_owned(), text(owner, "/name").to_owned()))
}

fn concerned(context: &Context, item: &WatchItem) -> Vec<Key> {
    let set = &item.object;
    if controller_of(set).is_some() {
        return owner(set, DEPLOYMENTS.kind).into_iter().collect();
    }
    let deployments = context.api.list(DEPLOYMENTS, Some(namespace(set)));
    let labels = set.at("/metadata/labels");
    deployments.iter().filter(|d| selector::matches(d.at("/spec/selector"), labels)).map(|d| key(d)).collect()
}

/// `Recreate` waits for the last old pod to be gone.
fn waiting_for_the_end_of(context: &Context, item: &WatchItem) -> Vec<Key> {
    let deployment = || {
        let set = owner(&item.object, REPLICA_SETS.kind)?;
        let key = owner(&*context.api.get(REPLICA_SETS, &set.0, &set.1).ok()?, DEPLOYMENTS.kind)?;
        let deployment = context.api.get(DEPLOYMENTS, &key.0, &key.1).ok()?;
        (!numbers::is_rolling(&deployment)).then_some(key)
    };
    if item.kind == ChangeKind::Deleted { deployment().into_iter().collect() } else { Vec::new() }
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(deployment) = context.api.get(DEPLOYMENTS, &key.0, &key.1) else { return Ok(()) };
    let mut sync = Sync { context, key, deployment: (*deployment).clone(), annotated: false, stale: false };
    let sets = sync.claim().await?;
    if is_deleting(&deployment) {
        let (new, _) = sync.new_and_old(&sets);
        return sync.write_counters(&sets, new.as_ref()).await;
    }
    sync.note_pausing().await?;
    if deployment.at("/spec/paused") == Some(&json!(true)) || sync.is_scaling(&sets).await? {
        return sync.scale_all(&sets).await;
    }
    if numbers::is_rolling(&deployment) { sync.roll(&sets).await } else { sync.recreate(&sets).await }
}

impl Sync<'_> {
    /// Records that the clock of progress stands still, or runs again.
    async fn note_pausing(&mut self) -> Result<(), ApiError> {
        let status = self.deployment.get("status").cloned().unwrap_or_else(|| json!({}));
        let reason = condition(&status, "Progressing").map(|progressing| text(progressing, "/reason").to_owned());
        let reason = reason.as_deref();
        if status::deadline(&self.deployment).is_none() || reason == Some("ProgressDeadlineExceeded") {
            return Ok(());
        }
        let paused = self.deployment.at("/spec/paused") == Some(&json!(true));
        let wanted = match (paused, reason == Some("DeploymentPaused")) {
            (true, false) => self.condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"),
            (false, true) => self.condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"),
            _ => return Ok(()),
        };
        let mut status = status;
        set_condition(&mut status, wanted);
        self.write_status(status).await
    }

    /// The pods of the Deployment's `ReplicaSet`s that are not finished.
    fn has_running_pods(&self, sets: &[crate::sim::store::Object]) -> bool {
        self.context.api.list(PODS, Some(&self.key.0)).iter().any(|pod| {
            let owned = list(pod, "/metadata/ownerReferences").iter().any(|o| sets.iter().any(|set| text(o, "/uid") == uid(set)));
            owned && !super::object::is_pod_finished(pod)
        })
    }
}
