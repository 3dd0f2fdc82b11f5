//! `comeback doctor`: what a run would meet on a cluster, with the remedy of each problem. Changes nothing.
//! What is looked at is `engine::doctor`'s; the start of each run refuses for the same reasons.

use super::console::Console;
use super::guard::{self, Allow};
use super::suitable;
use crate::cluster::select::{self, ClusterChoice, ClusterOptions};
use crate::engine::doctor::{self, Check, Grade};
use crate::exit_code::ExitCode;
use crate::report::style::Tone;
use crate::scenario::load::{self, LoadOptions};
use clap::Args;
use std::fmt::Write as _;

/// `comeback doctor [PATH...]`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Scenario and suite files, folders, or `builtin:NAME`; nothing: the built-in gate
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Where to look.
    #[arg(
        long,
        env = "COMEBACK_CLUSTER",
        value_name = "CLUSTER",
        help = "Where: embedded, kind[:NAME] or context[:NAME]; default: the current context of the kubeconfig"
    )]
    pub cluster: Option<ClusterChoice>,
    /// Only scenarios with these labels, as kubectl's -l: 'class=crash,tier!=slow'
    #[arg(long, env = "COMEBACK_SELECT", value_name = "SELECTOR")]
    pub select: Option<String>,
    /// Allow a context whose name or server looks like production. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_CONTEXT", value_name = "NAME", value_delimiter = ',')]
    pub allow_context: Vec<String>,
    /// Parts of names or servers of contexts that look like production; `none` for no protection. Repeatable [default: prod]
    #[arg(long, env = "COMEBACK_PROTECTED", value_name = "PART", value_delimiter = ',')]
    pub protected: Vec<String>,
    /// A namespace of others in which a run would be allowed to act. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW_NAMESPACE", value_name = "NS", value_delimiter = ',')]
    pub allow_namespace: Vec<String>,
    /// What a run would be allowed: cluster-faults, node-access. Repeatable
    #[arg(long, env = "COMEBACK_ALLOW", value_name = "WHAT", value_delimiter = ',', value_parser = guard::allow)]
    pub allow: Vec<Allow>,
    /// The image of the privileged pods of `--allow node-access` [default: busybox:1.37]
    #[arg(long, env = "COMEBACK_NODE_IMAGE", value_name = "IMAGE")]
    pub node_image: Option<String>,
}

/// Examines the cluster, prints what was found, and returns the exit code: 3 where a run would be refused, 4 where nothing could run.
pub(super) fn doctor(arguments: &Doctor, console: Console) -> ExitCode {
    let options = LoadOptions { select: arguments.select.clone(), ..LoadOptions::default() };
    let loaded = match load::load(&arguments.paths, &options) {
        Ok(loaded) => loaded,
        Err(found) => {
            console.diagnostics(&found);
            return ExitCode::Usage;
        }
    };
    let asked = arguments.cluster.clone().unwrap_or(ClusterChoice::Context(None));
    let choice = match asked.clone() {
        // Connecting to a kind cluster would create it; its context is there exactly where it is.
        ClusterChoice::Kind(name) => ClusterChoice::Context(Some(format!("kind-{name}"))),
        choice => choice,
    };
    let options = ClusterOptions {
        node_image: guard::node_image(&arguments.allow, arguments.node_image.as_deref()),
        allowed_contexts: arguments.allow_context.clone(),
        protected: arguments.protected.clone(),
        ..ClusterOptions::default()
    };
    let cluster = match select::connect(&choice, &options) {
        Ok(cluster) => cluster,
        Err(error) => {
            console.error(&error.to_string());
            return ExitCode::Environment;
        }
    };
    let info = cluster.info();
    let openshift =
        info.fingerprint.properties.get("openshift").map_or_else(String::new, |version| format!(", OpenShift ({version})"));
    let mut checks = vec![Check {
        name: "server",
        grade: Grade::Good,
        found: format!(
            "{} ({}): Kubernetes {}{openshift}, {} nodes",
            info.name, info.provider, info.fingerprint.kubernetes, info.fingerprint.nodes
        ),
        remedy: String::new(),
    }];
    let total = loaded.plans.len();
    let suitable = suitable::of(loaded.plans, cluster.as_ref(), &asked, &arguments.allow);
    if let Err(why) = guard::namespaces(&suitable.plans, &arguments.allow_namespace) {
        checks.push(Check { name: "guard", grade: Grade::Bad, found: why, remedy: String::new() });
    }
    if !cluster.is_virtual_time() {
        match doctor::examine(cluster.as_ref(), &suitable.plans, &arguments.allow_namespace) {
            Ok(found) => checks.extend(found),
            Err(error) => {
                console.error(&error.to_string());
                return ExitCode::Environment;
            }
        }
    }
    checks.extend(suitable.skipped.iter().map(|(plan, why)| Check {
        name: "skipped",
        grade: Grade::Doubt,
        found: format!("{}: {why}", plan.name),
        remedy: String::new(),
    }));
    let runnable = suitable.plans.len();
    let mut text = table(&checks, console);
    let _ = writeln!(text, "{runnable} of {total} scenarios can run");
    if let Err(error) = console.print(text.as_bytes()) {
        console.error(&error);
        return ExitCode::Environment;
    }
    if let Err(error) = cluster.close() {
        console.error(&error.to_string());
        return ExitCode::Leftovers;
    }
    match checks.iter().map(|check| check.grade).max() {
        Some(Grade::Bad) => ExitCode::Environment,
        _ if runnable == 0 => ExitCode::Inconclusive,
        _ => ExitCode::Passed,
    }
}

fn table(checks: &[Check], console: Console) -> String {
    let palette = console.stdout_palette();
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let (tone, mark) = match check.grade {
            Grade::Good => (Tone::Good, "✓"),
            Grade::Doubt => (Tone::Doubt, "!"),
            Grade::Bad => (Tone::Bad, "✗"),
        };
        let found = check.found.lines().collect::<Vec<_>>().join(&format!("\n{:indent$}", "", indent = width + 3));
        let _ = writeln!(text, "{} {:width$} {found}", palette.paint(tone, mark), check.name);
        if !check.remedy.is_empty() {
            let _ = writeln!(text, "  {:width$} → {}", "", check.remedy);
        }
    }
    text
}
