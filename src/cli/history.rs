//! `comeback history`: what earlier runs were, how they compare, and how the history is kept. Reckoning is `history`'s, looks are
//! `report`'s.

mod answer;
mod keep;

use super::console::Console;
use crate::exit_code::ExitCode;
use crate::history::time::span;
use crate::history::{Access, Address, History, HistoryError, Window, time};
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;

/// `comeback history`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false)]
pub struct HistoryArguments {
    /// Where the history lies: a SQLite file, or `postgres://USER@HOST/DATABASE` [default: .comeback/history.db]
    #[arg(long, env = "COMEBACK_HISTORY", value_name = "URL", global = true)]
    pub history: Option<String>,
    /// For people, or for programs
    #[arg(long, env = "COMEBACK_FORMAT", value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub format: Format,
    /// Only runs of this time: 90d, 12w, 36h
    #[arg(long, env = "COMEBACK_SINCE", value_name = "SPAN", value_parser = span, global = true)]
    pub since: Option<Duration>,
    /// Only runs with this label: git.branch=main
    #[arg(long, env = "COMEBACK_LABEL", value_name = "NAME=VALUE", value_parser = label, global = true)]
    pub label: Option<(String, String)>,
    /// What is asked; nothing: the newest runs.
    #[command(subcommand)]
    pub question: Option<Question>,
}

/// For whom the answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Format {
    #[default]
    Terminal,
    Json,
}

/// What has a stability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Subject {
    #[default]
    Scenario,
    Workload,
    Namespace,
}

/// What is asked of a history.
#[derive(Debug, Subcommand)]
pub enum Question {
    /// The newest runs
    List {
        /// At most so many
        #[arg(long, env = "COMEBACK_LIMIT", value_name = "N", default_value_t = 20)]
        limit: u32,
    },
    /// One run: its id, the beginning of it, or `latest`
    Show {
        /// The run.
        #[arg(value_name = "RUN")]
        run: String,
    },
    /// Each scenario week by week, with arrows where the last week differs significantly from the one before
    Trend,
    /// Scores with intervals, least stable first: share of trials as expected, or of days without trouble
    Stability {
        /// Of what
        #[arg(long, env = "COMEBACK_BY", value_name = "WHAT", value_enum, default_value_t)]
        by: Subject,
    },
    /// Scenarios that gave different answers for the same code in the same environment
    Flaky,
    /// What differs between two runs: ids, beginnings of ids, or `latest`
    Compare {
        /// The earlier run
        a: String,
        /// The later run
        b: String,
    },
    /// Everything, as CSV (a row for each trial) or JSON lines (a line for each run), to stdout or a file
    Export(keep::Export),
    /// Forget old runs
    Prune(keep::Prune),
    /// Add saved runs; one that is there already is brought up to date
    Import(keep::Import),
}

pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

/// What ended a command before its answer.
pub(super) type Refusal = (ExitCode, String);

/// Answers, and returns the exit code.
pub(super) fn run(arguments: &HistoryArguments, console: Console) -> ExitCode {
    let answered = address(arguments.history.as_deref()).and_then(|address| match &arguments.question {
        Some(Question::Prune(prune)) => keep::prune(&address, prune, arguments, console),
        Some(Question::Import(import)) => keep::import(&address, import, console),
        Some(Question::Export(export)) => keep::export(&address, export, arguments),
        _ => answer::answer(&address, arguments, console),
    });
    answered.unwrap_or_else(|(code, message)| {
        console.error(&message);
        code
    })
}

/// The history that was asked for, or the default one.
pub(super) fn address(given: Option<&str>) -> Result<Address, Refusal> {
    let given = given.filter(|text| !text.is_empty());
    given.map_or_else(
        || Ok(Address::default()),
        |text| text.parse().map_err(|error: HistoryError| (ExitCode::Usage, error.to_string())),
    )
}

/// What a failure of a history means for the exit code.
pub(super) fn refusal(error: HistoryError) -> Refusal {
    let code = match &error {
        HistoryError::NoRun { .. } | HistoryError::NoBaseline { .. } | HistoryError::RunDirectory(_) => ExitCode::Usage,
        _ => ExitCode::Environment,
    };
    (code, error.to_string())
}

fn open(address: &Address, access: Access) -> Result<History, Refusal> {
    History::open(address, access).map_err(refusal)
}

/// The window of a question, ending now.
pub(super) fn window(since: Option<Duration>, label: Option<&(String, String)>) -> Window {
    let now = now();
    Window {
        since: since.map_or(i64::MIN, |span| time::before(now, span)),
        // Runs of machines whose clocks are ahead are runs, too.
        until: i64::MAX,
        label: label.cloned(),
    }
}

/// The wall clock, in microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the command line may read the wall clock")]
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
