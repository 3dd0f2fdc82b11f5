//! One simulated process: its end, its signals, its memory and the processor time that it uses.
//! What it runs is a future given by `shell` or `command`.

use super::machine::Machine;
use super::signals::{self, Disposition};
use crate::sim::latest;
use futures::FutureExt as _;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Resident bytes of a busybox process that holds nothing (measured on the recorded cluster: 0.6 to 1 MiB; the kernel charges
/// a container about 0.5 MiB of it, the rest are shared pages of the binary).
pub const BASE_MEMORY: u64 = 512 * 1024;
/// How fast a process fills memory that it has not touched before (bytes a second).
const FILL_RATE: u64 = 400 * 1024 * 1024;
/// Memory is filled in steps of this size (bytes), so that others see it grow.
const FILL_STEP: u64 = 64 * 1024 * 1024;
/// Processor time of a fork and exec.
pub const FORK: Duration = Duration::from_micros(250);
/// Processor time of one command of the shell itself.
pub const STEP: Duration = Duration::from_micros(2);
/// After so much processor time without any wait, a loop is taken to spin for ever and is simulated in coarse steps.
const SPIN: Duration = Duration::from_secs(2);
const SPIN_STEP: Duration = Duration::from_millis(10);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
}

impl Ended {
    /// The status that a shell shows: the exit code, or 128 + the signal.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(signal) => 128 + signal,
        }
    }
}

#[derive(Debug, Default)]
struct Signals {
    dispositions: BTreeMap<i32, Disposition>,
    pending: VecDeque<i32>,
}

#[derive(Debug)]
struct Meter {
    debt: Duration,
    spun: Duration,
    paid_at: Instant,
}

/// One process.
#[derive(Debug)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its parent's id, 0 for PID 1 and exec sessions.
    pub parent: u32,
    /// The pid of the session's first process (1, or that of an exec session).
    pub session: u32,
    /// The container.
    pub machine: Arc<Machine>,
    argv: Mutex<Vec<String>>,
    doom: latest::Sender<Option<i32>>,
    signals: Mutex<Signals>,
    arrived: Notify,
    memory: AtomicU64,
    meter: Mutex<Meter>,
}

/// The parent's view of a process.
#[derive(Clone, Debug)]
pub struct Child {
    /// Its id.
    pub pid: u32,
    ended: latest::Receiver<Option<Ended>>,
}

impl Child {
    /// Waits for the end.
    pub async fn wait(&mut self) -> Ended {
        match self.ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.unwrap_or(Ended::Signalled(signals::KILL)),
            Err(_) => Ended::Signalled(signals::KILL),
        }
    }

    /// The end, if it is over.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.ended.get()
    }
}

/// Who starts a process, and what it shows as its command line.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The parent's id, 0 for none.
    pub parent: u32,
    /// The session, `None` for a new one.
    pub session: Option<u32>,
    /// Signals ignored by the parent, which a child inherits.
    pub ignored: Vec<i32>,
    /// The command line.
    pub argv: Vec<String>,
}

/// Starts a process; `body` gets its handle and returns its exit code.
pub fn spawn<F, Fut>(machine: &Arc<Machine>, origin: Origin, body: F) -> Child
where
    F: FnOnce(Arc<Process>) -> Fut,
    Fut: Future<Output = i32> + Send + 'static,
{
    let pid = machine.next_pid();
    let dispositions = origin.ignored.iter().map(|signal| (*signal, Disposition::Ignore)).collect();
    let process = Arc::new(Process {
        pid,
        parent: origin.parent,
        session: origin.session.unwrap_or(pid),
        machine: Arc::clone(machine),
        argv: Mutex::new(origin.argv),
        doom: latest::Sender::new(None),
        signals: Mutex::new(Signals { dispositions, pending: VecDeque::new() }),
        arrived: Notify::new(),
        memory: AtomicU64::new(BASE_MEMORY),
        meter: Mutex::new(Meter { debt: Duration::ZERO, spun: Duration::ZERO, paid_at: Instant::now() }),
    });
    machine.register(&process);
    machine.check_memory();
    let (sender, ended) = latest::channel(None);
    let body = std::panic::AssertUnwindSafe(Box::pin(body(Arc::clone(&process)))).catch_unwind();
    if machine.is_over() {
        process.end_by(signals::KILL);
    }
    let tasks = machine.spec.tasks.clone();
    tasks.spawn(async move {
        let mut doomed = process.doom.subscribe();
        let outcome = tokio::select! {
            biased;
            signal = doomed.wait_for(Option::is_some) => {
                Ended::Signalled(signal.ok().flatten().unwrap_or(signals::KILL))
            }
            code = body => if let Ok(code) = code { Ended::Exited(code & 0xff) } else {
                let help = "this is a bug in comeback: please report the container's command";
                process.machine.limit("the interpreter failed", None, help);
                Ended::Signalled(signals::KILL)
            },
        };
        process.machine.finished(process.pid, outcome.code());
        sender.send_replace(Some(outcome));
    });
    Child { pid, ended }
}

impl Process {
    fn signals(&self) -> MutexGuard<'_, Signals> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The command line.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        self.argv.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process runs another program now (`exec`).
    pub fn set_argv(&self, argv: Vec<String>) {
        *self.argv.lock().unwrap_or_else(PoisonError::into_inner) = argv;
    }

    /// Ends the process by a signal, whatever it thinks of it.
    pub fn end_by(&self, signal: i32) {
        self.doom.send_if_modified(|doom| doom.is_none() && doom.replace(signal).is_none());
    }

    /// Whether it was told to end by a signal and has not yet.
    #[must_use]
    pub fn is_doomed(&self) -> bool {
        self.doom.get().is_some()
    }

    /// Delivers a signal as one process of the container sends it to another.
    pub fn deliver(&self, signal: i32) {
        if self.pid == 1 && (signal == signals::KILL || signals::stops(signal)) {
            return;
        }
        let mut state = self.signals();
        match state.dispositions.get(&signal) {
            _ if signal == signals::KILL => {}
            Some(Disposition::Ignore) => return,
            Some(Disposition::Handle) => {
                if !state.pending.contains(&signal) {
                    state.pending.push_back(signal);
                }
                drop(state);
                self.arrived.notify_waiters();
                return;
            }
            None if self.pid == 1 || signals::ignored_by_default(signal) => return,
            None => {}
        }
        drop(state);
        self.end_by(signal);
    }

    /// The process wrote into a pipe that nobody reads: SIGPIPE. Returns only if that is ignored.
    pub async fn broken_pipe(&self) {
        self.deliver(signals::PIPE);
        if self.doom.get().is_some() {
            std::future::pending::<()>().await;
        }
    }

    /// Sets what happens on a signal; `None` is the default.
    pub fn set_disposition(&self, signal: i32, disposition: Option<Disposition>) {
        let mut state = self.signals();
        match disposition {
            Some(disposition) => state.dispositions.insert(signal, disposition),
            None => state.dispositions.remove(&signal),
        };
    }

    /// Handlers do not survive `exec`; ignored signals stay ignored.
    pub fn reset_handlers(&self) {
        let mut state = self.signals();
        state.dispositions.retain(|_, disposition| *disposition == Disposition::Ignore);
        state.pending.clear();
    }

    /// The signals that a child would ignore, too.
    #[must_use]
    pub fn ignored(&self) -> Vec<i32> {
        let state = self.signals();
        state.dispositions.iter().filter(|(_, how)| **how == Disposition::Ignore).map(|(signal, _)| *signal).collect()
    }

    /// Takes the next signal that a handler must see.
    #[must_use]
    pub fn take_signal(&self) -> Option<i32> {
        self.signals().pending.pop_front()
    }

    /// The next signal that a handler must see, left in place.
    #[must_use]
    pub fn peek_signal(&self) -> Option<i32> {
        self.signals().pending.front().copied()
    }

    /// Waits until a signal with a handler has arrived.
    pub async fn signal_arrived(&self) {
        loop {
            let arrived = self.arrived.notified();
            if !self.signals().pending.is_empty() {
                return;
            }
            arrived.await;
        }
    }

    /// Resident bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Sets what the process holds beside its base. Growth takes the time that touching new memory takes; whoever passes the
    /// container's limit never returns from here.
    pub async fn hold(&self, bytes: u64) {
        let wanted = BASE_MEMORY + bytes;
        loop {
            let now = self.memory();
            if wanted <= now {
                self.memory.store(wanted, Ordering::Relaxed);
                return;
            }
            let limit = self.machine.memory_limit().unwrap_or(u64::MAX);
            let room = limit.saturating_sub(self.machine.memory()).saturating_add(4096);
            let step = (wanted - now).min(room).min(FILL_STEP);
            self.processor(Duration::from_secs_f64(as_f64(step) / as_f64(FILL_RATE))).await;
            self.memory.store(now + step, Ordering::Relaxed);
            self.machine.check_memory();
            if self.doom.get().is_some() {
                std::future::pending::<()>().await;
            }
            if now + step < wanted && self.machine.memory() > limit {
                // Somebody else was killed (cgroup v1); it is gone after this.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Uses processor time. Virtual time passes in steps of a millisecond and more.
    pub async fn processor(&self, time: Duration) {
        let pause = {
            let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
            let coarse = meter.spun > SPIN && time <= FORK;
            meter.debt += if coarse { SPIN_STEP } else { time };
            if meter.debt < Duration::from_millis(1) {
                return;
            }
            if Instant::now() > meter.paid_at + Duration::from_millis(1) {
                meter.spun = Duration::ZERO;
            }
            let whole = Duration::from_millis(u64::try_from(meter.debt.as_millis()).unwrap_or(u64::MAX));
            meter.debt -= whole;
            meter.spun += whole;
            meter.paid_at = Instant::now() + whole;
            whole
        };
        self.machine.processor.spend(pause).await;
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).paid_at = Instant::now();
    }
}

#[expect(clippy::cast_precision_loss, reason = "byte counts far below 2^53")]
fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}
