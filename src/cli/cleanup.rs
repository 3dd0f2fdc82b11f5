//! `comeback cleanup`: undoes and removes what earlier runs left on a cluster, and says what it could not.

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
    let cleaned = if gone.iter().any(removed_itself) { Ok(Done::default()) } else { clean(arguments, &choice) };
    match cleaned {
        Ok(done) => report(&gone, &done, console),
        Err(error) => {
            console.error(&error.to_string());
            ExitCode::Environment
        }
    }
}

/// What a clean-up did, and which runs it left alone because they live.
#[derive(Default)]
struct Done {
    cleaned: Vec<(String, Cleaned)>,
    live: Vec<String>,
}

fn clean(arguments: &Cleanup, choice: &ClusterChoice) -> Result<Done, ClusterError> {
    let options = ClusterOptions {
        allowed_contexts: arguments.allow_context.clone(),
        protected: arguments.protected.clone(),
        ..ClusterOptions::default()
    };
    let cluster = select::connect(choice, &options)?;
    let scope = match &arguments.run {
        Some(run) => Scope::Run(run.clone()),
        None if arguments.stale => Scope::Stale,
        None => Scope::All,
    };
    let failed = |error: crate::cluster::request::RequestError| ClusterError::new(error.to_string());
    crate::cluster::block_on(async {
        let session =
            cluster.open(&TrialContext { seed: 0, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() }).await?;
        let client = &session.client;
        let mut done = Done::default();
        let mut found = cleanup::find(client, &scope, &arguments.allow_namespace).await.map_err(failed)?;
        if scope == Scope::Stale {
            (found, done.live) = cleanup::stale_only(client, found).await.map_err(failed)?;
        }
        for left in found {
            done.cleaned.push((left.run.clone(), cleanup::clean(client, left).await));
        }
        Ok(done)
    })?
}

fn report(kind_clusters: &[String], done: &Done, console: Console) -> ExitCode {
    let mut text = String::new();
    for name in kind_clusters {
        let _ = writeln!(text, "removed kind cluster {name}");
    }
    for (run, cleaned) in &done.cleaned {
        for target in &cleaned.undone {
            let _ = writeln!(text, "undid the fault on {target} (run {run})");
        }
        for found in &cleaned.removed {
            let of = found.scenario.as_ref().map_or_else(|| "its own".to_owned(), |scenario| format!("scenario {scenario}"));
            let _ = writeln!(text, "removed {} (run {run}, {of})", found.namespace);
        }
    }
    for run in &done.live {
        let _ = writeln!(text, "left run {run} alone: it is still running");
    }
    let left: Vec<_> = done.cleaned.iter().flat_map(|(run, cleaned)| cleaned.left.iter().map(move |left| (run, left))).collect();
    if text.is_empty() && left.is_empty() {
        text.push_str("nothing was left\n");
    }
    let printed = console.print(text.as_bytes());
    for (run, (target, why)) in &left {
        console.error(&format!("{target} (run {run}): {why}"));
    }
    match printed {
        _ if !left.is_empty() => ExitCode::Leftovers,
        Ok(()) => ExitCode::Passed,
        Err(error) => {
            console.error(&error);
            ExitCode::Environment
        }
    }
}
