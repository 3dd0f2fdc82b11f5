//! One sync of a Job: what its pods amount to, whether that ends it, and what its status becomes.
//! Making and deleting pods is in `manage`, counting them in `track`.

use super::super::context::Context;
use super::super::object::{condition, integer, is_deleting, is_pod_active, is_pod_ready, list, text, time, uid};
use super::super::pods;
use super::super::queue::Key;
use super::super::selector;
use super::backoff::{BackOffs, Record};
use super::indexes::Indexes;
use super::{is_finished, is_foreign, pod, policy, status};
use crate::json::At as _;
use crate::sim::api::ApiError;
use crate::sim::api::resource::JOBS;
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One run of the controller over one Job.
pub(super) struct Sync<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a Key,
    pub(super) back_offs: &'a BackOffs,
    /// The Job with the status as this run changes it.
    pub(super) job: Value,
    pub(super) pods: Vec<Object>,
    pub(super) active: Vec<Object>,
    pub(super) ready: i64,
    pub(super) terminating: i64,
    pub(super) succeeded: i64,
    /// Indexes that had succeeded before this run.
    pub(super) done_before: Indexes,
    pub(super) done: Indexes,
    /// Indexes that have failed for good, with a limit per index.
    pub(super) lost: Option<Indexes>,
    /// The last failed pod of each index that is to be tried again.
    pub(super) to_replace: BTreeMap<i64, Object>,
    pub(super) record: Record,
    /// The condition that ends the Job.
    pub(super) finished: Option<Value>,
    /// Pods noted as ended when this run began.
    pub(super) noted_succeeded: Vec<String>,
    pub(super) noted_failed: Vec<String>,
    pub(super) now: Timestamp,
}

/// Syncs one Job.
pub(super) async fn sync(context: &Context, key: &Key, back_offs: &BackOffs) -> Result<(), ApiError> {
    let Ok(stored) = context.api.get(JOBS, &key.0, &key.1) else {
        back_offs.forget(key);
        return Ok(());
    };
    if is_foreign(&stored) {
        return Ok(());
    }
    if is_finished(&stored) {
        back_offs.forget(key);
        return Ok(());
    }
    let selects = |pod: &Value| selector::matches(stored.at("/spec/selector"), pod.at("/metadata/labels"));
    let pods = pods::claim(context, key, &stored, selects).await?;
    let mut sync = Sync::new(context, key, back_offs, (*stored).clone(), pods);
    let failed = sync.look();
    sync.judge(failed);
    let (changed, managed) = sync.act().await;
    sync.track(changed).await?;
    managed
}

impl<'a> Sync<'a> {
    fn new(context: &'a Context, key: &'a Key, back_offs: &'a BackOffs, mut job: Value, pods: Vec<Object>) -> Self {
        if !job["status"].is_object() {
            job["status"] = json!({});
        }
        if !job["status"]["uncountedTerminatedPods"].is_object() {
            job["status"]["uncountedTerminatedPods"] = json!({});
        }
        let active: Vec<_> = pods.iter().filter(|pod| is_pod_active(pod)).cloned().collect();
        Self {
            context,
            key,
            back_offs,
            ready: pods::count(&active, is_pod_ready),
            terminating: pods::count(&pods, pod::is_terminating),
            noted_succeeded: status::uncounted(&job["status"], "succeeded"),
            noted_failed: status::uncounted(&job["status"], "failed"),
            succeeded: 0,
            done_before: Indexes::default(),
            done: Indexes::default(),
            lost: None,
            to_replace: BTreeMap::new(),
            record: Record::default(),
            finished: None,
            now: context.api.clock.now(),
            job,
            pods,
            active,
        }
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.job.at("/spec/suspend") == Some(&json!(true))
    }

    pub(super) fn is_indexed(&self) -> bool {
        text(&self.job, "/spec/completionMode") == "Indexed"
    }

    pub(super) fn has_limit_per_index(&self) -> bool {
        self.job.at("/spec/backoffLimitPerIndex").is_some_and(Value::is_number)
    }

    /// Whether a pod is replaced only when it has fully failed.
    pub(super) fn replaces_failed_only(&self) -> bool {
        text(&self.job, "/spec/podReplacementPolicy") == "Failed"
            || self.job.at("/spec/podFailurePolicy").is_some_and(Value::is_object)
    }

    pub(super) fn completions(&self) -> Option<i64> {
        self.job.at("/spec/completions").and_then(Value::as_i64)
    }

    pub(super) fn is_failed(&self, pod: &Value) -> bool {
        pod::is_failed(pod, self.replaces_failed_only())
    }

    /// The index of a pod, if the Job is indexed and still has it.
    pub(super) fn index(&self, pod: &Value) -> Option<i64> {
        pod::index(pod).filter(|index| self.completions().is_some_and(|completions| *index < completions))
    }

    pub(super) fn condition(&self, kind: &str, reason: &str, message: &str) -> Value {
        status::holds(kind, reason, message, &self.context.api.clock.seconds())
    }

    /// Tracked pods that pass a test and were not noted before.
    fn news(&self, noted: &[String], test: impl Fn(&Value) -> bool) -> Vec<Object> {
        let is_new = |pod: &&Object| pod::is_tracked(pod) && !noted.iter().any(|noted| noted == uid(pod));
        let has_place = |pod: &&Object| !self.is_indexed() || self.index(pod).is_some();
        self.pods.iter().filter(is_new).filter(has_place).filter(|pod| test(pod)).cloned().collect()
    }

    /// Takes stock; the number of failures so far.
    fn look(&mut self) -> i64 {
        let has_succeeded = |pod: &Value| text(pod, "/status/phase") == "Succeeded";
        let succeeded = self.news(&self.noted_succeeded, has_succeeded);
        let failed = self.news(&self.noted_failed, |pod| self.is_failed(pod));
        let counted = failed.iter().filter(|pod| policy::failure(&self.job, pod).counts).count();
        let sum = |field: &str, new: usize, noted: usize| {
            integer(&self.job, &format!("/status/{field}")) + i64::try_from(new + noted).unwrap_or_default()
        };
        self.succeeded = sum("succeeded", succeeded.len(), self.noted_succeeded.len());
        let failures = sum("failed", counted, self.noted_failed.len());
        self.record = self.back_offs.with(self.key, &succeeded, &failed);
        if self.job.at("/status/startTime").is_none() && !self.is_suspended() {
            self.job["status"]["startTime"] = json!(self.context.api.clock.seconds());
        }
        failures
    }

    /// Decides whether the Job has ended.
    fn judge(&mut self, failed: i64) {
        let holds = |kind: &str| condition(&self.job["status"], kind).filter(|condition| condition["status"] == "True").cloned();
        self.finished = holds("SuccessCriteriaMet");
        if self.finished.is_none() {
            self.finished = match holds("FailureTarget") {
                Some(target) => Some(self.condition("Failed", text(&target, "/reason"), text(&target, "/message"))),
                None => self.failed_by_policy(),
            };
        }
        if self.finished.is_none() {
            self.finished = self.past_limits(failed);
        }
        if self.is_indexed() {
            self.judge_indexes();
        }
    }

    fn failed_by_policy(&self) -> Option<Value> {
        let mut failed = self.pods.iter().filter(|pod| self.is_failed(pod));
        let message = failed.find_map(|pod| policy::failure(&self.job, pod).message)?;
        Some(self.condition("FailureTarget", "PodFailurePolicy", &message))
    }

    fn past_limits(&self, failed: i64) -> Option<Value> {
        if failed > integer(&self.job, "/spec/backoffLimit") || self.has_restarted_too_often() {
            let message = "Job has reached the specified backoff limit";
            return Some(self.condition("FailureTarget", "BackoffLimitExceeded", message));
        }
        let deadline = self.job.at("/spec/activeDeadlineSeconds").and_then(Value::as_i64)?;
        let started = time(&self.job, "/status/startTime").filter(|_| !self.is_suspended())?;
        let left = SignedDuration::from_secs(deadline) - self.now.duration_since(started);
        if left.is_positive() {
            self.context.queue.add_after(self.key.clone(), left.unsigned_abs());
            return None;
        }
        Some(self.condition("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"))
    }

    /// With `OnFailure` the restarts of containers count as failures.
    fn has_restarted_too_often(&self) -> bool {
        if text(&self.job, "/spec/template/spec/restartPolicy") != "OnFailure" {
            return false;
        }
        let running = self.pods.iter().filter(|pod| matches!(text(pod, "/status/phase"), "Running" | "Pending"));
        let statuses = running
            .flat_map(|pod| list(pod, "/status/initContainerStatuses").iter().chain(list(pod, "/status/containerStatuses")));
        let restarts: i64 = statuses.map(|status| integer(status, "/restartCount")).sum();
        match integer(&self.job, "/spec/backoffLimit") {
            0 => restarts > 0,
            limit => restarts >= limit,
        }
    }

    fn judge_indexes(&mut self) {
        let completions = self.completions().unwrap_or_default();
        self.done_before = Indexes::parse(text(&self.job, "/status/completedIndexes"), completions);
        self.done = self.done_before.clone();
        let tracked = || self.pods.iter().filter(|pod| pod::is_tracked(pod));
        let succeeded = tracked().filter(|pod| text(pod, "/status/phase") == "Succeeded");
        let new: Vec<_> = succeeded.filter_map(|pod| self.index(pod)).collect();
        self.done.0.extend(new);
        self.succeeded = self.done.total();
        if self.has_limit_per_index() {
            let mut lost = Indexes::parse(text(&self.job, "/status/failedIndexes"), completions);
            lost.0.extend(tracked().filter(|pod| self.has_lost_its_index(pod)).filter_map(|pod| self.index(pod)));
            if self.finished.is_none() {
                self.finished = self.lost_too_many(&lost, completions);
            }
            self.lost = Some(lost);
            self.to_replace = self.pods_to_replace();
        }
        if self.finished.is_none()
            && let Some(message) = policy::success(&self.job, &self.done)
        {
            self.finished = Some(self.condition("SuccessCriteriaMet", "SuccessPolicy", &message));
        }
    }

    fn has_lost_its_index(&self, pod: &Value) -> bool {
        let failure = policy::failure(&self.job, pod);
        self.is_failed(pod)
            && (failure.fails_index || failure.counts && pod::failures(pod) >= integer(&self.job, "/spec/backoffLimitPerIndex"))
    }

    fn lost_too_many(&self, lost: &Indexes, completions: i64) -> Option<Value> {
        let most = self.job.at("/spec/maxFailedIndexes").and_then(Value::as_i64);
        if most.is_some_and(|most| lost.total() > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return Some(self.condition("FailureTarget", "MaxFailedIndexesExceeded", message));
        }
        let all = lost.total() > 0 && lost.total() + self.done.total() >= completions;
        all.then(|| self.condition("FailureTarget", "FailedIndexes", "Job has failed indexes"))
    }

    /// The newest failed pod of each index that is neither done nor lost nor running: kept until its successor exists.
    fn pods_to_replace(&self) -> BTreeMap<i64, Object> {
        let is_running = |index: i64| self.active.iter().any(|pod| pod::index(pod) == Some(index));
        let mut kept: BTreeMap<i64, Object> = BTreeMap::new();
        for pod in self.news(&[], |pod| self.is_failed(pod)) {
            let Some(index) = self.index(&pod) else { continue };
            let is_settled = self.done.0.contains(&index) || self.lost.as_ref().is_some_and(|lost| lost.0.contains(&index));
            if is_settled || is_running(index) {
                continue;
            }
            let rank = |pod: &Object| (pod::failures(pod) + pod::ignored_failures(pod), pod::finished_at(pod));
            let is_newer = kept.get(&index).is_none_or(|other| rank(other).0 <= rank(&pod).0 && rank(&pod).1 >= rank(other).1);
            if is_newer {
                kept.insert(index, pod);
            }
        }
        kept
    }

    /// Deletes what is left of an ended Job, or makes pods; whether the status changed, and what went wrong.
    async fn act(&mut self) -> (bool, Result<(), ApiError>) {
        let (active, changed, outcome) = if self.finished.is_some() { self.wind_up().await } else { self.go_on().await };
        let before = &self.job["status"];
        let same = integer(before, "/active") == active
            && before.get("ready") == Some(&json!(self.ready))
            && before.get("terminating") == Some(&json!(self.terminating));
        status::set_count(&mut self.job["status"], "active", active);
        self.job["status"]["ready"] = json!(self.ready);
        self.job["status"]["terminating"] = json!(self.terminating);
        (changed || !same, outcome)
    }

    async fn wind_up(&mut self) -> (i64, bool, Result<(), ApiError>) {
        let (mut deleted, mut outcome) = (0, Ok(()));
        for pod in self.active.clone() {
            let ready = i64::from(is_pod_ready(&pod));
            match pods::delete(self.context, self.key, &self.job, super::name(&pod)).await {
                Ok(()) => deleted += 1,
                Err(error) => outcome = Err(error),
            }
            self.ready -= ready;
        }
        let active = i64::try_from(self.active.len()).unwrap_or_default();
        if deleted != active {
            // Not yet: the pods that could not be deleted are tried again.
            self.finished = None;
        }
        self.terminating += deleted;
        (active - deleted, false, outcome)
    }

    async fn go_on(&mut self) -> (i64, bool, Result<(), ApiError>) {
        let is_managed = !is_deleting(&self.job);
        let (active, outcome) =
            if is_managed { self.manage().await } else { (i64::try_from(self.active.len()).unwrap_or_default(), Ok(())) };
        let enough = self.completions().map_or(self.succeeded > 0, |completions| self.succeeded >= completions);
        if enough && active == 0 {
            let message = "Reached expected number of succeeded pods";
            self.finished = Some(self.condition("SuccessCriteriaMet", "CompletionsReached", message));
            return (active, false, outcome);
        }
        (active, is_managed && self.note_suspension(), outcome)
    }

    /// Keeps the condition Suspended; says whether it changed.
    fn note_suspension(&mut self) -> bool {
        let is_suspended = self.is_suspended();
        let (verdict, reason, event, message) = if is_suspended {
            ("True", "JobSuspended", "Suspended", "Job suspended")
        } else {
            ("False", "JobResumed", "Resumed", "Job resumed")
        };
        let mut wanted = self.condition("Suspended", reason, message);
        wanted["status"] = json!(verdict);
        if !status::ensure(&mut self.job["status"], wanted) {
            return false;
        }
        self.say(EventType::Normal, event, message);
        if is_suspended {
            if let Some(fields) = self.job["status"].as_object_mut() {
                fields.remove("startTime");
            }
        } else {
            self.job["status"]["startTime"] = json!(self.context.api.clock.seconds());
        }
        true
    }

    /// Reports an event on the Job.
    pub(super) fn say(&self, kind: EventType, reason: &str, message: &str) {
        self.context.recorder.event(&ObjectRef::of(&self.job), kind, reason, message);
    }
}
