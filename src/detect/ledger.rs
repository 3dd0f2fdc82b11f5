//! What was already stated: turns the findings of each look into the statements worth recording.
//! Bounded: a finding is stated again when its rank or confidence changes, or its count grows by a good part.

use super::finding::{Finding, Subject};
use std::collections::BTreeMap;

/// Up to this count every rise is stated; beyond it only a rise by half of what was stated last.
const EACH_UP_TO: u32 = 5;

/// The memory of one trial's statements.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    stated: BTreeMap<(String, Subject), Finding>,
}

impl Ledger {
    /// Takes in what holds now; gives it back with the time and first signal of its first statement, and for each whether it is new
    /// or has changed enough to be recorded.
    pub fn note(&mut self, findings: Vec<Finding>) -> Vec<(Finding, bool)> {
        findings.into_iter().map(|finding| self.note_one(finding)).collect()
    }

    fn note_one(&mut self, mut finding: Finding) -> (Finding, bool) {
        let key = (finding.cause.clone(), finding.subject.clone());
        let Some(stated) = self.stated.get_mut(&key) else {
            self.stated.insert(key, finding.clone());
            return (finding, true);
        };
        finding.at = stated.at;
        finding.first_seen = finding.first_seen.min(stated.first_seen);
        finding.last_seen = finding.last_seen.max(stated.last_seen);
        finding.count = finding.count.max(stated.count);
        let grown = finding.count > stated.count
            && (finding.count <= EACH_UP_TO || u64::from(finding.count) * 2 >= u64::from(stated.count) * 3);
        let changed = grown || finding.leading != stated.leading || finding.confidence != stated.confidence;
        if changed {
            stated.clone_from(&finding);
        }
        (finding, changed)
    }

    /// The newest recorded statement of each finding, in order of cause and subject.
    pub fn stated(&self) -> impl Iterator<Item = &Finding> {
        self.stated.values()
    }
}
