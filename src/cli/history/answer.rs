//! The questions of `comeback history` that change nothing: asked, reckoned, printed as a table or as JSON.

use super::{Format, HistoryArguments, Question, Refusal, Subject, open, refusal, window};
use crate::cli::console::Console;
use crate::exit_code::ExitCode;
use crate::history::stability::{self, StabilityRow};
use crate::history::{Access, Address, History, Times, Window, compare, trend};
use crate::report::history::{Page, compare as compare_look, runs, show, stability as stability_look, trend as trend_look};
use serde::Serialize;

/// Answers.
pub(super) fn answer(address: &Address, arguments: &HistoryArguments, console: Console) -> Result<ExitCode, Refusal> {
    let mut history = open(address, Access::Read)?;
    let page = Page { width: console.width(), palette: console.stdout_palette() };
    let window = window(arguments.since, arguments.label.as_ref());
    let out = Out { format: arguments.format, console };
    match &arguments.question {
        None => {
            let rows = history.runs(&window, 20).map_err(refusal)?;
            out.print(&rows, || runs::list(&rows, page))
        }
        Some(Question::List { limit }) => {
            let rows = history.runs(&window, i64::from(*limit)).map_err(refusal)?;
            out.print(&rows, || runs::list(&rows, page))
        }
        Some(Question::Show { run }) => {
            let id = history.run_id(run).map_err(refusal)?;
            let detail = history.run(&id).map_err(refusal)?;
            out.print(&detail, || show::run(&detail, page))
        }
        Some(Question::Trend) => {
            let trends = trend::trends(&history.cells(&window, Times::Recovery).map_err(refusal)?);
            out.print(&trends, || trend_look::table_of(&trends, page))
        }
        Some(Question::Stability { by }) => {
            let rows = stable(&mut history, &window, *by)?;
            out.print(&rows, || stability_look::stability(&rows, page))
        }
        Some(Question::Flaky) => {
            let rows = history.flaky(&window).map_err(refusal)?;
            out.print(&rows, || stability_look::flaky(&rows, page))
        }
        Some(Question::Compare { a, b }) => {
            let mut run = |text: &str| history.run_id(text).and_then(|id| history.run(&id)).map_err(refusal);
            let comparison = compare::compare(&run(a)?, &run(b)?);
            out.print(&comparison, || compare_look::compare(&comparison, page))
        }
        // These are not questions: they were dealt with before.
        Some(Question::Prune(_) | Question::Import(_) | Question::Export(_)) => Ok(ExitCode::Usage),
    }
}

/// Scores of what was tried and, where the label of a run is not asked for, of what was watched.
fn stable(history: &mut History, window: &Window, by: Subject) -> Result<Vec<StabilityRow>, Refusal> {
    let mut rows = match by {
        Subject::Scenario => stability::of_trials(&history.cells(window, Times::None).map_err(refusal)?),
        Subject::Workload => stability::of_workloads(&history.workloads(window).map_err(refusal)?),
        Subject::Namespace => Vec::new(),
    };
    if by != Subject::Scenario && window.label.is_none() {
        let watched = history.watched(window.since, by == Subject::Workload).map_err(refusal)?;
        rows.extend(stability::of_days(&watched));
    }
    Ok(rows)
}

/// How an answer is printed.
#[derive(Clone, Copy)]
struct Out {
    format: Format,
    console: Console,
}

impl Out {
    fn print(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<ExitCode, Refusal> {
        let failed = |error: String| (ExitCode::Environment, error);
        let text = match self.format {
            Format::Terminal => text(),
            Format::Json => serde_json::to_string_pretty(value).map_err(|error| failed(error.to_string()))? + "\n",
        };
        self.console.print(text.as_bytes()).map_err(failed)?;
        Ok(ExitCode::Passed)
    }
}
