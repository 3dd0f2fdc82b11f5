//! `comeback history import`, `prune` and `export`: what changes a history, and what takes all of it elsewhere.

use super::{HistoryArguments, Refusal, label, now, open, refusal, window};
use crate::cli::console::Console;
use crate::exit_code::ExitCode;
use crate::history::time::{self, span};
use crate::history::{Access, Address};
use crate::report::format::count;
use crate::report::history::export as looks;
use clap::Args;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;
use std::time::Duration;

/// `comeback history import`
#[derive(Debug, Args)]
pub struct Import {
    /// Run directories, as `run` printed them (.comeback/runs/ID)
    #[arg(value_name = "RUN_DIR", required = true)]
    pub directories: Vec<PathBuf>,
    /// A label for these runs. Repeatable
    #[arg(long, env = "COMEBACK_SET_LABEL", value_name = "NAME=VALUE", value_parser = label, value_delimiter = ',')]
    pub set_label: Vec<(String, String)>,
}

/// `comeback history prune`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct Prune {
    /// Forget runs that began longer ago than this: 180d, 26w
    #[arg(long, env = "COMEBACK_OLDER_THAN", value_name = "SPAN", value_parser = span, group = "which")]
    pub older_than: Option<Duration>,
    /// Forget all but so many of the newest runs
    #[arg(long, env = "COMEBACK_KEEP", value_name = "N", group = "which")]
    pub keep: Option<u32>,
    /// Only say what would be forgotten
    #[arg(long, env = "COMEBACK_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
}

/// `comeback history export`
#[derive(Debug, Args)]
pub struct Export {
    /// csv (a row for each trial) or json (a line for each run); with =FILE into a file
    #[arg(long = "as", env = "COMEBACK_EXPORT", value_name = "FORMAT[=FILE]", default_value = "csv")]
    pub target: String,
}

/// Takes everything elsewhere, run by run: a long history does not have to fit into memory.
pub(super) fn export(address: &Address, arguments: &Export, common: &HistoryArguments) -> Result<ExitCode, Refusal> {
    let failed = |error: String| (ExitCode::Environment, error);
    let (name, file) =
        arguments.target.split_once('=').map_or((arguments.target.as_str(), None), |(name, file)| (name, Some(file)));
    let csv = match name {
        "csv" => true,
        "json" => false,
        _ => {
            return Err((ExitCode::Usage, format!("`{name}` is not a format of an export: csv or json, with =FILE into a file")));
        }
    };
    let mut history = open(address, Access::Read)?;
    let runs = history.runs(&window(common.since, common.label.as_ref()), i64::MAX).map_err(refusal)?;
    let mut target: Box<dyn std::io::Write> = match file {
        None => Box::new(std::io::stdout().lock()),
        Some(file) => {
            Box::new(std::fs::File::create(file).map_err(|error| failed(format!("{file} cannot be written: {error}")))?)
        }
    };
    let mut write = |text: &[u8]| match target.write_all(text).and_then(|()| target.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(failed(format!("the export cannot be written: {error}"))),
        Ok(()) => Ok(true),
    };
    if csv && !write(&looks::head().map_err(failed)?)? {
        return Ok(ExitCode::Passed);
    }
    for run in runs.iter().rev() {
        let detail = history.run(&run.id).map_err(refusal)?;
        let text = if csv { looks::rows(&detail) } else { looks::line(&detail) };
        if !write(&text.map_err(failed)?)? {
            break;
        }
    }
    Ok(ExitCode::Passed)
}

/// Adds saved runs. One that cannot be read does not keep the others out.
pub(super) fn import(address: &Address, arguments: &Import, console: Console) -> Result<ExitCode, Refusal> {
    let mut history = open(address, Access::Write)?;
    let labels = arguments.set_label.iter().cloned().collect();
    let mut worst = ExitCode::Passed;
    for directory in &arguments.directories {
        match history.import(directory, &labels) {
            Ok(imported) => {
                for note in &imported.notes {
                    console.warning(&format!("{}: {note}", directory.display()));
                }
                let line = format!("{}: {} in {address}\n", imported.run, count(imported.trials, "trial"));
                console.print(line.as_bytes()).map_err(|error| (ExitCode::Environment, error))?;
            }
            Err(error) => {
                let (code, message) = refusal(error);
                console.error(&message);
                worst = ExitCode::strongest([worst, code]);
            }
        }
    }
    Ok(worst)
}

/// Forgets old runs.
pub(super) fn prune(
    address: &Address,
    arguments: &Prune,
    common: &HistoryArguments,
    console: Console,
) -> Result<ExitCode, Refusal> {
    if common.since.is_some() || common.label.is_some() {
        let message = "`prune` goes by age and number alone; --since and --label choose what is shown".to_owned();
        return Err((ExitCode::Usage, message));
    }
    let mut history = open(address, if arguments.dry_run { Access::Read } else { Access::Write })?;
    let before = arguments.older_than.map(|span| time::before(now(), span));
    let outdated = history.outdated(before, arguments.keep).map_err(refusal)?;
    if !arguments.dry_run {
        history.forget(&outdated, before).map_err(refusal)?;
    }
    let did = if arguments.dry_run { "would be forgotten" } else { "forgotten" };
    let mut text: String =
        if arguments.dry_run { outdated.iter().map(|run| format!("{run}\n")).collect() } else { String::new() };
    text.push_str(&format!("{} {did}\n", count(outdated.len(), "run")));
    console.print(text.as_bytes()).map_err(|error| (ExitCode::Environment, error))?;
    Ok(ExitCode::Passed)
}
