//! The state that all processes of one container share: process table, memory, log streams, the end.
//! One process is `process`; what the kubelet sees is `container`.

use super::console::{Input, Source, Taps};
use super::container::{ContainerSpec, Exit};
use super::data::Data;
use super::log::{ContainerLog, Stream};
use super::node_memory::Account;
use super::process::Process;
use super::processor::Processor;
use super::signals;
use crate::sim::latest;
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::profile::{Cgroup, spread::LOAD};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// What one read of `/dev/urandom` gives at most (bytes).
const LONGEST_RANDOM: u64 = 32 * 1024 * 1024 - 1;

#[derive(Debug, Default)]
struct Table {
    processes: BTreeMap<u32, Weak<Process>>,
    last_pid: u32,
    oom: bool,
    ended: bool,
    ended_at: Option<Instant>,
}

/// One running container, as its processes see it.
#[derive(Debug)]
pub struct Machine {
    /// What was started.
    pub spec: ContainerSpec,
    /// Standard output of PID 1.
    pub stdout: Arc<Stream>,
    /// Standard error of PID 1.
    pub stderr: Arc<Stream>,
    log: ContainerLog,
    /// Clients that watch the output.
    pub(super) taps: Taps,
    /// What clients write to the first process.
    pub(super) input: Input,
    exit: latest::Sender<Option<Exit>>,
    table: Mutex<Table>,
    draws: AtomicU64,
    /// In bytes; 0 for none.
    memory_limit: AtomicU64,
    /// The processor time of all its processes.
    pub processor: Processor,
    /// What the node was told of its memory.
    pub(super) account: Account,
}

impl Machine {
    /// A container in which nothing runs yet.
    #[must_use]
    pub fn new(spec: ContainerSpec) -> Arc<Self> {
        let log = ContainerLog::on(spec.filesystem.disk().clone());
        let taps = Taps::default();
        let stream = |source| Stream::new(log.clone(), spec.clock).shown(taps.clone(), source, spec.console.tty);
        let (stdout, stderr) = (stream(Source::Output), stream(Source::Error));
        let machine = Arc::new(Self {
            memory_limit: AtomicU64::new(spec.memory_limit.unwrap_or(0)),
            processor: Processor::new(spec.cpu_limit),
            account: Account::default(),
            stdout: Arc::new(stdout),
            stderr: Arc::new(stderr),
            log,
            taps,
            input: Input::default(),
            exit: latest::Sender::new(None),
            table: Mutex::default(),
            draws: AtomicU64::new(0),
            spec,
        });
        machine.spec.node_memory.enter(&machine);
        machine
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log of this run.
    #[must_use]
    pub fn log(&self) -> ContainerLog {
        self.log.clone()
    }

    /// Becomes `Some` at the end.
    #[must_use]
    pub fn exit(&self) -> latest::Receiver<Option<Exit>> {
        self.exit.subscribe()
    }

    /// Whether the container is dead.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.lock().ended
    }

    /// When the container ended, if it has.
    #[must_use]
    pub fn ended_at(&self) -> Option<Instant> {
        self.lock().ended_at
    }

    /// The next process id, entered into the table by `register`.
    pub fn next_pid(&self) -> u32 {
        let mut table = self.lock();
        table.last_pid += 1;
        table.last_pid
    }

    /// Enters a process into the table.
    pub fn register(&self, process: &Arc<Process>) {
        self.lock().processes.insert(process.pid, Arc::downgrade(process));
    }

    /// A living process.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<Arc<Process>> {
        self.lock().processes.get(&pid).and_then(Weak::upgrade)
    }

    /// All living processes, by pid.
    #[must_use]
    pub fn processes(&self) -> Vec<Arc<Process>> {
        self.lock().processes.values().filter_map(Weak::upgrade).collect()
    }

    /// Takes an ended process out of the table; the end of PID 1 is the end of everything.
    pub fn finished(&self, pid: u32, code: i32) {
        let oom = {
            let mut table = self.lock();
            table.processes.remove(&pid);
            if pid != 1 {
                return;
            }
            table.ended = true;
            table.ended_at = Some(Instant::now());
            table.oom
        };
        self.kill_all();
        self.spec.node_memory.leave(&self.account);
        self.stdout.finish();
        self.stderr.finish();
        self.log.close();
        self.taps.close();
        self.input.close();
        self.exit.send_replace(Some(Exit { code, oom_killed: oom }));
    }

    /// SIGKILL from outside for every process.
    pub fn kill_all(&self) {
        for process in self.processes() {
            process.end_by(signals::KILL);
        }
    }

    /// SIGKILL for every process of an exec session.
    pub fn kill_session(&self, session: u32) {
        for process in self.processes() {
            if process.session == session {
                process.end_by(signals::KILL);
            }
        }
    }

    /// Bytes in use by all processes and by files in memory.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.processes().iter().map(|process| process.memory()).sum::<u64>() + self.spec.filesystem.memory()
    }

    /// Bytes in use by what was not killed yet.
    pub(super) fn living_memory(&self) -> u64 {
        let living = self.processes().into_iter().filter(|process| !process.is_doomed());
        living.map(|process| process.memory()).sum::<u64>() + self.spec.filesystem.memory()
    }

    /// Sets another memory limit (bytes), or none; what is over it is killed when it next asks for memory.
    pub fn set_memory_limit(&self, limit: Option<u64>) {
        self.memory_limit.store(limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// The most that the container may take, in bytes; without a limit of its own there is none but the node's memory.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        Some(self.memory_limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// Kills whom the kernel would kill if the container is over its limit, or its node has nothing left.
    pub fn check_memory(&self) {
        let memory = self.memory();
        if self.memory_limit().is_some_and(|limit| memory > limit) {
            let largest = self.processes().into_iter().max_by_key(|process| (process.memory(), process.pid));
            if let Some(process) = largest {
                self.kill_for_memory(&process);
            }
            return;
        }
        self.spec.node_memory.tell(&self.account, memory);
    }

    /// The kernel kills a process of this container to get memory: the whole container with it on cgroup v2.
    pub(super) fn kill_for_memory(&self, process: &Process) {
        self.lock().oom = true;
        match self.spec.cgroup {
            Cgroup::V2 => self.kill_all(),
            Cgroup::V1 => process.end_by(signals::KILL),
        }
    }

    /// Reports something that cannot be simulated faithfully.
    pub fn limit(&self, construct: &str, position: Option<String>, help: &str) {
        self.spec.limits.report(Limit {
            kind: LimitKind::Program,
            uid: self.spec.uid.clone(),
            subject: self.spec.subject.clone(),
            construct: construct.to_owned(),
            position,
            help: help.to_owned(),
        });
    }

    /// The next random draw of this container.
    pub fn draw(&self) -> u64 {
        let n = self.draws.fetch_add(1, Ordering::Relaxed);
        self.spec.random.bits(&self.spec.uid, "program", n)
    }

    /// How late a process is that slept and whoever waits for it, now.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        let n = u64::try_from(self.spec.clock.elapsed().as_nanos()).unwrap_or_default();
        self.spec.random.lognormal(&self.spec.uid, "late", n, self.spec.wake, LOAD)
    }

    /// Random bytes, as `/dev/urandom` gives them.
    #[must_use]
    pub fn random_bytes(&self, count: u64) -> Data {
        Data::Noise { seed: self.draw(), from: 0, length: count.min(LONGEST_RANDOM) }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.spec.node_memory.leave(&self.account);
    }
}
