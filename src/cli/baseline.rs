//! What `--baseline REF` and `comeback gate RESULT` name: a result file, a run directory with one, or a run of a history.

use super::history::{address, refusal};
use super::run_directory::RESULT_FILE;
use crate::history::{Access, History};
use crate::measure::gate::Baseline;
use crate::measure::result::{RunResult, read};
use std::path::{Path, PathBuf};

/// What references into a history begin with: `history:latest`, `history:RUN`, `history:git.branch=main`.
const IN_HISTORY: &str = "history:";

/// Where references into a history are looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookup<'a> {
    /// The history (`--history`); absent: the default one.
    pub history: Option<&'a str>,
    /// The run that is compared: it is no baseline of itself.
    pub not: Option<&'a str>,
}

/// The run that a reference names.
///
/// # Errors
/// What is wrong with the reference, the file or the history, and what to do.
pub(super) fn resolve(reference: &str, lookup: Lookup<'_>) -> Result<Baseline, String> {
    if let Some(run) = reference.strip_prefix(IN_HISTORY) {
        return of_history(run, lookup).map_err(|error| format!("the baseline {reference}: {error}"));
    }
    let result = result(reference).map_err(|error| format!("the baseline {error}"))?;
    Ok(Baseline { reference: reference.to_owned(), result })
}

/// The reference that is kept names the run itself: who judges again compares with the same one.
fn of_history(run: &str, lookup: Lookup<'_>) -> Result<Baseline, String> {
    let address = address(lookup.history).map_err(|(_, message)| message)?;
    let found = History::open(&address, Access::Read).and_then(|mut history| {
        let id = history.baseline_id(run, lookup.not)?;
        history.result(&id)
    });
    let result = whole(found.map_err(|error| refusal(error).1)?)?;
    Ok(Baseline { reference: format!("{IN_HISTORY}{}", result.run.id), result })
}

/// The result that a path names.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn result(reference: &str) -> Result<RunResult, String> {
    let path = file(reference);
    let text = std::fs::read(&path).map_err(|error| {
        format!(
            "{} cannot be read: {error}; give a result file (`--report json=FILE`), a run directory, or a run of a history \
             (history:latest, history:RUN, history:git.branch=main)",
            path.display()
        )
    })?;
    let text = String::from_utf8(text).map_err(|_| format!("{}: it is not text, so not a result file", path.display()))?;
    whole(read(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// A part of a run says nothing of the run: the trials of the others may be the ones that failed.
fn whole(result: RunResult) -> Result<RunResult, String> {
    match result.run.shard {
        Some(shard) => {
            let todo = "put all parts together first: `comeback judge DIRECTORY... --report json=whole.json`";
            Err(format!("run {} is shard {}/{} and no whole run; {todo}", result.run.id, shard.index, shard.of))
        }
        None => Ok(result),
    }
}

fn file(reference: &str) -> PathBuf {
    let path = Path::new(reference);
    if path.is_dir() { path.join(RESULT_FILE) } else { path.to_owned() }
}
