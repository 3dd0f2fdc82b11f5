//! `detect.secondOpinion`: whom else findings are shown to. Asking is `crate::heal::opinion`'s; what is answered decides nothing.

use super::duration::serde_text;
use crate::notify::settings::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// `detect.secondOpinion`: the anomaly endpoint of a coordination engine (`POST /api/v1/detect`) is asked once about each leading finding
/// on a pod. What it says stands in the trial's notes and in the timeline; it decides nothing, and may fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecondOpinion {
    /// Where the engine answers, the part before `/api/v1`, without secrets.
    pub url: String,
    /// The model's name.
    pub model: String,
    /// What the model is told, in its order (default: restarts, exitCode, ready, age).
    #[serde(default = "all_features")]
    pub features: Vec<Feature>,
    /// Headers, whose values are secrets: `Authorization: { env: TOKEN }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// How long the answer may take (default 10s); in this time simulated time stands still.
    #[serde(default = "ten_seconds", with = "serde_text")]
    #[schemars(with = "String")]
    pub within: Duration,
}

/// A number that is known of the container that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Feature {
    /// How often it was restarted.
    Restarts,
    /// The exit code of its last end; 0 where it has not ended.
    ExitCode,
    /// 1 where it is ready, else 0.
    Ready,
    /// For how many seconds its pod has been seen.
    Age,
}

fn all_features() -> Vec<Feature> {
    vec![Feature::Restarts, Feature::ExitCode, Feature::Ready, Feature::Age]
}

const fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}
