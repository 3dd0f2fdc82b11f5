//! `comeback cluster serve`: options, the kubeconfig file, what is printed, and the end by a signal.
//! The served cluster itself is `sim::serve`.

use crate::cli::console::Console;
use crate::cli::signals::Signals;
use crate::engine::Signal;
use crate::exit_code::ExitCode;
use crate::report::format::plain;
use crate::sim::limits::LimitKind;
use crate::sim::profile::{DISK_BYTES, NodeShape, Profile, ProfileChoice, Without};
use crate::sim::serve::kubeconfig::{CONTEXT, DEVELOPER, MARK};
use crate::sim::serve::{Notice, ServeOptions, Served};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// `comeback cluster serve`
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// Nodes; with more than one the first is a control plane that takes no pods
    #[arg(long, env = "COMEBACK_NODES", value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub nodes: u16,
    /// Simulated seconds per second
    #[arg(long, env = "COMEBACK_SPEED", value_name = "FACTOR", default_value_t = 10.0, value_parser = speed)]
    pub speed: f64,
    /// Where the kubeconfig is written; removed at the end [default: a temporary file]
    #[arg(long, env = "COMEBACK_CLUSTER_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The port on 127.0.0.1; 0: a free one
    #[arg(long, env = "COMEBACK_PORT", value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// The seed of everything that is random in the simulation [default: random, printed]
    #[arg(long, env = "COMEBACK_SEED", value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// What it imitates: 1.36, 1.34 or instant, and cgroup-v1 or cgroup-v2 [default: 1.36,cgroup-v2]
    #[arg(long, env = "COMEBACK_PROFILE", value_name = "PROFILE")]
    pub profile: Option<ProfileChoice>,
    /// Serves an OpenShift: projects, Routes, security context constraints, and the context `comeback-developer` of an ordinary user
    #[arg(long, env = "COMEBACK_OPENSHIFT")]
    pub openshift: bool,
    /// Parts that are left out, so that the real ones can be run against it
    #[arg(long, env = "COMEBACK_WITHOUT", value_name = "PART", value_enum, value_delimiter = ',')]
    pub without: Vec<Part>,
}

/// A part of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What kube-controller-manager does
    Controllers,
    /// What kube-scheduler does
    Scheduler,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=100_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 100000 is expected".to_owned()),
    }
}

/// Serves until a signal comes.
pub(super) fn serve(arguments: &Serve, console: Console) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&format!("no runtime: {error}"));
            return ExitCode::Environment;
        }
    };
    match runtime.block_on(until_signal(arguments, console)) {
        Ok(code) => code,
        Err(error) => {
            console.error(&error);
            ExitCode::Environment
        }
    }
}

async fn until_signal(arguments: &Serve, console: Console) -> Result<ExitCode, String> {
    // First, so that no file is left behind by an early signal.
    let mut signals = Signals::new().map_err(|error| format!("signals cannot be handled: {error}"))?;
    let now = now();
    let seed = arguments.seed.unwrap_or_else(|| u64::from(now.subsec_nanosecond().unsigned_abs()));
    let options = ServeOptions {
        seed,
        epoch: now,
        profile: profile(arguments),
        speed: arguments.speed,
        port: arguments.port,
        now,
        notify: Arc::new(move |notice| console.warning(&told(&notice))),
    };
    let served = Served::start(options).await.map_err(|error| error.to_string())?;
    let file = Kubeconfig::write(arguments.kubeconfig.as_deref(), served.kubeconfig())?;
    console.print(introduction(arguments, seed, &served, file.path()).as_bytes())?;
    let mut check = tokio::time::interval(Duration::from_secs(1));
    let signal = loop {
        tokio::select! {
            biased;
            signal = signals.next() => break Some(signal),
            _ = check.tick() => if served.has_failed() { break None },
        }
    };
    drop(file);
    served.stop().map_err(|error| error.to_string())?;
    match signal {
        Some(Signal::Terminate) => Ok(ExitCode::Terminated),
        Some(_) => Ok(ExitCode::Interrupted),
        None => Ok(ExitCode::Bug),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line may read the wall clock: certificates and the cluster's first day"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn profile(arguments: &Serve) -> Profile {
    let mut profile = arguments.profile.unwrap_or_default().profile();
    let shape = NodeShape { control_plane: false, ..profile.nodes.first().cloned().unwrap_or_else(node) };
    let worker = |n: u16| match n {
        1 => "embedded-worker".to_owned(),
        n => format!("embedded-worker{n}"),
    };
    if arguments.nodes > 1 {
        let control_plane = NodeShape { name: "embedded-control-plane".to_owned(), control_plane: true, ..shape.clone() };
        let workers = (1..arguments.nodes).map(|n| NodeShape { name: worker(n), ..shape.clone() });
        profile.nodes = std::iter::once(control_plane).chain(workers).collect();
    }
    profile.openshift = arguments.openshift;
    profile.without = Without {
        controllers: arguments.without.contains(&Part::Controllers),
        scheduler: arguments.without.contains(&Part::Scheduler),
    };
    profile
}

/// The shape of a node where the profile has none to copy.
fn node() -> NodeShape {
    NodeShape {
        name: "embedded-control-plane".to_owned(),
        cpu_millis: 4_000,
        memory_bytes: 16 * 1024 * 1024 * 1024,
        disk_bytes: DISK_BYTES,
        control_plane: false,
    }
}

fn introduction(arguments: &Serve, seed: u64, served: &Served, kubeconfig: &Path) -> String {
    let nodes = if arguments.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", arguments.nodes) };
    // Clients that subtract the cluster's stamps from their own clock.
    let ages = if (arguments.speed - 1.0).abs() < f64::EPSILON {
        ""
    } else {
        "The cluster's clock runs at its own speed. `kubectl get` shows ages by it; `kubectl describe` and `kubectl events`\n\
         compare its stamps with your clock and show a wrong age or <invalid>: use `kubectl get events` in their place.\n\n"
    };
    let (what, user) = if arguments.openshift {
        let user = format!(
            "\u{20} kubectl --context {DEVELOPER} get projects.project.openshift.io   # a user who may create no namespace\n"
        );
        ("OpenShift", user)
    } else {
        ("Kubernetes", String::new())
    };
    format!(
        "A simulated {what} with {nodes} at https://{}, {} times as fast as real time (seed {seed}).\n\n\
         \u{20} export KUBECONFIG={}\n\
         \u{20} kubectl --context {CONTEXT} get nodes\n{user}\n\
         {ages}Ctrl-C ends it; nothing of it remains.\n",
        served.address(),
        arguments.speed,
        plain(&kubeconfig.display().to_string()),
    )
}

/// A notice in words.
fn told(notice: &Notice) -> String {
    match notice {
        Notice::Late { reached, lost } => format!(
            "simulated time cannot keep up with the speed asked for: {:.1} simulated seconds were lost by {:.0} s; a lower --speed keeps it even",
            lost.as_secs_f64(),
            reached.as_secs_f64(),
        ),
        Notice::Limit(limit) => {
            let what = match limit.kind {
                LimitKind::Program => "the program uses",
                LimitKind::Image => "the image is",
                LimitKind::Kind => "nothing acts on",
            };
            let position = limit.position.as_ref().map(|position| format!(" ({position})")).unwrap_or_default();
            format!("not simulated faithfully: {}: {what} {}{position}; {}", limit.subject, limit.construct, limit.help)
        }
    }
}

/// The kubeconfig file of a served cluster; removed when it is dropped, if it is still ours.
#[derive(Debug)]
struct Kubeconfig {
    path: PathBuf,
    contents: String,
}

impl Kubeconfig {
    /// Writes the file, for its owner's eyes only. A file of somebody else is never replaced.
    fn write(path: Option<&Path>, contents: &str) -> Result<Self, String> {
        let failed = |path: &Path, why: &str| format!("{}: the kubeconfig cannot be written: {why}", path.display());
        let folder = match path {
            Some(path) => path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned(),
            None => std::env::temp_dir(),
        };
        if let Some(path) = path {
            match std::fs::read_to_string(path) {
                Ok(found) if !found.starts_with(MARK) && !found.is_empty() => {
                    let why = "the file is there and not from `comeback cluster serve`; name another, or remove it";
                    return Err(failed(path, why));
                }
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(path, &error.to_string())),
                _ => {}
            }
        }
        // Beside, then renamed: nobody ever reads half a file. Its mode is 0600 from the beginning.
        let written = tempfile::Builder::new().prefix("comeback-").suffix(".kubeconfig").tempfile_in(&folder);
        let mut written = written.map_err(|error| failed(&folder, &error.to_string()))?;
        written.write_all(contents.as_bytes()).map_err(|error| failed(written.path(), &error.to_string()))?;
        let kept = match path {
            Some(path) => {
                written.persist(path).map(|_| path.to_owned()).map_err(|error| failed(path, &error.error.to_string()))?
            }
            None => written.keep().map(|(_, path)| path).map_err(|error| failed(&folder, &error.error.to_string()))?,
        };
        let path = std::path::absolute(&kept).unwrap_or(kept);
        Ok(Self { path, contents: contents.to_owned() })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        if std::fs::read_to_string(&self.path).is_ok_and(|found| found == self.contents) {
            // Gone already is as good.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_private_replaces_its_own_kind_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let contents = format!("{MARK}\nfirst");
        std::fs::write(&path, format!("{MARK}\nof an earlier one")).unwrap();
        let file = Kubeconfig::write(Some(&path), &contents).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), contents);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn somebody_elses_file_is_neither_replaced_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, "apiVersion: v1\n").unwrap();
        assert!(Kubeconfig::write(Some(&path), MARK).unwrap_err().contains("not from `comeback cluster serve`"));
        std::fs::remove_file(&path).unwrap();
        let file = Kubeconfig::write(Some(&path), MARK).unwrap();
        std::fs::write(&path, "another's by now").unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn the_first_of_several_nodes_is_the_control_plane() {
        let arguments = Serve {
            nodes: 3,
            speed: 1.0,
            kubeconfig: None,
            port: 0,
            seed: None,
            profile: None,
            openshift: true,
            without: vec![Part::Scheduler],
        };
        let profile = profile(&arguments);
        let nodes: Vec<_> = profile.nodes.iter().map(|node| (node.name.as_str(), node.control_plane)).collect();
        assert_eq!(nodes, [("embedded-control-plane", true), ("embedded-worker", false), ("embedded-worker2", false)]);
        assert!(profile.openshift);
        assert_eq!(profile.without, Without { controllers: false, scheduler: true });
    }
}
