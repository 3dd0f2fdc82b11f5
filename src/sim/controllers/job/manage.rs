//! How many pods a Job has at once: too many are deleted, missing ones made, after the back-off of the last failure.
//! Whether the Job goes on at all is decided in `sync`.

use super::super::object::{integer, is_pod_ready, name, text};
use super::super::pods;
use super::super::replica_set::ranking::first_to_go;
use super::backoff::remaining;
use super::sync::Sync;
use super::{BATCH_PERIOD, FINALIZER, pod, policy, texts};
use crate::sim::api::ApiError;
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::time::Duration;

/// The most pods that one sync makes or deletes (`MaxPodCreateDeletePerSync`).
const BURST: i64 = 500;
/// The environment variable with a pod's index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// Generated names end 5 characters after a prefix of at most this length.
const LONGEST_PREFIX: usize = 58;

fn length<T>(items: &[T]) -> i64 {
    i64::try_from(items.len()).unwrap_or(i64::MAX)
}

impl Sync<'_> {
    /// Makes or deletes pods; how many are then active.
    pub(super) async fn manage(&mut self) -> (i64, Result<(), ApiError>) {
        let active = length(&self.active);
        let parallelism = integer(&self.job, "/spec/parallelism");
        let wanted = match self.completions() {
            _ if self.is_suspended() => 0,
            None if self.succeeded > 0 => active,
            None => parallelism,
            Some(completions) => (completions - self.succeeded).min(parallelism).max(0),
        };
        let mut surplus = self.to_remove((active - wanted).max(0));
        if !self.is_suspended() {
            surplus.truncate(usize::try_from(BURST).unwrap_or(usize::MAX));
        }
        if self.is_suspended() || !surplus.is_empty() {
            return self.remove(active, &surplus).await;
        }
        let leaving = if self.replaces_failed_only() { self.terminating } else { 0 };
        let missing = (wanted - leaving - active).min(BURST);
        if missing <= 0 {
            return (active, Ok(()));
        }
        let wait = if self.has_limit_per_index() { Duration::ZERO } else { self.record.remaining(self.now) };
        if !wait.is_zero() {
            return self.wait(wait);
        }
        if !self.is_indexed() {
            let places = vec![None; usize::try_from(missing).unwrap_or_default()];
            return self.create(active, &places).await;
        }
        let mut indexes = self.pending_indexes(missing);
        if self.has_limit_per_index() && !indexes.is_empty() {
            let waits: Vec<_> = indexes.iter().map(|index| self.wait_of(*index)).collect();
            let shortest = waits.iter().min().copied().unwrap_or_default();
            if !shortest.is_zero() {
                return self.wait(shortest);
            }
            let mut waits = waits.iter();
            indexes.retain(|_| waits.next().is_some_and(Duration::is_zero));
        }
        let places: Vec<_> = indexes.into_iter().map(Some).collect();
        self.create(active, &places).await
    }

    /// Comes back when the back-off has passed. The real controller reports no active pods meanwhile.
    fn wait(&self, wait: Duration) -> (i64, Result<(), ApiError>) {
        self.context.queue.add_after(self.key.clone(), wait.max(BATCH_PERIOD));
        (0, Ok(()))
    }

    fn wait_of(&self, index: i64) -> Duration {
        self.to_replace.get(&index).map_or(Duration::ZERO, |pod| {
            let failures = pod::failures(pod) + pod::ignored_failures(pod) + 1;
            remaining(u32::try_from(failures).unwrap_or(u32::MAX), Some(pod::finished_at(pod)), self.now)
        })
    }

    /// The lowest indexes that nobody works on.
    fn pending_indexes(&self, count: i64) -> Vec<i64> {
        let leaving = self.pods.iter().filter(|pod| self.replaces_failed_only() && pod::is_terminating(pod));
        let taken: Vec<_> = self.active.iter().chain(leaving).filter_map(|pod| pod::index(pod)).collect();
        let is_free = |index: &i64| {
            let is_lost = self.lost.as_ref().is_some_and(|lost| lost.0.contains(index));
            !self.done.0.contains(index) && !taken.contains(index) && !is_lost
        };
        let all = 0..self.completions().unwrap_or_default();
        all.filter(is_free).take(usize::try_from(count).unwrap_or_default()).collect()
    }

    /// At least `count` active pods to delete: doubles of an index and indexes that are none, then the worst.
    fn to_remove(&self, count: i64) -> Vec<Object> {
        let now = self.context.api.clock.now();
        let (mut removed, mut left) = (Vec::new(), self.active.clone());
        if self.is_indexed() {
            let mut by_index: std::collections::BTreeMap<i64, Vec<Object>> = std::collections::BTreeMap::new();
            for pod in left.drain(..) {
                match self.index(&pod) {
                    Some(index) => by_index.entry(index).or_default().push(pod),
                    None => removed.push(pod),
                }
            }
            for pods in by_index.into_values() {
                let mut ranked = first_to_go(&pods, &[], now, pods.len());
                left.extend(ranked.pop());
                removed.extend(ranked);
            }
        }
        let more = usize::try_from(count - length(&removed)).unwrap_or_default();
        removed.extend(first_to_go(&left, &[], now, more));
        removed
    }

    async fn remove(&mut self, active: i64, surplus: &[Object]) -> (i64, Result<(), ApiError>) {
        let (mut removed, mut outcome) = (0, Ok(()));
        for pod in surplus {
            let gone = match pod::untrack(self.context, self.key, pod).await {
                Ok(_) => pods::delete(self.context, self.key, &self.job, name(pod)).await,
                Err(error) => Err(error),
            };
            match gone {
                Ok(()) => {
                    removed += 1;
                    self.ready -= i64::from(is_pod_ready(pod));
                }
                Err(error) => outcome = Err(error),
            }
        }
        self.terminating += removed;
        (active - removed, outcome)
    }

    /// Makes a pod for each place in batches of 1, 2, 4, ...; the batch in which one is refused is the last.
    async fn create(&self, active: i64, places: &[Option<i64>]) -> (i64, Result<(), ApiError>) {
        let (mut made, mut from, mut batch) = (0, 0, 1);
        let mut outcome = Ok(());
        while from < places.len() && outcome.is_ok() {
            let until = (from + batch).min(places.len());
            for place in &places[from..until] {
                match pods::create(self.context, self.key, &self.job, self.pod_for(*place)).await {
                    Ok(_) => made += 1,
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
            (from, batch) = (until, batch * 2);
        }
        (active + made, outcome)
    }

    fn pod_for(&self, index: Option<i64>) -> Value {
        let mut pod = pods::from_template(&self.job, &self.job["spec"]["template"]);
        let mut finalizers = texts(&pod, "/metadata/finalizers");
        if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            finalizers.push(FINALIZER.to_owned());
        }
        pod["metadata"]["finalizers"] = json!(finalizers);
        let Some(index) = index else { return pod };
        let suffix = format!("-{index}-");
        let own: String = name(&self.job).chars().take(LONGEST_PREFIX - suffix.len()).collect();
        pod["metadata"]["generateName"] = json!(format!("{own}{suffix}"));
        pod["spec"]["hostname"] = json!(format!("{}-{index}", name(&self.job)));
        for map in ["labels", "annotations"] {
            if !pod["metadata"][map].is_object() {
                pod["metadata"][map] = json!({});
            }
            pod["metadata"][map][pod::INDEX] = json!(index.to_string());
        }
        if self.has_limit_per_index() {
            let (counted, ignored) = self.failures_before(index);
            pod["metadata"]["annotations"][pod::FAILURES] = json!(counted.to_string());
            if ignored > 0 {
                pod["metadata"]["annotations"][pod::IGNORED_FAILURES] = json!(ignored.to_string());
            }
        }
        let field = format!("metadata.labels['{}']", pod::INDEX);
        let variable = json!({"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": field}}});
        for containers in ["containers", "initContainers"] {
            for container in pod["spec"].get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
                if !container["env"].is_array() {
                    container["env"] = json!([]);
                }
                if let Some(environment) = container["env"].as_array_mut()
                    && !environment.iter().any(|present| text(present, "/name") == INDEX_VARIABLE)
                {
                    environment.push(variable.clone());
                }
            }
        }
        pod
    }

    /// Counted and ignored failures of an index so far.
    fn failures_before(&self, index: i64) -> (i64, i64) {
        let Some(pod) = self.to_replace.get(&index) else { return (0, 0) };
        let counts = i64::from(policy::failure(&self.job, pod).counts);
        (pod::failures(pod) + counts, pod::ignored_failures(pod) + 1 - counts)
    }
}
