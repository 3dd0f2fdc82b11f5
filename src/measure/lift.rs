//! What a healer gains: the same scenario with Kubernetes alone and with the healer, side by side.
//! Running both is the engine's; how the pairs come about stands in `scenario::comparison`.

use super::result::{Distribution, Lift, LiftSide, ScenarioResult};
use super::statistics::{self, CONFIDENCE};
use crate::scenario::Verdict;

/// The lift of each healer over Kubernetes alone, in the scenarios' order.
#[must_use]
pub fn lifts(scenarios: &[ScenarioResult]) -> Vec<Lift> {
    let healed = scenarios.iter().filter_map(|one| Some((one, one.comparison.as_ref().filter(|told| !told.reference)?)));
    healed.filter_map(|(with, told)| lift(scenarios, with, &told.scenario)).collect()
}

fn lift(scenarios: &[ScenarioResult], with: &ScenarioResult, scenario: &str) -> Option<Lift> {
    let is_reference = |one: &&ScenarioResult| {
        one.file == with.file && one.comparison.as_ref().is_some_and(|told| told.reference && told.scenario == scenario)
    };
    let without = scenarios.iter().find(is_reference)?;
    // What counts as a success is what the scenario expects, on both sides.
    let (off, on) = (side(without, &with.expect), side(with, &with.expect));
    let gain = on.success_rate.observed.zip(off.success_rate.observed).map(|(on, off)| on - off);
    let median = |distribution: Option<&Distribution>| distribution.and_then(|one| one.median);
    let faster = median(off.recovery.as_ref()).zip(median(on.recovery.as_ref())).map(|(off, on)| off - on);
    let healer = with.comparison.as_ref()?.healer;
    Some(Lift { scenario: scenario.to_owned(), healer, without: off, with: on, success_rate_gain: gain, median_gain: faster })
}

fn side(scenario: &ScenarioResult, expect: &[Verdict]) -> LiftSide {
    let valid = scenario.trials.iter().filter(|trial| trial.verdict.is_valid());
    let (mut n, mut successes) = (0, 0);
    for trial in valid {
        n += 1;
        successes += usize::from(expect.contains(&trial.verdict));
    }
    LiftSide {
        name: scenario.name.clone(),
        success_rate: statistics::rate(successes, n, CONFIDENCE),
        recovery: scenario.recovery.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::scenario::{Comparison, Healer};

    #[test]
    fn a_pair_is_compared_by_what_the_scenario_expects() {
        let mut scenarios = fixture::run().scenarios;
        scenarios.truncate(2);
        let compared = |healer, reference| Some(Comparison { scenario: "x".to_owned(), healer, reference });
        scenarios[0].comparison = compared(Healer::Comeback, false);
        scenarios[1].comparison = compared(Healer::Kubernetes, true);
        scenarios[1].file = scenarios[0].file.clone();
        scenarios[0].expect = vec![Verdict::Recovered];
        let mut trial = scenarios[0].trials[0].clone();
        trial.verdict = Verdict::Recovered;
        scenarios[0].trials = vec![trial.clone(), trial.clone()];
        let lost = crate::measure::result::TrialResult { verdict: Verdict::Unrecovered, ..trial.clone() };
        let invalid = crate::measure::result::TrialResult { verdict: Verdict::Invalid, ..trial };
        scenarios[1].trials = vec![lost.clone(), invalid, lost];
        let lifts = lifts(&scenarios);
        assert_eq!(lifts.len(), 1);
        let (without, with) = (&lifts[0].without.success_rate, &lifts[0].with.success_rate);
        assert_eq!(((without.successes, without.n), (with.successes, with.n)), ((0, 2), (2, 2)));
        assert_eq!(lifts[0].success_rate_gain, Some(1.0));
        scenarios.remove(1);
        assert!(super::lifts(&scenarios).is_empty(), "without the other side there is nothing to compare");
    }
}
