//! `comeback cluster kind-config`: the configuration with which a kind cluster would be created, for `kind create cluster --config`.

use crate::cli::console::Console;
use crate::cluster::kind::config::config;
use crate::exit_code::ExitCode;
use crate::scenario::{LoadOptions, load};
use clap::Args;

/// `comeback cluster kind-config [SUITE...]`
#[derive(Clone, Debug, Args)]
pub struct KindConfig {
    /// Suites, for their `cluster: { kind: … }`
    #[arg(value_name = "SUITE")]
    pub suites: Vec<String>,
    /// The nodes' image, instead of what a suite says
    #[arg(long, env = "COMEBACK_KIND_IMAGE", value_name = "IMAGE")]
    pub kind_image: Option<String>,
}

/// Prints the configuration.
pub(super) fn run(arguments: &KindConfig, console: Console) -> ExitCode {
    let mut cluster = match load(&arguments.suites, &LoadOptions::default()) {
        Ok(loaded) => loaded.kind.unwrap_or_default(),
        Err(found) => {
            console.diagnostics(&found);
            return ExitCode::Usage;
        }
    };
    cluster.image = arguments.kind_image.clone().or(cluster.image);
    match console.print(config(&cluster).as_bytes()) {
        Ok(()) => ExitCode::Passed,
        Err(error) => {
            console.error(&error);
            ExitCode::Environment
        }
    }
}
