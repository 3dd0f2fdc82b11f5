//! What a healer that is not ours says of itself. It decides nothing: whether anything recovered is seen by us.

use crate::scenario::duration::serde_seconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far a healer says that it has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClaimStatus {
    /// It has taken the incident.
    Accepted,
    /// It has not begun.
    Pending,
    /// It is at work.
    InProgress,
    /// It says that it is done.
    Completed,
    /// It says that it failed.
    Failed,
    /// It gave no answer that could be understood.
    Unanswered,
}

impl ClaimStatus {
    /// The word of the result file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Pending => "pending",
            Self::InProgress => "inProgress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Unanswered => "unanswered",
        }
    }
}

/// One thing that a healer said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Its host.
    pub by: String,
    /// The incident as it was told: (run, workload, cause).
    pub incident: String,
    /// Its own name for what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// When it was heard: seconds since the trial began.
    #[serde(with = "serde_seconds")]
    #[schemars(with = "f64")]
    pub at: Duration,
    /// What it says.
    pub status: ClaimStatus,
    /// Why it failed, or could not be understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
