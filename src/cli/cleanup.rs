//! `comeback cleanup`: undoes and removes what earlier runs left on a cluster, and says what it could not.

use super::arguments::Cleanup;
use super::console::Console;
use crate::cluster::request::RequestError;
use crate::cluster::select::{self, ClusterChoice, ClusterOptions};
use crate::cluster::{ClusterError, TrialContext, kind};
use crate::engine::cleanup::{self, Cleaned, Scope};
use crate::engine::labels::dns_label;
use crate::engine::ledger::{self, Ledger};
use crate::exit_code::ExitCode;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The command that removes what a run left.
pub(super) fn command(id: &str, choice: &ClusterChoice) -> String {
    format!("comeback cleanup --run {id} --cluster {choice}")
}

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
        Ok(done) => report(&done, console),
        Err((code, error)) => {
            console.error(&error.to_string());
            code
        }
    }
}

fn clean_all(arguments: &Cleanup, choice: ClusterChoice) -> Result<Done, (ExitCode, ClusterError)> {
    let ledger = Ledger::at(PathBuf::from(ledger::DEFAULT_PATH));
    let left = |error| (ExitCode::Leftovers, error);
    let environment = |error| (ExitCode::Environment, error);
    // A kind cluster that a run created and did not remove goes as a whole, and its namespaces with it.
    let gone = if arguments.all { kind::delete_outstanding(&ledger).map_err(left)? } else { Vec::new() };
    let went = |name: &str| gone.iter().any(|gone| gone == name);
    let (choice, own) = match choice {
        ClusterChoice::Kind(name) => match kind::exists(&name) {
            // Connecting to one that is not there would create it.
            Ok(false) => return Ok(Done { kind_clusters: gone, ..Done::default() }),
            Ok(true) => (ClusterChoice::Kind(name.clone()), Some(name)),
            // Without the program, the user's own kubeconfig may know it.
            Err(_) => (ClusterChoice::Context(Some(format!("kind-{name}"))), None),
        },
        ClusterChoice::Context(Some(name)) if name.strip_prefix("kind-").is_some_and(went) => {
            return Ok(Done { kind_clusters: gone, ..Done::default() });
        }
        choice => (choice, None),
    };
    let mut done = clean(arguments, &choice).map_err(environment)?;
    done.kind_clusters = gone;
    if let Some(name) = own
        && let Some(creator) = kind::outstanding(&ledger).map_err(left)?.remove(&name)
    {
        // Others may work on a cluster that one run has created, or look at what it kept: only who names that run means it.
        let is_clean = done.cleaned.iter().all(|(_, cleaned)| cleaned.left.is_empty());
        let named = arguments.run.as_deref().map(|run| dns_label(run, 63));
        let is_its = named.is_some() && named == creator.as_deref().map(|run| dns_label(run, 63));
        if is_clean && is_its && nothing_left(arguments, &choice).map_err(environment)? {
            kind::delete_created(&name, &ledger).map_err(left)?;
            done.kind_clusters.push(name);
        } else {
            done.stays = Some((name, creator));
        }
    }
    Ok(done)
}

/// What a clean-up did, and which runs it left alone because they live.
#[derive(Default)]
struct Done {
    cleaned: Vec<(String, Cleaned)>,
    live: Vec<String>,
    /// Kind clusters that went as a whole.
    kind_clusters: Vec<String>,
    /// One that a run created and that is still there, and the run.
    stays: Option<(String, Option<String>)>,
}

fn clean(arguments: &Cleanup, choice: &ClusterChoice) -> Result<Done, ClusterError> {
    let scope = match &arguments.run {
        Some(run) => Scope::Run(run.clone()),
        None if arguments.stale => Scope::Stale,
        None => Scope::All,
    };
    on_cluster(arguments, choice, async |client| {
        let mut done = Done::default();
        let mut found = cleanup::find(client, &scope, &arguments.allow_namespace).await?;
        if scope == Scope::Stale {
            (found, done.live) = cleanup::stale_only(client, found).await?;
        }
        for left in &mut found {
            left.node_image.clone_from(&arguments.node_image);
        }
        done.cleaned = cleanup::clean_all(client, found, &arguments.allow_namespace).await;
        Ok(done)
    })
}

/// Whether nothing of any run is there.
fn nothing_left(arguments: &Cleanup, choice: &ClusterChoice) -> Result<bool, ClusterError> {
    on_cluster(arguments, choice, async |client| {
        Ok(cleanup::find(client, &Scope::All, &arguments.allow_namespace).await?.is_empty())
    })
}

fn on_cluster<T>(
    arguments: &Cleanup,
    choice: &ClusterChoice,
    work: impl AsyncFnOnce(&kube::Client) -> Result<T, RequestError>,
) -> Result<T, ClusterError> {
    let options = ClusterOptions {
        allowed_contexts: arguments.allow_context.clone(),
        protected: arguments.protected.clone(),
        ..ClusterOptions::default()
    };
    let cluster = select::connect(choice, &options)?;
    crate::cluster::block_on(async {
        let session =
            cluster.open(&TrialContext { seed: 0, images: BTreeMap::new(), nodes: 1, ..TrialContext::default() }).await?;
        work(&session.client).await.map_err(|error| ClusterError::new(error.to_string()))
    })?
}

fn report(done: &Done, console: Console) -> ExitCode {
    let mut text = String::new();
    for (run, cleaned) in &done.cleaned {
        for target in &cleaned.undone {
            let _ = writeln!(text, "undid the fault on {target} (run {run})");
        }
        for target in &cleaned.withdrawn {
            let _ = writeln!(text, "removed {target} (run {run}, for its pods)");
        }
        for found in &cleaned.removed {
            let of = found.scenario.as_ref().map_or_else(|| "its own".to_owned(), |scenario| format!("scenario {scenario}"));
            let _ = writeln!(text, "removed {} (run {run}, {of})", found.namespace);
        }
    }
    for run in &done.live {
        let _ = writeln!(text, "left run {run} alone: it is still running");
    }
    for name in &done.kind_clusters {
        let _ = writeln!(text, "removed kind cluster {name}");
    }
    let left: Vec<_> = done.cleaned.iter().flat_map(|(run, cleaned)| cleaned.left.iter().map(move |left| (run, left))).collect();
    if text.is_empty() && left.is_empty() {
        text.push_str("nothing was left\n");
    }
    if let Some((name, run)) = &done.stays {
        let (by, which) = run
            .as_ref()
            .map_or_else(|| ("a run".to_owned(), "--all".to_owned()), |run| (format!("run {run}"), format!("--run {run}")));
        let _ = writeln!(
            text,
            "kind cluster {name}, which {by} created, is still there; `comeback cleanup {which} --cluster kind:{name}` removes it"
        );
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
