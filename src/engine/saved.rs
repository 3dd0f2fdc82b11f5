//! The run directory: which file lies where, and judging a saved run again from its plans and timelines.
//! Reports are written by `report`.

mod merge;

pub use merge::{are_shards, judge_shards};

use crate::exit_code::ExitCode;
use crate::measure::gate::{self, Baseline};
use crate::measure::result::{ExitReason, RunResult, ScenarioResult, TrialResult};
use crate::measure::{lift, outcome, until_confident, verdict};
use crate::observe::timeline::{self, Fact, Observation};
use crate::observe::watch::observed;
use crate::scenario::model::Gate;
use crate::scenario::{Fault, Plan, Step, Verdict};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was to be run, as `plans.json` keeps it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedPlans {
    /// The scenarios.
    pub plans: Vec<Arc<Plan>>,
    /// The gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// `--until-confident`: no more trials than prove or refute the gate's claim with this confidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_confident: Option<f64>,
}

/// The file of an attempt's timeline, relative to the run directory. Attempt 0 is the trial itself, others are its retries.
#[must_use]
pub fn timeline_path(scenario: &str, trial: u32, attempt: u32) -> PathBuf {
    Path::new("timelines").join(format!("{}.jsonl", file_name(scenario, trial, attempt)))
}

/// The folder of a failed attempt's objects, events and logs, relative to the run directory.
#[must_use]
pub fn evidence_path(scenario: &str, trial: u32, attempt: u32) -> PathBuf {
    Path::new("evidence").join(file_name(scenario, trial, attempt))
}

/// The same as a result names it; `None` where there is no such folder.
#[must_use]
pub fn evidence_of(directory: &Path, scenario: &str, trial: u32, attempt: u32) -> Option<String> {
    let relative = evidence_path(scenario, trial, attempt);
    directory.join(&relative).is_dir().then(|| relative.to_string_lossy().into_owned())
}

/// The undo records of an attempt's faults, relative to the run directory.
#[must_use]
pub fn undo_path(scenario: &str, trial: u32, attempt: u32) -> PathBuf {
    Path::new("undo").join(format!("{}.jsonl", file_name(scenario, trial, attempt)))
}

/// `pool-3`, or `pool-3.retry-1`: what an attempt's files are called.
fn file_name(scenario: &str, trial: u32, attempt: u32) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = scenario.chars().map(safe).collect();
    if attempt == 0 { format!("{name}-{trial}") } else { format!("{name}-{trial}.retry-{attempt}") }
}

/// Makes the folders of a run and saves what is to be run.
///
/// # Errors
/// When something cannot be written.
pub fn save_plans(directory: &Path, plans: &SavedPlans) -> Result<(), String> {
    for folder in ["timelines", "undo"] {
        let path = directory.join(folder);
        super::private::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    }
    let path = directory.join("plans.json");
    let text = serde_json::to_vec_pretty(&redacted(plans)).map_err(|error| error.to_string())?;
    super::private::write(&path, &text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The plans without the values of Secrets: judging needs none of them.
fn redacted(plans: &SavedPlans) -> SavedPlans {
    let mut plans = plans.clone();
    for plan in &mut plans.plans {
        let plan = Arc::make_mut(plan);
        for manifest in &mut plan.manifests {
            manifest.object = observed(std::mem::take(&mut manifest.object));
        }
        plan.faults.iter_mut().for_each(redact);
        let named = plan.ladders.iter_mut().flat_map(|ladder| &mut ladder.steps);
        for step in plan.heal.strategy.iter_mut().chain(named) {
            if let Step::Patch(patch) = step
                && patch.kind.as_deref() == Some("Secret")
            {
                patch.patch = hidden();
            }
        }
    }
    plans
}

fn redact(fault: &mut Fault) {
    match fault {
        Fault::Patch(patch) if patch.kind == "Secret" => patch.patch = hidden(),
        Fault::SetSecret(set) => set.value = hidden(),
        Fault::Apply(apply) => apply.manifest = observed(std::mem::take(&mut apply.manifest)),
        Fault::Sequence(group) => group.faults.iter_mut().for_each(redact),
        Fault::Together(group) => group.faults.iter_mut().for_each(redact),
        _ => {}
    }
}

fn hidden() -> serde_json::Value {
    serde_json::Value::from("(secret)")
}

/// Judges a saved run again; one that was compared with a baseline is compared again, with what `resolve` finds by its reference.
///
/// # Errors
/// What is missing or unreadable, with its path.
pub fn judge_run(directory: &Path, resolve: &dyn Fn(&str) -> Result<Baseline, String>) -> Result<RunResult, String> {
    let Judged { mut result, saved, plans } = judged(directory, Path::new(""))?;
    // The gate of a shard is judged over all of them.
    let gate = saved.gate.as_ref().filter(|_| result.run.shard.is_none());
    let of = |(plan, trials): (Arc<Plan>, _)| outcome::scenario(&plan, trials, gate, saved.until_confident);
    let scenarios = plans.into_iter().map(of).collect();
    // What befell the run and no trial tells of: an interruption, leftovers of the cluster, a bug, an environment that failed.
    let more = std::mem::take(&mut result.exit_reasons).into_iter().filter(ExitReason::is_of_the_run).collect();
    let compared = result.gate.as_ref().and_then(|gate| gate.baseline.as_ref());
    let baseline = compared.map(|known| resolve(&known.reference)).transpose()?;
    settle(&mut result, scenarios, gate, baseline.as_ref(), more);
    Ok(result)
}

/// A saved run, and its trials as their timelines tell them.
struct Judged {
    result: RunResult,
    saved: SavedPlans,
    plans: Vec<(Arc<Plan>, Vec<TrialResult>)>,
}

/// Reads a saved run and judges its trials; `seen_from` is put before the paths of timelines.
fn judged(directory: &Path, seen_from: &Path) -> Result<Judged, String> {
    let saved: SavedPlans = read(&directory.join("plans.json"))?;
    let result: RunResult = read(&directory.join("result.json"))?;
    let mut plans = Vec::new();
    for plan in &saved.plans {
        let before = result.scenarios.iter().find(|scenario| scenario.name == plan.name && scenario.file == plan.file);
        let trials = before.map_or(Vec::new(), |scenario| scenario.trials.clone());
        let mut judged = Vec::new();
        for trial in (0..plan.trials).map(|n| plan.first_trial.saturating_add(n)) {
            let known = trials.iter().find(|known| known.index == trial);
            let Some(mut again) = judge_attempt((directory, seen_from), plan, (trial, 0), known)? else { continue };
            for attempt in 1.. {
                let known = known.and_then(|known| known.retries.get(attempt as usize - 1));
                let Some(retry) = judge_attempt((directory, seen_from), plan, (trial, attempt), known)? else { break };
                again.retries.push(retry);
            }
            judged.push(again);
        }
        plans.push((Arc::clone(plan), judged));
    }
    Ok(Judged { result, saved, plans })
}

/// Judges one attempt at a trial by its timeline; `None` where there is neither a timeline nor a result.
fn judge_attempt(
    (directory, seen_from): (&Path, &Path),
    plan: &Arc<Plan>,
    (trial, attempt): (u32, u32),
    known: Option<&TrialResult>,
) -> Result<Option<TrialResult>, String> {
    let relative = timeline_path(&plan.name, trial, attempt);
    let path = directory.join(&relative);
    if !path.exists() {
        return Ok(known.map(without_timeline));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let timeline = timeline::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut again = match stranger(plan, (trial, attempt), &timeline) {
        Some(why) => TrialResult::without_measurements(trial, known.map_or(0, |known| known.seed), Verdict::Error, &why),
        None => verdict::judge(plan, &timeline),
    };
    again.timeline = seen_from.join(relative).to_string_lossy().into_owned();
    let evidence = evidence_of(directory, &plan.name, trial, attempt);
    again.evidence = evidence.map(|folder| seen_from.join(folder).to_string_lossy().into_owned());
    Ok(Some(again))
}

/// Why a timeline is not that of this attempt, if it says so itself. One without a beginning is judged, and an error.
fn stranger(plan: &Plan, attempt: (u32, u32), timeline: &[Observation]) -> Option<String> {
    let began = timeline.iter().find_map(|observation| match &observation.fact {
        Fact::Began(began) => Some(began),
        _ => None,
    })?;
    let retry = if began.attempt == 0 { String::new() } else { format!("retry {} of ", began.attempt) };
    (began.scenario != plan.name || (began.trial, began.attempt) != attempt)
        .then(|| format!("its timeline is that of {retry}trial {} of {}: it cannot be judged by it", began.trial, began.scenario))
}

/// What is left of a trial without its timeline: one that never began stays as it is, anything else proves nothing any more.
fn without_timeline(known: &TrialResult) -> TrialResult {
    if matches!(known.verdict, Verdict::Skipped | Verdict::Error | Verdict::Aborted) {
        return TrialResult { retries: Vec::new(), ..known.clone() };
    }
    TrialResult::without_measurements(
        known.index,
        known.seed,
        Verdict::Error,
        "its timeline is missing: it cannot be judged again",
    )
}

/// Fills in everything that follows from the scenarios: gate, summary, reasons, exit code, outcome.
pub fn settle(
    result: &mut RunResult,
    scenarios: Vec<ScenarioResult>,
    gate: Option<&Gate>,
    baseline: Option<&Baseline>,
    more: Vec<ExitReason>,
) {
    result.summary = outcome::summary(&scenarios);
    result.lift = lift::lifts(&scenarios);
    result.scenarios = scenarios;
    result.gate = (gate.is_some() || baseline.is_some()).then(|| gate::evaluate(result, gate, baseline));
    let mut reasons = outcome::exit_reasons(&result.scenarios, gate);
    reasons.extend(result.gate.iter().flat_map(gate::reasons));
    let new: Vec<_> = more.into_iter().filter(|reason| !reasons.contains(reason)).collect();
    reasons.extend(new);
    let tried: usize = result.scenarios.iter().map(|scenario| scenario.trials.len()).sum();
    // A gate has an objective of its own for this.
    if result.gate.is_none() && (result.scenarios.len() < result.expected.scenarios || tried < result.expected.trials) {
        let reason = format!("{tried} of {} trials were run", result.expected.trials);
        reasons.push(ExitReason { code: ExitCode::Inconclusive.code(), name: ExitCode::Inconclusive, reason });
    }
    let sequential = result.scenarios.iter().find_map(|scenario| scenario.sequential.as_ref());
    if let Some(told) = sequential.map(until_confident::error_rates)
        && !result.warnings.contains(&told)
    {
        result.warnings.push(told);
    }
    outcome::sort(&mut reasons);
    let code = ExitCode::strongest(reasons.iter().map(|reason| reason.name));
    result.outcome = outcome::run_outcome(code);
    result.exit_code = code.code();
    result.exit_reasons = reasons;
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}; is this a run directory?", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is not what comeback writes: {error}", path.display()))
}
