//! The gate: what a run's trials say to its targets and to a baseline, as a table with one outcome. Pure: from results to a result.
//! Targets of one run are in `targets`, comparisons in `regression`; reading files is the command line's.

mod baseline;
mod regression;
mod targets;

pub use baseline::Baseline;

use super::result::{ExitReason, GateResult, Objective, ObjectiveKind, Outcome, Rate, RunResult, Sequential, SequentialDecision};
use crate::exit_code::ExitCode;
use crate::scenario::model::{Gate, SuccessRateGate, SuccessRateJudge};

/// Judges a run by its gate and a baseline. Without a gate each valid trial's verdict must be expected, and recovery and success
/// rates are compared with the baseline by the gate's defaults.
#[must_use]
pub fn evaluate(result: &RunResult, gate: Option<&Gate>, baseline: Option<&Baseline>) -> GateResult {
    let mut objectives = targets::objectives(result, gate);
    let asked = gate.and_then(|gate| gate.regression.as_ref());
    if asked.is_some() || baseline.is_some() {
        objectives.extend(regression::objectives(result, gate, &asked.cloned().unwrap_or_default(), baseline));
    }
    GateResult {
        outcome: worst(&objectives),
        targets: gate.cloned(),
        baseline: baseline.map(|baseline| baseline.info(result)),
        objectives,
    }
}

/// Failed where one is; inconclusive where one is, or where nothing was judged at all.
fn worst(objectives: &[Objective]) -> Outcome {
    let has = |outcome| objectives.iter().any(|objective| objective.outcome == outcome);
    if has(Outcome::Failed) {
        Outcome::Failed
    } else if has(Outcome::Inconclusive) || !has(Outcome::Passed) {
        Outcome::Inconclusive
    } else {
        Outcome::Passed
    }
}

/// What trials say to a target, or without one to "each as expected". Nothing is passed without a valid trial.
#[must_use]
pub fn rate_outcome(rate: &Rate, target: Option<&SuccessRateGate>, sequential: Option<&Sequential>) -> Outcome {
    let at_least = |met: bool| if met { Outcome::Passed } else { Outcome::Failed };
    match (sequential, target) {
        _ if rate.n == 0 => Outcome::Inconclusive,
        (Some(test), _) => match test.decision {
            SequentialDecision::Proven => Outcome::Passed,
            SequentialDecision::Refuted => Outcome::Failed,
            SequentialDecision::Undecided => Outcome::Inconclusive,
        },
        (None, None) => at_least(rate.successes == rate.n),
        (None, Some(target)) => match target.judge {
            SuccessRateJudge::Observed => at_least(rate.observed.is_some_and(|observed| observed >= target.at_least)),
            SuccessRateJudge::LowerBound if rate.upper < target.at_least => Outcome::Failed,
            SuccessRateJudge::LowerBound if rate.lower > target.at_least => Outcome::Passed,
            SuccessRateJudge::LowerBound => Outcome::Inconclusive,
        },
    }
}

/// Whether more trials say nothing than a gate accepts; without one, any.
#[must_use]
pub fn too_many_invalid(trials: usize, valid: usize, gate: Option<&Gate>) -> bool {
    use super::statistics::real;
    let tolerated = gate.and_then(|gate| gate.max_invalid).unwrap_or(0.0);
    trials == 0 || real(trials - valid.min(trials)) / real(trials) > tolerated
}

/// The reasons for the exit code that the gate adds to those of the scenarios.
#[must_use]
pub fn reasons(gate: &GateResult) -> Vec<ExitReason> {
    let scenario_failed =
        gate.objectives.iter().any(|one| one.objective == ObjectiveKind::SuccessRate && one.outcome == Outcome::Failed);
    let mut reasons = Vec::new();
    for objective in &gate.objectives {
        let told = match objective.objective {
            // These are the scenarios' own outcomes, which have reasons already.
            ObjectiveKind::NotSkipped | ObjectiveKind::SuccessRate | ObjectiveKind::Invalid => true,
            // What a scenario has failed, its class has mostly failed, too.
            ObjectiveKind::WithinRto => scenario_failed || objective.outcome != Outcome::Failed,
            ObjectiveKind::Complete
            | ObjectiveKind::FalseAlarms
            | ObjectiveKind::Baseline
            | ObjectiveKind::SuccessRateRegression
            | ObjectiveKind::RecoveryRegression => false,
        };
        let code = match objective.outcome {
            Outcome::Failed => ExitCode::ObjectiveMissed,
            Outcome::Inconclusive => ExitCode::Inconclusive,
            Outcome::Passed | Outcome::Skipped => continue,
        };
        if !told {
            reasons.push(ExitReason { code: code.code(), name: code, reason: format!("gate: {}", sentence(objective)) });
        }
    }
    reasons
}

/// An objective in one line.
fn sentence(objective: &Objective) -> String {
    let of = match (&objective.scenario, &objective.class) {
        (Some(name), _) => format!("{name}: "),
        (None, Some(class)) => format!("class {class}: "),
        (None, None) => String::new(),
    };
    format!("{of}required {}; {}", objective.required, objective.observed)
}

/// `1 trial`, `2 trials`.
fn plural(n: usize, noun: &str) -> String {
    super::effect::plural(n, noun)
}

#[cfg(test)]
mod tests;
