//! The attempts at one trial: the first, which is the one that counts, and the retries of one that did not pass. A retry never takes a
//! failure away: it tells a flaky trial from a broken one. What one attempt does is `trial`'s.

use crate::engine::trial::{self, TrialJob};
use crate::measure::result::TrialResult;
use crate::scenario::{Plan, Verdict};
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A trial's seed: a function of the run's seed, the scenario and the index, never of order or concurrency.
#[must_use]
pub fn trial_seed(seed: u64, scenario: &str, trial: u32) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, 0x7472_6961_6c73_6565);
    (scenario, trial).hash(&mut hasher);
    // JSON numbers are exact up to 2^53 in every reader.
    hasher.finish() >> 11
}

/// The seed of an attempt at a trial: the first has the trial's own. A retry has another: on the embedded cluster equal seeds give equal
/// trials, and nothing would be learned.
fn attempt_seed(seed: u64, scenario: &str, trial: u32, attempt: u32) -> u64 {
    if attempt == 0 {
        return trial_seed(seed, scenario, trial);
    }
    let mut hasher = SipHasher13::new_with_keys(seed, 0x7265_7472_7973_6565);
    (scenario, trial, attempt).hash(&mut hasher);
    hasher.finish() >> 11
}

/// Runs the first attempt, and retries while none has passed, `goes_on` and there are retries left. `told` hears of the first attempt's
/// result before any retry.
pub(super) fn run(first: &TrialJob<'_>, told: &dyn Fn(&TrialResult), goes_on: &dyn Fn() -> bool) -> TrialResult {
    let mut result = trial::run(first);
    told(&result);
    for attempt in 1..=first.plan.retries {
        let last = result.retries.last().unwrap_or(&result);
        // Whoever left something behind does not do it again.
        if !is_retried(&first.plan, last.verdict) || !last.leftovers.is_empty() || !goes_on() {
            break;
        }
        (first.phase)("retry");
        let seed = attempt_seed(first.request.seed, first.plan.seed_name(), first.trial, attempt);
        let retry = TrialJob { attempt, seed, plan: Arc::clone(&first.plan), stop: first.stop.clone(), ..*first };
        result.retries.push(trial::run(&retry));
    }
    result
}

/// What did not pass is tried again, but for what was stopped and what the cluster cannot do.
fn is_retried(plan: &Plan, verdict: Verdict) -> bool {
    !plan.expect.contains(&verdict) && !matches!(verdict, Verdict::Aborted | Verdict::Skipped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use rstest::rstest;
    use std::collections::BTreeSet;

    #[test]
    fn each_attempt_has_a_seed_of_its_own_and_the_first_the_trials() {
        assert_eq!(attempt_seed(42, "a", 3, 0), trial_seed(42, "a", 3));
        let seeds: BTreeSet<u64> = (0..4).flat_map(|trial| (0..4).map(move |n| attempt_seed(42, "a", trial, n))).collect();
        assert_eq!(seeds.len(), 16);
        assert!(seeds.iter().all(|seed| *seed < 1 << 53));
    }

    #[rstest]
    #[case(Verdict::Recovered, false)]
    #[case(Verdict::Late, true)]
    #[case(Verdict::Invalid, true)]
    #[case(Verdict::Error, true)]
    #[case(Verdict::Aborted, false)]
    #[case(Verdict::Skipped, false)]
    fn only_what_did_not_pass_is_tried_again(#[case] verdict: Verdict, #[case] again: bool) {
        assert_eq!(is_retried(&fixture::plan("a", 1), verdict), again);
    }
}
