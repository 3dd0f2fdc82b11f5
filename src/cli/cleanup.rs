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
        choice => choice.unwrap_or(ClusterChoice::Context(None)),
    };
    match clean_all(arguments, choice) {
        Ok((gone, done)) => report(&gone, &done, console),
        Err((code, error)) => {
            console.error(&error.to_string());
            code
        }
    }
}

/// Cleans up; the kind clusters that went as a whole, and what was done on one that stays.
fn clean_all(arguments: &Cleanup, choice: ClusterChoice) -> Result<(Vec<String>, Done), (ExitCode, ClusterError)> {
    let ledger = Ledger::at(PathBuf::from(ledger::DEFAULT_PATH));
    let left = |error| (ExitCode::Leftovers, error);
    let environment = |error| (ExitCode::Environment, error);
    // A kind cluster that a run created and did not remove goes as a whole, and its namespaces with it.
    let mut gone = if arguments.all { kind::delete_outstanding(&ledger).map_err(left)? } else { Vec::new() };
    let ClusterChoice::Kind(name) = choice else {
        let removed_itself = |name: &String| choice == ClusterChoice::Context(Some(format!("kind-{name}")));
        let done =
            if gone.iter().any(removed_itself) { Done::default() } else { clean(arguments, &choice).map_err(environment)? };
        return Ok((gone, done));
    };
    let choice = match kind::exists(&name) {
        // Connecting to one that is not there would create it.
        Ok(false) => return Ok((gone, Done::default())),
        Ok(true) => ClusterChoice::Kind(name.clone()),
        // Without the program, the user's own kubeconfig may know it.
        Err(_) => ClusterChoice::Context(Some(format!("kind-{name}"))),
    };
    let done = clean(arguments, &choice).map_err(environment)?;
    let is_clean = done.cleaned.iter().all(|(_, cleaned)| cleaned.left.is_empty());
    if is_clean && !done.others_live && kind::delete_if_outstanding(&name, &ledger).map_err(left)? {
        gone.push(name);
    }
    Ok((gone, done))
}

/// What a clean-up did, and which runs it left alone because they live.
#[derive(Default)]
struct Done {
    cleaned: Vec<(String, Cleaned)>,
    live: Vec<String>,
    /// Something of other runs is there.
    others_live: bool,
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
        done.others_live = !cleanup::find(client, &Scope::All, &arguments.allow_namespace).await.map_err(failed)?.is_empty();
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
