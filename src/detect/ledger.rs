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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Confidence;
    use std::time::Duration;

    fn finding(at: u64, count: u32, leading: bool) -> Finding {
        Finding {
            cause: "crash.app-error".to_owned(),
            subject: Subject::default(),
            at: Duration::from_secs(at),
            first_seen: Duration::from_secs(at),
            last_seen: Duration::from_secs(at),
            count,
            sources: Vec::new(),
            group: "deployment/pool".to_owned(),
            confidence: Confidence::Medium,
            evidence: Vec::new(),
            alternatives: Vec::new(),
            leading,
        }
    }

    #[test]
    fn the_first_statement_keeps_its_time_and_repeats_need_a_reason() {
        let mut ledger = Ledger::default();
        let mut note = |finding| ledger.note(vec![finding]).remove(0);
        assert!(note(finding(5, 2, true)).1);
        assert!(!note(finding(6, 2, true)).1, "nothing new");
        let (grown, changed) = note(finding(9, 3, true));
        assert!(changed);
        assert_eq!(
            (grown.at, grown.first_seen, grown.last_seen),
            (Duration::from_secs(5), Duration::from_secs(5), Duration::from_secs(9))
        );
        assert!(note(finding(10, 3, false)).1, "it leads no more");
        assert!(!note(finding(11, 2, false)).1, "a pod that went away takes nothing back");
    }

    #[test]
    fn a_thousand_signals_are_a_few_statements() {
        let mut ledger = Ledger::default();
        let stated =
            (1..=1000).filter(|count| ledger.note(vec![finding(0, *count, true)]).iter().any(|(_, changed)| *changed)).count();
        assert!(stated <= 20, "{stated}");
        assert_eq!(ledger.stated().count(), 1);
    }
}
