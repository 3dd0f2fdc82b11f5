//! One running container: PID 1, its children, exec sessions, its memory and its end.
//! The seam between kubelet and interpreter.

use super::filesystem::FileSystem;
use super::log::ContainerLog;
use crate::sim::clock::Clock;
use crate::sim::limits::Limits;
use crate::sim::profile::Cgroup;
use crate::sim::random::Random;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// What the kubelet starts.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Pod uid, for limits and random draws.
    pub uid: String,
    /// `namespace/pod/container`, for limits.
    pub subject: String,
    /// The image name, as in the manifest (which commands exist depends on it).
    pub image: String,
    /// Program and arguments, already expanded (`$(VAR)`).
    pub argv: Vec<String>,
    /// The environment, complete.
    pub env: BTreeMap<String, String>,
    /// Working directory (default `/`).
    pub working_directory: String,
    /// Host name, as `hostname` prints it.
    pub hostname: String,
    /// Root file system and mounts.
    pub filesystem: FileSystem,
    /// Memory limit in bytes.
    pub memory_limit: Option<u64>,
    /// Who dies on OOM.
    pub cgroup: Cgroup,
    /// The simulation's clock.
    pub clock: Clock,
    /// Random source; `$RANDOM` and latencies draw from it.
    pub random: Random,
    /// Where unsupported constructs are reported.
    pub limits: Limits,
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; 128 + n for a signal.
    pub code: i32,
    /// Whether the memory limit ended it.
    pub oom_killed: bool,
}

/// The signals that the kubelet sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: ignored by a PID 1 without a handler.
    Term,
    /// SIGKILL from outside.
    Kill,
}

/// The runtime could not start the program (containerd's text, exit code 128 `StartError`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// `exec: "x": executable file not found in $PATH` or `exec: "/x": stat /x: no such file or directory`.
    pub message: String,
}

/// The result of an exec session (probe, hook, API exec).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecResult {
    /// Bytes written to standard output.
    pub stdout: Vec<u8>,
    /// Bytes written to standard error.
    pub stderr: Vec<u8>,
    /// The exit code.
    pub code: i32,
}

/// A running (or ended) container. Dropping it kills what still runs.
#[derive(Debug)]
pub struct Container {
    log: ContainerLog,
    exit: watch::Sender<Option<Exit>>,
}

impl Container {
    /// Starts PID 1. Returns at once; the program runs on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartFailure`] when the program does not exist in the image.
    pub fn start(_spec: ContainerSpec) -> Result<Self, StartFailure> {
        Ok(Self { log: ContainerLog::default(), exit: watch::Sender::new(None) })
    }

    /// The log of this run.
    #[must_use]
    pub fn log(&self) -> ContainerLog {
        self.log.clone()
    }

    /// Becomes `Some` when PID 1 has ended (and everything with it).
    #[must_use]
    pub fn exit(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.subscribe()
    }

    /// Sends a signal to PID 1.
    pub fn signal(&self, _signal: Signal) {}

    /// Runs a program inside the container (its file system, its memory), until it ends or `timeout` has passed
    /// (then it is killed and `None` is returned). `Err` when the program does not exist.
    pub async fn exec(
        &self,
        _argv: &[String],
        _stdin: &[u8],
        _timeout: Option<Duration>,
    ) -> Result<Option<ExecResult>, StartFailure> {
        Ok(None)
    }

    /// Bytes in use by all processes of the container, now.
    #[must_use]
    pub fn memory(&self) -> u64 {
        0
    }
}
