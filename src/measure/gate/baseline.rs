//! The run that a gate compares with, and whether it says anything about the run at hand.
//! Where a reference is looked up is the command line's business.

use crate::measure::result::{BaselineInfo, Fingerprint, RunResult};
use std::collections::BTreeSet;

/// The run that a gate compares with.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// As the user named it.
    pub reference: String,
    /// Its result.
    pub result: RunResult,
}

impl Baseline {
    /// What the result file says of it.
    pub(super) fn info(&self, result: &RunResult) -> BaselineInfo {
        BaselineInfo {
            reference: self.reference.clone(),
            run: self.result.run.id.clone(),
            started_at: self.result.run.started_at.clone(),
            not_comparable: self.not_comparable(result),
        }
    }

    /// Why nothing can be said by comparing; `None` where the clusters are of equal fingerprint and the baseline is a whole run.
    pub(super) fn not_comparable(&self, result: &RunResult) -> Option<String> {
        if self.result.run.id == result.run.id {
            return Some("the baseline is this run itself".to_owned());
        }
        if !self.result.complete {
            return Some("the baseline did not come to its end".to_owned());
        }
        let mut differences = Vec::new();
        if self.result.cluster.provider != result.cluster.provider {
            differences.push(format!("provider {} was {}", result.cluster.provider, self.result.cluster.provider));
        }
        differences.extend(fingerprint(&result.cluster.fingerprint, &self.result.cluster.fingerprint));
        (!differences.is_empty()).then(|| format!("the clusters differ: {}", differences.join(", ")))
    }
}

/// Each property that differs: `nodes 3 was 1`.
fn fingerprint(ours: &Fingerprint, theirs: &Fingerprint) -> Vec<String> {
    let fixed = [
        ("kubernetes", ours.kubernetes.clone(), theirs.kubernetes.clone()),
        ("nodes", ours.nodes.to_string(), theirs.nodes.to_string()),
        ("simulated", ours.simulated.to_string(), theirs.simulated.to_string()),
    ];
    let value =
        |fingerprint: &Fingerprint, name: &str| fingerprint.properties.get(name).map_or("unknown", String::as_str).to_owned();
    let names: BTreeSet<&String> = ours.properties.keys().chain(theirs.properties.keys()).collect();
    let others = names.into_iter().map(|name| (name.as_str(), value(ours, name), value(theirs, name)));
    let all = fixed.into_iter().chain(others);
    all.filter(|(_, ours, theirs)| ours != theirs).map(|(name, ours, theirs)| format!("{name} {ours} was {theirs}")).collect()
}
