//! The two strategies: step by step within surge and unavailability, or all old before any new; and pruning afterwards.
//! Proportional scaling of a paused or resized Deployment is `scale`.

use super::super::object::{integer, is_deleting, name};
use super::Sync;
use super::numbers::{counted, max_unavailable, new_size, replicas, total};
use super::replica_sets::revision;
use super::status::is_complete;
use crate::json::At as _;
use crate::sim::api::resource::REPLICA_SETS;
use crate::sim::api::{ApiError, DeleteOptions};
use crate::sim::store::Object;

fn every(sets: &[Object]) -> impl Iterator<Item = &serde_json::Value> {
    sets.iter().map(|set| &**set)
}

fn with(old: &[Object], new: Option<&Object>) -> Vec<Object> {
    old.iter().chain(new).cloned().collect()
}

fn active(sets: &[Object]) -> Vec<Object> {
    sets.iter().filter(|set| replicas(set) > 0).cloned().collect()
}

impl Sync<'_> {
    /// `RollingUpdate`: grow the new, else shrink the old; one of both per sync.
    pub(super) async fn roll(&mut self, sets: &[Object]) -> Result<(), ApiError> {
        let (new, old) = self.sync_new(sets, true).await?;
        let all = with(&old, new.as_ref());
        let Some(newest) = new.clone() else { return Ok(()) };
        if self.resize_new(&newest, &all).await? || self.shrink_old(&newest, &old, &all).await? {
            return self.write_progress(&all, new.as_ref()).await;
        }
        if is_complete(&self.deployment, &self.deployment["status"]) {
            self.prune(&old).await?;
        }
        self.write_progress(&all, new.as_ref()).await
    }

    /// `Recreate`: no new pod before the last old one has ended.
    pub(super) async fn recreate(&mut self, sets: &[Object]) -> Result<(), ApiError> {
        let (mut new, mut old) = self.sync_new(sets, false).await?;
        let mut all = with(&old, new.as_ref());
        let mut scaled = false;
        for set in active(&old) {
            scaled |= self.resize(&set, 0).await?.is_some();
        }
        if scaled || self.has_running_pods(&old) {
            return self.write_progress(&all, new.as_ref()).await;
        }
        if new.is_none() {
            (new, old) = self.sync_new(sets, true).await?;
            all = with(&old, new.as_ref());
        }
        if let Some(new) = &new {
            self.resize_new(new, &all).await?;
        }
        if is_complete(&self.deployment, &self.deployment["status"]) {
            self.prune(&old).await?;
        }
        self.write_progress(&all, new.as_ref()).await
    }

    async fn resize_new(&self, new: &Object, all: &[Object]) -> Result<bool, ApiError> {
        let (present, wanted) = (replicas(new), replicas(&self.deployment));
        if present == wanted {
            return Ok(false);
        }
        let size = if present > wanted { wanted } else { new_size(&self.deployment, total(every(all)), present) };
        Ok(self.resize(new, size).await?.is_some())
    }

    async fn shrink_old(&self, new: &Object, old: &[Object], all: &[Object]) -> Result<bool, ApiError> {
        let mut old = active(old);
        let least = replicas(&self.deployment) - max_unavailable(&self.deployment);
        let missing_new = replicas(new) - integer(new, "/status/availableReplicas");
        let most = total(every(all)) - least - missing_new;
        if old.is_empty() || most <= 0 {
            return Ok(false);
        }
        // Unhealthy ones first: they cost no availability.
        let mut removed = 0;
        for set in &mut old {
            let unhealthy = replicas(set) - integer(set, "/status/availableReplicas");
            if unhealthy < 0 && removed < most {
                // It was shrunk just now and its status does not show it yet: its counters would mislead.
                return Ok(false);
            }
            let count = unhealthy.min(most - removed);
            if count > 0
                && let Some(resized) = self.resize(set, replicas(set) - count).await?
            {
                *set = resized;
                removed += count;
            }
        }
        let available = counted(every(&with(&old, Some(new))), "/availableReplicas");
        let mut spare = available - least;
        for set in &old {
            let count = replicas(set).min(spare);
            if count > 0 && self.resize(set, replicas(set) - count).await?.is_some() {
                spare -= count;
                removed += count;
            }
        }
        Ok(removed > 0)
    }

    /// Deletes the oldest empty `ReplicaSet`s beyond `revisionHistoryLimit`.
    pub(super) async fn prune(&self, old: &[Object]) -> Result<(), ApiError> {
        let limit = self.deployment.at("/spec/revisionHistoryLimit").and_then(serde_json::Value::as_u64);
        let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { return Ok(()) };
        let mut candidates: Vec<_> = old.iter().filter(|set| !is_deleting(set)).collect();
        candidates.sort_by_key(|set| revision(set));
        for set in candidates.iter().take(candidates.len().saturating_sub(limit)) {
            let settled = integer(set, "/status/replicas") == 0
                && replicas(set) == 0
                && integer(set, "/metadata/generation") <= integer(set, "/status/observedGeneration");
            if settled {
                self.context.before_write(self.key).await;
                match self.context.api.delete(REPLICA_SETS, &self.key.0, name(set), &DeleteOptions::default()) {
                    Err(error) if error.code != 404 => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
