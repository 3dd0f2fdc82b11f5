//! The worst trial of each scenario that was tried many times: what a search over seeds has found, and how to see it again.
//! Trials that failed are told of in `failures`, too.

use super::Terminal;
use crate::measure::result::{Outcome, RunResult, ScenarioResult, TrialResult};
use crate::report::repeat::again;
use crate::report::style::Tone;
use crate::report::{format, layout};
use crate::scenario::Verdict;

/// From so many trials on a run is a search.
const SEARCH: usize = 10;

/// How bad a trial is: by its verdict, then by the time that recovery took.
fn badness(scenario: &ScenarioResult, trial: &TrialResult) -> (bool, u8, f64) {
    let rank = match trial.verdict {
        Verdict::Skipped | Verdict::Aborted => 0,
        Verdict::Recovered | Verdict::Quiet => 1,
        Verdict::Invalid => 2,
        Verdict::Degraded => 3,
        Verdict::Undetected => 4,
        Verdict::Late => 5,
        Verdict::FalseAlarm => 6,
        Verdict::Regressed => 7,
        Verdict::Unrecovered => 8,
        Verdict::Error => 9,
    };
    let took = trial.durations.to_recover.as_ref().map_or(0.0, |took| took.value);
    (rank > 0 && !scenario.expect.contains(&trial.verdict), rank, took)
}

/// The worst trial of a scenario; the first of equals.
fn of(scenario: &ScenarioResult) -> Option<&TrialResult> {
    let worse = |a: &&TrialResult, b: &&TrialResult| {
        let (a, b) = (badness(scenario, a), badness(scenario, b));
        (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
    };
    scenario.trials.iter().rev().max_by(worse)
}

/// The section; empty where no scenario was tried often.
pub(super) fn worst(terminal: &Terminal, result: &RunResult) -> String {
    let searched = |scenario: &&ScenarioResult| scenario.trials.len() >= SEARCH && scenario.outcome != Outcome::Skipped;
    let mut out = String::new();
    for scenario in result.scenarios.iter().filter(searched) {
        let Some(trial) = of(scenario) else { continue };
        if out.is_empty() {
            out.push_str(&terminal.palette.paint(Tone::Strong, "Worst trials"));
            out.push('\n');
        }
        let took = match &trial.durations.to_recover {
            Some(took) => format!(" after {}", format::measured(took)),
            None => String::new(),
        };
        let line = format!(
            "{}: trial {} of {} (seed {}): {}{took}",
            format::plain(&scenario.name),
            trial.index,
            scenario.trials.len(),
            trial.seed,
            trial.verdict
        );
        out.push_str(&layout::outdented(2, &line, terminal.width));
        // Not wrapped: it is to be pasted.
        out.push_str(&format!("    again     {}\n", again(result, scenario, trial)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::report::style::Palette;

    #[test]
    fn a_search_names_its_worst_trial_and_how_to_repeat_it() {
        let mut result = fixture::run();
        result.scenarios.truncate(2);
        let scenario = &mut result.scenarios[1];
        let good = scenario.trials.iter().find(|trial| trial.verdict == Verdict::Recovered).cloned();
        let mut good = good.unwrap_or_else(|| TrialResult::without_measurements(0, 7, Verdict::Recovered, ""));
        scenario.trials = (0..12u32)
            .map(|index| {
                (good.index, good.seed) = (index, u64::from(index) + 100);
                let value = if index == 7 { 99.5 } else { 12.0 };
                good.durations.to_recover = Some(crate::measure::result::Measured { value, uncertainty: 0.0, censored: false });
                good.clone()
            })
            .collect();
        let terminal = Terminal { width: 200, palette: Palette { colors: false }, quiet: false, run_directory: None };
        let text = worst(&terminal, &result);
        assert!(text.contains("trial 7 of 12 (seed 107): recovered after"), "{text}");
        assert!(text.contains(" --seed 42 --trial 7"), "{text}");
        result.scenarios[1].trials[3].verdict = Verdict::Unrecovered;
        assert!(worst(&terminal, &result).contains("trial 3 of 12 (seed 103): unrecovered"));
        result.scenarios[1].trials.truncate(9);
        assert_eq!(worst(&terminal, &result), "");
    }
}
