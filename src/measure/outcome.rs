//! From trials to scenarios to a run: one fold over all trials decides outcome and exit code (contract, "Passing").

use super::result::{
    DetectObjective, Distribution, ExitReason, Healing, Outcome, Rate, ScenarioResult, Summary, TrialResult, Who,
};
use super::statistics::{self, CONFIDENCE, Sample};
use crate::exit_code::ExitCode;
use crate::heal::ActionOutcome;
use crate::scenario::model::{Gate, SuccessRateJudge};
use crate::scenario::{Plan, Verdict};
use std::collections::BTreeMap;

/// The result of a scenario from its trials.
#[must_use]
pub fn scenario(plan: &Plan, trials: Vec<TrialResult>, gate: Option<&Gate>) -> ScenarioResult {
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for trial in &trials {
        *counts.entry(trial.verdict).or_default() += 1;
    }
    let valid = trials.iter().filter(|trial| trial.verdict.is_valid()).count();
    let expected = trials.iter().filter(|trial| trial.verdict.is_valid() && plan.expect.contains(&trial.verdict)).count();
    let confidence = gate.and_then(|gate| gate.success_rate.as_ref()).map_or(CONFIDENCE, |rate| rate.confidence);
    let success_rate = statistics::rate(expected, valid, confidence);
    let (outcome, reason) = decide(plan, &trials, &success_rate, gate);
    let within_rto = plan.recover.rto.filter(|_| plan.expects_recovery()).map(|rto| {
        let within = trials.iter().filter(|trial| trial.verdict.is_valid() && is_within(trial, rto.as_secs_f64())).count();
        statistics::rate(within, valid, confidence)
    });
    ScenarioResult {
        name: plan.name.clone(),
        file: plan.file.clone(),
        labels: plan.labels.clone(),
        summary: plan.summary.clone(),
        expect: plan.expect.clone(),
        outcome,
        passed: outcome == Outcome::Passed,
        reason,
        success_rate,
        within_rto,
        rto: plan.recover.rto.map(|rto| rto.as_secs_f64()),
        detect: plan
            .detect
            .as_ref()
            .map(|detect| DetectObjective { cause: detect.cause.clone(), within: detect.within.as_secs_f64() }),
        counts,
        recovery: times(&trials, |trial| trial.durations.to_recover.as_ref()),
        detection: times(&trials, |trial| trial.durations.to_detect.as_ref()),
        healing: healing(&trials),
        trials,
    }
}

fn is_within(trial: &TrialResult, rto: f64) -> bool {
    let recovered = matches!(trial.verdict, Verdict::Recovered | Verdict::Undetected | Verdict::Degraded);
    recovered && trial.durations.to_recover.as_ref().is_some_and(|took| !took.censored && took.value <= rto)
}

fn times(trials: &[TrialResult], pick: impl Fn(&TrialResult) -> Option<&super::result::Measured>) -> Option<Distribution> {
    let samples: Vec<_> = trials
        .iter()
        .filter(|trial| trial.verdict.is_valid())
        .filter_map(|trial| pick(trial).map(|measured| Sample { value: measured.value, censored: measured.censored }))
        .collect();
    statistics::distribution(&samples)
}

fn healing(trials: &[TrialResult]) -> Option<Healing> {
    let attempted =
        |trial: &&TrialResult| trial.actions.iter().any(|action| action.outcome == ActionOutcome::Acted && action.step != "wait");
    let succeeded = trials
        .iter()
        .filter(attempted)
        .filter(|trial| trial.healed_by.as_ref().is_some_and(|healed| healed.who == Who::Comeback))
        .count();
    let attempted = trials.iter().filter(attempted).count();
    (attempted > 0).then_some(Healing { attempted, succeeded })
}

#[expect(clippy::cast_precision_loss, reason = "counts of trials are far below 2^52")]
fn decide(plan: &Plan, trials: &[TrialResult], rate: &Rate, gate: Option<&Gate>) -> (Outcome, String) {
    let n = trials.len();
    if n > 0 && trials.iter().all(|trial| trial.verdict == Verdict::Skipped) {
        return (Outcome::Skipped, trials.first().map(|trial| trial.reason.clone()).unwrap_or_default());
    }
    let first_bad = trials.iter().find(|trial| trial.verdict.is_valid() && !plan.expect.contains(&trial.verdict));
    let says_nothing = trials.iter().filter(|trial| !trial.verdict.is_valid());
    let (nothing, first_nothing) = (says_nothing.clone().count(), says_nothing.clone().next());
    let describe = |trial: &TrialResult| format!("trial {}: {}: {}", trial.index, trial.verdict, trial.reason);
    let target = gate.and_then(|gate| gate.success_rate.as_ref());
    let tolerated = gate.and_then(|gate| gate.max_invalid).unwrap_or(0.0);
    let too_many = n == 0 || nothing as f64 / n as f64 > tolerated;
    // A proven miss is a miss, however many trials say nothing.
    let missed = match target {
        None => first_bad.map(describe),
        Some(target) => {
            let (value, what) = match target.judge {
                SuccessRateJudge::Observed => (rate.observed.unwrap_or(1.0), "observed"),
                SuccessRateJudge::LowerBound => (rate.upper, "upper bound"),
            };
            (rate.n > 0 && value < target.at_least).then(|| {
                format!(
                    "{} of {} as expected: the success rate's {what} {value:.2} is below {}{}",
                    rate.successes,
                    rate.n,
                    target.at_least,
                    first_bad.map(|trial| format!("; {}", describe(trial))).unwrap_or_default()
                )
            })
        }
    };
    if let Some(reason) = missed {
        return (Outcome::Failed, reason);
    }
    if rate.n == 0 || too_many {
        let reason = first_nothing.map_or_else(|| "no trial was run".to_owned(), describe);
        return (Outcome::Inconclusive, reason);
    }
    if let Some(target) = target
        && target.judge == SuccessRateJudge::LowerBound
        && rate.lower <= target.at_least
    {
        let needed = statistics::trials_needed(target.at_least, target.confidence);
        let needed = needed.map_or_else(
            || "no number of trials can prove it".to_owned(),
            |needed| format!("{needed} passing trials would prove it"),
        );
        return (
            Outcome::Inconclusive,
            format!(
                "{} of {} prove a success rate above {:.2}, not {}: {needed}",
                rate.successes, rate.n, rate.lower, target.at_least
            ),
        );
    }
    (Outcome::Passed, format!("{} of {} trials as expected", rate.successes, rate.n))
}

/// The sums over all scenarios.
#[must_use]
pub fn summary(scenarios: &[ScenarioResult]) -> Summary {
    let count = |outcome| scenarios.iter().filter(|scenario| scenario.outcome == outcome).count();
    let (mut recovered, mut valid, mut within, mut with_rto) = (0, 0, 0, 0);
    for scenario in scenarios.iter().filter(|scenario| scenario.expect.contains(&Verdict::Recovered)) {
        valid += scenario.success_rate.n;
        recovered += scenario.success_rate.successes;
        if let Some(rate) = &scenario.within_rto {
            within += rate.successes;
            with_rto += rate.n;
        }
    }
    Summary {
        scenarios: scenarios.len(),
        passed: count(Outcome::Passed),
        failed: count(Outcome::Failed),
        inconclusive: count(Outcome::Inconclusive),
        skipped: count(Outcome::Skipped),
        success_rate: statistics::rate(recovered, valid, CONFIDENCE),
        within_rto: statistics::rate(within, with_rto, CONFIDENCE),
    }
}

/// Every reason for a non-zero exit code, strongest first, from all scenarios and the gate.
#[must_use]
pub fn exit_reasons(scenarios: &[ScenarioResult], gate: Option<&Gate>) -> Vec<ExitReason> {
    let mut reasons = Vec::new();
    let mut because = |code: ExitCode, reason: String| reasons.push(ExitReason { code: code.code(), name: code, reason });
    for scenario in scenarios {
        let line = format!("{}: {}", scenario.name, scenario.reason);
        match scenario.outcome {
            Outcome::Failed => because(ExitCode::ObjectiveMissed, line),
            Outcome::Inconclusive => because(ExitCode::Inconclusive, line),
            Outcome::Skipped if gate.is_some_and(|gate| !gate.may_be_skipped.contains(&scenario.name)) => {
                because(
                    ExitCode::Inconclusive,
                    format!("{}: skipped, and the gate does not allow that: {}", scenario.name, scenario.reason),
                );
            }
            Outcome::Passed | Outcome::Skipped => {}
        }
        for trial in scenario.trials.iter().filter(|trial| !trial.leftovers.is_empty()) {
            because(
                ExitCode::Leftovers,
                format!("{}: trial {} left behind: {}", scenario.name, trial.index, trial.leftovers.join(", ")),
            );
        }
    }
    if scenarios.iter().all(|scenario| scenario.outcome == Outcome::Skipped) {
        because(ExitCode::Inconclusive, "nothing ran".to_owned());
    }
    let false_alarms: usize = scenarios.iter().filter_map(|scenario| scenario.counts.get(&Verdict::FalseAlarm)).sum();
    if let Some(allowed) = gate.and_then(|gate| gate.false_alarms)
        && false_alarms > allowed as usize
    {
        because(ExitCode::ObjectiveMissed, format!("{false_alarms} false alarms, the gate allows {allowed}"));
    }
    sort(&mut reasons);
    reasons
}

/// Puts the reason that decides the exit code first.
pub fn sort(reasons: &mut [ExitReason]) {
    reasons.sort_by_key(|reason| {
        let others = reason.name;
        ExitCode::PRECEDENCE.iter().position(|code| *code == others)
    });
}

/// The run's outcome by its exit code.
#[must_use]
pub fn run_outcome(code: ExitCode) -> Outcome {
    match code {
        ExitCode::Passed => Outcome::Passed,
        ExitCode::ObjectiveMissed => Outcome::Failed,
        _ => Outcome::Inconclusive,
    }
}
