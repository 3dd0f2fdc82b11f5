//! The run directory: its name, and the result file in it, which says `complete: false` until the last write.
//! Plans and timelines are the engine's.

use super::destination::write_private;
use crate::engine::private;
use crate::event::RunEvent;
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use crate::measure::result::{ClusterInfo, ExitReason, Expected, Run, RunResult};
use crate::report::{Exporter, Json};
use jiff::Timestamp;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

/// The result file's name.
pub(super) const RESULT_FILE: &str = "result.json";

/// A random number from the system.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A seed that is easy to read and to type.
pub(super) fn random_seed() -> u64 {
    random() % 1_000_000_000
}

/// `20261121-080639-x7k2p`, in UTC: sorts by time, and is a label value of Kubernetes.
pub(super) fn run_id(now: Timestamp, random: u64) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let suffix: String = (0..5)
        .filter_map(|position| usize::try_from(random >> (5 * position) & 31).ok())
        .filter_map(|index| LETTERS.get(index).map(|letter| char::from(*letter)))
        .collect();
    format!("{}-{suffix}", now.strftime("%Y%m%d-%H%M%S"))
}

/// For the run's id and the report's head; nothing is measured with it.
#[expect(clippy::disallowed_methods, reason = "the command line may read the wall clock")]
pub(super) fn wall_clock() -> Timestamp {
    Timestamp::now()
}

/// A time as result files write it.
pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Makes the run directory.
///
/// # Errors
/// It holds another run, or cannot be made.
pub(super) fn create(directory: &Path) -> Result<(), (ExitCode, String)> {
    if (directory.join(RESULT_FILE).exists() || directory.join("timelines").exists()) && !was_refused(directory) {
        let message = format!("{} holds another run already; give another `--out DIR`", directory.display());
        return Err((ExitCode::Usage, message));
    }
    let failed = |error: std::io::Error| {
        (
            ExitCode::Environment,
            format!("the run directory {} cannot be made: {error}; `--out DIR` puts it elsewhere", directory.display()),
        )
    };
    private::create_dir_all(directory).map_err(failed)
}

/// Whether all that the directory holds is why a run was refused before it began: the next try may have it.
fn was_refused(directory: &Path) -> bool {
    let result = std::fs::read(directory.join(RESULT_FILE)).ok().and_then(|text| serde_json::from_slice::<RunResult>(&text).ok());
    let refused = [ExitCode::Usage, ExitCode::Environment].map(ExitCode::code);
    result.is_some_and(|result| result.expected.trials == 0 && result.scenarios.is_empty() && refused.contains(&result.exit_code))
        && !["timelines", "plans.json"].iter().any(|name| directory.join(name).exists())
}

/// Keeps `result.json` up to date while the run goes on, so that a crash loses nothing that was finished.
#[derive(Debug)]
pub(super) struct Keeper {
    file: PathBuf,
    result: RunResult,
    failure: Option<String>,
}

impl Keeper {
    /// Writes a result of which nothing is known yet.
    pub(super) fn new(directory: &Path, run: Run) -> Self {
        let reason = "the run did not come to its end".to_owned();
        let exit_reasons = vec![ExitReason { code: ExitCode::Inconclusive.code(), name: ExitCode::Inconclusive, reason }];
        let result = RunResult { exit_reasons, ..outcome::incomplete(run, ClusterInfo::default(), &[], Vec::new()) };
        let mut keeper = Self { file: directory.join(RESULT_FILE), result, failure: None };
        keeper.write_partial();
        keeper
    }

    /// Takes in what an event adds.
    pub(super) fn handle(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started { cluster, plans, .. } => {
                self.result.cluster.clone_from(cluster);
                let trials = plans.iter().map(|plan| plan.trials as usize).sum();
                self.result.expected = Expected { scenarios: plans.len(), trials };
            }
            RunEvent::ScenarioFinished { result } => {
                self.result.scenarios.push((**result).clone());
                self.result.summary = outcome::summary(&self.result.scenarios);
            }
            RunEvent::Warning(text) => self.result.warnings.push(text.clone()),
            RunEvent::TrialStarted { .. }
            | RunEvent::TrialPhase { .. }
            | RunEvent::TrialWaits { .. }
            | RunEvent::TrialRequests { .. }
            | RunEvent::TrialFinished { .. }
            | RunEvent::Finished(_) => return,
        }
        self.write_partial();
    }

    /// Warnings of the run so far.
    pub(super) fn warnings(&self) -> &[String] {
        &self.result.warnings
    }

    /// Says why there will be no result.
    pub(super) fn refuse(&mut self, name: ExitCode, reason: &str) {
        self.result.exit_code = name.code();
        self.result.exit_reasons = vec![ExitReason { code: name.code(), name, reason: reason.to_owned() }];
        self.write_partial();
    }

    /// Writes the whole result.
    ///
    /// # Errors
    /// It cannot be written; with the first error of all writes, which says most.
    pub(super) fn finish(&self, result: &RunResult) -> Result<(), String> {
        write(&self.file, result).map_err(|error| self.failure.clone().unwrap_or(error))
    }

    fn write_partial(&mut self) {
        if let Err(error) = write(&self.file, &self.result) {
            self.failure.get_or_insert(error);
        }
    }
}

/// Writes a result file, whole or not at all.
pub(super) fn write(file: &Path, result: &RunResult) -> Result<(), String> {
    let bytes = Json.serialize(result).map_err(|error| error.to_string())?;
    write_private(file, &bytes).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_are_label_values() {
        let id = run_id(Timestamp::from_second(1_795_248_399).unwrap(), 0x1234_5678);
        assert_eq!(id, "20261121-080639-2vxid");
        assert_ne!(random(), random());
    }

    #[test]
    fn the_result_is_born_incomplete_and_never_zero() {
        let directory = tempfile::tempdir().unwrap();
        let now = rfc3339(Timestamp::UNIX_EPOCH);
        assert_eq!(now, "1970-01-01T00:00:00.000000Z");
        let run = Run {
            id: "r".into(),
            version: "1".into(),
            started_at: now,
            finished_at: None,
            seed: 1,
            command: vec![],
            shard: None,
        };
        let mut keeper = Keeper::new(directory.path(), run);
        keeper.handle(&RunEvent::Warning("careful".into()));
        let text = std::fs::read_to_string(directory.path().join(RESULT_FILE)).unwrap();
        let result: RunResult = serde_json::from_str(&text).unwrap();
        assert_eq!((result.complete, result.exit_code), (false, 4));
        assert_eq!(result.warnings, ["careful"]);
        assert_eq!(create(directory.path()).unwrap_err().0, ExitCode::Usage);
        // What never began is tried again in the same place.
        keeper.refuse(ExitCode::Environment, "no usable kubeconfig");
        assert_eq!(create(directory.path()), Ok(()));
        std::fs::write(directory.path().join("plans.json"), "{}").unwrap();
        assert_eq!(create(directory.path()).unwrap_err().0, ExitCode::Usage);
    }
}
