//! The command line: options in, exit code out. Results go to stdout, progress and logs to stderr.
//! What the commands do is the library's; how results look is `report`'s.

pub mod arguments;
mod baseline;
mod bug;
pub mod cleanup;
pub mod cluster;
pub mod console;
pub mod destination;
pub mod doctor;
mod dry_run;
pub mod explain;
pub mod gate;
mod github;
mod guard;
pub mod help;
pub mod history;
mod idle;
pub mod judge;
pub mod list;
pub mod new;
mod notify;
pub mod options;
pub mod rbac;
mod recorder;
pub mod report;
pub mod run;
mod run_directory;
pub mod schema;
pub mod shell;
pub mod show;
mod signals;
pub mod submit;
pub mod submitted;
mod suitable;
mod unsupported;
pub mod validate;
mod watch;

use crate::exit_code::ExitCode;
use crate::scenario::render::Look;
use arguments::{Arguments, Command};
use clap::FromArgMatches;
use console::Console;
use std::ffi::OsString;
use std::io::Write;

/// Runs the command that `arguments` (with the program's name first) ask for. The process is to end with the returned code.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    bug::install_hook();
    bug::guarded(|| dispatch(arguments))
}

fn dispatch(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let parsed = arguments::command().try_get_matches_from(&words).and_then(|matches| {
        let given = matches.subcommand().map(|(_, matches)| idle::given(matches)).unwrap_or_default();
        Ok((Arguments::from_arg_matches(&matches)?, given))
    });
    let (arguments, given) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version come this way too. A closed stdout is not an error.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Passed };
        }
    };
    let words = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match arguments.command {
        Command::Run(run) => run::run(*run, &given, &arguments.display, words),
        Command::Gate(gate) => gate::gate(&gate, console(&arguments.display)),
        Command::Judge(judge) => judge::judge(&judge, console(&arguments.display)),
        Command::Validate(validate) => {
            printed(console(&arguments.display), |look, out, err| validate::run(&validate, look, out, err))
        }
        Command::List(list) => printed(console(&arguments.display), |look, out, err| list::run(&list, look, out, err)),
        Command::Show(show) => printed(console(&arguments.display), |_, out, err| show::run(&show, out, err)),
        Command::Rbac(rbac) => printed(console(&arguments.display), |look, out, err| rbac::run(&rbac, look, out, err)),
        Command::New(new) => printed(console(&arguments.display), |_, out, err| new::run(&new, out, err)),
        Command::Schema(schema) => printed(console(&arguments.display), |_, out, _| schema::run(schema, out)),
        Command::Explain(explain) => {
            printed(console(&arguments.display), |look, out, err| explain::run(&explain, look, out, err))
        }
        Command::Help(help) => printed(console(&arguments.display), |_, out, err| help::run(&help, out, err)),
        Command::Completions(shell) => printed(console(&arguments.display), |_, out, _| shell::completions(shell, out)),
        Command::Man(man) => printed(console(&arguments.display), |_, out, err| shell::man(&man, out, err)),
        Command::Doctor(doctor) => doctor::doctor(&doctor, console(&arguments.display)),
        Command::Cleanup(cleanup) => cleanup::cleanup(&cleanup, console(&arguments.display)),
        Command::Cluster(cluster) => cluster::run(cluster, console(&arguments.display)),
        Command::History(history) => history::run(&history, console(&arguments.display)),
        Command::Report(report) => report::run(&report, console(&arguments.display)),
        Command::Submit(submit) => submit::submit(&submit, &arguments.display, words),
        Command::Submitted(submitted) => submitted::submitted(&submitted, console(&arguments.display)),
        Command::Unsupported(command) => unsupported::refuse(command, console(&arguments.display)),
    }
}

/// A console as the options say, with logs going to it.
fn console(display: &arguments::Display) -> Console {
    let console = Console::new(display);
    console.log();
    console
}

/// Runs a command that only writes texts, and prints what it wrote.
fn printed(
    console: Console,
    command: impl FnOnce(Look, &mut dyn Write, &mut dyn Write) -> std::io::Result<ExitCode>,
) -> ExitCode {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = command(console.look(), &mut out, &mut err).map_err(|error| error.to_string());
    console.tell(&err);
    match console.print(&out).and(code) {
        Ok(code) => code,
        Err(error) => {
            console.error(&error);
            ExitCode::Environment
        }
    }
}
