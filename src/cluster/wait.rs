//! Waiting for one object to get somewhere, by a watch and with a deadline; never by polling.
//! Watching many objects for a trial's timeline is `observe::watch`'s.

use super::request::{RequestError, is_transient, pause};
use futures::{StreamExt, TryStream};
use kube::api::{Api, DynamicObject};
use kube::runtime::utils::{Backoff, StreamBackoff};
use kube::runtime::watcher::{self, Event};
use std::time::Duration;

/// The pauses of a watch that fails: the same fixed sequence as that of requests, from the start after each success.
#[derive(Clone, Debug, Default)]
pub struct Pauses {
    n: u32,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = pause(self.n);
        self.n = self.n.saturating_add(1);
        Some(now)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.n = 0;
    }
}

/// A stream with [`Pauses`] after its errors.
pub fn with_pauses<S: TryStream>(stream: S) -> StreamBackoff<S, Pauses> {
    StreamBackoff::new(stream, Pauses::default())
}

/// Whether a watch may recover from an error by itself.
#[must_use]
pub fn may_recover(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => is_transient(error) || is_expired(error),
        watcher::Error::WatchError(status) => status.code == 410 || status.code == 429 || status.code >= 500,
        watcher::Error::NoResourceVersion => false,
    }
}

fn is_expired(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

/// A watch's error as a request's.
#[must_use]
pub fn watch_error(what: &str, error: &watcher::Error) -> RequestError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => RequestError::new(what, error),
        watcher::Error::WatchError(status) => {
            let (reason, message) = (status.reason.clone(), status.message.clone());
            RequestError { what: what.to_owned(), code: status.code, reason, message }
        }
        watcher::Error::NoResourceVersion => RequestError::of(what, "the server's answer has no resourceVersion"),
    }
}

/// Waits until `done` holds for the object `name` (given `None` while it does not exist). False when `within` has passed.
///
/// # Errors
/// The object may not be watched.
pub async fn until(
    api: &Api<DynamicObject>,
    name: &str,
    within: Duration,
    done: impl Fn(Option<&DynamicObject>) -> bool,
) -> Result<bool, RequestError> {
    let what = format!("watching {name}");
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut stream = std::pin::pin!(with_pauses(watcher::watcher(api.clone(), config)));
    let wait = async {
        let mut found = false;
        while let Some(event) = stream.next().await {
            let reached = match &event {
                Ok(Event::Init) => {
                    found = false;
                    false
                }
                Ok(Event::InitApply(object) | Event::Apply(object)) => {
                    found = true;
                    done(Some(object))
                }
                Ok(Event::InitDone) => !found && done(None),
                Ok(Event::Delete(_)) => done(None),
                Err(error) if may_recover(error) => false,
                Err(error) => return Err(watch_error(&what, error)),
            };
            if reached {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match tokio::time::timeout(within, wait).await {
        Ok(result) => result,
        Err(_) => Ok(false),
    }
}
