//! The objectives that a run's own trials decide: rates by scenario, invalid trials, classes and their RTO, false alarms.
//! Comparisons with another run are in `regression`.

use super::{plural, rate_outcome, too_many_invalid};
use crate::measure::result::{Interval, Objective, ObjectiveKind, Outcome, Rate, RunResult, ScenarioResult, TrialResult};
use crate::measure::statistics::{self, CONFIDENCE, wilson};
use crate::scenario::Verdict;
use crate::scenario::duration;
use crate::scenario::model::{Gate, SuccessRateGate, SuccessRateJudge};
use std::collections::BTreeMap;
use std::time::Duration;

/// All of them, in the order of the result file.
pub(super) fn objectives(result: &RunResult, gate: Option<&Gate>) -> Vec<Objective> {
    let mut objectives: Vec<Objective> = complete(result).into_iter().collect();
    for scenario in &result.scenarios {
        if scenario.outcome == Outcome::Skipped {
            objectives.push(skipped(scenario, gate));
        } else {
            objectives.push(success_rate(scenario, gate));
            objectives.extend(invalid(scenario, gate));
        }
    }
    objectives.extend(classes(result, gate));
    objectives.extend(false_alarms(result, gate));
    objectives
}

/// A plain objective; what is special is added.
pub(super) fn objective(
    kind: ObjectiveKind,
    scenario: Option<&str>,
    required: String,
    observed: String,
    outcome: Outcome,
) -> Objective {
    Objective {
        objective: kind,
        scenario: scenario.map(str::to_owned),
        class: None,
        required,
        observed,
        interval: None,
        outcome,
        next: None,
        comparison: None,
    }
}

fn complete(result: &RunResult) -> Option<Objective> {
    let all = result.scenarios.iter().flat_map(|scenario| &scenario.trials);
    let tried = all.filter(|trial| trial.verdict != Verdict::Aborted).count();
    let (scenarios, trials) = (result.expected.scenarios, result.expected.trials);
    let whole = result.complete && result.scenarios.len() >= scenarios && tried >= trials;
    (!whole).then(|| {
        let observed = format!("{tried} of {} were run", plural(trials, "trial"));
        let mut objective = objective(
            ObjectiveKind::Complete,
            None,
            "all trials that were to be run".to_owned(),
            observed,
            Outcome::Inconclusive,
        );
        objective.next = Some("run it again to its end".to_owned());
        objective
    })
}

fn skipped(scenario: &ScenarioResult, gate: Option<&Gate>) -> Objective {
    let allowed = gate.is_none_or(|gate| gate.may_be_skipped.contains(&scenario.name));
    let (required, outcome) = if allowed { ("may be skipped", Outcome::Skipped) } else { ("is run", Outcome::Inconclusive) };
    let observed = format!("skipped: {}", scenario.reason);
    let mut objective = objective(ObjectiveKind::NotSkipped, Some(&scenario.name), required.to_owned(), observed, outcome);
    objective.next = (!allowed).then(|| "run it on a cluster that has what it needs, or list it in gate.mayBeSkipped".to_owned());
    objective
}

fn success_rate(scenario: &ScenarioResult, gate: Option<&Gate>) -> Objective {
    let target = gate.and_then(|gate| gate.success_rate.as_ref());
    let rate = &scenario.success_rate;
    let outcome = shown(scenario, target);
    let required = match &scenario.sequential {
        Some(test) => format!(
            "{} of trials as expected (a sequential test, wrong in {} at most, either way)",
            percent(test.claim),
            percent(test.error_rate)
        ),
        None => required_rate(target, "as expected"),
    };
    let mut objective = objective(ObjectiveKind::SuccessRate, Some(&scenario.name), required, observed(rate), outcome);
    objective.interval = interval(rate);
    objective.next = match outcome {
        Outcome::Failed => first(scenario, |trial| trial.verdict.is_valid() && !scenario.expect.contains(&trial.verdict)),
        Outcome::Inconclusive if rate.n == 0 => {
            Some(first(scenario, |trial| !trial.verdict.is_valid()).unwrap_or_else(|| "no trial was run: run it".to_owned()))
        }
        Outcome::Inconclusive if scenario.untried() > 0 => Some("run it again to its end".to_owned()),
        Outcome::Inconclusive => Some(more_trials(scenario, target)),
        Outcome::Passed | Outcome::Skipped => None,
    };
    objective
}

/// What the trials of a scenario have shown. Those that were not run could have shown something else.
fn shown(scenario: &ScenarioResult, target: Option<&SuccessRateGate>) -> Outcome {
    match rate_outcome(&scenario.success_rate, target, scenario.sequential.as_ref()) {
        Outcome::Passed if scenario.untried() > 0 => Outcome::Inconclusive,
        // A proven miss is a miss; whether this one is, the scenario's own outcome says.
        Outcome::Failed if scenario.untried() > 0 => scenario.outcome,
        shown => shown,
    }
}

/// `90 % of trials as expected (the lower bound of the interval)`.
fn required_rate(target: Option<&SuccessRateGate>, what: &str) -> String {
    match target {
        None => format!("each valid trial {what}"),
        Some(target) => {
            let judge = match target.judge {
                SuccessRateJudge::Observed => "observed",
                SuccessRateJudge::LowerBound => "the lower bound of the interval",
            };
            format!("{} of trials {what} ({judge})", percent(target.at_least))
        }
    }
}

fn more_trials(scenario: &ScenarioResult, target: Option<&SuccessRateGate>) -> String {
    let rate = &scenario.success_rate;
    if let Some(test) = &scenario.sequential {
        if scenario.trials.len() < test.at_most {
            return "run it again to its end".to_owned();
        }
        return format!("allow more than {} with --trials", plural(test.at_most, "trial"));
    }
    let Some(target) = target else { return "run more trials".to_owned() };
    let failures = rate.n - rate.successes.min(rate.n);
    match wilson::trials_needed_with(failures, target.at_least, target.confidence) {
        None => format!("no number of trials proves {}; ask for less, or use judge: observed", percent(target.at_least)),
        Some(needed) => {
            let with =
                if failures == 0 { "all passing".to_owned() } else { format!("with no more than these {failures} missed") };
            format!("{needed} trials, {with}, would prove it: --trials {needed}")
        }
    }
}

/// What the first trial of a kind says.
fn first(scenario: &ScenarioResult, of: impl Fn(&TrialResult) -> bool) -> Option<String> {
    let trial = scenario.trials.iter().find(|trial| of(trial))?;
    Some(format!("see trial {}: {}: {}", trial.index, trial.verdict, trial.reason))
}

fn invalid(scenario: &ScenarioResult, gate: Option<&Gate>) -> Option<Objective> {
    let (all, valid) = (scenario.trials.len(), scenario.success_rate.n);
    let tolerated = gate.and_then(|gate| gate.max_invalid);
    let too_many = too_many_invalid(all, valid, gate);
    // Without a target only what went wrong is worth a line.
    if tolerated.is_none() && !too_many {
        return None;
    }
    let required = match tolerated {
        Some(share) if share > 0.0 => format!("at most {} of trials say nothing", percent(share)),
        _ => "every trial says something".to_owned(),
    };
    let nothing = all - valid.min(all);
    let share = if all == 0 { "no trial was run".to_owned() } else { percent(statistics::real(nothing) / statistics::real(all)) };
    let observed = if all == 0 { share } else { format!("{nothing} of {all} say nothing ({share})") };
    let outcome = if too_many { Outcome::Inconclusive } else { Outcome::Passed };
    let mut objective = objective(ObjectiveKind::Invalid, Some(&scenario.name), required, observed, outcome);
    objective.next = too_many.then(|| first(scenario, |trial| !trial.verdict.is_valid())).flatten();
    Some(objective)
}

/// How well each class of scenarios kept its RTO, over all its scenarios whose late trials are misses.
fn classes(result: &RunResult, gate: Option<&Gate>) -> Vec<Objective> {
    let mut classes: BTreeMap<&str, Vec<&ScenarioResult>> = BTreeMap::new();
    for scenario in &result.scenarios {
        let late_is_a_miss = scenario.expects_recovery() && !scenario.expect.contains(&Verdict::Late);
        if let (Some(class), true, Some(_)) = (scenario.labels.get("class"), late_is_a_miss, &scenario.within_rto)
            && scenario.outcome != Outcome::Skipped
        {
            classes.entry(class).or_default().push(scenario);
        }
    }
    let target = gate.and_then(|gate| gate.success_rate.as_ref());
    classes.into_iter().map(|(class, scenarios)| of_class(class, &scenarios, target)).collect()
}

fn of_class(class: &str, scenarios: &[&ScenarioResult], target: Option<&SuccessRateGate>) -> Objective {
    let rates = || scenarios.iter().filter_map(|scenario| scenario.within_rto.as_ref());
    let (successes, n) = rates().fold((0, 0), |(k, n), rate| (k + rate.successes, n + rate.n));
    let rate = statistics::rate(successes, n, target.map_or(CONFIDENCE, |target| target.confidence));
    // What each scenario has shown, all of them have.
    let each = scenarios.iter().all(|scenario| shown(scenario, target) == Outcome::Passed);
    let outcome = match rate_outcome(&rate, target, None) {
        _ if each => Outcome::Passed,
        Outcome::Passed if scenarios.iter().any(|scenario| scenario.untried() > 0) => Outcome::Inconclusive,
        Outcome::Failed if scenarios.iter().any(|scenario| scenario.untried() > 0) && !any_failed(scenarios) => {
            Outcome::Inconclusive
        }
        shown => shown,
    };
    let mut rtos: Vec<f64> = scenarios.iter().filter_map(|scenario| scenario.rto).collect();
    rtos.sort_by(f64::total_cmp);
    rtos.dedup();
    let within = match rtos.as_slice() {
        [one] => format!("within the RTO of {}", seconds(*one)),
        _ => "within the RTO of its scenario".to_owned(),
    };
    let mut objective = objective(ObjectiveKind::WithinRto, None, required_rate(target, &within), observed(&rate), outcome);
    objective.class = Some(class.to_owned());
    objective.interval = interval(&rate);
    objective.next = (outcome != Outcome::Passed).then(|| {
        let missing = scenarios
            .iter()
            .filter(|scenario| scenario.within_rto.as_ref().is_none_or(|rate| rate.n == 0 || rate.successes < rate.n));
        let names: Vec<&str> = missing.map(|scenario| scenario.name.as_str()).collect();
        if names.is_empty() { "run more trials".to_owned() } else { format!("see {}", names.join(", ")) }
    });
    objective
}

fn any_failed(scenarios: &[&ScenarioResult]) -> bool {
    scenarios.iter().any(|scenario| scenario.outcome == Outcome::Failed)
}

fn false_alarms(result: &RunResult, gate: Option<&Gate>) -> Option<Objective> {
    let allowed = gate.and_then(|gate| gate.false_alarms)? as usize;
    let seen: usize = result.scenarios.iter().filter_map(|scenario| scenario.counts.get(&Verdict::FalseAlarm)).sum();
    let controls = result.scenarios.iter().filter(|scenario| scenario.expect.contains(&Verdict::Quiet));
    let n: usize = controls.map(|scenario| scenario.success_rate.n).sum();
    let (outcome, next) = if seen > allowed {
        (Outcome::Failed, Some("see what the controls' trials found".to_owned()))
    } else if n == 0 {
        (Outcome::Inconclusive, Some("run a control: a scenario with `expect: quiet`".to_owned()))
    } else {
        (Outcome::Passed, None)
    };
    let observed = format!("{} in {} of controls", plural(seen, "false alarm"), plural(n, "valid trial"));
    let required = if allowed == 0 { "no false alarm".to_owned() } else { format!("at most {}", plural(allowed, "false alarm")) };
    let mut objective = objective(ObjectiveKind::FalseAlarms, None, required, observed, outcome);
    objective.next = next;
    Some(objective)
}

fn observed(rate: &Rate) -> String {
    match rate.observed {
        Some(share) => format!("{} of {} ({})", rate.successes, rate.n, percent(share)),
        None => "no valid trial".to_owned(),
    }
}

fn interval(rate: &Rate) -> Option<Interval> {
    (rate.n > 0).then(|| Interval {
        lower: Some(rate.lower),
        upper: Some(rate.upper),
        confidence: rate.confidence,
        method: rate.method.clone(),
    })
}

/// `90 %`, `99.5 %`: as exact as it was written.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// `12.3s`, `1m30s`, `-250ms`.
pub(super) fn seconds(value: f64) -> String {
    let digits = if value.abs() < 1.0 { 1_000.0 } else { 10.0 };
    let rounded = (value.abs() * digits).round() / digits;
    let sign = if value < 0.0 && rounded > 0.0 { "-" } else { "" };
    Duration::try_from_secs_f64(rounded).map_or_else(|_| "unknown".to_owned(), |time| format!("{sign}{}", duration::format(time)))
}
