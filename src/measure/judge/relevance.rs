//! Whether a finding is about what the scenario broke, or about something else that merely has the same cause.

use super::Judge;
use crate::detect::{Finding, cause_covers};
use crate::measure::hold::Moment;
use crate::measure::relation::Concern;
use std::time::Duration;

impl Judge {
    /// Takes in a detector's statement.
    pub(super) fn found(&mut self, at: Duration, finding: &Finding) {
        let too_early = !self.plan.is_control() && self.requested.is_none_or(|requested| finding.at < requested);
        let known = self.findings.iter_mut().find(|known| known.cause == finding.cause && known.subject == finding.subject);
        if let Some(known) = known {
            *known = finding.clone();
        } else {
            self.early_findings += usize::from(too_early);
            self.findings.push(finding.clone());
        }
        let expected = self.plan.detect.as_ref().is_some_and(|detect| cause_covers(&detect.cause, &finding.cause));
        if expected && finding.leading && !too_early && self.detected.is_none() && self.is_about_what_broke(finding) {
            self.detected = Some(Moment { at, earliest: finding.last_seen.min(at), server: None });
        }
    }

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
