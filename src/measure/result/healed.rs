//! Who healed a trial's workload, and whether the cause is gone: as the result file says it. How that is told is `attribution`'s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who healed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealedBy {
    /// Who.
    pub who: Who,
    /// Its name, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the cause is gone.
    pub how: How,
    /// Why we say so.
    pub evidence: Vec<String>,
}

/// Who healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the contract's names")]
pub enum Who {
    Kubernetes,
    Comeback,
    Webhook,
    External,
    Unknown,
}

/// Whether the cause is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// The cause was removed.
    Healed,
    /// The symptom was pushed back; the cause may still be there.
    Mitigated,
}
