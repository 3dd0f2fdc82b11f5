//! Whether a finding is about what the scenario broke, or about something else that merely has the same cause.

use super::Judge;
use crate::detect::{Finding, cause_covers};
use crate::measure::relation::Concern;

impl Judge {
    /// Whether a finding is about a workload that the faults act on, one that depends on these, or one of which `effect` speaks.
    /// What breaks without a fault may be any of the scenario's workloads.
    pub(in crate::measure) fn is_about_what_broke(&self, finding: &Finding) -> bool {
        if self.expected.is_empty() {
            return true;
        }
        let mut concern = Concern::of_conditions(self.plan.effect.until.iter().flatten(), &self.index);
        for state in &self.faults {
            concern.join(&Concern::of_fault(self.expected.get(state.record.fault), &state.record, &self.index));
        }
        concern.with_dependents(&self.index).is_about(finding)
    }

    /// Leading findings of the right cause on something that the faults do not concern: their groups.
    pub(in crate::measure) fn beside_the_point(&self) -> Vec<&str> {
        let Some(detect) = &self.plan.detect else { return Vec::new() };
        let right = self.findings.iter().filter(|finding| finding.leading && cause_covers(&detect.cause, &finding.cause));
        right.filter(|finding| !self.is_about_what_broke(finding)).map(|finding| finding.group.as_str()).collect()
    }
}
