//! What `--baseline REF` and `comeback gate RESULT` name: a result file, or a run directory with one. A reference into a history belongs
//! here, too, once there is one.

use super::run_directory::RESULT_FILE;
use crate::measure::gate::Baseline;
use crate::measure::result::{RunResult, read};
use std::path::{Path, PathBuf};

/// The run that a reference names.
///
/// # Errors
/// What is wrong with the reference or with the file, and what to do.
pub(super) fn resolve(reference: &str) -> Result<Baseline, String> {
    let result = result(reference).map_err(|error| format!("the baseline {error}"))?;
    Ok(Baseline { reference: reference.to_owned(), result })
}

/// The result that a path names.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn result(reference: &str) -> Result<RunResult, String> {
    let path = file(reference);
    let text = std::fs::read(&path).map_err(|error| {
        format!("{} cannot be read: {error}; give a result file (`--report json=FILE`) or a run directory", path.display())
    })?;
    let text = String::from_utf8(text).map_err(|_| format!("{}: it is not text, so not a result file", path.display()))?;
    read(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn file(reference: &str) -> PathBuf {
    let path = Path::new(reference);
    if path.is_dir() { path.join(RESULT_FILE) } else { path.to_owned() }
}
