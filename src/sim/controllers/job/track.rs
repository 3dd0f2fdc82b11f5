//! Counting each ended pod exactly once: noted in the status, freed of its finalizer, counted; then the Job may end.
//! Every step is written before the next, as the real controller does, so that a restart loses nothing.

use super::super::object::{integer, is_deleting, name, text, uid};
use super::super::pods::ignore_missing;
use super::sync::Sync;
use super::{pod, policy, status};
use crate::sim::api::resource::JOBS;
use crate::sim::api::{ApiError, Subresource};
use crate::sim::events::EventType;
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most pods that are noted at once (`MaxUncountedPods`).
const MOST_NOTED: usize = 500;

impl Sync<'_> {
    /// Notes, frees and counts the pods that ended, and ends the Job when all is counted.
    pub(super) async fn track(&mut self, changed: bool) -> Result<(), ApiError> {
        let mut changed = changed;
        if self.is_indexed() {
            self.pods.sort_by_key(|pod| pod::index(pod));
        }
        let mut tracked: BTreeSet<String> =
            self.pods.iter().filter(|pod| pod::is_tracked(pod)).map(|pod| uid(pod).to_owned()).collect();
        changed |= status::count_freed(&mut self.job["status"], &tracked);
        let (freed, is_all) = self.note(&mut changed);
        if self.is_indexed() {
            changed |= self.note_indexes();
        }
        changed |= self.note_end();
        if changed {
            self.write().await?;
            self.back_offs.keep(self.key, self.record);
        }
        let mut failure = None;
        for pod in &freed {
            match pod::untrack(self.context, self.key, pod).await {
                Ok(_) => {
                    tracked.remove(uid(pod));
                }
                Err(error) => failure = Some(error),
            }
        }
        let mut counted = status::count_freed(&mut self.job["status"], &tracked);
        if let Some(error) = failure {
            if counted {
                self.write().await?;
            }
            return Err(error);
        }
        let ended = is_all && self.end();
        counted |= ended;
        if counted {
            self.write().await?;
        }
        if ended {
            self.tell_end();
        }
        Ok(())
    }

    /// Notes the pods that ended; those that are to be freed, and whether none had to be left for later.
    fn note(&mut self, changed: &mut bool) -> (Vec<Object>, bool) {
        let mut freed = Vec::new();
        let mut new_indexes = 0;
        for pod in self.pods.clone() {
            let failed = self.is_failed(&pod);
            if !pod::is_tracked(&pod) || !self.may_be_freed(&pod, failed) {
                continue;
            }
            freed.push(pod.clone());
            let own = uid(&pod);
            let is_noted = |noted: &[String]| noted.iter().any(|noted| noted == own);
            let ends_badly = self.finished.as_ref().is_some_and(|finished| finished["type"] != "SuccessCriteriaMet");
            if text(&pod, "/status/phase") == "Succeeded" && !is_noted(&self.noted_failed) {
                if self.is_indexed() {
                    if self.index(&pod).is_some_and(|index| !self.done_before.0.contains(&index)) {
                        new_indexes += 1;
                        *changed = true;
                    }
                } else if !is_noted(&self.noted_succeeded) {
                    status::note_uncounted(&mut self.job["status"], "succeeded", own);
                    *changed = true;
                }
            } else if failed || ends_badly {
                let has_place = !self.is_indexed() || self.index(&pod).is_some();
                if !is_noted(&self.noted_failed) && has_place && policy::failure(&self.job, &pod).counts {
                    status::note_uncounted(&mut self.job["status"], "failed", own);
                    *changed = true;
                }
            }
            let noted = |how: &str| status::uncounted(&self.job["status"], how).len();
            if new_indexes + noted("succeeded") + noted("failed") >= MOST_NOTED {
                return (freed, false);
            }
        }
        (freed, true)
    }

    fn may_be_freed(&self, pod: &Value, failed: bool) -> bool {
        if is_deleting(&self.job) || self.finished.is_some() || text(pod, "/status/phase") == "Succeeded" {
            return true;
        }
        // The last failed pod of an index knows how often it failed: it stays until its successor exists.
        let is_kept = pod::index(pod).and_then(|index| self.to_replace.get(&index)).is_some_and(|kept| uid(kept) == uid(pod));
        failed && !(self.has_limit_per_index() && is_kept)
    }

    fn note_indexes(&mut self) -> bool {
        let done = self.done.to_text();
        let status = &mut self.job["status"];
        let before = status.clone();
        status::set_count(status, "succeeded", self.done.total());
        if let Some(fields) = status.as_object_mut() {
            fields.remove("completedIndexes");
            if !done.is_empty() {
                fields.insert("completedIndexes".to_owned(), json!(done));
            }
            if let Some(lost) = &self.lost {
                fields.insert("failedIndexes".to_owned(), json!(lost.to_text()));
            }
        }
        before["completedIndexes"] != status["completedIndexes"] || before["failedIndexes"] != status["failedIndexes"]
    }

    /// Writes down that the Job is about to end; how it ends follows when all pods are gone and counted.
    fn note_end(&mut self) -> bool {
        let Some(finished) = self.finished.clone() else { return false };
        let (reason, message) = (text(&finished, "/reason"), text(&finished, "/message"));
        let is_known = super::super::object::condition(&self.job["status"], text(&finished, "/type")).is_some();
        let last = match text(&finished, "/type") {
            "FailureTarget" => "Failed",
            "SuccessCriteriaMet" => "Complete",
            _ => return false,
        };
        self.finished = Some(self.condition(last, reason, message));
        if is_known {
            return false;
        }
        status::append(&mut self.job["status"], finished);
        true
    }

    /// Sets the last condition, once nothing is uncounted and no pod is on its way out.
    fn end(&mut self) -> bool {
        let Some(finished) = self.finished.clone() else { return false };
        let status = &self.job["status"];
        let open = ["succeeded", "failed"].iter().any(|how| !status::uncounted(status, how).is_empty());
        if open || self.terminating > 0 {
            return false;
        }
        if finished["type"] == "Complete" {
            self.job["status"]["completionTime"] = finished["lastTransitionTime"].clone();
        }
        status::ensure(&mut self.job["status"], finished);
        true
    }

    fn tell_end(&self) {
        let Some(finished) = &self.finished else { return };
        if finished["type"] != "Complete" {
            self.say(EventType::Warning, text(finished, "/reason"), text(finished, "/message"));
            return;
        }
        if self.completions().is_some_and(|completions| integer(&self.job, "/status/succeeded") > completions) {
            let message = "Too many succeeded pods running after completion count reached";
            self.say(EventType::Warning, "TooManySucceededPods", message);
        }
        self.say(EventType::Normal, "Completed", "Job completed");
    }

    async fn write(&mut self) -> Result<(), ApiError> {
        self.context.before_write(self.key).await;
        let status = self.job["status"].clone();
        let written = self.context.api.modify(JOBS, &self.key.0, name(&self.job), Subresource::Status, |job| {
            job["status"] = status;
        });
        ignore_missing(written).map(|_| ())
    }
}
