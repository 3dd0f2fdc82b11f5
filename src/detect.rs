//! Detection: pure functions from the index of observed objects to findings. Knows no client and no clock.
//! Remedies live in `heal`.

mod case;
mod combine;
mod exits;
pub mod finding;
pub mod ledger;
mod logs;
pub mod related;
#[cfg(test)]
pub(crate) mod replay;
mod rules;

pub use finding::{Confidence, Evidence, Finding, Subject, cause_covers};
pub use ledger::Ledger;

use crate::observe::Index;
use crate::scenario::Thresholds;
use case::Case;
use std::time::Duration;

/// Every finding that the index supports now, one for each cause and workload, in order of workload and precedence.
///
/// Pods that are being deleted, evicted or of an old revision support nothing.
#[must_use]
pub fn detect(index: &Index, thresholds: &Thresholds) -> Vec<Finding> {
    let mut signs = Vec::new();
    case::each(index, thresholds, |case| rules::signs(case, &mut signs));
    combine::findings(index, signs)
}

/// The next time after now at which a rule about duration could fire although nothing more is observed.
#[must_use]
pub fn next_deadline(index: &Index, thresholds: &Thresholds) -> Option<Duration> {
    let mut next: Option<Duration> = None;
    case::each(index, thresholds, |case: &Case<'_>| {
        for due in rules::deadlines(case).into_iter().filter(|due| *due > index.now()) {
            next = Some(next.map_or(due, |known| known.min(due)));
        }
    });
    next
}

#[cfg(test)]
mod tests;
