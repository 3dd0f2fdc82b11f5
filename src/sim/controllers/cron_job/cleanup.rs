//! Which Jobs of a `CronJob` go: ended ones above the history limits, and those that a new one replaces.
//! When a Job is due is decided in the parent.

use super::super::job;
use super::super::object::{name, text, uid};
use super::Sync;
use crate::json::At as _;
use crate::sim::api::resource::JOBS;
use crate::sim::api::{ApiError, DeleteOptions};
use crate::sim::events::EventType;
use crate::sim::store::Object;
use serde_json::Value;

impl Sync<'_> {
    /// Deletes the oldest ended Jobs above the limits.
    pub(super) async fn clean_up(&mut self) {
        for (end, field) in [("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")] {
            let limit = self.cron.at(&format!("/spec/{field}")).and_then(Value::as_u64);
            let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) else { continue };
            let is_of_end = |job: &&Object| job::finished(job).is_some_and(|finished| finished["type"] == end);
            let mut ended: Vec<_> = self.jobs.iter().filter(is_of_end).cloned().collect();
            ended.sort_by_key(|job| {
                let started = text(job, "/status/startTime");
                (started.is_empty(), started.to_owned(), name(job).to_owned())
            });
            ended.truncate(ended.len().saturating_sub(limit));
            for job in ended {
                // A Job that could not be deleted is tried again with the next sync, as it has been told.
                let _ = self.delete(&job).await;
            }
        }
    }

    /// Deletes the Jobs that still run.
    pub(super) async fn replace_active(&mut self) -> Result<(), ApiError> {
        for active in super::list(&self.cron, "/status/active").to_vec() {
            match self.context.api.get(JOBS, &self.key.0, text(&active, "/name")) {
                Ok(job) => self.delete(&job).await?,
                Err(error) => {
                    self.say(EventType::Warning, "FailedGet", &format!("Get job: {error}"));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn delete(&mut self, job: &Object) -> Result<(), ApiError> {
        self.context.before_write(self.key).await;
        match self.context.api.delete(JOBS, &self.key.0, name(job), &DeleteOptions::default()) {
            Ok(_) => {
                self.forget(uid(job));
                self.jobs.retain(|known| uid(known) != uid(job));
                self.say(EventType::Normal, "SuccessfulDelete", &format!("Deleted job {}", name(job)));
                Ok(())
            }
            Err(error) => {
                self.say(EventType::Warning, "FailedDelete", &format!("Deleted job: {error}"));
                Err(error)
            }
        }
    }
}
