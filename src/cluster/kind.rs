//! A kind cluster: used if it exists, else created with the `kind` CLI and removed again.
//! Blocking: called outside of asynchronous runtimes. The user's kubeconfig and current context are never touched.

pub mod config;
mod images;

use super::context::Context;
use super::select::ClusterOptions;
use super::{Cluster, ClusterError, Session, TrialContext};
use crate::engine::ledger::{self, Entry, Ledger};
use crate::measure::result::ClusterInfo;
use crate::scenario::Plan;
use crate::scenario::model::Need;
use futures::future::BoxFuture;
use kube::config::Kubeconfig;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::PoisonError;

/// The cluster's name when none is given.
pub const DEFAULT_NAME: &str = "comeback";

/// A kind cluster, removed on [`Cluster::close`] (or when dropped) if it was created here.
#[derive(Debug)]
pub struct Kind {
    name: String,
    context: Context,
    created: Mutex<Option<Created>>,
}

/// What has to be removed.
#[derive(Debug)]
struct Created {
    name: String,
    ledger: Option<Ledger>,
}

impl Kind {
    /// Uses the kind cluster `name`, or creates it and notes that in the ledger first. Images of the workloads that are on this
    /// computer are loaded into it. Blocking.
    ///
    /// # Errors
    /// `kind` or docker is missing or fails: with the tool's last words and what to install.
    pub fn connect(name: &str, options: &ClusterOptions, ledger: Option<&Ledger>) -> Result<Self, ClusterError> {
        let mut created = None;
        if !exists(name)? {
            if let Some(ledger) = ledger {
                ledger.append(&Entry::KindCreated { name: name.to_owned(), run: options.run.clone() }).map_err(|error| {
                    ClusterError::new(format!("the ledger {} cannot be written: {error}", ledger.path().display()))
                })?;
            }
            // From here on it is removed however this ends.
            created = Some(Created { name: name.to_owned(), ledger: ledger.cloned() });
            if let Err(error) = create(name, options) {
                let leftover = created.take().and_then(|created| created.remove().err());
                return Err(match leftover {
                    Some(leftover) => ClusterError::new(format!("{error}. And then: {leftover}")),
                    None => error,
                });
            }
        }
        let guard = Mutex::new(created);
        let loaded = images::load(name, &options.images);
        let connected = loaded.and_then(|_| run(&["get", "kubeconfig", "--name", name], name)).and_then(|yaml| {
            let kubeconfig = Kubeconfig::from_yaml(&yaml).map_err(|error| {
                ClusterError::new(format!("`kind get kubeconfig --name {name}` printed no kubeconfig: {error}"))
            })?;
            let context = format!("kind-{name}");
            Context::from_kubeconfig(kubeconfig, &context, "kind", &context, options.node_image.as_deref())
        });
        match connected {
            Ok(context) => Ok(Self { name: name.to_owned(), context, created: guard }),
            Err(error) => {
                remove(&guard)?;
                Err(error)
            }
        }
    }
}

impl Cluster for Kind {
    fn info(&self) -> ClusterInfo {
        self.context.info()
    }

    fn capabilities(&self) -> Vec<Need> {
        self.context.capabilities()
    }

    fn why_not(&self, need: Need) -> Option<String> {
        self.context.why_not(need)
    }

    fn node_pods(&self) -> Option<String> {
        self.context.node_pods()
    }

    fn cannot(&self, plan: &Plan) -> Option<String> {
        self.context.cannot(plan)
    }

    fn is_virtual_time(&self) -> bool {
        false
    }

    fn kubeconfig(&self) -> Option<Kubeconfig> {
        self.context.kubeconfig()
    }

    fn open<'a>(&'a self, trial: &'a TrialContext) -> BoxFuture<'a, Result<Session, ClusterError>> {
        self.context.open(trial)
    }

    fn close(&self) -> Result<(), ClusterError> {
        remove(&self.created)
    }

    fn export_logs(&self, folder: &std::path::Path) -> Option<Result<(), ClusterError>> {
        Some(run(&["export", "logs", &folder.to_string_lossy(), "--name", &self.name], &self.name).map(|_| ()))
    }

    fn keep(&self) -> Option<String> {
        let created = self.created.lock().unwrap_or_else(PoisonError::into_inner).take();
        created.map(|created| created.name)
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.created) {
            tracing::error!("{error}");
        }
    }
}

fn remove(created: &Mutex<Option<Created>>) -> Result<(), ClusterError> {
    let created = created.lock().unwrap_or_else(PoisonError::into_inner).take();
    created.map_or(Ok(()), Created::remove)
}

impl Created {
    fn remove(self) -> Result<(), ClusterError> {
        delete(&self.name)?;
        if let Some(ledger) = &self.ledger {
            ledger.append(&Entry::KindRemoved { name: self.name.clone() }).map_err(|error| {
                ClusterError::new(format!("the ledger {} cannot be written: {error}", ledger.path().display()))
            })?;
        }
        Ok(())
    }
}

/// Whether a kind cluster is there. Blocking.
///
/// # Errors
/// `kind` is missing or fails.
pub fn exists(name: &str) -> Result<bool, ClusterError> {
    Ok(run(&["get", "clusters"], name)?.lines().any(|line| line.trim() == name))
}

fn create(name: &str, options: &ClusterOptions) -> Result<(), ClusterError> {
    let failed = |what: &str, error: std::io::Error| ClusterError::new(format!("no {what} for kind cluster {name}: {error}"));
    let own = tempfile::NamedTempFile::new().map_err(|error| failed("temporary kubeconfig", error))?;
    let written = tempfile::NamedTempFile::new().map_err(|error| failed("temporary configuration", error))?;
    std::fs::write(written.path(), config::config(&options.kind)).map_err(|error| failed("temporary configuration", error))?;
    let (own, written) = (own.path().to_string_lossy().into_owned(), written.path().to_string_lossy().into_owned());
    // Retained, so that its logs tell what failed; whoever called removes it.
    let arguments = ["create", "cluster", "--name", name, "--kubeconfig", &own, "--config", &written, "--wait", "2m", "--retain"];
    let Err(error) = watched(&arguments, name, options.progress) else { return Ok(()) };
    let Some(logs) = &options.logs else { return Err(error) };
    let folder = logs.to_string_lossy().into_owned();
    Err(match run(&["export", "logs", &folder, "--name", name], name) {
        Ok(_) => ClusterError::new(format!("{error}. The nodes' logs are in {folder}")),
        // There may be no node yet that has logs.
        Err(_) => error,
    })
}

/// Deletes a kind cluster; one that does not exist is no error. Blocking.
///
/// # Errors
/// `kind` is missing or fails.
pub fn delete(name: &str) -> Result<(), ClusterError> {
    let own = tempfile::NamedTempFile::new()
        .map_err(|error| ClusterError::new(format!("no temporary file for the kubeconfig of kind cluster {name}: {error}")))?;
    let path = own.path().to_string_lossy().into_owned();
    run(&["delete", "cluster", "--name", name, "--kubeconfig", &path], name).map(|_| ())
}

/// Deletes the kind clusters that the ledger still lists as created; their names. Blocking.
///
/// # Errors
/// The ledger cannot be read or written, or `kind` fails.
pub fn delete_outstanding(ledger: &Ledger) -> Result<Vec<String>, ClusterError> {
    let names: Vec<String> = outstanding(ledger)?.into_keys().collect();
    for name in &names {
        delete_created(name, ledger)?;
    }
    Ok(names)
}

/// Deletes a kind cluster that the ledger lists as created. Blocking.
///
/// # Errors
/// The ledger cannot be written, or `kind` fails.
pub fn delete_created(name: &str, ledger: &Ledger) -> Result<(), ClusterError> {
    Created { name: name.to_owned(), ledger: Some(ledger.clone()) }.remove()
}

/// The kind clusters that the ledger still lists as created, with the run that created each, where that is known.
///
/// # Errors
/// The ledger cannot be read.
pub fn outstanding(ledger: &Ledger) -> Result<BTreeMap<String, Option<String>>, ClusterError> {
    let failed = |error| ClusterError::new(format!("the ledger {} cannot be used: {error}", ledger.path().display()));
    Ok(ledger::outstanding_kind_clusters(&ledger.read().map_err(failed)?))
}

/// Runs `kind` and tells what it writes line by line while it runs.
fn watched(arguments: &[&str], cluster: &str, progress: bool) -> Result<(), ClusterError> {
    let shown = arguments.iter().take_while(|word| **word != "--kubeconfig").copied().collect::<Vec<_>>().join(" ");
    let command = duct::cmd("kind", arguments).stdin_null().stderr_to_stdout().unchecked();
    let reader = command.reader().map_err(|error| not_started(&shown, cluster, &error))?;
    let mut said = String::new();
    let mut said_all = false;
    for line in std::io::BufRead::lines(std::io::BufReader::new(&reader)).map_while(Result::ok) {
        // What follows is about a kubeconfig of kind's own, which is not kept.
        said_all |= line.starts_with("Set kubectl context");
        if progress && !said_all {
            // There is nobody to tell where that fails.
            let _ = writeln!(std::io::stderr(), "  {}", line.trim_end());
        }
        said.push_str(&line);
        said.push('\n');
    }
    match reader.try_wait() {
        Ok(Some(output)) if output.status.success() => Ok(()),
        _ => Err(ClusterError::new(explain(&shown, &said))),
    }
}

fn not_started(shown: &str, cluster: &str, error: &std::io::Error) -> ClusterError {
    ClusterError::new(if error.kind() == std::io::ErrorKind::NotFound {
        format!(
            "`kind` is not installed (needed for `--cluster kind:{cluster}`): install kind and docker, see https://kind.sigs.k8s.io, or run with `--cluster embedded`"
        )
    } else {
        format!("`kind {shown}` could not be started: {error}")
    })
}

/// Runs `kind` and returns what it printed on stdout.
fn run(arguments: &[&str], cluster: &str) -> Result<String, ClusterError> {
    let shown = arguments.join(" ");
    let output = duct::cmd("kind", arguments).stdin_null().stdout_capture().stderr_capture().unchecked().run();
    let output = output.map_err(|error| not_started(&shown, cluster, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ClusterError::new(explain(&shown, &String::from_utf8_lossy(&output.stderr))))
}

/// What went wrong with `kind`, from what it wrote.
fn explain(command: &str, stderr: &str) -> String {
    let mut lines: Vec<_> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // kind's own reason comes first; what it prints of commands and stacks after it is for its developers.
    if let Some(reason) = lines.iter().position(|line| line.starts_with("ERROR:")) {
        lines = lines.split_off(reason);
        lines.truncate(3);
    }
    let tail = lines.split_off(lines.len().saturating_sub(3)).join(" / ");
    let hint = if stderr.contains("Cannot connect to the Docker daemon") {
        ". Start docker, or run with `--cluster embedded`"
    } else if stderr.contains("executable file not found") || stderr.contains("failed to find provider") {
        ". Install docker (or podman), or run with `--cluster embedded`"
    } else {
        ""
    };
    format!("`kind {command}` failed: {tail}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_to_install() {
        let text = explain(
            "get clusters",
            "ERROR: failed to list clusters: command \"docker ps\" failed\n\nCannot connect to the Docker daemon at unix:///x. Is it running?\n",
        );
        insta::assert_snapshot!(text, @r#"`kind get clusters` failed: ERROR: failed to list clusters: command "docker ps" failed / Cannot connect to the Docker daemon at unix:///x. Is it running?. Start docker, or run with `--cluster embedded`"#);
        assert!(explain("get clusters", "exec: \"docker\": executable file not found in $PATH").contains("Install docker"));
    }
}
