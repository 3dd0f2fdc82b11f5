//! Reading a result file that somebody hands in: cut off, of another version, changed by hand, or fine. What follows from the trials must
//! follow from them in the file, too: a gate must not take a file's sums at their word.

use super::{Measured, Outcome, Rate, Retried, RunResult, ScenarioResult, TrialResult};
use crate::measure::outcome;
use crate::measure::statistics::wilson;
use crate::scenario::Verdict;
use crate::scenario::model::API_VERSION;
use serde_json::Value;
use serde_json::error::Category;
use std::collections::{BTreeMap, BTreeSet};

/// Reads and checks a result file.
///
/// # Errors
/// What is wrong with it and what to do, without the file's name.
pub fn read(text: &str) -> Result<RunResult, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Eof => format!(
            "it ends in the middle, at line {}, column {}: it was cut off while it was written or copied; take the whole file",
            error.line(),
            error.column()
        ),
        _ => format!("it is not JSON: {}", plain(&error.to_string())),
    })?;
    of_this_version(&value)?;
    let result: RunResult =
        serde_json::from_str(text).map_err(|error| format!("it is not a result file: {}", plain(&error.to_string())))?;
    check(&result)?;
    Ok(result)
}

fn of_this_version(value: &Value) -> Result<(), String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    match text("kind") {
        Some("RunResult") => {}
        Some(other) => return Err(format!("it is a {other}, not a result file (`kind: RunResult`)")),
        None => return Err("it is not a result file: it has no `kind: RunResult`".to_owned()),
    }
    let version = text("apiVersion").unwrap_or("none");
    if version == API_VERSION {
        return Ok(());
    }
    let by = value.pointer("/run/version").and_then(Value::as_str).unwrap_or("another version");
    Err(format!(
        "its apiVersion is {version}, written by comeback {by}; this is comeback {}, which reads {API_VERSION}: use the version that \
         wrote it, or a newer one",
        env!("CARGO_PKG_VERSION")
    ))
}

/// A message of the JSON library without the names of Rust's types.
fn plain(message: &str) -> String {
    let mut out = message.to_owned();
    for (rust, words) in [
        ("f64", "a number"),
        ("usize", "a whole number"),
        ("u64", "a whole number"),
        ("u32", "a whole number"),
        ("u8", "a whole number"),
        ("a sequence", "a list"),
        ("a map", "an object"),
    ] {
        out = out.replace(&format!("expected {rust}"), &format!("expected {words}"));
    }
    match out
        .split_once("expected struct ")
        .map(|(before, after)| (before.to_owned(), after.find(' ').map(|end| after[end..].to_owned())))
    {
        Some((before, rest)) => format!("{before}expected an object{}", rest.unwrap_or_default()),
        None => out,
    }
}

/// Whether what follows from the trials does so.
fn check(result: &RunResult) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for scenario in &result.scenarios {
        if !names.insert(&scenario.name) {
            return Err(format!("the scenario {} is there twice", scenario.name));
        }
        check_scenario(scenario).map_err(|what| {
            format!(
                "{}: {what}; it was changed after it was written, or is damaged: judge the run again with `comeback judge`",
                scenario.name
            )
        })?;
    }
    let summary = outcome::summary(&result.scenarios);
    if summary != result.summary {
        return Err("the summary is not that of its scenarios: it was changed after it was written, or is damaged".to_owned());
    }
    let passed = result.outcome == Outcome::Passed;
    if passed != (result.exit_code == 0) || passed && !result.exit_reasons.is_empty() {
        return Err(format!("outcome and exit code {} contradict each other", result.exit_code));
    }
    Ok(())
}

fn check_scenario(scenario: &ScenarioResult) -> Result<(), String> {
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut indices = BTreeSet::new();
    for trial in &scenario.trials {
        *counts.entry(trial.verdict).or_default() += 1;
        if !indices.insert(trial.index) {
            return Err(format!("trial {} is there twice", trial.index));
        }
        for attempt in trial.attempts() {
            check_trial(attempt, scenario.rto).map_err(|what| format!("trial {} {what}", trial.index))?;
        }
    }
    if counts != scenario.counts {
        return Err("the counts are not those of its trials".to_owned());
    }
    let valid = scenario.trials.iter().filter(|trial| trial.verdict.is_valid());
    let n = valid.clone().count();
    let successes = valid.clone().filter(|trial| scenario.expect.contains(&trial.verdict)).count();
    check_rate("success rate", &scenario.success_rate, successes, n)?;
    if let (Some(rate), Some(rto)) = (&scenario.within_rto, scenario.rto) {
        check_rate("rate within the RTO", rate, valid.filter(|trial| outcome::is_within(trial, rto)).count(), n)?;
    }
    if scenario.outcome == Outcome::Passed && scenario.untried() > 0 {
        return Err(format!("it is said to have passed, but {} of its trials were not run", scenario.untried()));
    }
    if scenario.retried != Retried::of(&scenario.trials, &scenario.expect) {
        return Err("what was tried again is not what its trials say".to_owned());
    }
    if scenario.passed != (scenario.outcome == Outcome::Passed) {
        return Err("`passed` and `outcome` contradict each other".to_owned());
    }
    Ok(())
}

fn check_rate(what: &str, rate: &Rate, successes: usize, n: usize) -> Result<(), String> {
    if (rate.successes, rate.n) != (successes, n) {
        return Err(format!("the {what} is {} of {}, its trials say {successes} of {n}", rate.successes, rate.n));
    }
    if !(0.5..1.0).contains(&rate.confidence) || !(0.0..=1.0).contains(&rate.lower) || !(rate.lower..=1.0).contains(&rate.upper) {
        return Err(format!("the interval of the {what} is none"));
    }
    let (lower, upper) = wilson(successes, n, rate.confidence);
    if rate.method == "wilson" && ((rate.lower - lower).abs() > 1e-3 || (rate.upper - upper).abs() > 1e-3) {
        return Err(format!("the interval of the {what} is not that of {successes} of {n}"));
    }
    Ok(())
}

fn check_trial(trial: &TrialResult, rto: Option<f64>) -> Result<(), String> {
    let durations = &trial.durations;
    let all = [&durations.to_effect, &durations.to_detect, &durations.to_recover, &durations.to_recover_from_request];
    if let Some(odd) =
        all.into_iter().flatten().find(|measured| !measured.value.is_finite() || !(0.0..1e9).contains(&measured.uncertainty))
    {
        return Err(format!("has a duration of {} with an uncertainty of {}", odd.value, odd.uncertainty));
    }
    let Some(Measured { value, censored, .. }) = &durations.to_recover else { return Ok(()) };
    let beyond = rto.is_some_and(|rto| *value > rto + 1e-3);
    match trial.verdict {
        Verdict::Recovered if *censored => Err("is said to have recovered, but its recovery was not seen".to_owned()),
        Verdict::Recovered if beyond => Err(format!("is said to have recovered in time, but took {value} s")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
