//! `comeback cleanup`: removes what earlier runs left on a cluster, and says what is still there.

use super::arguments::Cleanup;
use super::console::Console;
use crate::cluster::select::{self, ClusterChoice, ClusterOptions};
use crate::cluster::{ClusterError, TrialContext, kind};
use crate::engine::cleanup::{self, Cleaned, Scope};
use crate::engine::ledger::{self, Ledger};
use crate::exit_code::ExitCode;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Cleans up, verifies, and returns the exit code: 5 where something is left.
pub(super) fn cleanup(arguments: &Cleanup, console: Console) -> ExitCode {
    let choice = match arguments.cluster.clone() {
        Some(ClusterChoice::Embedded) => {
            console
                .error("an embedded cluster ends with its run: there is nothing to clean up; give `--cluster kind` or `context`");
            return ExitCode::Usage;
        }
        // Connecting to a kind cluster would create it; its context is there exactly where it is.
        Some(ClusterChoice::Kind(name)) => ClusterChoice::Context(Some(format!("kind-{name}"))),
        choice => choice.unwrap_or(ClusterChoice::Context(None)),
    };
    let ledger = Ledger::at(PathBuf::from(ledger::DEFAULT_PATH));
    // A kind cluster that a run created and did not remove goes as a whole, and its namespaces with it.
    let gone = if arguments.all {
        match kind::delete_outstanding(&ledger) {
            Ok(gone) => gone,
            Err(error) => {
                console.error(&error.to_string());
                return ExitCode::Leftovers;
            }
        }
    } else {
        Vec::new()
    };
    let removed_itself = |name: &String| choice == ClusterChoice::Context(Some(format!("kind-{name}")));
    let cleaned = if gone.iter().any(removed_itself) { Ok(Cleaned::default()) } else { clean(arguments, &choice) };
    match cleaned {
        Ok(cleaned) => report(&gone, &cleaned, console),
        Err(error) => {
            console.error(&error.to_string());
            ExitCode::Environment
        }
    }
}

fn clean(arguments: &Cleanup, choice: &ClusterChoice) -> Result<Cleaned, ClusterError> {
    let options = ClusterOptions { allowed_contexts: arguments.allow_context.clone(), ..ClusterOptions::default() };
    let cluster = select::connect(choice, &options)?;
    let scope = arguments.run.clone().map_or(Scope::All, Scope::Run);
    crate::cluster::block_on(async {
        let session = cluster.open(&TrialContext { seed: 0, images: BTreeMap::new() }).await?;
        let found = cleanup::find(&session.client, &scope).await.map_err(|error| ClusterError::new(error.to_string()))?;
        Ok(cleanup::remove(&session.client, found).await)
    })?
}

fn report(kind_clusters: &[String], cleaned: &Cleaned, console: Console) -> ExitCode {
    let mut text = String::new();
    for name in kind_clusters {
        let _ = writeln!(text, "removed kind cluster {name}");
    }
    for found in &cleaned.removed {
        let _ = writeln!(text, "removed {} (run {}, scenario {})", found.namespace, found.run, found.scenario);
    }
    if text.is_empty() && cleaned.left.is_empty() {
        text.push_str("nothing was left\n");
    }
    let printed = console.print(text.as_bytes());
    for left in &cleaned.left {
        console.error(&format!("still there: {left}"));
    }
    match printed {
        _ if !cleaned.left.is_empty() => ExitCode::Leftovers,
        Ok(()) => ExitCode::Passed,
        Err(error) => {
            console.error(&error);
            ExitCode::Environment
        }
    }
}
