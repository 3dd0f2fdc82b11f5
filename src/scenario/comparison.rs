//! `heal.by` with several healers: the same scenario once with each, of which Kubernetes alone is the reference.
//! What is gained by the others is worked out in `measure::lift`.

use super::heal::{Healer, Healers};
use super::plan::Plan;
use super::verdict::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a reference may come to: it is there to be compared with, and proves nothing by itself.
const ANY: [Verdict; 6] =
    [Verdict::Recovered, Verdict::Late, Verdict::Undetected, Verdict::Degraded, Verdict::Unrecovered, Verdict::Regressed];

/// One side of a comparison of healers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The scenario's name, without the healer.
    pub scenario: String,
    /// Who heals here.
    pub healer: Healer,
    /// Whether it is what the others are compared with: any verdict that says something is as expected, and it counts in no sum.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reference: bool,
}

/// Whether every verdict that says something passes: of a reference, which counts in no success rate.
#[must_use]
pub fn accepts_any(expect: &[Verdict]) -> bool {
    ANY.iter().all(|verdict| expect.contains(verdict))
}

/// A plan of several healers as one plan of each; another plan as it is.
#[must_use]
pub fn split(plan: Plan) -> Vec<Plan> {
    let healers = plan.heal.by.0.clone();
    if healers.len() < 2 {
        return vec![plan];
    }
    healers.into_iter().map(|healer| of(&plan, healer)).collect()
}

fn of(plan: &Plan, healer: Healer) -> Plan {
    let mut one = plan.clone();
    let reference = healer == Healer::Kubernetes;
    one.name = format!("{}[heal={}]", plan.name, healer.as_str());
    one.heal.by = Healers(vec![healer]);
    if healer != Healer::Comeback {
        one.heal.strategy.clear();
        one.ladders.clear();
    }
    one.comparison = Some(Comparison { scenario: plan.name.clone(), healer, reference });
    if reference {
        one.expect = ANY.to_vec();
    }
    one
}

impl Plan {
    /// The name by which its trials are seeded: both sides of a comparison meet the same course of events.
    #[must_use]
    pub fn seed_name(&self) -> &str {
        self.comparison.as_ref().map_or(&self.name, |comparison| &comparison.scenario)
    }
}
