//! The steps of a ladder, as they are written. Carrying them out lives in `crate::heal::carry`.

use crate::notify::settings::{Receiver, Secret};
use crate::scenario::duration::{serde_text, serde_text_option};
use crate::scenario::fault::PatchType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Gives Kubernetes time.
    Wait(Wait),
    /// Deletes the pod of the finding (with its uid as precondition).
    RestartPod(Attempts),
    /// Restarts the workload's pods as `kubectl rollout restart` does.
    RestartWorkload(Attempts),
    /// Goes back to the newest older revision that was available.
    Rollback(Attempts),
    /// Raises the memory limit in the template.
    SetMemory(SetMemory),
    /// Puts back what was changed since the steady state: the values of the ConfigMaps and Secrets that the pod reads; of a Service that is
    /// itself at fault its selector and ports.
    RevertConfig(Attempts),
    /// Creates a missing object again from the baseline.
    RestoreObject(Attempts),
    /// Gives a probe more patience in the template.
    RelaxProbe(RelaxProbe),
    /// Patches the workload, or a named object.
    Patch(PatchStep),
    /// Changes the number of replicas of the workload.
    Scale(Scale),
    /// Takes no more pods on the node of the finding; undone when the run ends.
    CordonNode(Attempts),
    /// Cordons the node of the finding and evicts the trial's pods on it, as far as their budgets allow.
    DrainNode(Attempts),
    /// Cuts the power of the node's machine and switches it on again.
    RebootNode(Attempts),
    /// Tells somebody.
    Notify(NotifyStep),
    /// Posts the finding as an alert, in the shape of Alertmanager's webhook.
    Webhook(WebhookStep),
}

macro_rules! step {
    ($(#[$meta:meta])* pub struct $name:ident($attempts:literal) { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// How often the step is tried before the ladder goes on.
            #[serde(default = $attempts)]
            pub max_attempts: u32,
            /// Pause before another attempt, doubled each time (default 10s).
            #[serde(default = "ten_seconds", with = "serde_text")]
            #[schemars(with = "String")]
            pub backoff: Duration,
            /// How long an attempt may take to show success before the next attempt or rung (default 1m).
            #[serde(default = "one_minute", with = "serde_text")]
            #[schemars(with = "String")]
            pub timeout: Duration,
        }
    };
}

step! {
    /// A step without settings of its own.
    pub struct Attempts("one") {}
}

step! {
    /// `setMemory`
    pub struct SetMemory("three") {
        /// Multiplies the present limit (default 1.5; more than 1).
        #[serde(default = "one_and_a_half")]
        factor: f64,
        /// Never more than this multiple of the first limit (default 4).
        #[serde(default = "four")]
        at_most: f64,
    }
}

step! {
    /// `relaxProbe`
    pub struct RelaxProbe("two") {
        /// Multiplies failureThreshold (default 3).
        #[serde(default = "three")]
        factor: u32,
    }
}

step! {
    /// `patch` as a step
    pub struct PatchStep("one") {
        /// The object's kind; absent (with `name`): the workload of the finding.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// The object's apiVersion; may be left out for Kubernetes' own kinds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        api_version: Option<String>,
        /// The object's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// How the patch is to be read (default `strategic`).
        #[serde(rename = "type", default)]
        type_: PatchType,
        /// The patch itself.
        #[schemars(with = "Value")]
        patch: Value,
    }
}

step! {
    /// `scale`
    pub struct Scale("three") {
        /// Multiplies the present number of replicas, rounded up (default 1.5; more than 1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        factor: Option<f64>,
        /// The number of replicas, instead of a factor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replicas: Option<u32>,
        /// Never more than these (default 10).
        #[serde(default = "ten")]
        at_most: u32,
        /// So long, and then back to what it was: `replicas: 0, for: 10s` stops everything and starts it afresh.
        #[serde(rename = "for", default, with = "serde_text_option", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        for_: Option<Duration>,
    }
}

step! {
    /// `notify`
    pub struct NotifyStep("one") {
        /// Who is told.
        to: Receiver,
        /// What is told before the finding (default: that comeback asks for help).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    }
}

step! {
    /// `webhook` as a step
    pub struct WebhookStep("two") {
        /// Where to; without secrets in it.
        url: String,
        /// Headers, whose values are secrets: `Authorization: { env: TOKEN }`.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, Secret>,
        /// How long the answer may take (default 10s); in this time simulated time stands still.
        #[serde(default = "ten_seconds", with = "serde_text")]
        #[schemars(with = "String")]
        within: Duration,
    }
}

/// `wait`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wait {
    /// How long.
    #[serde(rename = "for", with = "serde_text")]
    #[schemars(with = "String")]
    pub for_: Duration,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { max_attempts: 1, backoff: ten_seconds(), timeout: one_minute() }
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            factor: None,
            replicas: None,
            at_most: ten(),
            for_: None,
            max_attempts: 3,
            backoff: ten_seconds(),
            timeout: one_minute(),
        }
    }
}

impl Default for SetMemory {
    fn default() -> Self {
        Self { factor: 1.5, at_most: 4.0, max_attempts: 3, backoff: ten_seconds(), timeout: one_minute() }
    }
}

impl Default for RelaxProbe {
    fn default() -> Self {
        Self { factor: 3, max_attempts: 2, backoff: ten_seconds(), timeout: one_minute() }
    }
}

const fn one() -> u32 {
    1
}
const fn two() -> u32 {
    2
}
const fn three() -> u32 {
    3
}
const fn ten() -> u32 {
    10
}
const fn one_and_a_half() -> f64 {
    1.5
}
const fn four() -> f64 {
    4.0
}
const fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}
const fn one_minute() -> Duration {
    Duration::from_mins(1)
}

impl Step {
    /// The step's key in the language.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Wait(_) => "wait",
            Self::RestartPod(_) => "restartPod",
            Self::RestartWorkload(_) => "restartWorkload",
            Self::Rollback(_) => "rollback",
            Self::SetMemory(_) => "setMemory",
            Self::RevertConfig(_) => "revertConfig",
            Self::RestoreObject(_) => "restoreObject",
            Self::RelaxProbe(_) => "relaxProbe",
            Self::Patch(_) => "patch",
            Self::Scale(_) => "scale",
            Self::CordonNode(_) => "cordonNode",
            Self::DrainNode(_) => "drainNode",
            Self::RebootNode(_) => "rebootNode",
            Self::Notify(_) => "notify",
            Self::Webhook(_) => "webhook",
        }
    }

    /// Whether it acts on the node of a finding, and not on its workload.
    #[must_use]
    pub const fn is_about_a_node(&self) -> bool {
        matches!(self, Self::CordonNode(_) | Self::DrainNode(_) | Self::RebootNode(_))
    }

    /// Whether it only tells others: nothing of the cluster is changed by it.
    #[must_use]
    pub const fn only_tells(&self) -> bool {
        matches!(self, Self::Notify(_) | Self::Webhook(_))
    }
}
