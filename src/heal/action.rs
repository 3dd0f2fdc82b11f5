//! The audit record of one action of the healer. Carrying actions out lives beside it.

use crate::detect::Subject;
use crate::scenario::duration::serde_seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// What the API made of an action. Success of the remedy is a different question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActionOutcome {
    /// The change was made.
    Acted,
    /// A guard or the server refused it.
    Refused,
    /// Nothing had to be changed.
    NoOp,
    /// The request failed.
    Failed,
    /// The ladder is at its end, or the cause has no remedy: reported, not acted upon.
    NoRemedy,
}

/// One audited action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionRecord {
    /// A deterministic id of (run, target, cause, rung, attempt): the same action is never done twice.
    pub id: String,
    /// The step's key (`setMemory`, `rollback`, ..., `report` at the end of a ladder).
    pub step: String,
    /// What was acted upon.
    pub subject: Subject,
    /// The cause that it answers.
    pub cause: String,
    /// When it was requested: seconds since the trial began.
    #[serde(with = "serde_seconds")]
    #[schemars(with = "f64")]
    pub at: Duration,
    /// What the API made of it.
    pub outcome: ActionOutcome,
    /// Why it was done, refused, or failed.
    pub reason: String,
    /// What it changes, before; only the part that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The same part, after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// uids of pods that the action itself deletes or replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
}
