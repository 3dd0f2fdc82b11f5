//! The shards of one run put together: every trial once, judged again, and the gate judged over all of them.
//! How a run is cut is `shard`'s.

use super::{Judged, judged, settle};
use crate::measure::gate::Baseline;
use crate::measure::outcome;
use crate::measure::result::{ExitReason, RunResult, Shard, TrialResult};
use crate::scenario::Plan;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Whether these run directories hold shards of one run: all of them, or none.
///
/// # Errors
/// Some do, some do not, or one cannot be read.
pub fn are_shards(directories: &[PathBuf]) -> Result<bool, String> {
    let mut whole = None;
    let mut part = None;
    for directory in directories {
        let result: RunResult = super::read(&directory.join("result.json"))?;
        *(if result.run.shard.is_some() { &mut part } else { &mut whole }) = Some(directory);
    }
    match (whole, part) {
        (Some(whole), Some(part)) => {
            Err(format!("{} is a shard and {} is a whole run: they are not parts of one", part.display(), whole.display()))
        }
        (_, part) => Ok(part.is_some()),
    }
}

/// Judges the shards of one run as that run. A shard that is missing leaves it incomplete, which is no pass.
///
/// # Errors
/// What is missing or unreadable; shards of different runs; a shard or a trial that is there twice.
pub fn judge_shards(directories: &[PathBuf], resolve: &dyn Fn(&str) -> Result<Baseline, String>) -> Result<RunResult, String> {
    let mut parts: BTreeMap<u32, (&Path, Judged)> = BTreeMap::new();
    for directory in directories {
        let mut part = judged(directory, directory)?;
        let Some(shard) = part.result.run.shard else { return Err(format!("{} is no shard of a run", directory.display())) };
        part.result.warnings.retain(|warning| *warning != shard.warning());
        if let Some((other, _)) = parts.insert(shard.index, (directory, part)) {
            let (index, of, this) = (shard.index, shard.of, directory.display());
            return Err(format!("{this} and {} are both shard {index}/{of}: its trials would count twice", other.display()));
        }
    }
    let mut parts = parts.into_values();
    let Some((first, Judged { mut result, saved, plans })) = parts.next() else { return Err("no run directory".to_owned()) };
    let mut all = Trials::default();
    all.take(first, plans)?;
    for (directory, part) in parts {
        same_run(&result, (first, directory), &part.result)?;
        all.take(directory, part.plans)?;
        result.complete &= part.result.complete;
        result.run.started_at = result.run.started_at.min(part.result.run.started_at);
        result.run.finished_at = result.run.finished_at.max(part.result.run.finished_at);
        let new: Vec<_> = part.result.warnings.into_iter().filter(|warning| !result.warnings.contains(warning)).collect();
        result.warnings.extend(new);
        result.exit_reasons.extend(part.result.exit_reasons);
    }
    if let Some(Shard { scenarios, trials, .. }) = result.run.shard.take() {
        (result.expected.scenarios, result.expected.trials) = (scenarios, trials);
    }
    let more = std::mem::take(&mut result.exit_reasons).into_iter().filter(ExitReason::is_of_the_run).collect();
    let gate = saved.gate.as_ref();
    let scenarios = all.scenarios.into_iter().map(|(plan, trials)| outcome::scenario(&plan, trials, gate, None)).collect();
    let compared = result.gate.as_ref().and_then(|gate| gate.baseline.as_ref());
    let baseline = compared.map(|known| resolve(&known.reference)).transpose()?;
    settle(&mut result, scenarios, gate, baseline.as_ref(), more);
    Ok(result)
}

/// Scenarios in the order of the shards, which is that of the files.
#[derive(Default)]
struct Trials {
    scenarios: Vec<(Plan, Vec<TrialResult>)>,
}

impl Trials {
    fn take(&mut self, directory: &Path, plans: Vec<(Arc<Plan>, Vec<TrialResult>)>) -> Result<(), String> {
        for (plan, trials) in plans {
            let known = self.scenarios.iter_mut().find(|(known, _)| (&known.name, &known.file) == (&plan.name, &plan.file));
            let Some((known, all)) = known else {
                self.scenarios.push(((*plan).clone(), trials));
                continue;
            };
            let (first_trial, count) = (known.first_trial, known.trials);
            if *known != (Plan { first_trial, trials: count, ..(*plan).clone() }) {
                let (name, directory) = (&plan.name, directory.display());
                return Err(format!("{directory}: {name} is not what it is in the other shards: they ran different files"));
            }
            if let Some(twice) = trials.iter().find(|trial| all.iter().any(|known| known.index == trial.index)) {
                return Err(format!("{}: trial {} of {} is in another shard, too", directory.display(), twice.index, plan.name));
            }
            known.first_trial = first_trial.min(plan.first_trial);
            known.trials = count.saturating_add(plan.trials);
            all.extend(trials);
            all.sort_by_key(|trial| trial.index);
        }
        Ok(())
    }
}

/// Whether two shards were cut from the same whole.
fn same_run(one: &RunResult, (first, second): (&Path, &Path), other: &RunResult) -> Result<(), String> {
    let cut = |result: &RunResult| (result.run.shard.map(|shard| (shard.of, shard.scenarios, shard.trials)), result.run.seed);
    if cut(one) != cut(other) {
        let (first, second) = (first.display(), second.display());
        return Err(format!("{first} and {second} are shards of different runs: another seed, or cut from another whole"));
    }
    if one.cluster.fingerprint != other.cluster.fingerprint {
        let (first, second) = (first.display(), second.display());
        return Err(format!("{first} and {second} ran in different environments: their times are not one sample"));
    }
    Ok(())
}
