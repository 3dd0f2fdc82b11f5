//! The `CronJob` controller: a Job at each time of a schedule (`sim::cron`), within the rules on concurrency and lateness.
//! Old Jobs are cleared away in `cleanup`.

mod cleanup;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::job;
use super::object::{controller_of, is_controlled_by, is_deleting, key, list, name, namespace, owner_reference, text, time, uid};
use super::pods::{ignore_missing, is_namespace_terminating};
use super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::{CRON_JOBS, JOBS};
use crate::sim::api::{ApiError, Subresource, WatchItem};
use crate::sim::clock::format_seconds;
use crate::sim::cron::{self, Schedule};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::store::Object;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A sync comes this long after a scheduled time, so that clocks that differ a little do not miss it.
const DELTA: Duration = Duration::from_millis(100);
/// More missed times than this are complained about.
const MANY_MISSED: i64 = 100;

/// One run of the controller over one `CronJob`.
struct Sync<'a> {
    context: &'a Context,
    key: &'a Key,
    /// With the status as this run changes it.
    cron: Value,
    jobs: Vec<Object>,
    now: Timestamp,
}

/// A schedule with the zone whose clocks it follows.
struct Times {
    schedule: Schedule,
    zone: TimeZone,
}

/// The last time at which a Job was due.
struct Due {
    /// Since when times were looked for.
    earliest: Timestamp,
    last: Option<Timestamp>,
    missed: i64,
}

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(CRON_JOBS, |_, item| vec![key(&item.object)]);
    context.inform(JOBS, |_, item| owners(item));
    context.serve(|context, key| Box::pin(sync(context, key)));
}

fn owners(item: &WatchItem) -> Vec<Key> {
    let owner = |job: &Value| {
        let owner = controller_of(job).filter(|owner| owner["kind"] == CRON_JOBS.kind)?;
        Some((namespace(job).to_owned(), text(owner, "/name").to_owned()))
    };
    let mut keys: Vec<_> = owner(&item.object).into_iter().collect();
    keys.extend(item.previous.as_deref().and_then(owner).filter(|former| !keys.contains(former)));
    keys
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(cron) = context.api.get(CRON_JOBS, &key.0, &key.1) else { return Ok(()) };
    let jobs = context.api.list(JOBS, Some(&key.0)).into_iter().filter(|job| is_controlled_by(job, &cron)).collect();
    let mut sync = Sync { context, key, cron: (*cron).clone(), jobs, now: context.api.clock.now() };
    sync.clean_up().await;
    let outcome = sync.run().await;
    if sync.cron["status"] != cron["status"] {
        context.before_write(key).await;
        let status = sync.cron["status"].clone();
        let written = context.api.modify(CRON_JOBS, &key.0, &key.1, Subresource::Status, |cron| cron["status"] = status);
        ignore_missing(written)?;
    }
    if let Some(wait) = outcome? {
        context.queue.add_after(key.clone(), wait);
    }
    Ok(())
}

impl Times {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.schedule.next(after, &self.zone)
    }

    /// The last time that was due, and how many were passed over.
    fn due(&self, earliest: Timestamp, now: Timestamp) -> Due {
        let none = |missed| Due { earliest, last: None, missed };
        let Some(first) = self.next(earliest).filter(|first| *first <= now) else { return none(0) };
        let Some(second) = self.next(first).filter(|second| *second <= now) else {
            return Due { earliest, last: Some(first), missed: 0 };
        };
        let between = second.duration_since(first).as_secs().max(1);
        let missed = now.duration_since(first).as_secs() / between + 1;
        let from = first.checked_add(SignedDuration::from_secs((missed - 2) * between)).unwrap_or(first);
        let mut last = None;
        let mut at = self.next(from);
        while let Some(time) = at.filter(|time| *time <= now) {
            last = Some(time);
            at = self.next(time);
        }
        Due { earliest, last, missed }
    }
}

impl Sync<'_> {
    /// Starts a Job if one is due; how long to wait for the next time.
    async fn run(&mut self) -> Result<Option<Duration>, ApiError> {
        self.follow_jobs();
        if is_deleting(&self.cron) {
            return Ok(None);
        }
        let Some(times) = self.times() else { return Ok(None) };
        let due = times.due(self.earliest(true), self.now);
        let wait = self.wait(&times);
        let Some(at) = due.last else { return Ok(wait) };
        if due.missed > MANY_MISSED {
            let message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.say(EventType::Warning, "TooManyMissedTimes", message);
        }
        let deadline = self.cron.at("/spec/startingDeadlineSeconds").and_then(Value::as_i64);
        if deadline.is_some_and(|seconds| at.saturating_add(SignedDuration::from_secs(seconds)).is_ok_and(|end| end < self.now)) {
            let at = at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
            self.say(EventType::Warning, "MissSchedule", &format!("Missed scheduled time to start a job: {at}"));
            return Ok(wait);
        }
        let own = format!("{}-{}", name(&self.cron), at.as_second().div_euclid(60));
        let is_done = time(&self.cron, "/status/lastScheduleTime") == Some(at);
        if is_done || list(&self.cron, "/status/active").iter().any(|active| text(active, "/name") == own) {
            return Ok(wait);
        }
        let is_busy = !list(&self.cron, "/status/active").is_empty();
        match text(&self.cron, "/spec/concurrencyPolicy") {
            "Forbid" if is_busy => {
                let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
                self.say(EventType::Normal, "JobAlreadyActive", message);
                return Ok(wait);
            }
            "Replace" => self.replace_active().await?,
            _ => {}
        }
        if self.create(&own, at, &times.zone).await? {
            self.cron["status"]["lastScheduleTime"] = json!(format_seconds(at));
            return Ok(self.wait(&times));
        }
        Ok(None)
    }

    /// The schedule, unless it cannot be read or is suspended.
    fn times(&self) -> Option<Times> {
        let zone_name = text(&self.cron, "/spec/timeZone");
        let zone = match cron::time_zone(zone_name) {
            Ok(zone) => zone,
            Err(why) => {
                self.say(EventType::Warning, "UnknownTimeZone", &format!("invalid timeZone: \"{zone_name}\": {why}"));
                return None;
            }
        };
        if self.cron.at("/spec/suspend") == Some(&json!(true)) {
            return None;
        }
        let written = text(&self.cron, "/spec/schedule");
        match Schedule::parse(written) {
            Ok(schedule) => Some(Times { schedule, zone }),
            Err(why) => {
                self.say(EventType::Warning, "UnparseableSchedule", &format!("unparseable schedule: \"{written}\" : {why}"));
                None
            }
        }
    }

    /// Since when times are looked for: the last start, else the creation; with a starting deadline no longer ago.
    fn earliest(&self, with_deadline: bool) -> Timestamp {
        let begun = time(&self.cron, "/status/lastScheduleTime").or_else(|| time(&self.cron, "/metadata/creationTimestamp"));
        let begun = begun.unwrap_or(self.now);
        let deadline = self.cron.at("/spec/startingDeadlineSeconds").and_then(Value::as_i64).filter(|_| with_deadline);
        let bound = deadline.and_then(|seconds| self.now.checked_sub(SignedDuration::from_secs(seconds)).ok());
        bound.map_or(begun, |bound| bound.max(begun))
    }

    fn wait(&self, times: &Times) -> Option<Duration> {
        let due = times.due(self.earliest(false), self.now);
        let from = due.last.unwrap_or(if due.missed == 0 { due.earliest } else { self.now });
        let next = times.next(from)?;
        Some(Duration::try_from(next.duration_since(self.now)).unwrap_or_default() + DELTA)
    }

    /// Takes ended and vanished Jobs off the list of active ones.
    fn follow_jobs(&mut self) {
        for job in self.jobs.clone() {
            let is_listed = list(&self.cron, "/status/active").iter().any(|active| text(active, "/uid") == uid(&job));
            let Some(end) = job::finished(&job) else {
                if !is_listed {
                    let message = format!("Saw a job that the controller did not create or forgot: {}", name(&job));
                    self.say(EventType::Warning, "UnexpectedJob", &message);
                }
                continue;
            };
            if is_listed {
                self.forget(uid(&job));
                let message = format!("Saw completed job: {}, condition: {}", name(&job), text(end, "/type"));
                self.say(EventType::Normal, "SawCompletedJob", &message);
            }
            let completed = time(&job, "/status/completionTime").filter(|_| end["type"] == "Complete");
            if completed.is_some_and(|at| time(&self.cron, "/status/lastSuccessfulTime").is_none_or(|last| at > last)) {
                self.cron["status"]["lastSuccessfulTime"] = job["status"]["completionTime"].clone();
            }
        }
        for active in list(&self.cron, "/status/active").to_vec() {
            let is_known = self.jobs.iter().any(|job| uid(job) == text(&active, "/uid"));
            if !is_known && self.context.api.get(JOBS, &self.key.0, text(&active, "/name")).is_err() {
                let message = format!("Active job went missing: {}", text(&active, "/name"));
                self.say(EventType::Normal, "MissingJob", &message);
                self.forget(text(&active, "/uid"));
            }
        }
    }

    /// Takes a Job off the list of active ones.
    fn forget(&mut self, job: &str) {
        let Some(status) = self.cron["status"].as_object_mut() else { return };
        let Some(active) = status.get_mut("active").and_then(Value::as_array_mut) else { return };
        active.retain(|active| text(active, "/uid") != job);
        if active.is_empty() {
            status.remove("active");
        }
    }

    /// Makes the Job of a time; false when another's Job has its name, or it is listed already.
    async fn create(&mut self, own: &str, at: Timestamp, zone: &TimeZone) -> Result<bool, ApiError> {
        let template = &self.cron["spec"]["jobTemplate"];
        let mut metadata = json!({"name": own, "ownerReferences": [owner_reference(&self.cron)], "annotations": {}});
        for map in ["labels", "annotations"] {
            if let Some(given) = template.at(&format!("/metadata/{map}")) {
                metadata[map] = given.clone();
            }
        }
        let local = at.to_zoned(zone.clone());
        let offset = if local.offset().is_zero() { "Z".to_owned() } else { local.strftime("%:z").to_string() };
        metadata["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] =
            json!(format!("{}{offset}", local.strftime("%Y-%m-%dT%H:%M:%S")));
        let wanted = json!({"metadata": metadata, "spec": template["spec"]});
        self.context.before_write(self.key).await;
        let job = match self.context.api.create(JOBS, &self.key.0, wanted) {
            Ok(job) => {
                self.say(EventType::Normal, "SuccessfulCreate", &format!("Created job {own}"));
                job
            }
            Err(error) if error.reason == "AlreadyExists" => {
                let job = self.context.api.get(JOBS, &self.key.0, own)?;
                if !is_controlled_by(&job, &self.cron) {
                    return Ok(false);
                }
                job
            }
            Err(error) => {
                if !is_namespace_terminating(&error) {
                    self.say(EventType::Warning, "FailedCreate", &format!("Error creating job: {error}"));
                }
                return Err(error);
            }
        };
        let reference = json!({
            "kind": "Job", "namespace": self.key.0, "name": own, "uid": uid(&job), "apiVersion": "batch/v1",
            "resourceVersion": text(&job, "/metadata/resourceVersion"),
        });
        if !self.cron["status"].is_object() {
            self.cron["status"] = json!({});
        }
        let mut active = list(&self.cron, "/status/active").to_vec();
        active.push(reference);
        self.cron["status"]["active"] = json!(active);
        Ok(true)
    }

    fn say(&self, kind: EventType, reason: &str, message: &str) {
        self.context.recorder.event(&ObjectRef::of(&self.cron), kind, reason, message);
    }
}
