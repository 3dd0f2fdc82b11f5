//! The status of an autoscaler: counts, what the metrics showed, and its three conditions.
//! What they say is decided by those who call.

use super::Sync;
use serde_json::{Value, json};

impl Sync<'_> {
    /// Sets a condition; its transition time changes only with its status.
    pub(super) fn note(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        let status = if holds { "True" } else { "False" };
        let now = self.context.api.clock.seconds();
        if !self.autoscaler["status"]["conditions"].is_array() {
            self.autoscaler["status"]["conditions"] = json!([]);
        }
        let Some(conditions) = self.autoscaler["status"]["conditions"].as_array_mut() else { return };
        if let Some(present) = conditions.iter_mut().find(|condition| condition["type"] == kind) {
            if present["status"] != status {
                present["lastTransitionTime"] = json!(now);
            }
            present["status"] = json!(status);
            present["reason"] = json!(reason);
            present["message"] = json!(message);
        } else {
            conditions
                .push(json!({"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}));
        }
    }

    /// Sets counts and metrics, keeping conditions and the time of the last change.
    pub(super) fn report(&mut self, current: i64, desired: i64, metrics: Option<Value>) {
        let before = &self.autoscaler["status"];
        let mut status = json!({"desiredReplicas": desired, "currentMetrics": metrics});
        if current != 0 {
            status["currentReplicas"] = json!(current);
        }
        for field in ["conditions", "lastScaleTime"] {
            if let Some(value) = before.get(field) {
                status[field] = value.clone();
            }
        }
        self.autoscaler["status"] = status;
    }
}
