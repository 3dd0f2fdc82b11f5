//! `--until-confident`: trials are run until the gate's claim is proven or refuted. What the trials so far decide, always in the order of
//! their index, so that it does not matter how many ran at once. The test itself is `statistics::sequential`; running is the engine's.

use super::result::{Rate, Sequential, SequentialDecision, TrialResult};
use super::statistics::round;
use super::statistics::sequential::{self, Decision, LOOK_EVERY, Look, Test};
use crate::scenario::Verdict;
use crate::scenario::model::Gate;

/// What is to be proven or refuted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// The success rate, 0 to 1.
    pub at_least: f64,
    /// The confidence: of all runs, at most half of what is left of 1 decide wrongly on either side.
    pub confidence: f64,
}

/// The gate's claim; `None` where the gate has none.
#[must_use]
pub fn claim(gate: Option<&Gate>, confidence: f64) -> Option<Claim> {
    let at_least = gate?.success_rate.as_ref()?.at_least;
    Some(Claim { at_least, confidence })
}

/// What trials have shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// What the result file says.
    pub result: Sequential,
    looks: Vec<Look>,
    successes: usize,
}

impl Tested {
    /// The success rate with an interval that allows for the stop, in place of Wilson's.
    #[must_use]
    pub fn rate(&self, wilson: Rate) -> Rate {
        // Trials beyond the decision are there only where judging again has changed verdicts.
        if wilson.n != self.result.n {
            return wilson;
        }
        let confidence = self.result.confidence;
        let (lower, upper) = sequential::interval(&self.looks, self.successes, confidence);
        Rate { lower: round(lower), upper: round(upper), confidence, method: "sequential".to_owned(), ..wilson }
    }
}

/// Tests the claim on the trials so far. It is looked at after every [`LOOK_EVERY`] trials and after the last of `at_most`; trials that
/// say nothing do not count.
#[must_use]
pub fn test(claim: &Claim, expect: &[Verdict], trials: &[TrialResult], at_most: u32) -> Tested {
    let mut test = Test::new(claim.at_least, claim.confidence, at_most as usize);
    let (mut n, mut successes, mut looked, mut decision) = (0, 0, 0, Decision::Undecided);
    let mut in_order: Vec<&TrialResult> = trials.iter().collect();
    in_order.sort_by_key(|trial| trial.index);
    for (position, trial) in (1u32..).zip(in_order) {
        if trial.verdict.is_valid() {
            n += 1;
            successes += usize::from(expect.contains(&trial.verdict));
        }
        if (position.is_multiple_of(LOOK_EVERY) || position == at_most) && n > looked {
            looked = n;
            decision = test.look(n).decide(successes);
            if decision != Decision::Undecided {
                break;
            }
        }
    }
    let mut looks = test.looks().to_vec();
    if n > looked {
        // The run was cut off between two looks: nothing is decided there, but the trials count for the interval.
        looks.push(Look { n, proven_from: None, refuted_up_to: None });
    }
    let result = Sequential {
        claim: claim.at_least,
        confidence: claim.confidence,
        error_rate: round(test.error()),
        decision: match decision {
            Decision::Proven => SequentialDecision::Proven,
            Decision::Refuted => SequentialDecision::Refuted,
            Decision::Undecided => SequentialDecision::Undecided,
        },
        looks: test.looks().len(),
        n,
        at_most: at_most as usize,
    };
    Tested { result, looks, successes }
}

/// The trials to be run next: those up to the next look, or none where the claim is decided or all have been run.
#[must_use]
pub fn next(claim: &Claim, expect: &[Verdict], trials: &[TrialResult], at_most: u32) -> std::ops::Range<u32> {
    let tried = u32::try_from(trials.len()).unwrap_or(u32::MAX).min(at_most);
    if test(claim, expect, trials, at_most).result.decision == SequentialDecision::Undecided {
        tried..tried.saturating_add(LOOK_EVERY).min(at_most)
    } else {
        tried..tried
    }
}

/// Why so many trials can never prove the claim; `None` where they can.
#[must_use]
pub fn too_few(claim: &Claim, at_most: u32) -> Option<String> {
    if sequential::all_pass_needed(claim.at_least, claim.confidence, at_most as usize).is_some() {
        return None;
    }
    let needed = match sequential::least_most(claim.at_least, claim.confidence) {
        Some(least) => format!("allow at least {least}: --trials {least}"),
        None => "no number of trials can: ask for a lower rate".to_owned(),
    };
    Some(format!("{at_most} trials, even all passing, cannot prove a success rate of {}; {needed}", claim.at_least))
}

/// What a reader must know of a run that a test has ended.
#[must_use]
pub fn error_rates(test: &Sequential) -> String {
    let percent = (test.error_rate * 1e4).round() / 100.0;
    format!(
        "the number of trials is that of a sequential test, looked at after every {LOOK_EVERY} trials: at most {percent} % of such tests \
         prove a success rate of {} that is not there, at most {percent} % refute one that is; intervals over several scenarios \
         (Wilson) do not allow for that",
        test.claim
    )
}

#[cfg(test)]
mod tests;
