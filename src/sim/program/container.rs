//! One running container: PID 1, its children, exec sessions, its memory and its end.
//! The seam between kubelet and interpreter.

mod alone;

use super::command::{self, Invocation, Resolved};
use super::console::Console;
use super::descriptor::{Descriptor, Descriptors};
use super::errno::Errno;
use super::filesystem::{FileSystem, Kind};
use super::log::ContainerLog;
use super::machine::Machine;
use super::model;
use super::node_memory::NodeMemory;
use super::pipe;
use super::process::{self, Child, Origin};
use super::session::{Screen, Terminal};
use super::signals;
use crate::sim::clock::Clock;
use crate::sim::latest;
use crate::sim::limits::Limits;
use crate::sim::network::PodNetwork;
use crate::sim::profile::Cgroup;
use crate::sim::random::Random;
use crate::sim::tasks::Tasks;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What the kubelet starts.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Pod uid, for limits and random draws.
    pub uid: String,
    /// `namespace/pod/container`, for limits.
    pub subject: String,
    /// The image name, as in the manifest (which commands exist depends on it).
    pub image: String,
    /// The model of the image, where it has one.
    pub model: Option<model::Choice>,
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
    /// What the container sees of the network; shared by the containers of a pod.
    pub network: PodNetwork,
    /// Memory limit in bytes.
    pub memory_limit: Option<u64>,
    /// Processor limit in millicores.
    pub cpu_limit: Option<u64>,
    /// The memory of the node that all its containers share.
    pub node_memory: NodeMemory,
    /// How readily the kernel kills it when the node has no memory left, -1000 to 1000.
    pub oom_score_adj: i64,
    /// Who dies on OOM.
    pub cgroup: Cgroup,
    /// What its first process reads from.
    pub console: Console,
    /// From the start of its first process to that one's first instruction.
    pub loading: Duration,
    /// How late its processes go on after a sleep: the median.
    pub wake: Duration,
    /// The simulation's clock.
    pub clock: Clock,
    /// Random source; `$RANDOM` and latencies draw from it.
    pub random: Random,
    /// Where unsupported constructs are reported.
    pub limits: Limits,
    /// The tasks of the container's node: whatever runs in the container is one of them.
    pub tasks: Tasks,
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
    machine: Arc<Machine>,
}

/// What the container runtime itself computes within the limit of a container to start a program in it. It is waited for where
/// the limit throttles; elsewhere it is part of the latencies. Measured with runc 1.1.5: 3.9 and 4.9 ms.
const EXEC_START: Duration = Duration::from_millis(4);

/// The code of an exec session that was killed with its container.
const KILLED: i32 = 128 + signals::KILL;

impl Container {
    /// Starts PID 1. Returns at once; the program runs on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartFailure`] when the program does not exist in the image.
    pub fn start(spec: ContainerSpec) -> Result<Self, StartFailure> {
        let machine = Machine::new(spec);
        let filesystem = &machine.spec.filesystem;
        filesystem.report_to(&machine.spec.limits, &machine.spec.uid, &machine.spec.subject);
        // The runtime creates a working directory that does not exist.
        filesystem.make_directories(&machine.spec.working_directory);
        let identity = machine.spec.network.identity();
        let files = [
            ("/etc/hostname", format!("{}\n", machine.spec.hostname)),
            ("/etc/hosts", identity.hosts.clone()),
            ("/etc/resolv.conf", identity.resolv_conf.clone()),
        ];
        for (path, text) in files {
            if !filesystem.is_mounted(path) {
                filesystem.provide(path, text.into_bytes());
            }
        }
        let argv = machine.spec.argv.clone();
        launch(&machine, &argv, first_streams(&machine), machine.spec.loading)?;
        Ok(Self { machine })
    }

    /// The log of this run.
    #[must_use]
    pub fn log(&self) -> ContainerLog {
        self.machine.log()
    }

    /// Becomes `Some` when PID 1 has ended (and everything with it).
    #[must_use]
    pub fn exit(&self) -> latest::Receiver<Option<Exit>> {
        self.machine.exit()
    }

    /// When PID 1 ended, if it has.
    #[must_use]
    pub fn ended_at(&self) -> Option<Instant> {
        self.machine.ended_at()
    }

    /// Sends a signal to PID 1.
    pub fn signal(&self, signal: Signal) {
        match signal {
            Signal::Kill => self.machine.kill_all(),
            Signal::Term => {
                if let Some(process) = self.machine.process(1) {
                    process.deliver(model::stop_signal(&self.machine));
                }
            }
        }
    }

    /// Runs a program inside the container (its file system, its memory), until it ends or `timeout` has passed
    /// (then it is killed and `None` is returned). `Err` when the program does not exist.
    pub async fn exec(
        &self,
        argv: &[String],
        stdin: &[u8],
        timeout: Option<Duration>,
    ) -> Result<Option<ExecResult>, StartFailure> {
        let (stdout, stderr) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let taken = |bytes: &Arc<Mutex<Vec<u8>>>| std::mem::take(&mut *bytes.lock().unwrap_or_else(PoisonError::into_inner));
        if self.machine.is_over() {
            return Ok(Some(ExecResult { stdout: Vec::new(), stderr: Vec::new(), code: KILLED }));
        }
        let streams = Descriptors::standard(
            Descriptor::input(stdin.to_vec()),
            Descriptor::Capture(Arc::clone(&stdout)),
            Descriptor::Capture(Arc::clone(&stderr)),
        );
        let mut child = launch(&self.machine, argv, streams, Duration::ZERO)?;
        // A caller that loses interest ends its session.
        let session = Watchdog::new(&self.machine, child.pid);
        let ended = match timeout {
            None => child.wait().await,
            Some(limit) => match tokio::time::timeout(limit, child.wait()).await {
                Ok(ended) => ended,
                Err(_) => return Ok(None),
            },
        };
        std::mem::forget(session);
        Ok(Some(ExecResult { stdout: taken(&stdout), stderr: taken(&stderr), code: ended.code() }))
    }

    /// What it sees of the network.
    #[must_use]
    pub fn network(&self) -> &PodNetwork {
        &self.machine.spec.network
    }

    /// The machine that its programs run on.
    pub(super) const fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// Processor time that all its processes used.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        self.machine.processor.used()
    }

    /// The memory limit in force, in bytes.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.machine.memory_limit()
    }

    /// Sets other limits: memory in bytes, processor in millicores.
    pub fn set_limits(&self, memory: Option<u64>, processor: Option<u64>) {
        self.machine.set_memory_limit(memory);
        self.machine.processor.set_limit(processor);
    }

    /// Bytes in use by all processes of the container, now.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.machine.memory()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.machine.kill_all();
    }
}

/// The streams of the first process.
fn first_streams(machine: &Arc<Machine>) -> Descriptors {
    let Console { stdin, tty, .. } = machine.spec.console;
    let log = |stream: &Arc<super::log::Stream>| Descriptor::Log(Arc::clone(stream));
    if tty {
        let (input, writer) = pipe::pipe();
        let terminal = Arc::new(Terminal { input, output: Screen::Log(Arc::clone(&machine.stdout)) });
        machine.input.open(writer, Some(Arc::clone(&terminal)));
        let one = || Descriptor::Terminal(Arc::clone(&terminal));
        return Descriptors::standard(one(), one(), one());
    }
    let input = if stdin {
        let (input, writer) = pipe::pipe();
        machine.input.open(writer, None);
        Descriptor::Reader(Arc::new(input))
    } else {
        Descriptor::Null
    };
    Descriptors::standard(input, log(&machine.stdout), log(&machine.stderr))
}

/// Processes that somebody else runs within a container's limits; they end when this goes.
#[derive(Debug)]
pub struct Burden {
    _workers: Vec<Watchdog>,
}

impl Container {
    /// Starts such processes: so many that hold `bytes` of memory each, and so many that compute.
    #[must_use]
    pub fn burden(&self, holders: u32, bytes: u64, spinners: u32) -> Burden {
        let origin = || Origin { parent: 0, session: None, ignored: Vec::new(), argv: vec!["stress".to_owned()] };
        let hold = |_| {
            process::spawn(&self.machine, origin(), |process| async move {
                process.hold(bytes).await;
                std::future::pending::<i32>().await
            })
        };
        let spin = |_| {
            process::spawn(&self.machine, origin(), |process| async move {
                loop {
                    process.processor(Duration::from_millis(10)).await;
                }
            })
        };
        let started: Vec<_> = (0..holders).map(hold).chain((0..spinners).map(spin)).collect();
        Burden { _workers: started.iter().map(|child| Watchdog::new(&self.machine, child.pid)).collect() }
    }
}

/// Kills the processes of an exec session when it is dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    machine: Arc<Machine>,
    pid: u32,
}

impl Watchdog {
    /// Watches over the session of this process.
    pub(super) fn new(machine: &Arc<Machine>, pid: u32) -> Self {
        Self { machine: Arc::clone(machine), pid }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.machine.kill_session(self.pid);
    }
}

/// Starts a program that no other process of the container starts; its first instruction comes after `loading`.
pub(super) fn launch(
    machine: &Arc<Machine>,
    argv: &[String],
    descriptors: Descriptors,
    loading: Duration,
) -> Result<Child, StartFailure> {
    let failure =
        |problem: &str| StartFailure { message: format!("exec: {:?}: {problem}", argv.first().map_or("", String::as_str)) };
    let Some(name) = argv.first().filter(|name| !name.is_empty()) else {
        return Err(failure("executable file not found in $PATH"));
    };
    let mut environment = machine.spec.env.clone();
    environment.entry("PATH".to_owned()).or_insert_with(|| command::DEFAULT_PATH.to_owned());
    environment.entry("HOSTNAME".to_owned()).or_insert_with(|| machine.spec.hostname.clone());
    environment
        .entry("HOME".to_owned())
        .or_insert_with(|| if machine.spec.filesystem.access().user == 0 { "/root" } else { "/" }.to_owned());
    let directory = machine.spec.working_directory.clone();
    let resolved = command::resolve(machine, name, &environment["PATH"], &directory);
    match &resolved {
        Resolved::NotFound if name.contains('/') => {
            return Err(failure(&format!("stat {name}: {}", Errno::NotFound.to_string().to_lowercase())));
        }
        Resolved::NotFound => return Err(failure("executable file not found in $PATH")),
        Resolved::Denied => {
            let path = if name.starts_with('/') { name.clone() } else { format!("{directory}/{name}") };
            let is_directory = machine.spec.filesystem.metadata(&path).is_ok_and(|metadata| metadata.kind == Kind::Directory);
            return Err(failure(if is_directory { "is a directory" } else { "permission denied" }));
        }
        Resolved::Applet(_) | Resolved::Model(_) | Resolved::Script(_) | Resolved::NotSimulated(_) => {}
    }
    let origin = Origin { parent: 0, session: None, ignored: Vec::new(), argv: argv.to_vec() };
    let argv = argv.to_vec();
    // The first program is started before its container is limited.
    let is_exec = machine.process(1).is_some();
    Ok(process::spawn(machine, origin, |process| {
        let invocation =
            Invocation { applet: argv[0].clone(), argv, environment, directory, descriptors, process, position: None };
        async move {
            if !loading.is_zero() {
                tokio::time::sleep(loading).await;
            }
            if is_exec && invocation.process.machine.processor.is_throttled() {
                invocation.process.machine.processor.spend(EXEC_START).await;
            }
            command::run(resolved, invocation).await
        }
    }))
}
