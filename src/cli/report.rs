//! `comeback report rto`: how well recovery times were kept, from a history, for people, pages and spreadsheets.

use super::console::Console;
use super::destination::write_file;
use super::history::{Refusal, address, now, refusal};
use crate::exit_code::ExitCode;
use crate::history::time::{self, span};
use crate::history::{Access, History, Times, Window, rto};
use crate::report::history::Page;
use crate::report::rto as looks;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// `comeback report`
#[derive(Debug, Args)]
pub struct Report {
    /// Which report.
    #[command(subcommand)]
    pub which: Which,
}

/// Which report.
#[derive(Debug, Subcommand)]
pub enum Which {
    /// Recovery time objectives: target, observed times, how often it was kept, by class and scenario
    Rto(Rto),
}

/// `comeback report rto`
#[derive(Debug, Args)]
pub struct Rto {
    /// Where the history lies: a SQLite file, or `postgres://USER@HOST/DATABASE` [default: .comeback/history.db]
    #[arg(long, env = "COMEBACK_HISTORY", value_name = "URL")]
    pub history: Option<String>,
    /// Only runs of this time: 90d, 12w, 36h; `all`: all there are
    #[arg(long, env = "COMEBACK_SINCE", value_name = "SPAN", default_value = "90d", value_parser = since)]
    pub since: Since,
    /// Only runs with this label: git.branch=main
    #[arg(long, env = "COMEBACK_LABEL", value_name = "NAME=VALUE", value_parser = super::history::label)]
    pub label: Option<(String, String)>,
    /// terminal, html, csv or json; with =FILE into a file. Repeatable
    #[arg(long, env = "COMEBACK_REPORT", value_name = "FORMAT[=FILE]", value_delimiter = ',', default_value = "terminal")]
    pub report: Vec<Target>,
}

/// From when on.
#[derive(Clone, Copy, Debug)]
pub struct Since(Option<Duration>);

fn since(text: &str) -> Result<Since, String> {
    if text == "all" { Ok(Since(None)) } else { span(text).map(|span| Since(Some(span))) }
}

/// How it looks.
#[derive(Clone, Copy, Debug)]
enum Look {
    Terminal,
    Html,
    Csv,
    Json,
}

/// One `--report`.
#[derive(Clone, Debug)]
pub struct Target {
    look: Look,
    file: Option<PathBuf>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
        let look = match name {
            "terminal" => Look::Terminal,
            "html" => Look::Html,
            "csv" => Look::Csv,
            "json" => Look::Json,
            _ => return Err(format!("`{name}` is not a format of this report. Formats are terminal, html, csv, json")),
        };
        if file == Some("") {
            return Err(format!("no file after `{name}=`; write `{name}=FILE`, or `{name}` alone for stdout"));
        }
        Ok(Self { look, file: file.map(PathBuf::from) })
    }
}

/// Reports, and returns the exit code.
pub(super) fn run(arguments: &Report, console: Console) -> ExitCode {
    let Which::Rto(arguments) = &arguments.which;
    report(arguments, console).map_or_else(
        |(code, message)| {
            console.error(&message);
            code
        },
        |()| ExitCode::Passed,
    )
}

fn report(arguments: &Rto, console: Console) -> Result<(), Refusal> {
    if arguments.report.iter().filter(|target| target.file.is_none()).count() > 1 {
        return Err((
            ExitCode::Usage,
            "only one report can go to stdout; give the others a file, as in `html=rto.html`".to_owned(),
        ));
    }
    let address = address(arguments.history.as_deref())?;
    let mut history = History::open(&address, Access::Read).map_err(refusal)?;
    let since = arguments.since.0.map(|span| time::before(now(), span));
    let window = Window { since: since.unwrap_or(i64::MIN), until: i64::MAX, label: arguments.label.clone() };
    let cells = history.cells(&window, Times::All).map_err(refusal)?;
    let fingerprints = history.fingerprints().map_err(refusal)?;
    let report = rto::report(&cells, &fingerprints, since);
    let failed = |error: String| (ExitCode::Environment, error);
    for target in &arguments.report {
        let mut palette = console.stdout_palette();
        palette.colors &= target.file.is_none();
        let bytes = match target.look {
            Look::Terminal => looks::terminal(&report, Page { width: console.width(), palette }).into_bytes(),
            Look::Html => looks::html(&report).into_bytes(),
            Look::Csv => looks::csv(&report).map_err(failed)?,
            Look::Json => serde_json::to_vec_pretty(&report).map_err(|error| failed(error.to_string()))?,
        };
        match &target.file {
            None => console.print(&bytes).map_err(failed)?,
            Some(file) => {
                write_file(file, &bytes).map_err(|error| failed(format!("{} cannot be written: {error}", file.display())))?;
            }
        }
    }
    Ok(())
}
