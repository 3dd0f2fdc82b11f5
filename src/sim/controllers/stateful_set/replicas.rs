//! What one sync does with the pods of a set: mend and make them in order, take the surplus away, then roll the revision out.
//! Ordered sets stop at the first pod that has to be waited for; parallel ones go on.

use super::super::object::{integer, is_deleting, is_pod_finished, is_pod_ready, name, text};
use super::super::pods;
use super::Sync;
use super::identity::{self, INDEX_LABEL, POD_NAME_LABEL};
use crate::sim::api::resource::PODS;
use crate::sim::api::{ApiError, DeleteOptions, Subresource};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use serde_json::json;

/// The most pods of one batch (`MaxBatchSize`).
const LARGEST_BATCH: usize = 500;

/// How many pods a set has, of which kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    /// Created.
    pub(super) replicas: i64,
    /// Running and Ready.
    pub(super) ready: i64,
    /// Ready for long enough.
    pub(super) available: i64,
    /// Of the current revision and staying.
    pub(super) current: i64,
    /// Of the update revision and staying.
    pub(super) updated: i64,
}

/// What is done to each pod of a list.
#[derive(Clone, Copy)]
enum Step {
    /// Make, restart or mend a pod that the set wants.
    Tend,
    /// Give the claims of a surplus pod their owners.
    FixClaims,
    /// Delete a surplus pod.
    Condemn,
}

fn is_created(pod: &Object) -> bool {
    !text(pod, "/status/phase").is_empty()
}

fn is_running_and_ready(pod: &Object) -> bool {
    text(pod, "/status/phase") == "Running" && is_pod_ready(pod)
}

impl Sync<'_> {
    /// Does what can be done now, and counts the pods as they were before.
    pub(super) async fn arrange(&self, pods: &[Object]) -> (Counters, Result<(), ApiError>) {
        if is_deleting(self.set) {
            return (self.count(pods), Ok(()));
        }
        let start = identity::first_ordinal(self.set);
        let at = |ordinal: i64| pods.iter().find(|pod| identity::ordinal(pod) == Some(ordinal)).cloned();
        let wanted = start..start + integer(self.set, "/spec/replicas");
        let replicas: Vec<_> = wanted.map(|ordinal| at(ordinal).unwrap_or_else(|| self.plan(ordinal))).collect();
        let is_surplus = |pod: &&Object| identity::ordinal(pod).is_some_and(|ordinal| !identity::is_in_range(self.set, ordinal));
        let mut condemned: Vec<_> = pods.iter().filter(is_surplus).cloned().collect();
        condemned.sort_by_key(|pod| std::cmp::Reverse(identity::ordinal(pod)));
        let established = self.establish(&replicas, &condemned).await;
        let mut counters = self.count(replicas.iter().chain(&condemned));
        let outcome = match established {
            Ok(false) if text(self.set, "/spec/updateStrategy/type") != "OnDelete" => self.roll(&replicas, &mut counters).await,
            other => other.map(|_| ()),
        };
        (counters, outcome)
    }

    fn count<'a>(&self, pods: impl IntoIterator<Item = &'a Object>) -> Counters {
        let mut counters = Counters::default();
        for pod in pods.into_iter().filter(|pod| is_created(pod)) {
            let (ready, stays) = (is_running_and_ready(pod), !is_deleting(pod));
            counters.replicas += 1;
            counters.ready += i64::from(ready);
            counters.available += i64::from(ready && self.is_available(pod));
            counters.current += i64::from(stays && identity::revision(pod) == name(&self.current));
            counters.updated += i64::from(stays && identity::revision(pod) == name(&self.update));
        }
        counters
    }

    fn is_ordered(&self) -> bool {
        text(self.set, "/spec/podManagementPolicy") != "Parallel"
    }

    fn is_available(&self, pod: &Object) -> bool {
        pods::is_available(pod, integer(self.set, "/spec/minReadySeconds"), self.now)
    }

    fn is_unavailable(&self, pod: &Object) -> bool {
        !self.is_available(pod) || is_deleting(pod)
    }

    /// Brings the number and the identity of the pods in order; true when something has to be waited for first.
    async fn establish(&self, replicas: &[Object], condemned: &[Object]) -> Result<bool, ApiError> {
        let unavailable = replicas.iter().chain(condemned.iter().rev()).find(|pod| self.is_unavailable(pod));
        let first = unavailable.map(|pod| name(pod));
        Ok(self.for_all(Step::Tend, replicas, first).await?
            || self.for_all(Step::FixClaims, condemned, first).await?
            || self.for_all(Step::Condemn, condemned, first).await?)
    }

    /// One step for each pod: in order until one has to be waited for, or in batches of 1, 2, 4, ... until one fails.
    async fn for_all(&self, step: Step, pods: &[Object], first: Option<&str>) -> Result<bool, ApiError> {
        if self.is_ordered() {
            for pod in pods {
                if self.take(step, pod, first).await? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let (mut from, mut batch) = (0, 1);
        while from < pods.len() {
            let until = (from + batch).min(pods.len());
            let mut failed = None;
            for pod in &pods[from..until] {
                if let Err(error) = self.take(step, pod, first).await {
                    failed.get_or_insert(error);
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            (from, batch) = (until, (batch * 2).min(LARGEST_BATCH));
        }
        Ok(false)
    }

    async fn take(&self, step: Step, pod: &Object, first: Option<&str>) -> Result<bool, ApiError> {
        match step {
            Step::Tend => self.tend(pod).await,
            Step::FixClaims => self.own_claims(pod).await.map(|()| false),
            Step::Condemn => self.condemn(pod, first).await,
        }
    }

    async fn tend(&self, pod: &Object) -> Result<bool, ApiError> {
        let ordered = self.is_ordered();
        if is_pod_finished(pod) {
            if !is_deleting(pod) {
                self.delete(pod).await?;
            }
            return Ok(true);
        }
        if !is_created(pod) {
            if self.has_stale_claim(pod) {
                return Ok(true);
            }
            self.create(pod).await?;
            return Ok(ordered);
        }
        if text(pod, "/status/phase") == "Pending" {
            self.create_claims(pod).await?;
            self.own_or_report(pod).await?;
        }
        if ordered && (is_deleting(pod) || !is_running_and_ready(pod) || !self.is_available(pod)) {
            return Ok(true);
        }
        if !identity::matches(pod) || !self.claims_match(pod) {
            self.mend(pod).await?;
        }
        Ok(false)
    }

    async fn create(&self, pod: &Object) -> Result<(), ApiError> {
        if let Err(error) = self.create_claims(pod).await {
            return Err(self.report("Create", pod, error));
        }
        self.context.before_write(self.key).await;
        let created = self.context.api.create(PODS, &self.key.0, (**pod).clone());
        if created.as_ref().is_err_and(|error| error.reason == "AlreadyExists") {
            return created.map(|_| ());
        }
        self.own_or_report(pod).await?;
        match created {
            Ok(_) => {
                self.tell("Create", pod);
                Ok(())
            }
            Err(error) => Err(self.report("Create", pod, error)),
        }
    }

    async fn own_or_report(&self, pod: &Object) -> Result<(), ApiError> {
        self.own_claims(pod).await.map_err(|error| self.report("Update", pod, error))
    }

    async fn mend(&self, pod: &Object) -> Result<(), ApiError> {
        self.own_or_report(pod).await?;
        self.context.before_write(self.key).await;
        let mended = self.context.api.modify(PODS, &self.key.0, name(pod), Subresource::Main, |pod| {
            let own = name(pod).to_owned();
            if let Some(ordinal) = identity::ordinal(pod) {
                pod["metadata"]["labels"][INDEX_LABEL] = json!(ordinal.to_string());
            }
            pod["metadata"]["labels"][POD_NAME_LABEL] = json!(own);
        });
        match mended {
            Ok(_) => {
                self.tell("Update", pod);
                Ok(())
            }
            Err(error) => Err(self.report("Update", pod, error)),
        }
    }

    async fn condemn(&self, pod: &Object, first: Option<&str>) -> Result<bool, ApiError> {
        let ordered = self.is_ordered();
        if is_deleting(pod) {
            return Ok(ordered);
        }
        let is_healthy = is_running_and_ready(pod) && self.is_available(pod);
        if !is_healthy && ordered && first != Some(name(pod)) {
            return Ok(true);
        }
        self.delete(pod).await.map(|()| true)
    }

    /// Replaces the highest pod of another revision, once every pod above it is available.
    async fn roll(&self, replicas: &[Object], counters: &mut Counters) -> Result<(), ApiError> {
        let partition = integer(self.set, "/spec/updateStrategy/rollingUpdate/partition");
        for pod in replicas.iter().skip(usize::try_from(partition).unwrap_or_default()).rev() {
            if identity::revision(pod) != name(&self.update) && !is_deleting(pod) {
                self.delete(pod).await?;
                counters.current -= 1;
                return Ok(());
            }
            if self.is_unavailable(pod) {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn delete(&self, pod: &Object) -> Result<(), ApiError> {
        self.context.before_write(self.key).await;
        match self.context.api.delete(PODS, &self.key.0, name(pod), &DeleteOptions::default()) {
            Err(error) if error.code != 404 => Err(self.report("Delete", pod, error)),
            _ => {
                self.tell("Delete", pod);
                Ok(())
            }
        }
    }

    fn tell(&self, verb: &str, pod: &Object) {
        let message = format!("{verb} Pod {} in StatefulSet {} successful", name(pod), name(self.set));
        self.say(EventType::Normal, &format!("Successful{verb}"), &message);
    }

    fn report(&self, verb: &str, pod: &Object, error: ApiError) -> ApiError {
        let message = format!("{verb} Pod {} in StatefulSet {} failed error: {error}", name(pod), name(self.set));
        self.say(EventType::Warning, &format!("Failed{verb}"), &message);
        error
    }

    /// Reports an event on the set.
    pub(super) fn say(&self, kind: EventType, reason: &str, message: &str) {
        self.context.recorder.event(&ObjectRef::of(self.set), kind, reason, message);
    }
}
