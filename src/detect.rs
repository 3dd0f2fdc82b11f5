//! Detection: pure functions from the index of observed objects to findings. Knows no client and no clock.
//! Remedies live in `heal`.

mod case;
mod combine;
mod exits;
pub mod finding;
pub mod ledger;
mod logs;
mod objects;
pub mod patterns;
pub mod related;
#[cfg(test)]
pub(crate) mod replay;
mod rules;
pub mod user;

pub use finding::{Confidence, Evidence, Finding, Subject, cause_covers};
pub use ledger::Ledger;
pub use patterns::Topic;

use crate::observe::Index;
use crate::scenario::Thresholds;
use case::Case;
use objects::Objects;
use std::time::Duration;
pub use user::UserDetectors;

/// Every finding that the index supports now, one for each cause and workload, in order of workload and precedence.
///
/// Pods that are being deleted, evicted or of an old revision support nothing but a finding about just that.
#[must_use]
pub fn detect(index: &Index, thresholds: &Thresholds) -> Vec<Finding> {
    detect_with(index, thresholds, &UserDetectors::default())
}

/// As [`detect`], with what the user's own detectors have seen of this index.
#[must_use]
pub fn detect_with(index: &Index, thresholds: &Thresholds, own: &UserDetectors) -> Vec<Finding> {
    let mut signs = Vec::new();
    case::each((index, thresholds, own), |case| rules::signs(case, &mut signs));
    rules::object_signs(&Objects { index, thresholds }, &mut signs);
    let mut all: Vec<case::SignOf<'_>> = signs;
    own.signs(index, &mut all);
    combine::findings(index, all, own.causes())
}

/// The next time after now at which a rule about duration could fire although nothing more is observed.
#[must_use]
pub fn next_deadline(index: &Index, thresholds: &Thresholds) -> Option<Duration> {
    let mut all = rules::object_deadlines(&Objects { index, thresholds });
    // No line of a log is waited for.
    let own = UserDetectors::default();
    case::each((index, thresholds, &own), |case: &Case<'_>| all.extend(rules::deadlines(case)));
    all.into_iter().filter(|due| *due > index.now()).min()
}

#[cfg(test)]
mod tests;
