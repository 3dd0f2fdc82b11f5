//! A finding: a detector's statement of cause, subject, evidence and confidence. How one comes about lives in the rules.

use crate::scenario::duration::serde_seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a finding is about; the same for `run`, `scan` and `heal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The cluster's name.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The uid.
    pub uid: String,
    /// The container, where one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// How sure a detector is, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Confidence {
    /// Log patterns alone, or one of several explanations.
    Low,
    /// Status fields agree, another cause is not ruled out.
    Medium,
    /// Status fields or the server's own words name the cause.
    High,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Where it was read (`pod status`, `event`, `log`, `replicaset`, `configmap`).
    pub source: String,
    /// What was read, in one line.
    pub text: String,
}

/// A detector's statement. Identified by (cause, subject); later versions have a later `lastSeen` and a higher `count`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The cause (`crash.app-error`, `oom.limit`, ...).
    pub cause: String,
    /// What it is about.
    pub subject: Subject,
    /// When it was stated: seconds since the trial began.
    #[serde(with = "serde_seconds")]
    #[schemars(with = "f64")]
    pub at: Duration,
    /// When its first signal was seen.
    #[serde(with = "serde_seconds")]
    #[schemars(with = "f64")]
    pub first_seen: Duration,
    /// When its last signal was seen.
    #[serde(with = "serde_seconds")]
    #[schemars(with = "f64")]
    pub last_seen: Duration,
    /// How many signals (exits, kills, failed pulls) support it.
    pub count: u32,
    /// Where its signals were read.
    pub sources: Vec<String>,
    /// What belongs together: the workload (`deployment/pool`) whose pods share the cause.
    pub group: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// The evidence, strongest first.
    pub evidence: Vec<Evidence>,
    /// Runner-up causes, best first.
    pub alternatives: Vec<String>,
    /// Whether this is the leading finding of its group: symptoms of another finding's cause, and weaker explanations, do not lead.
    pub leading: bool,
}

/// Whether `cause` is `expected` or below it: `crash` covers `crash.app-error`, `crash.app` does not.
#[must_use]
pub fn cause_covers(expected: &str, cause: &str) -> bool {
    cause.strip_prefix(expected).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_covers_whole_words_only() {
        assert!(cause_covers("crash", "crash.app-error"));
        assert!(cause_covers("crash.app-error", "crash.app-error"));
        assert!(!cause_covers("crash.app", "crash.app-error"));
        assert!(!cause_covers("crash.app-error", "crash"));
    }
}
