//! The state that all processes of one container share: process table, memory, log streams, the end.
//! One process is `process`; what the kubelet sees is `container`.

use super::container::{ContainerSpec, Exit};
use super::data::Data;
use super::log::{ContainerLog, Stream};
use super::process::Process;
use super::signals;
use crate::sim::latest;
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::profile::Cgroup;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::time::Instant;

/// What a container without a limit can take before its node has none left (bytes): the node of the default profile.
const NODE_MEMORY: u64 = 16 * 1024 * 1024 * 1024;

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
    exit: latest::Sender<Option<Exit>>,
    table: Mutex<Table>,
    draws: AtomicU64,
}

impl Machine {
    /// A container in which nothing runs yet.
    #[must_use]
    pub fn new(spec: ContainerSpec) -> Arc<Self> {
        let log = ContainerLog::default();
        let (stdout, stderr) = (Stream::new(log.clone(), spec.clock), Stream::new(log.clone(), spec.clock));
        Arc::new(Self {
            stdout: Arc::new(stdout),
            stderr: Arc::new(stderr),
            log,
            exit: latest::Sender::new(None),
            table: Mutex::default(),
            draws: AtomicU64::new(0),
            spec,
        })
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
        self.stdout.finish();
        self.stderr.finish();
        self.log.close();
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

    /// The most that the container may take, in bytes.
    #[must_use]
    pub fn memory_limit(&self) -> u64 {
        self.spec.memory_limit.unwrap_or(NODE_MEMORY)
    }

    /// Kills whom the kernel would kill if the container is over its limit.
    pub fn check_memory(&self) {
        if self.memory() <= self.memory_limit() {
            return;
        }
        if self.spec.memory_limit.is_none() {
            let help = "give the container a memory limit: evictions and the kernel's choice on a full node are not simulated";
            self.limit("memory beyond that of the whole node", None, help);
        }
        self.lock().oom = true;
        match self.spec.cgroup {
            Cgroup::V2 => self.kill_all(),
            Cgroup::V1 => {
                let largest = self.processes().into_iter().max_by_key(|process| (process.memory(), process.pid));
                if let Some(process) = largest {
                    process.end_by(signals::KILL);
                }
            }
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

    /// Random bytes, as `/dev/urandom` gives them.
    #[must_use]
    pub fn random_bytes(&self, count: u64) -> Data {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < count.min(65_536) {
            bytes.extend(self.draw().to_le_bytes());
        }
        bytes.truncate(super::data::to_usize(count));
        Data::Bytes(bytes)
    }
}
