//! Is this run worse than the baseline? Success rates by Fisher's test, recovery times by Mann and Whitney's with a least effect, all of
//! them together corrected by Holm. What is worse by chance alone fails no gate, and what could never be shown passes none.

use super::Baseline;
use super::plural;
use super::targets::{objective, percent, seconds};
use crate::measure::result::{ComparisonResult, Interval, Objective, ObjectiveKind, Outcome, RunResult, ScenarioResult};
use crate::measure::statistics::{CONFIDENCE, Sample, fisher, hodges_lehmann, holm, mann_whitney, quantile, real, round_time};
use crate::scenario::model::{Gate, RegressionGate};

/// One comparison, before the correction for their number.
struct Compared {
    objective: Objective,
    /// The p-value, and the smallest that it could have been with these trials.
    p: f64,
    smallest: f64,
    /// Whether the difference is large enough to count; `None`: time-outs hide how large it is.
    counts: Option<bool>,
}

/// What came of looking at one scenario.
enum Row {
    /// There was nothing to compare, and the objective says why.
    Settled(Box<Objective>),
    Compared(Box<Compared>),
}

/// The objectives of a comparison with the baseline.
pub(super) fn objectives(
    result: &RunResult,
    gate: Option<&Gate>,
    asked: &RegressionGate,
    baseline: Option<&Baseline>,
) -> Vec<Objective> {
    let of_run = |observed: String, next: &str| {
        let required = "a baseline to compare with".to_owned();
        let mut objective = objective(ObjectiveKind::Baseline, None, required, observed, Outcome::Inconclusive);
        objective.next = Some(next.to_owned());
        vec![objective]
    };
    let Some(baseline) = baseline else {
        return of_run("none was given".to_owned(), "give --baseline: the run directory or result file of a good run");
    };
    if let Some(why) = baseline.not_comparable(result) {
        return of_run(why, "take a baseline from a whole run on a cluster like this one");
    }
    let mut rows: Vec<Row> = Vec::new();
    for scenario in result.scenarios.iter().filter(|scenario| scenario.outcome != Outcome::Skipped) {
        match baseline.result.scenarios.iter().find(|theirs| theirs.name == scenario.name) {
            None => rows.push(Row::Settled(Box::new(objective(
                ObjectiveKind::Baseline,
                Some(&scenario.name),
                "no worse than the baseline".to_owned(),
                "new: the baseline does not have it".to_owned(),
                Outcome::Skipped,
            )))),
            Some(theirs) => {
                rows.push(success_rate(scenario, theirs, asked));
                rows.extend(recovery(scenario, theirs, asked));
            }
        }
    }
    rows.extend(missing(result, gate, baseline));
    corrected(rows, asked)
}

/// Scenarios that the baseline tried and this run does not have: leaving one out must not hide that it got worse.
fn missing<'a>(result: &'a RunResult, gate: Option<&'a Gate>, baseline: &'a Baseline) -> impl Iterator<Item = Row> + 'a {
    let has = |name: &str| result.scenarios.iter().any(|scenario| scenario.name == name);
    let may = move |name: &String| gate.is_some_and(|gate| gate.may_be_skipped.contains(name));
    baseline
        .result
        .scenarios
        .iter()
        .filter(move |theirs| theirs.outcome != Outcome::Skipped && !has(&theirs.name) && !may(&theirs.name))
        .map(|theirs| {
            let required = "no worse than the baseline".to_owned();
            let observed = "not in this run, but in the baseline".to_owned();
            let mut objective = objective(ObjectiveKind::Baseline, Some(&theirs.name), required, observed, Outcome::Inconclusive);
            objective.next = Some("run it, or take a new baseline without it".to_owned());
            Row::Settled(Box::new(objective))
        })
}

fn success_rate(ours: &ScenarioResult, theirs: &ScenarioResult, asked: &RegressionGate) -> Row {
    let (a, b) = (&ours.success_rate, &theirs.success_rate);
    let required = "a success rate no lower than the baseline's".to_owned();
    let observed = format!("{} of {}, was {} of {}", a.successes, a.n, b.successes, b.n);
    let mut row = objective(ObjectiveKind::SuccessRateRegression, Some(&ours.name), required, observed, Outcome::Passed);
    if let Some(changed) = changed(ours, theirs) {
        row.outcome = Outcome::Inconclusive;
        row.observed = format!("{}: {changed}", row.observed);
        row.next = Some("take a new baseline".to_owned());
        return Row::Settled(Box::new(row));
    }
    if a.n == 0 || b.n == 0 {
        row.outcome = Outcome::Inconclusive;
        row.next = Some(format!("{} has no valid trial", if a.n == 0 { "this run" } else { "the baseline" }));
        return Row::Settled(Box::new(row));
    }
    // A rate of 0 cannot fall.
    if b.successes > 0 && fisher::lower(0, a.n, b.successes, b.n) > asked.significance {
        row.outcome = Outcome::Inconclusive;
        let needed = (1..1_000).find(|n| fisher::lower(0, *n, *n, *n) <= asked.significance);
        row.next = needed.map(|needed| format!("so few trials can never show a drop: {needed} and {needed} passing ones can"));
        return Row::Settled(Box::new(row));
    }
    let p = fisher::lower(a.successes, a.n, b.successes, b.n);
    row.comparison =
        Some(ComparisonResult { test: "fisher".to_owned(), n: a.n, baseline_n: b.n, p_value: p, ..ComparisonResult::default() });
    let smallest = fisher::smallest(a.successes, a.n, b.successes, b.n);
    Row::Compared(Box::new(Compared { objective: row, p, smallest, counts: Some(true) }))
}

/// Why the success rates of two runs of a scenario are of different things.
fn changed(ours: &ScenarioResult, theirs: &ScenarioResult) -> Option<String> {
    // Where recovery is not expected the RTO decides nothing, and a history does not keep it.
    let counting = |scenario: &ScenarioResult| scenario.rto.filter(|_| scenario.expects_recovery());
    let rto = |scenario: &ScenarioResult| counting(scenario).map_or_else(|| "none".to_owned(), seconds);
    if ours.expect != theirs.expect {
        Some("the expected verdicts have changed".to_owned())
    } else if counting(ours).map(f64::to_bits) != counting(theirs).map(f64::to_bits) {
        Some(format!("the RTO is {}, was {}", rto(ours), rto(theirs)))
    } else if ours.detect != theirs.detect {
        Some("what must be detected has changed".to_owned())
    } else {
        None
    }
}

/// Recovery times of all valid trials, time-outs among them.
fn samples(scenario: &ScenarioResult) -> Vec<Sample> {
    let valid = scenario.trials.iter().filter(|trial| trial.verdict.is_valid());
    let measured = valid.filter_map(|trial| trial.durations.to_recover.as_ref());
    measured.map(|took| Sample { value: took.value, uncertainty: took.uncertainty, censored: took.censored }).collect()
}

/// `None` where recovery is not expected, or neither run has a time.
fn recovery(ours: &ScenarioResult, theirs: &ScenarioResult, asked: &RegressionGate) -> Option<Row> {
    let (a, b) = (samples(ours), samples(theirs));
    if !ours.expects_recovery() || a.is_empty() && b.is_empty() {
        return None;
    }
    let median = |samples: &[Sample]| match quantile(samples, 0.5) {
        Some(median) => seconds(median),
        None if samples.is_empty() => "unknown".to_owned(),
        None => "a time-out".to_owned(),
    };
    let required = format!("recovery no slower than the baseline's, by more than {} of its median", percent(asked.min_effect));
    let observed = format!("median {}, was {}", median(&a), median(&b));
    let mut row = objective(ObjectiveKind::RecoveryRegression, Some(&ours.name), required, observed, Outcome::Passed);
    let (Some(test), Some(shift)) = (mann_whitney::compare(&a, &b), hodges_lehmann::shift(&a, &b, CONFIDENCE)) else {
        row.outcome = Outcome::Inconclusive;
        row.next = Some(format!("{} has no time of recovery", if a.is_empty() { "this run" } else { "the baseline" }));
        return Some(Row::Settled(Box::new(row)));
    };
    if mann_whitney::smallest(a.len(), b.len()) > asked.significance {
        row.outcome = Outcome::Inconclusive;
        let needed = (1..1_000).find(|n| mann_whitney::smallest(*n, *n) <= asked.significance);
        row.next = needed.map(|needed| format!("so few trials can never show a difference: {needed} and {needed} can"));
        return Some(Row::Settled(Box::new(row)));
    }
    // Half of the samples' differences are uncertain by as much as their own.
    let uncertainty = |samples: &[Sample]| samples.iter().map(|sample| sample.uncertainty).sum::<f64>() / real(samples.len());
    let least = (quantile(&b, 0.5).unwrap_or(0.0).max(0.0) * asked.min_effect).max(uncertainty(&a) + uncertainty(&b));
    row.interval = (shift.lower.is_some() || shift.upper.is_some()).then(|| Interval {
        lower: shift.lower.map(round_time),
        upper: shift.upper.map(round_time),
        confidence: CONFIDENCE,
        method: "hodgesLehmann".to_owned(),
    });
    row.comparison = Some(ComparisonResult {
        test: "mannWhitney".to_owned(),
        n: a.len(),
        baseline_n: b.len(),
        p_value: test.two_sided,
        adjusted_p_value: 1.0,
        effect_size: Some(round_time(test.a)),
        shift: shift.value.map(round_time),
        least_shift: Some(round_time(least)),
    });
    // Only a slower recovery is a regression.
    let counts = if test.a <= 0.5 { Some(false) } else { shift.at_least.map(|shift| shift > least) };
    Some(Row::Compared(Box::new(Compared { objective: row, p: test.two_sided, smallest: test.smallest, counts })))
}

/// Corrects for the number of comparisons, and decides each.
fn corrected(rows: Vec<Row>, asked: &RegressionGate) -> Vec<Objective> {
    // A comparison that cannot fall below the level, whatever it shows, cannot be wrong either, and is not counted.
    let counted = |row: &&Row| matches!(row, Row::Compared(compared) if compared.smallest <= asked.significance);
    let p_values: Vec<f64> = rows
        .iter()
        .filter(counted)
        .filter_map(|row| match row {
            Row::Compared(compared) => Some(compared.p),
            Row::Settled(_) => None,
        })
        .collect();
    let mut adjusted = holm::adjusted(&p_values).into_iter();
    let comparisons = p_values.len();
    rows.into_iter()
        .map(|row| {
            let is_counted = counted(&&row);
            match row {
                Row::Settled(objective) => *objective,
                Row::Compared(compared) => {
                    let adjusted = if is_counted { adjusted.next().unwrap_or(1.0) } else { 1.0 };
                    decided(*compared, adjusted, comparisons, asked)
                }
            }
        })
        .collect()
}

fn decided(compared: Compared, adjusted: f64, comparisons: usize, asked: &RegressionGate) -> Objective {
    let Compared { mut objective, p, smallest, counts } = compared;
    if let Some(comparison) = &mut objective.comparison {
        comparison.adjusted_p_value = adjusted;
    }
    let significant = adjusted <= asked.significance;
    let never = smallest * real(comparisons) > asked.significance;
    objective.outcome = match counts {
        Some(true) if significant => Outcome::Failed,
        // So few trials could not have shown it among so many comparisons, and by itself it looks worse.
        Some(true) if p <= asked.significance && never => Outcome::Inconclusive,
        None if p <= asked.significance => Outcome::Inconclusive,
        _ => Outcome::Passed,
    };
    objective.observed = format!("{} ({})", objective.observed, probability(adjusted));
    objective.next = match objective.outcome {
        Outcome::Failed => Some("compare this run's trials with the baseline's; if it is meant, take a new baseline".to_owned()),
        Outcome::Inconclusive if counts.is_none() => Some("time-outs hide how much slower: look at both runs".to_owned()),
        Outcome::Inconclusive => {
            Some(format!("it looks worse, but among {} so few trials prove nothing: run more", plural(comparisons, "comparison")))
        }
        Outcome::Passed | Outcome::Skipped => None,
    };
    objective
}

/// `p = 0.034`, `p < 0.001`.
fn probability(p: f64) -> String {
    if p < 0.0005 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}
