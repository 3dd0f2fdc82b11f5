//! Healing in the language: who heals, and the ladder of steps. Carrying steps out lives in `crate::heal`.

mod others;
mod step;

pub use others::{ExternalHealer, WebhookFormat, WebhookHealer};
pub use step::{Attempts, NotifyStep, PatchStep, RelaxProbe, Scale, SetMemory, Step, Wait, WebhookStep};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `heal`: who heals, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Heal {
    /// Who heals. Of several the scenario is run once with each, and what the others gain over `kubernetes` is reported.
    #[serde(default)]
    #[schemars(with = "HealersSchema")]
    pub by: Healers,
    /// The ladder; empty: the ladder of the diagnosed cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategy: Vec<Step>,
    /// Files of strategies (`kind: Strategy`), relative to the scenario's, or built in (`builtin:strategy/controller`): a ladder for each
    /// cause that they answer. The causes that they leave out keep the default ladder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<String>,
    /// How the service of `by: webhook` is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookHealer>,
    /// By what the controller of `by: external` is told from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalHealer>,
}

/// Who heals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Healer {
    /// Kubernetes alone; comeback only watches.
    #[default]
    Kubernetes,
    /// comeback's own healer.
    Comeback,
    /// A remediation service that comeback asks for each finding.
    Webhook,
    /// A controller that comeback does not know; it only watches.
    External,
}

impl Healer {
    /// The word of the language.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Comeback => "comeback",
            Self::Webhook => "webhook",
            Self::External => "external",
        }
    }
}

/// `by`: one healer, or several of which each heals in its turn; written as one word or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healers(pub Vec<Healer>);

impl Default for Healers {
    fn default() -> Self {
        Self(vec![Healer::default()])
    }
}

/// How `by` looks in the schema.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum HealersSchema {
    /// One healer.
    One(Healer),
    /// Several; the scenario is run once with each.
    Several(Vec<Healer>),
}

impl<'de> Deserialize<'de> for Healers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let list = if value.is_array() { value } else { serde_json::Value::Array(vec![value]) };
        serde_json::from_value(list).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Healers {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl Heal {
    /// Who heals: of a plan, which has one healer only.
    #[must_use]
    pub fn healer(&self) -> Healer {
        self.by.0.first().copied().unwrap_or_default()
    }
}
