//! `comeback judge`: saved timelines are judged again, shards put together, and reports written; nothing in the run directories changes.

use super::arguments::Judge;
use super::baseline;
use super::console::Console;
use super::destination::{self, Destination, Format};
use crate::engine::saved;
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use std::path::Path;

/// Judges, reports, and returns the exit code.
pub(super) fn judge(arguments: &Judge, console: Console) -> ExitCode {
    match judged(arguments, console) {
        Ok(code) => code,
        Err(error) => {
            console.error(&error);
            ExitCode::Usage
        }
    }
}

fn judged(arguments: &Judge, console: Console) -> Result<ExitCode, String> {
    let directories = &arguments.directories;
    // The history that the run was compared with is named by the environment, as for `run`.
    let history = std::env::var("COMEBACK_HISTORY").ok();
    let lookup = baseline::Lookup { history: history.as_deref(), not: None };
    let again = |reference: &str| baseline::resolve(reference, lookup);
    if directories.len() > 1 && saved::are_shards(directories)? {
        let reports = destination::plan(arguments.report.clone())?;
        let mut result = saved::judge_shards(directories, &again)?;
        destination::write(&reports, &mut result, Some(Path::new(".")), console);
        return Ok(outcome::exit_code(&result));
    }
    let reports = reports(arguments)?;
    let codes = directories.iter().map(|directory| match saved::judge_run(directory, &again) {
        Ok(mut result) => {
            destination::write(&reports, &mut result, Some(directory), console);
            outcome::exit_code(&result)
        }
        Err(error) => {
            console.error(&error);
            ExitCode::Usage
        }
    });
    Ok(ExitCode::strongest(codes.collect::<Vec<_>>()))
}

/// Several whole runs make several terminal reports, but no file of one run.
fn reports(arguments: &Judge) -> Result<Vec<Destination>, String> {
    let for_one = |report: &&Destination| report.format != Format::Terminal || report.file.is_some();
    if arguments.directories.len() > 1 && arguments.report.iter().any(|report| for_one(&report)) {
        return Err("reports of several runs in one file are not supported yet: judge one RUN_DIR at a time".to_owned());
    }
    destination::plan(arguments.report.clone())
}
