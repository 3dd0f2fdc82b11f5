//! Sizes of `ReplicaSet`s outside a rollout step: a changed `spec.replicas`, shared among those that have pods; and the
//! one place that resizes a `ReplicaSet` and tells of it.

use super::super::object::{annotation, integer, name, text};
use super::Sync;
use super::numbers::{DESIRED, is_rolling, max_replicas, replicas, share, total};
use crate::json::At as _;
use crate::sim::api::ApiError;
use crate::sim::events::EventType;
use crate::sim::store::Object;
use serde_json::json;

impl Sync<'_> {
    /// Whether `spec.replicas` was changed since a `ReplicaSet` with pods was last sized. Brings revisions up to date first.
    pub(super) async fn is_scaling(&mut self, sets: &[Object]) -> Result<bool, ApiError> {
        self.sync_new(sets, false).await?;
        let wanted = replicas(&self.deployment);
        let sized = sets.iter().filter(|set| replicas(set) > 0);
        Ok(sized.filter_map(|set| annotation(set, DESIRED)?.parse::<i64>().ok()).any(|desired| desired != wanted))
    }

    /// What a paused Deployment, or one whose size was changed, gets instead of a rollout step.
    pub(super) async fn scale_all(&mut self, sets: &[Object]) -> Result<(), ApiError> {
        let (new, old) = self.sync_new(sets, false).await?;
        let all: Vec<_> = old.iter().chain(&new).cloned().collect();
        self.distribute(new.as_ref(), &old, &all).await?;
        if self.deployment.at("/spec/paused") == Some(&json!(true)) {
            self.prune(&old).await?;
        }
        self.write_counters(&all, new.as_ref()).await
    }

    async fn distribute(&self, new: Option<&Object>, old: &[Object], all: &[Object]) -> Result<(), ApiError> {
        let wanted = replicas(&self.deployment);
        let mut active: Vec<_> = all.iter().filter(|set| replicas(set) > 0).cloned().collect();
        let only = match active.as_slice() {
            [] => new.or(old.last()),
            [only] => Some(only),
            _ => None,
        };
        if let Some(only) = only {
            if replicas(only) != wanted {
                self.resize(only, wanted).await?;
            }
            return Ok(());
        }
        if let Some(new) = new.filter(|new| self.is_saturated(new)) {
            for set in active.iter().filter(|set| name(set) != name(new)) {
                self.resize(set, 0).await?;
            }
            return Ok(());
        }
        if !is_rolling(&self.deployment) || active.is_empty() {
            return Ok(());
        }
        let allowed = if wanted > 0 { max_replicas(&self.deployment) } else { 0 };
        let to_add = allowed - total(active.iter().map(|set| &**set));
        // The largest first; of equal ones the newer when growing, the older when shrinking.
        active.sort_by(|a, b| {
            let age = (text(a, "/metadata/creationTimestamp"), name(a)).cmp(&(text(b, "/metadata/creationTimestamp"), name(b)));
            replicas(b).cmp(&replicas(a)).then(if to_add > 0 { age.reverse() } else { age })
        });
        let mut added = 0;
        let mut sizes = Vec::with_capacity(active.len());
        for set in &active {
            let part = share(&self.deployment, set, to_add, added);
            added += part;
            sizes.push(replicas(set) + part);
        }
        sizes[0] = (sizes[0] + to_add - added).max(0);
        for (set, size) in active.iter().zip(sizes) {
            self.resize(set, size).await?;
        }
        Ok(())
    }

    /// Whether the new `ReplicaSet` has everything, so that old ones are superfluous.
    fn is_saturated(&self, new: &Object) -> bool {
        let wanted = replicas(&self.deployment);
        let desired = annotation(new, DESIRED).and_then(|desired| desired.parse::<i64>().ok());
        replicas(new) == wanted && desired == Some(wanted) && integer(new, "/status/availableReplicas") == wanted
    }

    /// Gives a `ReplicaSet` a size and notes the Deployment's on it; None when its size was that already.
    pub(super) async fn resize(&self, set: &Object, size: i64) -> Result<Option<Object>, ApiError> {
        let before = replicas(set);
        let mut noted = (**set).clone();
        if !self.note_sizes(&mut noted) && before == size {
            return Ok(None);
        }
        let resized = self
            .change_set(set, |set| {
                self.note_sizes(set);
                set["spec"]["replicas"] = json!(size);
            })
            .await?;
        if before == size {
            return Ok(None);
        }
        let direction = if size > before { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {} from {before} to {size}", name(set));
        self.say(EventType::Normal, "ScalingReplicaSet", &message);
        Ok(Some(resized))
    }
}
