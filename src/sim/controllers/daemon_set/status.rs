//! The status of a `DaemonSet`: how many nodes want a pod, have one, and how far those are.
//! It has no conditions.

use super::super::object::{counters, integer, is_pod_ready, name};
use super::super::pods::ignore_missing;
use super::Sync;
use super::placement::{Fit, fit};
use crate::sim::api::resource::DAEMON_SETS;
use crate::sim::api::{ApiError, Subresource};
use serde_json::json;
use std::time::Duration;

impl Sync<'_> {
    /// Writes the status if a counter or the seen generation differs.
    pub(super) async fn write_status(&self) -> Result<(), ApiError> {
        let pods = self.pods_by_node().await?;
        let (mut desired, mut current, mut misscheduled, mut ready, mut updated, mut available) = (0, 0, 0, 0, 0, 0);
        for node in &self.nodes {
            let oldest = pods.get(name(node)).and_then(|pods| pods.first());
            if fit(self.set, node) != Fit::Runs {
                misscheduled += i64::from(oldest.is_some());
                continue;
            }
            desired += 1;
            let Some(pod) = oldest else { continue };
            current += 1;
            ready += i64::from(is_pod_ready(pod));
            available += i64::from(is_pod_ready(pod) && self.is_available(pod));
            updated += i64::from(self.is_updated(pod));
        }
        let mut status = counters(&[
            ("updatedNumberScheduled", updated),
            ("numberAvailable", available),
            ("numberUnavailable", desired - available),
            ("observedGeneration", integer(self.set, "/metadata/generation")),
        ]);
        for (field, count) in [
            ("desiredNumberScheduled", desired),
            ("currentNumberScheduled", current),
            ("numberMisscheduled", misscheduled),
            ("numberReady", ready),
        ] {
            status[field] = json!(count);
        }
        let minimum = integer(self.set, "/spec/minReadySeconds");
        if minimum > 0 && ready != available {
            self.context.queue.add_after(self.key.clone(), Duration::from_secs(minimum.unsigned_abs()));
        }
        let present = self.context.api.get(DAEMON_SETS, &self.key.0, &self.key.1);
        let present = present.map(|set| set["status"].clone()).unwrap_or_default();
        for field in ["collisionCount", "conditions"] {
            if let Some(value) = present.get(field) {
                status[field] = value.clone();
            }
        }
        if present == status {
            return Ok(());
        }
        self.context.before_write(self.key).await;
        let written = self.context.api.modify(DAEMON_SETS, &self.key.0, &self.key.1, Subresource::Status, |set| {
            set["status"] = status;
        });
        ignore_missing(written).map(|_| ())
    }
}
