//! Reading a run directory for an upload: what its result file has, and what only its timelines have because the run was cut off.
//! Nothing in the directory is changed.

use super::record::{RunRecord, ScenarioRecord};
use super::{History, HistoryError, labels};
use crate::engine::saved::{self, SavedPlans};
use crate::measure::result::{RunResult, ScenarioResult};
use std::collections::BTreeMap;
use std::path::Path;

/// What an upload came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The run.
    pub run: String,
    /// Trials that were written.
    pub trials: usize,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Reads the run in this directory.
///
/// # Errors
/// There is none, or its result file is damaged or of a later version.
pub fn read(directory: &Path) -> Result<(RunResult, Option<SavedPlans>, Vec<String>), HistoryError> {
    let mut notes = Vec::new();
    let file = directory.join("result.json");
    let refused = |reason: String| HistoryError::RunDirectory(format!("{}: {reason}", file.display()));
    let bytes = std::fs::read(&file)
        .map_err(|error| refused(format!("cannot be read ({error}); is {} a run directory?", directory.display())))?;
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not text, so not a result file".to_owned()))?;
    let mut result = crate::measure::result::read(&text).map_err(refused)?;
    let plans = read_plans(directory, &mut notes);
    if !result.complete {
        // The result file knows whole scenarios only; finished trials of the others are in their timelines.
        match saved::judge_run(directory, &|_| Err("a run that was cut off has no gate".to_owned())) {
            Ok(judged) => result.scenarios = merged(result.scenarios, judged.scenarios),
            Err(error) => notes.push(format!("the run did not come to its end, and its timelines cannot be judged: {error}")),
        }
        notes.push("the run did not come to its end: what it has is kept, as incomplete".to_owned());
    }
    Ok((result, plans, notes))
}

/// Scenarios as the result file has them, and those that only the timelines have.
fn merged(mut written: Vec<ScenarioResult>, judged: Vec<ScenarioResult>) -> Vec<ScenarioResult> {
    for scenario in judged {
        if !written.iter().any(|known| known.name == scenario.name) && !scenario.trials.is_empty() {
            written.push(scenario);
        }
    }
    written
}

fn read_plans(directory: &Path, notes: &mut Vec<String>) -> Option<SavedPlans> {
    let file = directory.join("plans.json");
    let plans = std::fs::read(&file)
        .map_err(|error| error.to_string())
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    match plans {
        Ok(plans) => Some(plans),
        Err(error) => {
            notes.push(format!("{} cannot be read ({error}): which workloads were put to the test is not kept", file.display()));
            None
        }
    }
}

impl History {
    /// Uploads the run in a directory. One that is there already is brought up to date; nothing is there twice.
    ///
    /// # Errors
    /// The directory holds no run, or the history cannot be written.
    pub fn import(&mut self, directory: &Path, given: &BTreeMap<String, String>) -> Result<Imported, HistoryError> {
        let (result, plans, notes) = read(directory)?;
        let mut known = labels::saved(directory);
        known.extend(given.clone());
        let run = RunRecord::of(&result, known)
            .map_err(|reason| HistoryError::RunDirectory(format!("{}: {reason}", directory.display())))?;
        let mut trials = 0;
        // Complete only when everything is there.
        self.put_run(&RunRecord { complete: false, outcome: None, exit_code: None, ..run.clone() })?;
        for scenario in &result.scenarios {
            let plan = plans.iter().flat_map(|saved| &saved.plans).find(|plan| plan.name == scenario.name);
            let record = match plan {
                Some(plan) => ScenarioRecord::from(&**plan).ended(scenario),
                None => ScenarioRecord::from(scenario),
            };
            self.put_scenario(&run, &record)?;
            for trial in &scenario.trials {
                self.put_trial(&run, &record, trial)?;
                trials += 1;
            }
        }
        self.put_run(&run)?;
        Ok(Imported { run: run.id, trials, notes })
    }
}
