//! The command line: options in, exit code out. Results go to stdout, progress and logs to stderr.
//! What the commands do is the library's; how results look is `report`'s.

pub mod arguments;
mod bug;
pub mod cleanup;
pub mod console;
pub mod destination;
pub mod list;
pub mod judge;
mod mistakes;
pub mod new;
pub mod options;
pub mod run;
mod run_directory;
pub mod schema;
pub mod show;
mod signals;
mod unsupported;
pub mod validate;

use crate::exit_code::ExitCode;
use arguments::{Arguments, Command};
use clap::FromArgMatches;
use console::Console;
use std::ffi::OsString;

/// Runs the command that `arguments` (with the program's name first) ask for. The process is to end with the returned code.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    bug::install_hook();
    bug::guarded(|| dispatch(arguments))
}

fn dispatch(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = arguments.into_iter().collect();
    let parsed = arguments::command().try_get_matches_from(&words).and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too. A closed stdout is not an error.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Passed };
        }
    };
    let words = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    match arguments.command {
        Command::Run(run) => run::run(*run, &arguments.display, words),
        Command::Judge(judge) => judge::judge(&judge, console(&arguments.display)),
        Command::Cleanup(cleanup) => cleanup::cleanup(&cleanup, console(&arguments.display)),
        Command::Unsupported(command) => unsupported::refuse(command, console(&arguments.display)),
    }
}

/// A console as the options say, with logs going to it.
fn console(display: &arguments::Display) -> Console {
    let console = Console::new(display);
    console.log();
    console
}
