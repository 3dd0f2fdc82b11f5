//! What may stand on the command line: commands, options, their environment variables. What they do is elsewhere.

use super::cluster::Cluster;
use super::gate::Gate;
use super::history::HistoryArguments;
use super::list::List;
use super::new::New;
use super::options::Options;
use super::rbac::Rbac;
use super::schema::Schema;
use super::show::Show;
use super::unsupported::UnsupportedCommand;
use super::validate::Validate;
use clap::builder::BoolishValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use std::path::PathBuf;

/// Breaks Kubernetes workloads on purpose, measures detection and recovery, and says whether the RTO was met.
///
/// Without a cluster of your own: `comeback run` tries the built-in scenarios on an embedded, simulated Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "comeback", version, arg_required_else_help = true, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Colours and loudness.
    #[command(flatten)]
    pub display: Display,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    every objective was met
  1    an objective was missed, or the gate failed
  2    usage, or an invalid scenario, suite or manifest
  3    no cluster, no permission, or a tool is missing
  4    inconclusive: nothing ran, or too little of it says anything
  5    something was left behind on the cluster
  70   a bug in comeback
  130  interrupted (143: terminated)

Every option has an environment variable; a comeback.yaml in the working directory gives defaults for `run`.";

/// Colours and loudness.
#[derive(Clone, Debug, Default, Args)]
pub struct Display {
    /// More: each phase of each trial; twice, logs as well
    #[arg(short, long, global = true, env = "COMEBACK_VERBOSE", action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Less: failures and the headline only
    #[arg(short, long, global = true, env = "COMEBACK_QUIET", value_parser = BoolishValueParser::new())]
    pub quiet: bool,
    /// Colours; `auto` looks at the terminal and at `NO_COLOR`
    #[arg(long, global = true, env = "COMEBACK_COLOR", value_enum, value_name = "WHEN")]
    pub color: Option<Color>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "their names say it")]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and suites; without a PATH the built-in gate suite
    Run(Box<Run>),
    /// Run scenarios and suites inside a cluster: each shard of them is a pod of one Job
    Submit(Box<super::submit::Submit>),
    /// Say everything that is wrong with scenario, suite and strategy files; nothing is run
    Validate(Validate),
    /// Say in plain words what a scenario will do and how it will be judged; nothing is run
    Explain(super::explain::Explain),
    /// List scenarios, one a line; without a PATH what is built in
    List(List),
    /// Write a commented scenario and its manifest, ready to run
    New(New),
    /// Print a built-in scenario and its manifests
    Show(Show),
    /// Print the JSON Schema of scenarios, suites, strategies or result files
    Schema(Schema),
    /// Judge the saved timelines of runs again, and write reports
    Judge(Judge),
    /// Compare a saved run with its targets and a baseline, and print the gate's table
    Gate(Gate),
    /// Print the least roles under which scenarios run and clean up
    Rbac(Rbac),
    /// What a run would meet on a cluster, with the remedy of each problem; changes nothing
    Doctor(super::doctor::Doctor),
    /// Undo and remove what earlier runs left on a cluster, verified
    Cleanup(Cleanup),
    /// The embedded cluster itself: served to other clients, compared with real ones
    Cluster(Cluster),
    /// What earlier runs were: trends, stability, comparisons
    History(HistoryArguments),
    /// Reports from a history: recovery time objectives over months
    Report(super::report::Report),
    /// Print the help of a command, or the reference of faults, conditions, causes or strategies
    Help(super::help::Help),
    /// Print what a shell needs to complete command lines
    Completions(super::shell::Completions),
    /// Print the manual page of comeback or of one of its commands
    Man(super::shell::Man),
    /// What a pod of `comeback submit` runs
    #[command(hide = true)]
    Submitted(super::submitted::Submitted),
    /// Commands of later versions.
    #[command(flatten)]
    Unsupported(UnsupportedCommand),
}

/// `comeback run`
#[derive(Debug, Args)]
pub struct Run {
    /// Scenario and suite files, folders, or `builtin:NAME`
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// The options.
    #[command(flatten)]
    pub options: Options,
}

/// `comeback judge`
#[derive(Debug, Args)]
pub struct Judge {
    /// Run directories, as `run` printed them (.comeback/runs/ID)
    #[arg(value_name = "RUN_DIR", required = true)]
    pub directories: Vec<PathBuf>,
    /// terminal, json, junit, markdown, html, csv, prometheus, confusion or timeline; with =FILE into a file. Repeatable
    #[arg(long, env = "COMEBACK_REPORT", value_name = "FORMAT[=FILE]", value_delimiter = ',')]
    pub report: Vec<super::destination::Destination>,
}

/// `comeback cleanup`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("scope").required(true))]
pub struct Cleanup {
    /// What the run of this id left
    #[arg(long, env = "COMEBACK_CLEANUP_RUN", value_name = "ID", group = "scope")]
    pub run: Option<String>,
    /// What runs left that do not live any more: their lease is watched for as long as it lasts (15 s)
    #[arg(long, env = "COMEBACK_CLEANUP_STALE", group = "scope", value_parser = BoolishValueParser::new())]
    pub stale: bool,
    /// What all runs left, those that are still running too
    #[arg(long, env = "COMEBACK_CLEANUP_ALL", group = "scope", value_parser = BoolishValueParser::new())]
    pub all: bool,
    /// Where to clean up.
    #[arg(
        long,
        env = "COMEBACK_CLUSTER",
        value_name = "CLUSTER",
        help = "Where: kind[:NAME] or context[:NAME]; default: the current context of the kubeconfig"
    )]
    pub cluster: Option<crate::cluster::select::ClusterChoice>,
    /// Allow a context whose name or server looks like production. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_CONTEXT", value_name = "NAME", value_delimiter = ',')]
    pub allow_context: Vec<String>,
    /// Parts of names or servers of contexts that look like production; `none` for no protection. Repeatable [default: prod]
    #[arg(long, env = "COMEBACK_PROTECTED", value_name = "PART", value_delimiter = ',')]
    pub protected: Vec<String>,
    /// The image of the privileged pods that mend nodes, as `run --node-image` had it [default: busybox:1.37]
    #[arg(long, env = "COMEBACK_NODE_IMAGE", value_name = "IMAGE")]
    pub node_image: Option<String>,
    /// A namespace of others that runs were allowed to use: look for their undo records there, too. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_NAMESPACE", value_name = "NS", value_delimiter = ',')]
    pub allow_namespace: Vec<String>,
}

/// The whole command line. The values of environment variables are left out of help texts: they may be secrets, and help is the
/// same everywhere.
#[must_use]
pub fn command() -> clap::Command {
    fn hide(command: clap::Command) -> clap::Command {
        let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        let command = command.mut_args(|argument| argument.hide_env_values(true));
        names.into_iter().fold(command, |command, name| command.mut_subcommand(name, hide))
    }
    hide(Arguments::command().mut_subcommand("submit", |submit| submit.mut_args(super::submit::shown)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_option_has_an_environment_variable() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| !argument.is_positional()) {
                if !matches!(argument.get_id().as_str(), "help" | "version" | "rest") {
                    let name = argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    assert!(name.starts_with("COMEBACK_"), "{} of {}", argument.get_id(), command.get_name());
                }
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }
}
