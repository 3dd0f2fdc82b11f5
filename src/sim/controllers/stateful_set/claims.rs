//! The `PersistentVolumeClaim`s of a set's pods: made before their pod, kept or given owners by the retention policy.
//! Binding them to volumes is the volume controller's business.

use super::super::object::{is_deleting, list, name, owner_reference, text, uid};
use super::Sync;
use super::identity;
use crate::json::At as _;
use crate::sim::api::resource::PERSISTENT_VOLUME_CLAIMS;
use crate::sim::api::{ApiError, Subresource};
use crate::sim::events::EventType;
use crate::sim::store::Object;
use serde_json::{Value, json};

fn failure(message: String) -> ApiError {
    ApiError { code: 500, reason: "InternalError", message, details: None }
}

/// Whether an owner reference names this object, by what a user would call it; its uid may be another.
fn names(reference: &Value, api_version: &str, kind: &str, object: &Value) -> bool {
    text(reference, "/apiVersion") == api_version && text(reference, "/kind") == kind && text(reference, "/name") == name(object)
}

impl Sync<'_> {
    fn templates(&self) -> &[Value] {
        list(self.set, "/spec/volumeClaimTemplates")
    }

    fn claim(&self, claim: &str) -> Option<Object> {
        self.context.api.get(PERSISTENT_VOLUME_CLAIMS, &self.key.0, claim).ok()
    }

    fn deletes(&self, when: &str) -> bool {
        text(self.set, &format!("/spec/persistentVolumeClaimRetentionPolicy/{when}")) == "Delete"
    }

    /// Makes the claims that a pod lacks.
    pub(super) async fn create_claims(&self, pod: &Value) -> Result<(), ApiError> {
        let Some(ordinal) = identity::ordinal(pod) else { return Ok(()) };
        let mut problems = Vec::new();
        for template in self.templates() {
            let own = identity::claim_name(self.set, template, ordinal);
            if let Some(present) = self.claim(&own) {
                if is_deleting(&present) {
                    problems.push(format!("pvc {own} is being deleted"));
                }
                continue;
            }
            let mut metadata = template["metadata"].clone();
            metadata["name"] = json!(own);
            if !metadata["labels"].is_object() {
                metadata["labels"] = json!({});
            }
            for (label, value) in self.set.at("/spec/selector/matchLabels").and_then(Value::as_object).into_iter().flatten() {
                metadata["labels"][label] = value.clone();
            }
            self.context.before_write(self.key).await;
            let created = self.context.api.create(
                PERSISTENT_VOLUME_CLAIMS,
                &self.key.0,
                json!({"metadata": metadata, "spec": template["spec"]}),
            );
            let (pod, set) = (name(pod), name(self.set));
            match created {
                Ok(_) => {
                    let message = format!("Create Claim {own} Pod {pod} in StatefulSet {set} success");
                    self.say(EventType::Normal, "SuccessfulCreate", &message);
                }
                Err(error) => {
                    if error.reason != "AlreadyExists" {
                        let message = format!("Create Claim {own} for Pod {pod} in StatefulSet {set} failed error: {error}");
                        self.say(EventType::Warning, "FailedCreate", &message);
                    }
                    problems.push(format!("failed to create PVC {own}: {error}"));
                }
            }
        }
        match problems.as_slice() {
            [] => Ok(()),
            [only] => Err(failure(only.clone())),
            several => Err(failure(format!("[{}]", several.join(", ")))),
        }
    }

    /// Whether a claim of a pod that is to be made still belongs to an earlier pod of that name.
    pub(super) fn has_stale_claim(&self, pod: &Value) -> bool {
        let Some(ordinal) = identity::ordinal(pod).filter(|_| self.deletes("whenScaled")) else { return false };
        self.templates().iter().filter_map(|template| self.claim(&identity::claim_name(self.set, template, ordinal))).any(
            |claim| {
                let mut owners = list(&claim, "/metadata/ownerReferences").iter();
                owners.any(|owner| names(owner, "v1", "Pod", pod) && text(owner, "/uid") != uid(pod))
            },
        )
    }

    /// The claims of a pod whose owners are not those of the retention policy, with the owners that they should have.
    fn misowned(&self, pod: &Value) -> Vec<(String, Vec<Value>)> {
        let Some(ordinal) = identity::ordinal(pod) else { return Vec::new() };
        let claims = self.templates().iter().map(|template| identity::claim_name(self.set, template, ordinal));
        claims.filter_map(|own| Some((own.clone(), self.wanted_owners(&*self.claim(&own)?, pod, ordinal)?))).collect()
    }

    fn wanted_owners(&self, claim: &Value, pod: &Value, ordinal: i64) -> Option<Vec<Value>> {
        let owners = list(claim, "/metadata/ownerReferences");
        let is_set = |owner: &Value| names(owner, "apps/v1", "StatefulSet", self.set);
        let is_pod = |owner: &Value| names(owner, "v1", "Pod", pod);
        let is_stale = |owner: &Value| {
            is_set(owner) && text(owner, "/uid") != uid(self.set) || is_pod(owner) && text(owner, "/uid") != uid(pod)
        };
        if owners.iter().any(is_stale) {
            return None;
        }
        let (on_scale, on_deletion) = (self.deletes("whenScaled"), self.deletes("whenDeleted"));
        let is_condemned = !identity::is_in_range(self.set, ordinal);
        let others: Vec<_> = owners.iter().filter(|owner| !is_set(owner) && !is_pod(owner)).cloned().collect();
        let (has_set, has_pod) = (owners.iter().any(is_set), owners.iter().any(is_pod));
        if (on_scale || on_deletion) && others.iter().any(|owner| owner["controller"] == true) {
            return (has_set || has_pod).then_some(others);
        }
        let wants_set = on_deletion && !(on_scale && is_condemned);
        let wants_pod = on_scale && is_condemned;
        let is_lax = |owner: &Value| (is_set(owner) || is_pod(owner)) && owner["controller"] != true;
        if has_set == wants_set && has_pod == wants_pod && !owners.iter().any(is_lax) {
            return None;
        }
        let mut wanted = others;
        wanted.extend(wants_set.then(|| owner_reference(self.set)));
        if wants_pod {
            let mut reference = owner_reference(pod);
            (reference["apiVersion"], reference["kind"]) = (json!("v1"), json!("Pod"));
            wanted.push(reference);
        }
        Some(wanted)
    }

    /// Whether the owners of a pod's claims are as the retention policy wants them.
    pub(super) fn claims_match(&self, pod: &Value) -> bool {
        self.templates().is_empty() || self.misowned(pod).is_empty()
    }

    /// Gives the claims of a pod the owners that the retention policy wants.
    pub(super) async fn own_claims(&self, pod: &Value) -> Result<(), ApiError> {
        for (own, owners) in self.misowned(pod) {
            if owners.iter().any(|owner| owner["controller"] == true && ![uid(self.set), uid(pod)].contains(&text(owner, "/uid")))
            {
                let message = format!(
                    "PersistentVolumeClaim {own} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim"
                );
                self.say(EventType::Warning, "ConflictingController", &message);
            }
            self.context.before_write(self.key).await;
            let changed = self.context.api.modify(PERSISTENT_VOLUME_CLAIMS, &self.key.0, &own, Subresource::Main, |claim| {
                claim["metadata"]["ownerReferences"] = json!(owners);
            });
            changed.map_err(|error| failure(format!("could not update claim {own} for delete policy ownerRefs: {error}")))?;
        }
        Ok(())
    }
}
