//! Healers that are not comeback's: a service that is asked over HTTP, and a controller that is only watched.
//! Asking the service lives in `crate::heal::service`.

use crate::notify::settings::Secret;
use crate::scenario::duration::serde_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// `heal.webhook`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookHealer {
    /// Where it answers, without secrets: of a coordination engine the part before `/api/v1`, else the whole address.
    pub url: String,
    /// What it understands.
    #[serde(default)]
    pub format: WebhookFormat,
    /// Headers, whose values are secrets: `Authorization: { env: TOKEN }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// How long one answer may take (default 10s).
    #[serde(default = "ten_seconds", with = "serde_text")]
    #[schemars(with = "String")]
    pub within: Duration,
    /// How often it is asked how far it has got (default 2s, at least 500ms).
    #[serde(default = "two_seconds", with = "serde_text")]
    #[schemars(with = "String")]
    pub every: Duration,
    /// How long it may take in all before its claim is no longer asked for (default 5m).
    #[serde(default = "five_minutes", with = "serde_text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

/// What a remediation service understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WebhookFormat {
    /// The coordination engine's API: `POST /api/v1/remediation/trigger`, then `GET /api/v1/workflows/ID`.
    #[default]
    CoordinationEngine,
    /// An alert in the shape of Alertmanager's webhook (version 4); nothing is claimed but that it was taken.
    Alertmanager,
}

/// `heal.external`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalHealer {
    /// The field manager of its writes (`kubectl get --show-managed-fields` shows them); absent: whoever is neither Kubernetes nor
    /// comeback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
}

const fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}
const fn two_seconds() -> Duration {
    Duration::from_secs(2)
}
const fn five_minutes() -> Duration {
    Duration::from_mins(5)
}
