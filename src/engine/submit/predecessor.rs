//! What a pod does before its own trials, where an earlier pod of the same shard was killed: waits until that one's run does not live any
//! more, and finishes what it left. Its finished trials are taken over by whoever runs the shard.

use crate::cluster::request::RequestError;
use crate::engine::cleanup::{self, Scope};
use std::time::Duration;
use tokio::time::Instant;

/// How long a predecessor may go on living: the Job controller replaces a pod only when it has ended, but a node that nobody reaches
/// may still run it.
const LIVES_AT_MOST: Duration = Duration::from_mins(3);

/// What an attempt that was killed left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Namespaces of trials that it was in the middle of, removed now.
    pub cut_off: Vec<String>,
    /// What could not be undone or removed, in words.
    pub left: Vec<String>,
}

/// Finishes an attempt that was killed.
///
/// # Errors
/// It still lives, or the server's refusal.
pub async fn finish(client: &kube::Client, attempt: &str, allowed: &[String]) -> Result<Finished, RequestError> {
    let begun = Instant::now();
    loop {
        let found = cleanup::find(client, &Scope::Run(attempt.to_owned()), allowed).await?;
        if found.is_empty() {
            return Ok(Finished::default());
        }
        let (stale, live) = cleanup::stale_only(client, found).await?;
        if live.is_empty() {
            let mut finished = Finished::default();
            for stale in stale {
                let cleaned = cleanup::clean(client, stale).await;
                let trials = cleaned.removed.into_iter().filter(|found| found.scenario.is_some());
                finished.cut_off.extend(trials.map(|found| found.namespace.name));
                finished.left.extend(cleaned.left.into_iter().map(|(target, why)| format!("{target} of run {attempt}: {why}")));
            }
            return Ok(finished);
        }
        if begun.elapsed() > LIVES_AT_MOST {
            let what = format!("taking over from run {attempt}");
            return Err(RequestError::of(
                &what,
                "it still renews its lease: is its pod still running on a node that cannot be reached?",
            ));
        }
    }
}
