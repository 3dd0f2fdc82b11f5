//! `comeback cluster`: commands about the embedded cluster itself.
//! Each has a module of its own.

pub mod images;
pub mod kind_config;
pub mod record;
pub mod replay;
pub mod serve;

use super::console::Console;
use crate::exit_code::ExitCode;
use clap::{Args, Subcommand};

/// `comeback cluster`
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct Cluster {
    /// What to do.
    #[command(subcommand)]
    pub command: ClusterCommand,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// The images whose programs the embedded cluster knows
    Images(images::Images),
    /// Print the configuration with which `run --cluster kind` creates a cluster
    KindConfig(kind_config::KindConfig),
    /// Record what happens in a namespace of any cluster, for `replay`
    Record(record::Record),
    /// Replay a recording of a cluster on the embedded one, and say where the two part
    Replay(replay::Replay),
    /// Serve the embedded cluster to kubectl and other clients, on loopback, until Ctrl-C
    Serve(serve::Serve),
}

/// Runs a command of the group.
#[must_use]
pub fn run(cluster: Cluster, console: Console) -> ExitCode {
    match cluster.command {
        ClusterCommand::Images(arguments) => images::run(&arguments, console),
        ClusterCommand::KindConfig(arguments) => kind_config::run(&arguments, console),
        ClusterCommand::Record(arguments) => record::run(&arguments, console),
        ClusterCommand::Replay(arguments) => replay::run(&arguments, console),
        ClusterCommand::Serve(arguments) => serve::serve(&arguments, console),
    }
}
