//! The revisions of a `DaemonSet`: the one of the present template found or made, old ones pruned.
//! What a revision holds is in `revisions`.

use super::super::context::Context;
use super::super::deployment::template;
use super::super::object::{annotation, integer, name, owner_reference};
use super::super::queue::Key;
use super::super::revisions;
use super::{HASH_LABEL, label};
use crate::json::At as _;
use crate::sim::api::resource::{CONTROLLER_REVISIONS, DAEMON_SETS};
use crate::sim::api::{ApiError, DeleteOptions, Subresource};
use crate::sim::store::Object;
use serde_json::{Value, json};

/// Present and old revisions of a set.
pub(super) struct History {
    current: Object,
    /// Oldest first.
    old: Vec<Object>,
}

/// How often a set's template was changed, as its pods carry it.
pub(super) fn template_generation(set: &Value) -> Option<&str> {
    annotation(set, "deprecated.daemonset.template.generation")
}

/// Finds or makes the revision of the present template, and gives it the newest number.
pub(super) async fn bring_up_to_date(context: &Context, key: &Key, set: &Object) -> Result<History, ApiError> {
    revisions::adopt(context, key, set).await?;
    let patch = revisions::patch_of(&set["spec"]["template"]);
    let (same, old): (Vec<_>, Vec<_>) = revisions::list(context, set).into_iter().partition(|revision| revision["data"] == patch);
    let number = revisions::next_number(&old);
    let current = match same.last() {
        Some(current) if integer(current, "/revision") < number => revisions::renumber(context, key, current, number).await?,
        Some(current) => current.clone(),
        None => snapshot(context, key, set, patch, number).await?,
    };
    Ok(History { current, old })
}

async fn snapshot(context: &Context, key: &Key, set: &Object, patch: Value, number: i64) -> Result<Object, ApiError> {
    let collisions = integer(set, "/status/collisionCount");
    let hash = template::hash(&set["spec"]["template"], collisions);
    let own = format!("{}-{hash}", name(set));
    let mut labels = set.at("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    labels[HASH_LABEL] = json!(hash);
    let mut metadata = json!({"name": own, "namespace": key.0, "labels": labels, "ownerReferences": [owner_reference(set)]});
    if let Some(annotations) = set.at("/metadata/annotations") {
        metadata["annotations"] = annotations.clone();
    }
    context.before_write(key).await;
    let revision = json!({"metadata": metadata, "data": patch, "revision": number});
    let created = context.api.create(CONTROLLER_REVISIONS, &key.0, revision);
    if created.as_ref().is_err_and(|error| error.reason == "AlreadyExists") {
        let present = context.api.get(CONTROLLER_REVISIONS, &key.0, &own)?;
        if present["data"] == patch {
            return Ok(present);
        }
        context.before_write(key).await;
        context.api.modify(DAEMON_SETS, &key.0, &key.1, Subresource::Status, |set| {
            set["status"]["collisionCount"] = json!(collisions + 1);
        })?;
    }
    created
}

impl History {
    /// The hash that the pods of the present revision carry.
    pub(super) fn hash(&self) -> &str {
        label(&self.current, HASH_LABEL)
    }

    /// Deletes the oldest revisions above the limit that no pod has.
    pub(super) async fn prune(&self, context: &Context, key: &Key, set: &Value, pods: &[Object]) -> Result<(), ApiError> {
        let limit = usize::try_from(integer(set, "/spec/revisionHistoryLimit")).unwrap_or_default();
        let is_live = |revision: &&Object| pods.iter().any(|pod| label(pod, HASH_LABEL) == label(revision, HASH_LABEL));
        let surplus = self.old.len().saturating_sub(limit);
        for revision in self.old.iter().filter(|revision| !is_live(revision)).take(surplus) {
            context.before_write(key).await;
            context.api.delete(CONTROLLER_REVISIONS, &key.0, name(revision), &DeleteOptions::default())?;
        }
        Ok(())
    }
}
