//! `comeback gate`: a saved run is judged by its targets and a baseline, without its timelines and without running anything.
//! The judgement is `measure::gate`'s.

use super::baseline;
use super::console::Console;
use super::destination::{self, Destination, Format};
use crate::engine::saved;
use crate::exit_code::ExitCode;
use crate::measure::outcome;
use crate::measure::result::{ExitReason, RunResult};
use crate::report::Terminal;
use clap::Args;
use std::path::{Path, PathBuf};

/// `comeback gate`
#[derive(Clone, Debug, Args)]
pub struct Gate {
    /// A result file (`--report json=FILE`) or a run directory
    #[arg(value_name = "RESULT")]
    pub result: PathBuf,
    /// The run to compare with: a result file or a run directory
    #[arg(long, env = "COMEBACK_BASELINE", value_name = "REF")]
    pub baseline: Option<String>,
    /// terminal, json, junit, markdown, html, csv or prometheus; with =FILE into a file. Repeatable [default: the gate's table]
    #[arg(long, env = "COMEBACK_REPORT", value_name = "FORMAT[=FILE]", value_delimiter = ',')]
    pub report: Vec<Destination>,
}

/// Judges, reports, and returns the exit code.
pub(super) fn gate(arguments: &Gate, console: Console) -> ExitCode {
    let judged = destination::plan(arguments.report.clone()).and_then(|reports| Ok((judge(arguments)?, reports)));
    let (result, reports) = match judged {
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
    let mut errors = destination::write(&files, &result, directory.as_deref(), console).err().unwrap_or_default();
    if !shown.is_empty() {
        let terminal = Terminal {
            width: console.width(),
            palette: console.stdout_palette(),
            quiet: console.quiet,
            run_directory: directory.map(|directory| directory.display().to_string()),
        };
        errors.extend(console.print(terminal.gate_text(&result).as_bytes()).err());
    }
    for error in &errors {
        console.error(error);
    }
    let environment = (!errors.is_empty()).then_some(ExitCode::Environment);
    let unfinished = (!result.complete).then_some(ExitCode::Inconclusive);
    ExitCode::strongest(result.exit_reasons.iter().map(|reason| reason.name).chain(environment).chain(unfinished))
}

fn judge(arguments: &Gate) -> Result<RunResult, String> {
    let mut result = baseline::result(&arguments.result.to_string_lossy())?;
    let baseline = arguments.baseline.as_deref().map(baseline::resolve).transpose()?;
    if baseline.as_ref().is_some_and(|baseline| baseline.result.run.id == result.run.id) {
        return Err(format!("the baseline is the same run ({}): compared with itself, nothing is ever worse", result.run.id));
    }
    let before = result.gate.take();
    // The comparison that the run made itself is made again where its baseline is still there.
    let baseline = match (baseline, before.as_ref().and_then(|gate| gate.baseline.as_ref())) {
        (None, Some(known)) => Some(
            baseline::resolve(&known.reference)
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
