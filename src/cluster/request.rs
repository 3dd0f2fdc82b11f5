//! Requests to an API server: errors in words of users, and retries of what may pass by itself, within a deadline.
//! The back-off is a fixed sequence, so that runs on the embedded cluster repeat to the byte.

use std::error::Error;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// The budget of one request with all its retries.
pub const REQUEST_BUDGET: Duration = Duration::from_secs(30);
/// An attempt without an answer is given up after this long.
const ATTEMPT: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {message}")]
pub struct RequestError {
    /// What was tried (`creating namespace cb-x`).
    pub what: String,
    /// The HTTP status; 0 when the server gave no answer.
    pub code: u16,
    /// The server's machine-readable reason (`NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, ...), or nothing.
    pub reason: String,
    /// The server's message, or why there is none, and what to do next where that is known.
    pub message: String,
}

impl RequestError {
    /// Puts a client's error into words.
    #[must_use]
    pub fn new(what: &str, error: &kube::Error) -> Self {
        let (code, reason, message) = match error {
            kube::Error::Api(status) => (status.code, status.reason.clone(), api_message(status)),
            other => (0, String::new(), describe(other)),
        };
        Self { what: what.to_owned(), code, reason, message }
    }

    /// An error that did not come from a server's answer.
    #[must_use]
    pub fn of(what: &str, message: impl Into<String>) -> Self {
        Self { what: what.to_owned(), code: 0, reason: String::new(), message: message.into() }
    }

    /// The object (or kind) does not exist.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// The object exists already.
    #[must_use]
    pub fn is_already_there(&self) -> bool {
        self.code == 409 && self.reason == "AlreadyExists"
    }

    /// A precondition (uid, resourceVersion) did not hold.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code == 409 && self.reason != "AlreadyExists"
    }
}

fn api_message(status: &kube::core::Status) -> String {
    let text = if status.message.is_empty() { status.reason.as_str() } else { status.message.as_str() };
    match status.code {
        401 => format!(
            "{text} (the credentials were refused: the token may have expired; log in again, on OpenShift with `oc login`)"
        ),
        0 => text.to_owned(),
        code if text.is_empty() => format!("the server answered {code}"),
        _ => text.to_owned(),
    }
}

/// A client's error without its type names: the innermost causes say what happened.
fn describe(error: &kube::Error) -> String {
    let mut causes = Vec::new();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    let innermost = causes.pop().unwrap_or_default();
    match error {
        kube::Error::Service(_) | kube::Error::HyperError(_) => format!("no answer from the server: {innermost}"),
        kube::Error::ReadEvents(_) => format!("the server's answer was cut off: {innermost}"),
        kube::Error::SerdeError(_) => format!("the server's answer could not be read: {innermost}"),
        kube::Error::Auth(_) => format!("the credentials of the kubeconfig could not be used: {innermost}"),
        _ => innermost,
    }
}

/// Whether the same request may succeed a moment later: overload, a server's own fault, a lost connection.
#[must_use]
pub fn is_transient(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == 429 || (500..600).contains(&status.code),
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// The `n`-th pause between attempts (from 0): 100 ms, doubling, at most 2 s.
#[must_use]
pub fn pause(n: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1u32 << n.min(8)).min(LONGEST_PAUSE)
}

/// Calls until it succeeds, fails for good, or `within` has passed. `call` may run more than once: it must be idempotent, or
/// its caller must understand the answer to a repetition.
///
/// # Errors
/// The last error, with `what` was tried.
pub async fn retried<T, F, R>(what: &str, within: Duration, mut call: F) -> Result<T, RequestError>
where
    F: FnMut() -> R,
    R: Future<Output = kube::Result<T>>,
{
    let deadline = Instant::now() + within;
    for n in 0.. {
        let limit = (Instant::now() + ATTEMPT).min(deadline);
        let error = match tokio::time::timeout_at(limit, call()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if !is_transient(&error) => return Err(RequestError::new(what, &error)),
            Ok(Err(error)) => RequestError::new(what, &error),
            Err(_) => RequestError::of(what, "no answer from the server in time; is it reachable and healthy?"),
        };
        if Instant::now() + pause(n) >= deadline {
            return Err(error);
        }
        tokio::time::sleep(pause(n)).await;
    }
    Err(RequestError::of(what, "no attempt was made"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn api(code: u16, reason: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, reason: reason.to_owned(), message: "said so".to_owned(), ..Status::default() }))
    }

    #[tokio::test(start_paused = true)]
    async fn transient_errors_are_retried_within_the_deadline_on_a_fixed_sequence() {
        let begun = Instant::now();
        let mut calls = 0;
        let answer: Result<(), _> = retried("asking", Duration::from_secs(1), || {
            calls += 1;
            async { Err(api(503, "ServiceUnavailable")) }
        })
        .await;
        assert_eq!(answer.unwrap_err().code, 503);
        assert_eq!((calls, begun.elapsed().as_millis()), (4, 700));
    }

    #[tokio::test(start_paused = true)]
    async fn final_errors_are_not_retried_and_recoveries_succeed() {
        let mut calls = 0;
        let answer: Result<(), _> = retried("asking", REQUEST_BUDGET, || {
            calls += 1;
            async { Err(api(422, "Invalid")) }
        })
        .await;
        assert_eq!((answer.unwrap_err().to_string().as_str(), calls), ("asking: said so", 1));
        let mut calls = 0;
        let answer = retried("asking", REQUEST_BUDGET, || {
            calls += 1;
            let result = if calls < 3 { Err(api(429, "TooManyRequests")) } else { Ok(7) };
            async { result }
        })
        .await;
        assert_eq!(answer, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_an_error_at_the_deadline() {
        let begun = Instant::now();
        let answer: Result<(), _> = retried("asking", Duration::from_secs(20), std::future::pending::<kube::Result<()>>).await;
        assert_eq!(answer.unwrap_err().code, 0);
        assert!(begun.elapsed() <= Duration::from_secs(20));
    }

    #[test]
    fn unauthorized_says_how_to_log_in() {
        assert!(RequestError::new("asking", &api(401, "Unauthorized")).message.contains("oc login"));
    }
}
