//! `stress` and `stress-ng`: workers that take memory or processor time.
//! Stressors of I/O and of everything else stay limits.

use super::Model;
use super::server::{Ended, available, beyond, bytes, complain, duration, handle, until_signal};
use crate::sim::program::command::Invocation;
use crate::sim::program::process::{self, Child, Origin};
use crate::sim::program::signals;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Both programs' `--vm-bytes` where none is given.
const DEFAULT_BYTES: u64 = 256 * 1024 * 1024;

/// The model of `stress`.
pub const STRESS: Model = Model {
    name: "stress",
    images: &["polinux/stress", "progrium/stress", "vish/stress", "*/stress"],
    summary: "stress: --vm workers hold memory, --cpu workers spin; the container fails if one of them is killed.",
    ports: &[],
    entrypoint: &[],
    arguments: &["stress"],
    shell: true,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[("stress", stress)],
};

/// The model of `stress-ng`.
pub const STRESS_NG: Model = Model {
    name: "stress-ng",
    images: &[
        "alexeiled/stress-ng",
        "polinux/stress-ng",
        "lorel/docker-stress-ng",
        "ghcr.io/colinianking/stress-ng",
        "*/stress-ng",
    ],
    summary: "stress-ng: --vm workers hold memory, --cpu workers spin; a killed memory worker is started again.",
    ports: &[],
    entrypoint: &["stress-ng"],
    arguments: &[],
    shell: true,
    stop_signal: signals::TERM,
    options: &[],
    programs: &[("stress-ng", stress_ng)],
};

#[derive(Debug)]
struct Settings {
    vm: u32,
    cpu: u32,
    bytes: u64,
    hang: Option<Duration>,
    timeout: Option<Duration>,
    quiet: bool,
}

/// The options that both know; an error names one that is not simulated.
fn settings(call: &Invocation, ng: bool) -> Result<Settings, String> {
    let mut settings = Settings { vm: 0, cpu: 0, bytes: DEFAULT_BYTES, hang: None, timeout: None, quiet: false };
    let mut words = call.arguments().iter();
    while let Some(word) = words.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        match name {
            "--vm-keep" | "--verbose" | "-v" | "--verify" | "--metrics-brief" | "--metrics" | "--oomable" | "--no-oom-adjust" => {
                continue;
            }
            "--quiet" | "-q" => {
                settings.quiet = true;
                continue;
            }
            _ => {}
        }
        let Some(value) = attached.or_else(|| words.next().cloned()) else { return Err(word.clone()) };
        let wrong = || format!("{name} {value}");
        let count = || value.parse::<u32>().map_err(|_| wrong());
        match name {
            "--vm" | "-m" => settings.vm = count()?,
            "--cpu" | "-c" => settings.cpu = count()?,
            "--cpu-load" | "-l" | "--cpu-method" | "--vm-method" if ng => {}
            "--vm-bytes" => {
                settings.bytes = match value.strip_suffix('%').and_then(|percent| percent.parse::<u64>().ok()) {
                    // Of what is available: the limit, as far as the model knows.
                    Some(percent) if ng => available(call) / 100 * percent,
                    _ => bytes(&value).ok_or_else(wrong)?,
                }
            }
            "--vm-hang" => settings.hang = Some(duration(&value).unwrap_or(Duration::MAX)),
            "--timeout" | "-t" => settings.timeout = Some(duration(&value).ok_or_else(wrong)?),
            _ => return Err(name.to_owned()),
        }
    }
    Ok(settings)
}

/// Starts a worker: a process of its own.
fn worker(call: &Arc<Invocation>, memory: Option<(u64, Option<Duration>)>) -> Child {
    let origin = Origin {
        parent: call.process.pid,
        session: Some(call.process.session),
        ignored: call.process.ignored(),
        argv: call.process.argv(),
    };
    process::spawn(&call.process.machine, origin, |process| async move {
        match memory {
            Some((bytes, hang)) => loop {
                process.hold(bytes).await;
                match hang {
                    // What it wrote it reads again at once, for ever: processor time is not limited here.
                    None => tokio::time::sleep(Duration::from_hours(1)).await,
                    Some(hang) if hang >= Duration::from_hours(8760) => std::future::pending::<()>().await,
                    Some(hang) => tokio::time::sleep(hang).await,
                }
            },
            None => std::future::pending::<i32>().await,
        }
    })
}

fn stress(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let settings = match settings(&call, false) {
            Ok(settings) => settings,
            Err(option) => return beyond(&call, &format!("stress {option}")).await,
        };
        if settings.vm + settings.cpu == 0 {
            return beyond(&call, "stress without --vm and --cpu").await;
        }
        let pid = call.process.pid;
        if !settings.quiet {
            call.print(format!(
                "stress: info: [{pid}] dispatching hogs: {} cpu, 0 io, {} vm, 0 hdd\n",
                settings.cpu, settings.vm
            ))
            .await;
        }
        let call = Arc::new(call);
        let mut workers: Vec<Child> = (0..settings.cpu).map(|_| worker(&call, None)).collect();
        workers.extend((0..settings.vm).map(|_| worker(&call, Some((settings.bytes, settings.hang)))));
        let began = tokio::time::Instant::now();
        let waiting = workers.clone();
        let died = futures::future::select_all(waiting.into_iter().map(|mut child| {
            Box::pin(async move {
                let ended = child.wait().await;
                (child.pid, ended)
            })
        }));
        let died = match settings.timeout {
            Some(limit) => tokio::time::timeout(limit, died).await.ok(),
            None => Some(died.await),
        };
        let Some(((dead, ended), _, _)) = died else {
            kill(&call, &workers);
            call.print(format!("stress: info: [{pid}] successful run completed in {}s\n", began.elapsed().as_secs())).await;
            return 0;
        };
        let signal = ended.code() - 128;
        complain(&call, &format!("stress: FAIL: [{pid}] (415) <-- worker {dead} got signal {signal}")).await;
        complain(&call, &format!("stress: WARN: [{pid}] (417) now reaping child worker processes")).await;
        kill(&call, &workers);
        complain(&call, &format!("stress: FAIL: [{pid}] (451) failed run completed in {}s", began.elapsed().as_secs())).await;
        1
    })
}

fn kill(call: &Invocation, workers: &[Child]) {
    for child in workers {
        if let Some(process) = call.process.machine.process(child.pid) {
            process.end_by(signals::KILL);
        }
    }
}

fn stress_ng(call: Invocation) -> BoxFuture<'static, i32> {
    Box::pin(async move {
        let settings = match settings(&call, true) {
            Ok(settings) => settings,
            Err(option) => return beyond(&call, &format!("stress-ng {option}")).await,
        };
        let pid = call.process.pid;
        if settings.vm + settings.cpu == 0 {
            complain(&call, &format!("stress-ng: error: [{pid}] No stress workers invoked (one or more were unsupported)")).await;
            return 1;
        }
        handle(&call, &[signals::TERM, signals::INT]);
        let hogs: Vec<String> = [(settings.cpu, "cpu"), (settings.vm, "vm")]
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let limit = settings.timeout.unwrap_or(Duration::from_hours(24));
        complain(&call, &format!("stress-ng: info:  [{pid}] setting to a {} secs run per stressor", limit.as_secs())).await;
        complain(&call, &format!("stress-ng: info:  [{pid}] dispatching hogs: {}", hogs.join(", "))).await;
        let call = Arc::new(call);
        let began = tokio::time::Instant::now();
        // A worker's bytes are shared out among the workers, and one that is killed comes back.
        let share = settings.bytes / u64::from(settings.vm.max(1));
        let hogs = futures::future::join_all((0..settings.vm).map(|_| {
            let call = Arc::clone(&call);
            async move {
                loop {
                    worker(&call, Some((share, settings.hang))).wait().await;
                }
            }
        }));
        let spinners: Vec<Child> = (0..settings.cpu).map(|_| worker(&call, None)).collect();
        let run = async {
            tokio::select! {
                biased;
                () = tokio::time::sleep(limit) => {}
                _ = hogs, if settings.vm > 0 => {}
            }
        };
        let ended = until_signal(&call, run).await;
        kill(&call, &spinners);
        for process in call.process.machine.processes().into_iter().filter(|process| process.parent == pid) {
            process.end_by(signals::KILL);
        }
        let seconds = began.elapsed().as_secs_f64();
        complain(&call, &format!("stress-ng: info:  [{pid}] successful run completed in {seconds:.2} secs")).await;
        match ended {
            Ended::Done(()) | Ended::Signal(_) => 0,
        }
    })
}
