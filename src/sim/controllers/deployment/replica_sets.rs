//! The `ReplicaSet`s of a Deployment: claiming them, finding or making the one of the present template, its revision.
//! Sizes are decided in `rollout` and `scale`.

use super::super::object::{
    annotate, annotation, condition, controller_of, is_deleting, name, owner_reference, set_condition, text, uid,
};
use super::super::selector;
use super::numbers::{DESIRED, MAXIMUM, max_replicas, new_size, replicas, total};
use super::{REVISION, Sync, template};
use crate::json::At as _;
use crate::sim::api::resource::{DEPLOYMENTS, REPLICA_SETS};
use crate::sim::api::{ApiError, Subresource};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use serde_json::{Value, json};

/// Revisions that a `ReplicaSet` had before its present one (a rollback makes an old one the newest).
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// Annotations of a Deployment that its `ReplicaSet`s do not inherit.
const OWN: &[&str] = &["kubectl.kubernetes.io/last-applied-configuration", REVISION, REVISION_HISTORY, DESIRED, MAXIMUM];

/// The revision in an object's annotation, 0 without one.
pub(super) fn revision(object: &Value) -> i64 {
    annotation(object, REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// Oldest first, by name within a second.
fn by_age(sets: &mut [Object]) {
    sets.sort_by(|a, b| {
        (text(a, "/metadata/creationTimestamp"), name(a)).cmp(&(text(b, "/metadata/creationTimestamp"), name(b)))
    });
}

impl Sync<'_> {
    /// The Deployment's `ReplicaSet`s, oldest first; matching orphans are adopted, those that match no longer released.
    pub(super) async fn claim(&self) -> Result<Vec<Object>, ApiError> {
        let mut sets = Vec::new();
        for set in self.context.api.list(REPLICA_SETS, Some(&self.key.0)) {
            let matching = selector::matches(self.deployment.at("/spec/selector"), set.at("/metadata/labels"));
            match controller_of(&set) {
                Some(owner) if text(owner, "/uid") != uid(&self.deployment) => {}
                Some(_) if matching || is_deleting(&self.deployment) => sets.push(set),
                Some(_) => {
                    self.change_set(&set, |set| {
                        if let Some(owners) = set.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut) {
                            owners.retain(|owner| text(owner, "/uid") != uid(&self.deployment));
                        }
                    })
                    .await?;
                }
                None if matching && !is_deleting(&self.deployment) && !is_deleting(&set) => {
                    let owner = owner_reference(&self.deployment);
                    sets.push(self.change_set(&set, |set| set["metadata"]["ownerReferences"] = json!([owner])).await?);
                }
                None => {}
            }
        }
        by_age(&mut sets);
        Ok(sets)
    }

    /// Changes a `ReplicaSet`'s spec or metadata.
    pub(super) async fn change_set(&self, set: &Value, change: impl FnOnce(&mut Value)) -> Result<Object, ApiError> {
        self.context.before_write(self.key).await;
        self.context.api.modify(REPLICA_SETS, &self.key.0, name(set), Subresource::Main, change)
    }

    /// The `ReplicaSet` of the present template, if there is one, and all others, oldest first.
    pub(super) fn new_and_old(&self, sets: &[Object]) -> (Option<Object>, Vec<Object>) {
        let wanted = &self.deployment["spec"]["template"];
        let new = sets.iter().find(|set| template::equal(&set["spec"]["template"], wanted)).cloned();
        let old = sets.iter().filter(|set| new.as_ref().is_none_or(|new| uid(new) != uid(set))).cloned().collect();
        (new, old)
    }

    /// As [`Sync::new_and_old`], with the new `ReplicaSet`'s revision brought up to date, and made if `create` says so.
    pub(super) async fn sync_new(&mut self, sets: &[Object], create: bool) -> Result<(Option<Object>, Vec<Object>), ApiError> {
        let (new, old) = self.new_and_old(sets);
        let next = old.iter().map(|set| revision(set)).max().unwrap_or(0) + 1;
        let new = match new {
            Some(new) => Some(self.update_new(new, next).await?),
            None if create => Some(self.create_new(&old, next).await?),
            None => None,
        };
        Ok((new, old))
    }

    async fn update_new(&mut self, set: Object, next: i64) -> Result<Object, ApiError> {
        let mut changed = (*set).clone();
        let mut differs = self.inherit_annotations(&mut changed, next);
        let wait = self.deployment["spec"].get("minReadySeconds").cloned().unwrap_or_else(|| json!(0));
        if changed["spec"].get("minReadySeconds").unwrap_or(&json!(0)) != &wait {
            changed["spec"]["minReadySeconds"] = wait;
            differs = true;
        }
        if differs {
            self.change_set(&set, |stored| {
                stored["metadata"]["annotations"] = changed["metadata"]["annotations"].clone();
                stored["spec"] = changed["spec"].clone();
            })
            .await?;
            // The real controller comes here twice in a sync, and the second time its copy is too old.
            return Err(ApiError::modified(REPLICA_SETS, name(&set)));
        }
        self.set_revision(revision(&set));
        let mut status = self.deployment.get("status").cloned().unwrap_or_else(|| json!({}));
        if super::status::deadline(&self.deployment).is_some() && condition(&status, "Progressing").is_none() {
            let message = format!("Found new replica set \"{}\"", name(&set));
            set_condition(&mut status, self.condition("Progressing", "True", "FoundNewReplicaSet", &message));
        }
        self.write_status(status).await?;
        Ok(set)
    }

    async fn create_new(&mut self, old: &[Object], next: i64) -> Result<Object, ApiError> {
        let collisions = self.deployment.at("/status/collisionCount").and_then(Value::as_i64).unwrap_or(0);
        let mut template = self.deployment["spec"]["template"].clone();
        let hash = template::hash(&template, collisions);
        template["metadata"]["labels"][template::HASH_LABEL] = json!(hash);
        let mut selector = self.deployment["spec"]["selector"].clone();
        selector["matchLabels"][template::HASH_LABEL] = json!(hash);
        let size = new_size(&self.deployment, total(old.iter().map(|set| &**set)), 0);
        let set_name = format!("{}-{hash}", name(&self.deployment));
        let mut set = json!({
            "metadata": {
                "name": set_name, "namespace": self.key.0, "labels": template["metadata"]["labels"],
                "ownerReferences": [owner_reference(&self.deployment)],
            },
            "spec": {"replicas": size, "selector": selector, "template": template},
            "status": {"replicas": 0},
        });
        if let Some(wait) = self.deployment["spec"].get("minReadySeconds") {
            set["spec"]["minReadySeconds"] = wait.clone();
        }
        self.inherit_annotations(&mut set, next);
        self.note_sizes(&mut set);
        self.context.before_write(self.key).await;
        let created = match self.context.api.create(REPLICA_SETS, &self.key.0, set) {
            Ok(created) => created,
            Err(error) => return Err(self.report_creation(&set_name, collisions, error).await),
        };
        if size > 0 {
            self.say(EventType::Normal, "ScalingReplicaSet", &format!("Scaled up replica set {set_name} from 0 to {size}"));
        }
        self.set_revision(next);
        let mut status = self.deployment.get("status").cloned().unwrap_or_else(|| json!({}));
        if super::status::deadline(&self.deployment).is_some() {
            let message = format!("Created new replica set \"{set_name}\"");
            set_condition(&mut status, self.condition("Progressing", "True", "NewReplicaSetCreated", &message));
        }
        self.write_status(status).await?;
        Ok(created)
    }

    /// A hash that is taken raises the collision count; anything else is told, as a condition and an event.
    async fn report_creation(&mut self, set_name: &str, collisions: i64, error: ApiError) -> ApiError {
        if error.reason == "AlreadyExists" {
            self.context.before_write(self.key).await;
            let counted = self.context.api.modify(DEPLOYMENTS, &self.key.0, &self.key.1, Subresource::Status, |deployment| {
                deployment["status"]["collisionCount"] = json!(collisions + 1);
            });
            return counted.err().unwrap_or(error);
        }
        let terminating = error.code == 403 && error.message.contains("because it is being terminated");
        if terminating {
            return error;
        }
        let message = format!("Failed to create new replica set \"{set_name}\": {error}");
        if super::status::deadline(&self.deployment).is_some() {
            let mut status = self.deployment.get("status").cloned().unwrap_or_else(|| json!({}));
            set_condition(&mut status, self.condition("Progressing", "False", "ReplicaSetCreateError", &message));
            if let Err(error) = self.write_status(status).await {
                return error;
            }
        }
        self.say(EventType::Warning, "ReplicaSetCreateError", &message);
        error
    }

    fn set_revision(&mut self, revision: i64) {
        self.annotated |= annotate(&mut self.deployment, REVISION, &revision.to_string());
    }

    /// Copies the Deployment's annotations and raises the revision; says whether anything changed.
    fn inherit_annotations(&self, set: &mut Value, next: i64) -> bool {
        let mut changed = false;
        let inherited = self.deployment.at("/metadata/annotations").and_then(Value::as_object);
        for (name, value) in inherited.into_iter().flatten().filter(|(name, _)| !OWN.contains(&name.as_str())) {
            changed |= annotate(set, name, value.as_str().unwrap_or_default());
        }
        if let Some(before) = annotation(set, REVISION).map(ToOwned::to_owned)
            && revision(set) < next
        {
            let history = annotation(set, REVISION_HISTORY).filter(|history| !history.is_empty());
            let history = history.map_or_else(|| before.clone(), |history| format!("{history},{before}"));
            annotate(set, REVISION_HISTORY, &history);
        }
        if revision(set) < next {
            changed |= annotate(set, REVISION, &next.to_string());
        }
        changed
    }

    /// Notes the Deployment's present sizes on a `ReplicaSet`; says whether they were others.
    pub(super) fn note_sizes(&self, set: &mut Value) -> bool {
        let desired = annotate(set, DESIRED, &replicas(&self.deployment).to_string());
        annotate(set, MAXIMUM, &max_replicas(&self.deployment).to_string()) || desired
    }

    /// Reports an event on the Deployment.
    pub(super) fn say(&self, kind: EventType, reason: &str, message: &str) {
        self.context.recorder.event(&ObjectRef::of(&self.deployment), kind, reason, message);
    }
}
