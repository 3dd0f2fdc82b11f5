//! From trials to scenarios to a run: one fold over all trials decides outcome and exit code (contract, "Passing").

use super::result::{
    ClusterInfo, DetectObjective, Distribution, ExitReason, Expected, Healing, Outcome, Rate, Retried, Run, RunResult,
    ScenarioResult, Sequential, Summary, TrialResult, Who, tried,
};
use super::statistics::{self, CONFIDENCE, Sample, wilson};
use super::{attribution, gate, until_confident};
use crate::exit_code::ExitCode;
use crate::scenario::model::{API_VERSION, Gate, SuccessRateGate, SuccessRateJudge};
use crate::scenario::{Plan, Verdict};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The result of a scenario from its trials.
#[must_use]
pub fn scenario(plan: &Plan, trials: Vec<TrialResult>, gate: Option<&Gate>, until_confident: Option<f64>) -> ScenarioResult {
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for trial in &trials {
        *counts.entry(trial.verdict).or_default() += 1;
    }
    let valid = trials.iter().filter(|trial| trial.verdict.is_valid()).count();
    let expected = trials.iter().filter(|trial| trial.verdict.is_valid() && plan.expect.contains(&trial.verdict)).count();
    let confidence = gate.and_then(|gate| gate.success_rate.as_ref()).map_or(CONFIDENCE, |rate| rate.confidence);
    let wilson = statistics::rate(expected, valid, confidence);
    let claim = until_confident.and_then(|confidence| until_confident::claim(gate, confidence));
    let tested = claim.map(|claim| until_confident::test(&claim, &plan.expect, &trials, plan.trials));
    let success_rate = tested.as_ref().map_or(wilson.clone(), |tested| tested.rate(wilson));
    let sequential = tested.map(|tested| tested.result);
    let planned = Some(plan.trials as usize);
    let tried = Tried { trials: &trials, untried: tried::untried(planned, &trials, sequential.as_ref()) };
    let (outcome, reason) = decide(&plan.expect, tried, &success_rate, sequential.as_ref(), gate);
    let within_rto = plan.recover.rto.filter(|_| plan.expects_recovery()).map(|rto| {
        let within = trials.iter().filter(|trial| trial.verdict.is_valid() && is_within(trial, rto.as_secs_f64())).count();
        // After a test that may have stopped early Wilson's interval would promise too much.
        if within == success_rate.successes { success_rate.clone() } else { statistics::rate(within, valid, confidence) }
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
        sequential,
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
        comparison: plan.comparison.clone(),
        planned,
        retried: Retried::of(&trials, &plan.expect),
        trials,
    }
}

/// The result of a run that has not come to its end: `complete: false`, inconclusive.
#[must_use]
pub fn incomplete(run: Run, cluster: ClusterInfo, plans: &[Arc<Plan>], scenarios: Vec<ScenarioResult>) -> RunResult {
    RunResult {
        api_version: API_VERSION.to_owned(),
        kind: "RunResult".to_owned(),
        complete: false,
        expected: Expected { scenarios: plans.len(), trials: plans.iter().map(|plan| plan.trials as usize).sum() },
        run,
        cluster,
        summary: summary(&scenarios),
        scenarios,
        lift: Vec::new(),
        gate: None,
        outcome: Outcome::Inconclusive,
        exit_code: ExitCode::Inconclusive.code(),
        exit_reasons: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The result of a scenario of a saved run, judged again by its trials' verdicts alone.
#[must_use]
pub fn again(mut scenario: ScenarioResult, gate: Option<&Gate>) -> ScenarioResult {
    if scenario.sequential.is_none() {
        let confidence = gate.and_then(|gate| gate.success_rate.as_ref()).map_or(CONFIDENCE, |rate| rate.confidence);
        scenario.success_rate = statistics::rate(scenario.success_rate.successes, scenario.success_rate.n, confidence);
    } else if let Some(test) = &scenario.sequential {
        let claim = until_confident::Claim { at_least: test.claim, confidence: test.confidence };
        let at_most = u32::try_from(test.at_most).unwrap_or(u32::MAX);
        let tested = until_confident::test(&claim, &scenario.expect, &scenario.trials, at_most);
        let wilson = statistics::rate(scenario.success_rate.successes, scenario.success_rate.n, claim.confidence);
        scenario.success_rate = tested.rate(wilson);
        scenario.sequential = Some(tested.result);
    }
    let tried = Tried { trials: &scenario.trials, untried: scenario.untried() };
    let (outcome, reason) = decide(&scenario.expect, tried, &scenario.success_rate, scenario.sequential.as_ref(), gate);
    ScenarioResult { outcome, passed: outcome == Outcome::Passed, reason, ..scenario }
}

/// Whether a trial recovered within the RTO, whatever else it missed.
#[must_use]
pub fn is_within(trial: &TrialResult, rto: f64) -> bool {
    let recovered = matches!(trial.verdict, Verdict::Recovered | Verdict::Undetected | Verdict::Degraded);
    recovered && trial.durations.to_recover.as_ref().is_some_and(|took| !took.censored && took.value <= rto)
}

fn times(trials: &[TrialResult], pick: impl Fn(&TrialResult) -> Option<&super::result::Measured>) -> Option<Distribution> {
    let samples: Vec<_> = trials
        .iter()
        .filter(|trial| trial.verdict.is_valid())
        .filter_map(|trial| {
            pick(trial).map(|measured| Sample {
                value: measured.value,
                uncertainty: measured.uncertainty,
                censored: measured.censored,
            })
        })
        .collect();
    statistics::distribution(&samples)
}

fn healing(trials: &[TrialResult]) -> Option<Healing> {
    let attempted = |trial: &&TrialResult| trial.actions.iter().any(attribution::is_change);
    let succeeded = trials
        .iter()
        .filter(attempted)
        .filter(|trial| trial.healed_by.as_ref().is_some_and(|healed| healed.who == Who::Comeback))
        .count();
    let attempted = trials.iter().filter(attempted).count();
    (attempted > 0).then_some(Healing { attempted, succeeded })
}

/// The trials of a scenario, and how many more there were to be.
#[derive(Clone, Copy)]
struct Tried<'a> {
    trials: &'a [TrialResult],
    untried: usize,
}

fn decide(
    expect: &[Verdict],
    Tried { trials, untried }: Tried<'_>,
    rate: &Rate,
    sequential: Option<&Sequential>,
    gate: Option<&Gate>,
) -> (Outcome, String) {
    if !trials.is_empty() && trials.iter().all(|trial| trial.verdict == Verdict::Skipped) {
        return (Outcome::Skipped, trials.first().map(|trial| trial.reason.clone()).unwrap_or_default());
    }
    let target = gate.and_then(|gate| gate.success_rate.as_ref());
    let judged = gate::rate_outcome(rate, target, sequential);
    let describe = |trial: &TrialResult| format!("trial {}: {}: {}", trial.index, trial.verdict, trial.reason);
    // A proven miss is a miss, however many trials say nothing or were not run; one that these could still make good is not proven.
    if judged == Outcome::Failed && !could_still_pass(rate, target, sequential, untried) {
        let bad = trials.iter().find(|trial| trial.verdict.is_valid() && !expect.contains(&trial.verdict)).map(describe);
        return (Outcome::Failed, missed(rate, target, sequential, bad));
    }
    if untried > 0 && rate.n > 0 {
        let aborted = trials.iter().filter(|trial| trial.verdict == Verdict::Aborted).count();
        let tried = trials.len() - aborted;
        return (Outcome::Inconclusive, format!("only {tried} of {} trials were run to their end", tried + untried));
    }
    if rate.n == 0 || gate::too_many_invalid(trials.len(), rate.n, gate) {
        let nothing = trials.iter().find(|trial| !trial.verdict.is_valid());
        return (Outcome::Inconclusive, nothing.map_or_else(|| "no trial was run".to_owned(), describe));
    }
    match (judged, sequential, target) {
        (Outcome::Inconclusive, Some(test), _) => {
            let reason = format!(
                "{} of {} as expected neither prove nor refute a success rate of {}: allow more than {} trials",
                rate.successes, rate.n, test.claim, test.at_most
            );
            (Outcome::Inconclusive, reason)
        }
        (Outcome::Inconclusive, None, Some(target)) => {
            let failures = rate.n - rate.successes;
            let needed = wilson::trials_needed_with(failures, target.at_least, target.confidence);
            let needed = needed.map_or_else(
                || "no number of trials can prove it".to_owned(),
                |needed| match failures {
                    0 => format!("{needed} passing trials would prove it"),
                    failures => format!("{needed} trials of which all but {failures} pass would prove it"),
                },
            );
            let reason = format!(
                "{} of {} prove a success rate above {:.2}, not {}: {needed}",
                rate.successes, rate.n, rate.lower, target.at_least
            );
            (Outcome::Inconclusive, reason)
        }
        _ => (Outcome::Passed, format!("{} of {} trials as expected", rate.successes, rate.n)),
    }
}

/// Whether an observed rate below its target would reach it, were all passing that was not run.
fn could_still_pass(rate: &Rate, target: Option<&SuccessRateGate>, sequential: Option<&Sequential>, untried: usize) -> bool {
    let observed = target.filter(|target| target.judge == SuccessRateJudge::Observed && sequential.is_none());
    observed.is_some_and(|target| {
        untried > 0 && statistics::real(rate.successes + untried) / statistics::real(rate.n + untried) >= target.at_least
    })
}

/// Why a scenario has failed, in one line.
fn missed(rate: &Rate, target: Option<&SuccessRateGate>, sequential: Option<&Sequential>, bad: Option<String>) -> String {
    let bad_too = |bad: Option<String>| bad.map(|bad| format!("; {bad}")).unwrap_or_default();
    let so_many = format!("{} of {} as expected", rate.successes, rate.n);
    match (sequential, target) {
        (Some(test), _) => format!("{so_many} refute a success rate of {}{}", test.claim, bad_too(bad)),
        (None, Some(target)) => {
            let (value, what) = match target.judge {
                SuccessRateJudge::Observed => (rate.observed.unwrap_or_default(), "observed"),
                SuccessRateJudge::LowerBound => (rate.upper, "upper bound"),
            };
            format!("{so_many}: the success rate's {what} {value:.2} is below {}{}", target.at_least, bad_too(bad))
        }
        (None, None) => bad.unwrap_or(so_many),
    }
}

/// The sums over all scenarios.
#[must_use]
pub fn summary(scenarios: &[ScenarioResult]) -> Summary {
    let count = |outcome| scenarios.iter().filter(|scenario| scenario.outcome == outcome).count();
    let (mut recovered, mut valid, mut within, mut with_rto) = (0, 0, 0, 0);
    for scenario in scenarios.iter().filter(|scenario| scenario.expects_recovery()) {
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
        flaky: scenarios.iter().map(ScenarioResult::flaky).sum(),
        success_rate: statistics::rate(recovered, valid, CONFIDENCE),
        within_rto: statistics::rate(within, with_rto, CONFIDENCE),
    }
}

/// Every reason for a non-zero exit code, strongest first, that the scenarios give; more are the gate's (`gate::reasons`).
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
        let attempts = scenario.trials.iter().flat_map(TrialResult::attempts);
        for trial in attempts.filter(|trial| !trial.leftovers.is_empty()) {
            because(
                ExitCode::Leftovers,
                format!("{}: trial {} left behind: {}", scenario.name, trial.index, trial.leftovers.join(", ")),
            );
        }
    }
    if scenarios.iter().all(|scenario| scenario.outcome == Outcome::Skipped) {
        because(ExitCode::Inconclusive, "nothing ran".to_owned());
    }
    sort(&mut reasons);
    reasons
}

/// Adds what went wrong after the trials, with what follows from it.
pub fn add_reason(result: &mut RunResult, name: ExitCode, reason: String) {
    result.exit_reasons.push(ExitReason { code: name.code(), name, reason });
    sort(&mut result.exit_reasons);
    let code = exit_code(result);
    result.exit_code = code.code();
    result.outcome = run_outcome(code);
}

/// The process exit code: never 0 for a run that did not come to its end.
#[must_use]
pub fn exit_code(result: &RunResult) -> ExitCode {
    let reasons = result.exit_reasons.iter().map(|reason| reason.name);
    ExitCode::strongest(reasons.chain((!result.complete).then_some(ExitCode::Inconclusive)))
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

#[cfg(test)]
mod tests;
