//! The TTL controller: a Job that has ended is deleted with its pods `ttlSecondsAfterFinished` later.
//! What a Job's end is, is decided in `job`.

use super::context::Context;
use super::job;
use super::object::{is_deleting, key, time, uid};
use super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::JOBS;
use crate::sim::api::{ApiError, DeleteOptions, Propagation};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(JOBS, |_, item| if expiry(&item.object).is_some() { vec![key(&item.object)] } else { Vec::new() });
    context.serve(|context, key| Box::pin(sync(context, key)));
}

/// When a Job that has ended is to go.
fn expiry(job: &Value) -> Option<Timestamp> {
    let seconds = job.at("/spec/ttlSecondsAfterFinished").and_then(Value::as_i64).filter(|_| !is_deleting(job))?;
    let ended = time(job::finished(job)?, "/lastTransitionTime")?;
    ended.checked_add(SignedDuration::from_secs(seconds)).ok()
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(job) = context.api.get(JOBS, &key.0, &key.1) else { return Ok(()) };
    let Some(expiry) = expiry(&job) else { return Ok(()) };
    let left = expiry.duration_since(context.api.clock.now());
    if left.is_positive() {
        context.queue.add_after(key.clone(), left.unsigned_abs());
        return Ok(());
    }
    context.before_write(key).await;
    let options =
        DeleteOptions { propagation: Propagation::Foreground, uid: Some(uid(&job).to_owned()), ..DeleteOptions::default() };
    match context.api.delete(JOBS, &key.0, &key.1, &options) {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}
