//! Commands of the contract that this version does not have: recognised and refused, never accepted and ignored.

use super::console::Console;
use crate::exit_code::ExitCode;
use clap::{Args, Subcommand};

/// Commands of later versions.
#[derive(Debug, Subcommand)]
pub enum UnsupportedCommand {
    /// What crashes now, over many clusters (not supported yet)
    #[command(hide = true, disable_help_flag = true)]
    Scan(Rest),
    /// The healer as a controller (not supported yet)
    #[command(hide = true, disable_help_flag = true)]
    Heal(Rest),
}

/// Whatever stands after the command.
#[derive(Debug, Args)]
pub struct Rest {
    /// Anything.
    #[arg(id = "rest", value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
    rest: Vec<String>,
}

/// Says that a command is not supported yet.
pub(super) fn refuse(command: UnsupportedCommand, console: Console) -> ExitCode {
    let (name, Rest { rest }) = match command {
        UnsupportedCommand::Scan(rest) => ("scan", rest),
        UnsupportedCommand::Heal(rest) => ("heal", rest),
    };
    let words = std::iter::once(name.to_owned()).chain(rest).collect::<Vec<_>>().join(" ");
    console.error(&format!("`comeback {words}` is not supported yet; `comeback --help` lists the commands that are"));
    ExitCode::Usage
}
