//! `comeback gate`: a saved run is judged by its targets and a baseline, without its timelines and without running anything.
//! The judgement is `measure::gate`'s.

use super::baseline;
use super::console::Console;
use super::destination::{self, Destination, Format};
use super::notify;
use crate::engine::saved;
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use crate::measure::result::{ExitReason, RunResult};
use crate::notify::Settings;
use crate::report::Terminal;
use clap::Args;
use std::path::{Path, PathBuf};

/// `comeback gate`
#[derive(Clone, Debug, Args)]
pub struct Gate {
    /// A result file (`--report json=FILE`) or a run directory
    #[arg(value_name = "RESULT")]
    pub result: PathBuf,
    /// The run to compare with: a result file, a run directory, or history:latest, history:RUN, history:git.branch=main
    #[arg(long, env = "COMEBACK_BASELINE", value_name = "REF")]
    pub baseline: Option<String>,
    /// Where the baseline's history lies: a SQLite file, or `postgres://USER@HOST/DATABASE` [default: .comeback/history.db]
    #[arg(long, env = "COMEBACK_HISTORY", value_name = "URL")]
    pub history: Option<String>,
    /// Tell others of the outcome, as this file says: Slack, PagerDuty, webhooks, mail, Grafana
    #[arg(long, env = "COMEBACK_NOTIFY", value_name = "FILE")]
    pub notify: Option<PathBuf>,
    /// terminal, json, junit, markdown, html, csv, prometheus, confusion or timeline; with =FILE into a file. Repeatable [default: the gate's table]
    #[arg(long, env = "COMEBACK_REPORT", value_name = "FORMAT[=FILE]", value_delimiter = ',')]
    pub report: Vec<Destination>,
}

/// Judges, reports, and returns the exit code.
pub(super) fn gate(arguments: &Gate, console: Console) -> ExitCode {
    let judged = destination::plan(arguments.report.clone()).and_then(|reports| {
        let settings = arguments.notify.as_deref().map(Settings::read).transpose()?;
        Ok((judge(arguments)?, reports, settings))
    });
    let (mut result, reports, settings) = match judged {
        Ok(judged) => judged,
        Err(error) => {
            console.error(&error);
            return ExitCode::Usage;
        }
    };
    let whole_report = arguments.report.iter().any(|report| report.file.is_none());
    let directory = directory(&arguments.result);
    let (shown, files): (Vec<Destination>, Vec<Destination>) =
        reports.into_iter().partition(|report| !whole_report && report.format == Format::Terminal && report.file.is_none());
    destination::write(&files, &mut result, directory.as_deref(), console);
    if !shown.is_empty() {
        let terminal = Terminal {
            width: console.width(),
            palette: console.stdout_palette(),
            quiet: console.quiet,
            run_directory: directory.map(|directory| directory.display().to_string()),
        };
        if let Err(error) = console.print(terminal.gate_text(&result).as_bytes()) {
            console.error(&error);
            outcome::add_reason(&mut result, ExitCode::Environment, error);
        }
    }
    notify::tell(settings.as_ref(), &result, None, console);
    outcome::exit_code(&result)
}

fn judge(arguments: &Gate) -> Result<RunResult, String> {
    let mut result = baseline::result(&arguments.result.to_string_lossy())?;
    let of_result = result.run.id.clone();
    let lookup = baseline::Lookup { history: arguments.history.as_deref(), not: Some(&of_result) };
    let baseline = arguments.baseline.as_deref().map(|reference| baseline::resolve(reference, lookup)).transpose()?;
    if baseline.as_ref().is_some_and(|baseline| baseline.result.run.id == result.run.id) {
        return Err(format!("the baseline is the same run ({}): compared with itself, nothing is ever worse", result.run.id));
    }
    let before = result.gate.take();
    // The comparison that the run made itself is made again where its baseline is still there.
    let baseline = match (baseline, before.as_ref().and_then(|gate| gate.baseline.as_ref())) {
        (None, Some(known)) => Some(
            baseline::resolve(&known.reference, lookup)
                .map_err(|error| format!("{error}; the run was compared with it, so give it with --baseline"))?,
        ),
        (given, _) => given,
    };
    // Without targets each scenario must pass, and the table says so.
    let targets = before.and_then(|gate| gate.targets);
    let scenarios = std::mem::take(&mut result.scenarios);
    let scenarios = scenarios.into_iter().map(|scenario| outcome::again(scenario, targets.as_ref())).collect();
    let more = std::mem::take(&mut result.exit_reasons).into_iter().filter_map(of_the_run).collect();
    saved::settle(&mut result, scenarios, targets.as_ref(), baseline.as_ref(), more);
    if result.gate.is_none() {
        result.gate = Some(crate::measure::gate::evaluate(&result, None, None));
    }
    Ok(result)
}

/// What befell the run stays; that it was interrupted does not mean that this command was.
fn of_the_run(reason: ExitReason) -> Option<ExitReason> {
    match reason.name {
        ExitCode::Interrupted | ExitCode::Terminated => {
            let name = ExitCode::Inconclusive;
            Some(ExitReason { code: name.code(), name, reason: format!("the run was {}", reason.reason) })
        }
        _ => reason.is_of_the_run().then_some(reason),
    }
}

/// Where the timelines lie, for the reports that draw them.
fn directory(result: &Path) -> Option<PathBuf> {
    let directory = if result.is_dir() { result } else { result.parent()? };
    directory.join("timelines").is_dir().then(|| directory.to_owned())
}
