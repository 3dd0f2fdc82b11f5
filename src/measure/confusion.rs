//! True causes against diagnosed ones over all trials of a run, and how often controls raised a false alarm. Pure; how it is printed
//! is `report`'s. The true cause of a trial is what its scenario states under `detect`; no detector ever sees that.

use super::result::{Rate, RunResult, ScenarioResult, TrialResult};
use super::statistics::{CONFIDENCE, all_pass, rate};
use crate::detect::{Finding, cause_covers};
use crate::scenario::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// The matrix of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// One row for each cause that scenarios state, by name.
    pub stated: BTreeMap<String, Row>,
    /// Valid trials of scenarios that ask for no cause: each with what was found, by scenario.
    pub unstated: BTreeMap<String, Row>,
    /// Valid trials of controls, and by what their alarms were false.
    pub controls: Row,
    /// How many control scenarios had a valid trial.
    pub control_scenarios: usize,
    /// Trials, of those with a stated cause, in which the right one led.
    pub right: Rate,
    /// False alarms of the valid trials of controls.
    pub false_alarms: Rate,
    /// The exact one-sided upper bound on the rate of false alarms where there was none (the rule of three); absent otherwise.
    pub at_most: Option<f64>,
    /// Trials that say nothing (`invalid`, `error`, `aborted`, `skipped`): in no row.
    pub left_out: usize,
    /// Trials with a fault in which something was found before it.
    pub alarmed_before_fault: usize,
}

/// What was diagnosed in trials of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Valid trials.
    pub trials: usize,
    /// Of these, trials in which the stated cause led, on what was broken.
    pub right: usize,
    /// In how many trials each cause led a group of findings. A trial counts once with each cause that led in it.
    pub diagnosed: BTreeMap<String, usize>,
    /// Trials without any leading finding.
    pub nothing: usize,
}

impl Row {
    fn add(&mut self, causes: &BTreeSet<&str>, right: bool) {
        self.trials += 1;
        self.right += usize::from(right);
        self.nothing += usize::from(causes.is_empty());
        for cause in causes {
            *self.diagnosed.entry((*cause).to_owned()).or_default() += 1;
        }
    }
}

/// How often a cause was right where it led: `(right, all)` over all trials, controls among them.
#[must_use]
pub fn precision(confusion: &Confusion, cause: &str) -> (usize, usize) {
    let stated = confusion.stated.iter();
    let count = |row: &Row| row.diagnosed.get(cause).copied().unwrap_or_default();
    let right = stated.clone().filter(|(stated, _)| cause_covers(stated, cause)).map(|(_, row)| count(row)).sum();
    let all = stated.map(|(_, row)| count(row)).sum::<usize>() + count(&confusion.controls);
    (right, all)
}

/// The matrix of all trials of a run.
#[must_use]
pub fn confusion(result: &RunResult) -> Confusion {
    let mut matrix = Confusion {
        stated: BTreeMap::new(),
        unstated: BTreeMap::new(),
        controls: Row::default(),
        control_scenarios: 0,
        right: rate(0, 0, CONFIDENCE),
        false_alarms: rate(0, 0, CONFIDENCE),
        at_most: None,
        left_out: 0,
        alarmed_before_fault: 0,
    };
    let mut alarms = 0;
    for scenario in &result.scenarios {
        let control = scenario.expect.contains(&Verdict::Quiet);
        let (valid, rest): (Vec<&TrialResult>, Vec<&TrialResult>) =
            scenario.trials.iter().partition(|trial| trial.verdict.is_valid());
        matrix.left_out += rest.len();
        matrix.control_scenarios += usize::from(control && !valid.is_empty());
        for trial in valid {
            let counted: Vec<&Finding> = trial.findings.iter().filter(|finding| control || !is_early(finding, trial)).collect();
            matrix.alarmed_before_fault += usize::from(counted.len() < trial.findings.len());
            let causes = counted.iter().filter(|finding| finding.leading).map(|finding| finding.cause.as_str()).collect();
            alarms += usize::from(trial.verdict == Verdict::FalseAlarm);
            row_of(&mut matrix, scenario, control).add(&causes, trial.stamps.detected.is_some());
        }
    }
    let (right, trials) = matrix.stated.values().fold((0, 0), |(right, n), row| (right + row.right, n + row.trials));
    matrix.right = rate(right, trials, CONFIDENCE);
    matrix.false_alarms = rate(alarms, matrix.controls.trials, CONFIDENCE);
    let quiet = alarms == 0 && matrix.controls.trials > 0;
    matrix.at_most = quiet.then(|| 1.0 - all_pass::lower_bound(matrix.controls.trials, CONFIDENCE));
    matrix
}

fn row_of<'a>(matrix: &'a mut Confusion, scenario: &ScenarioResult, control: bool) -> &'a mut Row {
    match &scenario.detect {
        _ if control => &mut matrix.controls,
        Some(detect) => matrix.stated.entry(detect.cause.clone()).or_default(),
        None => matrix.unstated.entry(scenario.name.clone()).or_default(),
    }
}

/// Whether a finding was made before the fault: it cannot be about it.
fn is_early(finding: &Finding, trial: &TrialResult) -> bool {
    trial.stamps.requested.as_ref().is_none_or(|requested| finding.at.as_secs_f64() < requested.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::result::{Outcome, Stamp};
    use crate::report::fixture;

    fn at(seconds: f64) -> Stamp {
        Stamp { at: seconds, earliest: seconds, server: None }
    }

    fn found(verdict: Verdict, requested: f64, causes: &[(&str, bool)], right: bool) -> TrialResult {
        let mut trial = fixture::trial(0, verdict, "");
        trial.stamps.requested = Some(at(requested));
        trial.stamps.detected = right.then(|| at(22.0));
        trial.findings =
            causes.iter().map(|(cause, leading)| Finding { leading: *leading, ..fixture::finding(cause, "seen") }).collect();
        trial
    }

    fn of(name: &str, expect: Verdict, trials: Vec<TrialResult>) -> ScenarioResult {
        fixture::scenario(name, expect, Outcome::Passed, "", trials)
    }

    #[test]
    fn a_trial_counts_with_each_cause_that_led_and_only_after_the_fault() {
        let trials = vec![
            found(Verdict::Recovered, 5.0, &[("config.bad-value", true), ("crash.app-error", false)], true),
            found(Verdict::Undetected, 5.0, &[("crash.app-error", true), ("probe.readiness", true)], false),
            found(Verdict::Late, 5.0, &[], false),
            // The findings of the fixture are 21 s old: before this fault.
            found(Verdict::Undetected, 30.0, &[("oom.limit", true)], false),
            found(Verdict::Invalid, 5.0, &[("oom.limit", true)], false),
        ];
        let mut result = fixture::run();
        result.scenarios = vec![of("bad-value", Verdict::Recovered, trials)];
        let matrix = confusion(&result);
        let row = &matrix.stated["config.bad-value"];
        assert_eq!((row.trials, row.right, row.nothing), (4, 1, 2));
        let expected = [("config.bad-value", 1), ("crash.app-error", 1), ("probe.readiness", 1)];
        assert_eq!(row.diagnosed, expected.map(|(cause, n)| (cause.to_owned(), n)).into());
        assert_eq!((matrix.left_out, matrix.alarmed_before_fault), (1, 1));
        assert_eq!((matrix.right.successes, matrix.right.n), (1, 4));
        assert_eq!(precision(&matrix, "config.bad-value"), (1, 1));
        assert_eq!(precision(&matrix, "crash.app-error"), (0, 1));
    }

    #[test]
    fn controls_have_their_own_row_and_none_in_a_hundred_is_below_three_in_a_hundred() {
        let mut result = fixture::run();
        let quiet: Vec<_> = (0..100).map(|_| found(Verdict::Quiet, 5.0, &[], false)).collect();
        result.scenarios = vec![of("control", Verdict::Quiet, quiet)];
        let matrix = confusion(&result);
        assert_eq!((matrix.control_scenarios, matrix.controls.trials, matrix.false_alarms.successes), (1, 100, 0));
        assert!(matrix.at_most.is_some_and(|bound| (0.029..0.03).contains(&bound)), "{:?}", matrix.at_most);
        result.scenarios[0].trials.push(found(Verdict::FalseAlarm, 5.0, &[("probe.readiness", true)], false));
        let matrix = confusion(&result);
        assert_eq!((matrix.false_alarms.successes, matrix.at_most), (1, None));
        assert_eq!(matrix.controls.diagnosed["probe.readiness"], 1);
        assert_eq!(precision(&matrix, "probe.readiness"), (0, 1));
    }

    #[test]
    fn a_scenario_that_states_no_cause_proves_none() {
        let mut result = fixture::run();
        let mut scenario = of("pod-deleted", Verdict::Recovered, vec![found(Verdict::Recovered, 5.0, &[], false)]);
        scenario.detect = None;
        result.scenarios = vec![scenario];
        let matrix = confusion(&result);
        assert!(matrix.stated.is_empty() && matrix.unstated.contains_key("pod-deleted"));
        assert_eq!(matrix.right.n, 0);
    }
}
