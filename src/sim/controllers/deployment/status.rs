//! A Deployment's status: counters, Available, Progressing, `ReplicaFailure`, and when to look again for a missed deadline.
//! Nothing here scales.

use super::super::object::{
    annotation, condition, counters, integer, is_deleting, list, set_condition, text, time, without_condition,
};
use super::Sync;
use super::numbers::{counted, max_unavailable, replicas, total};
use crate::json::At as _;
use crate::sim::api::resource::DEPLOYMENTS;
use crate::sim::api::{ApiError, Subresource};
use crate::sim::store::Object;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;

/// `progressDeadlineSeconds` when it means "never".
const NO_DEADLINE: i64 = i32::MAX as i64;

/// The deadline for progress, if there is one.
pub(super) fn deadline(deployment: &Value) -> Option<SignedDuration> {
    let seconds = deployment.at("/spec/progressDeadlineSeconds").and_then(Value::as_i64)?;
    (seconds != NO_DEADLINE).then(|| SignedDuration::from_secs(seconds))
}

/// Whether a status says that everything asked for is there, up to date and available.
pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let wanted = replicas(deployment);
    ["/updatedReplicas", "/replicas", "/availableReplicas"].iter().all(|counter| integer(status, counter) == wanted)
        && integer(status, "/observedGeneration") >= integer(deployment, "/metadata/generation")
}

fn is_progressing(old: &Value, new: &Value) -> bool {
    let outdated = |status: &Value| integer(status, "/replicas") - integer(status, "/updatedReplicas");
    integer(new, "/updatedReplicas") > integer(old, "/updatedReplicas")
        || outdated(new) < outdated(old)
        || integer(new, "/readyReplicas") > integer(old, "/readyReplicas")
        || integer(new, "/availableReplicas") > integer(old, "/availableReplicas")
}

impl Sync<'_> {
    /// A new condition of a Deployment, stamped now.
    pub(super) fn condition(&self, kind: &str, status: &str, reason: &str, message: &str) -> Value {
        let now = self.context.api.clock.seconds();
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastUpdateTime": now, "lastTransitionTime": now})
    }

    fn calculate(&self, all: &[Object], new: Option<&Object>) -> Value {
        let every = || all.iter().map(|set| &**set);
        let newest = || new.into_iter().map(|set| &**set);
        let available = counted(every(), "/availableReplicas");
        let mut status = counters(&[
            ("observedGeneration", integer(&self.deployment, "/metadata/generation")),
            ("replicas", counted(every(), "/replicas")),
            ("updatedReplicas", counted(newest(), "/replicas")),
            ("readyReplicas", counted(every(), "/readyReplicas")),
            ("availableReplicas", available),
            ("unavailableReplicas", (total(every()) - available).max(0)),
            ("collisionCount", integer(&self.deployment, "/status/collisionCount")),
        ]);
        status["terminatingReplicas"] = json!(counted(every(), "/terminatingReplicas"));
        if let Some(conditions) = self.deployment.at("/status/conditions") {
            status["conditions"] = conditions.clone();
        }
        let condition = if available >= replicas(&self.deployment) - max_unavailable(&self.deployment) {
            self.condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        } else {
            let message = "Deployment does not have minimum availability.";
            self.condition("Available", "False", "MinimumReplicasUnavailable", message)
        };
        set_condition(&mut status, condition);
        status
    }

    /// Status without a judgement of progress: for paused, scaled and deleted Deployments.
    pub(super) async fn write_counters(&mut self, all: &[Object], new: Option<&Object>) -> Result<(), ApiError> {
        let status = self.calculate(all, new);
        self.write_status(status).await
    }

    /// Status with progress, deadline and failures: the end of every rollout sync.
    pub(super) async fn write_progress(&mut self, all: &[Object], new: Option<&Object>) -> Result<(), ApiError> {
        let mut status = self.calculate(all, new);
        let old = self.deployment["status"].clone();
        let current = condition(&old, "Progressing").cloned();
        let settled = integer(&status, "/replicas") == integer(&status, "/updatedReplicas")
            && current.as_ref().is_some_and(|current| current["reason"] == "NewReplicaSetAvailable");
        if deadline(&self.deployment).is_some() && !settled {
            let subject = match new {
                Some(new) => format!("ReplicaSet \"{}\"", text(new, "/metadata/name")),
                None => format!("Deployment \"{}\"", text(&self.deployment, "/metadata/name")),
            };
            if is_complete(&self.deployment, &status) {
                let message = format!("{subject} has successfully progressed.");
                set_condition(&mut status, self.condition("Progressing", "True", "NewReplicaSetAvailable", &message));
            } else if is_progressing(&old, &status) {
                let message = format!("{subject} is progressing.");
                let mut wanted = self.condition("Progressing", "True", "ReplicaSetUpdated", &message);
                if let Some(current) = current {
                    if current["status"] == "True" {
                        wanted["lastTransitionTime"] = current["lastTransitionTime"].clone();
                    }
                    // Taken out first so that the update time moves although status and reason stay.
                    without_condition(&mut status, "Progressing");
                }
                set_condition(&mut status, wanted);
            } else if self.is_timed_out(&status) {
                let message = format!("{subject} has timed out progressing.");
                set_condition(&mut status, self.condition("Progressing", "False", "ProgressDeadlineExceeded", &message));
            }
        }
        match failure(all, new) {
            Some(failed) => {
                let wanted = self.condition("ReplicaFailure", "True", text(&failed, "/reason"), text(&failed, "/message"));
                let stamped =
                    json!({"lastTransitionTime": failed["lastTransitionTime"], "lastUpdateTime": failed["lastTransitionTime"]});
                let wanted = merged(wanted, &stamped);
                set_condition(&mut status, wanted);
            }
            None => without_condition(&mut status, "ReplicaFailure"),
        }
        if self.deployment["status"] == status {
            self.look_again(&status);
            return Ok(());
        }
        self.write_status(status).await
    }

    fn is_timed_out(&self, status: &Value) -> bool {
        let Some(current) = condition(status, "Progressing") else { return false };
        match text(current, "/reason") {
            "NewReplicaSetAvailable" => false,
            "ProgressDeadlineExceeded" => true,
            _ => self.time_left(current).is_some_and(|left| left.is_negative()),
        }
    }

    fn time_left(&self, progressing: &Value) -> Option<SignedDuration> {
        let since = time(progressing, "/lastUpdateTime")?;
        Some(deadline(&self.deployment)? - self.context.api.clock.now().duration_since(since))
    }

    /// Queues a Deployment without progress for the moment after its deadline.
    fn look_again(&self, status: &Value) {
        let Some(current) = condition(&self.deployment["status"], "Progressing") else { return };
        // The real controller spins on an available Deployment whose pods broke later; nothing comes of it.
        if is_complete(&self.deployment, status)
            || matches!(text(current, "/reason"), "ProgressDeadlineExceeded" | "NewReplicaSetAvailable")
        {
            return;
        }
        let Some(left) = self.time_left(current) else { return };
        if left < SignedDuration::from_secs(1) {
            let delay = Duration::try_from(left).unwrap_or_default() + Duration::from_millis(5);
            self.context.queue.add_after(self.key.clone(), delay);
        } else {
            self.context.queue.add_after(self.key.clone(), left.unsigned_abs() + Duration::from_secs(1));
        }
    }

    /// Writes status and the revision annotation. A second write in one sync conflicts with the first, as in the real
    /// controller, which keeps its old resourceVersion: the sync is tried again with fresh eyes.
    pub(super) async fn write_status(&mut self, status: Value) -> Result<(), ApiError> {
        let revision = annotation(&self.deployment, super::REVISION).map(ToOwned::to_owned);
        let unchanged = self.deployment.get("status") == Some(&status) && !self.annotated;
        if unchanged {
            return Ok(());
        }
        if self.stale {
            return Err(ApiError::modified(DEPLOYMENTS, &self.key.1));
        }
        self.context.before_write(self.key).await;
        let written = self.context.api.modify(DEPLOYMENTS, &self.key.0, &self.key.1, Subresource::Status, |deployment| {
            deployment["status"] = status;
            if let Some(revision) = &revision {
                super::super::object::annotate(deployment, super::REVISION, revision);
            }
        });
        (self.annotated, self.stale) = (false, true);
        match written {
            Ok(written) => {
                self.deployment["status"] = written["status"].clone();
                Ok(())
            }
            Err(error) if error.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn merged(mut into: Value, from: &Value) -> Value {
    for (key, value) in from.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
    into
}

/// The failure that a Deployment shows: its new `ReplicaSet`'s, else that of any with pods to make.
fn failure(all: &[Object], new: Option<&Object>) -> Option<Value> {
    let reported = |set: &Object| list(&set["status"], "/conditions").iter().find(|c| c["type"] == "ReplicaFailure").cloned();
    new.and_then(reported).or_else(|| all.iter().filter(|set| !is_deleting(set)).find_map(reported))
}
