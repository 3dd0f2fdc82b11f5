//! The result of a trial without measurements: one that was not tried, or of which nothing was observed.

use super::{Durations, Stamps, TrialResult};
use crate::scenario::Verdict;

impl TrialResult {
    /// A trial that was not tried, or of which nothing was observed.
    #[must_use]
    pub fn without_measurements(index: u32, seed: u64, verdict: Verdict, reason: &str) -> Self {
        Self {
            index,
            seed,
            verdict,
            reason: reason.to_owned(),
            reasons: Vec::new(),
            namespace: String::new(),
            stamps: Stamps::default(),
            durations: Durations::default(),
            findings: Vec::new(),
            actions: Vec::new(),
            claims: Vec::new(),
            healed_by: None,
            leftovers: Vec::new(),
            notes: Vec::new(),
            timeline: String::new(),
            evidence: None,
            retries: Vec::new(),
        }
    }
}
