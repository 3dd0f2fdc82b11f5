//! What the models share: settings, memory, start-up time, signals, log lines.
//! HTTP is `http`.

use crate::sim::network::resolver::ResolveError;
use crate::sim::program::command::Invocation;
use crate::sim::program::data::Data;
use crate::sim::program::signals::{self, Disposition};
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A mebibyte.
pub const MEBIBYTE: u64 = 1024 * 1024;

/// A number that several requests of one server share.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// How a piece of work ended.
pub enum Ended<T> {
    /// By itself.
    Done(T),
    /// Interrupted by a signal that the program handles.
    Signal(i32),
}

/// Declares the signals that the program handles. Others do what the kernel does: nothing at all to PID 1.
pub fn handle(call: &Invocation, handled: &[i32]) {
    for signal in handled {
        call.process.set_disposition(*signal, Some(Disposition::Handle));
    }
}

/// Works until a handled signal arrives.
pub async fn until_signal<T>(call: &Invocation, work: impl Future<Output = T>) -> Ended<T> {
    tokio::select! {
        biased;
        () = call.process.signal_arrived() => Ended::Signal(call.process.take_signal().unwrap_or(signals::TERM)),
        done = work => Ended::Done(done),
    }
}

/// A setting of the scenario.
pub fn option<'a>(call: &'a Invocation, name: &str) -> Option<&'a str> {
    call.process.machine.spec.model.as_ref()?.options.get(name).map(String::as_str)
}

/// Time that a program takes, about `median` (lognormal, the logarithm's standard deviation is 0.25).
pub async fn takes(call: &Invocation, purpose: &str, median: Duration) {
    let machine = &call.process.machine;
    let n = machine.draw();
    tokio::time::sleep(machine.spec.random.lognormal(&machine.spec.uid, purpose, n, median, 0.25)).await;
}

/// A line to standard error.
pub async fn complain(call: &Invocation, line: &str) {
    if let Ok(descriptor) = call.descriptors.get(2) {
        // A closed standard error swallows messages, as it does in a real process.
        let _ = descriptor.write(Data::Bytes(format!("{line}\n").into_bytes())).await;
    }
}

/// A line to standard output.
pub async fn say(call: &Invocation, line: &str) {
    call.print(format!("{line}\n")).await;
}

/// The time, by a format of `date`.
pub fn now(call: &Invocation, format: &str) -> String {
    crate::sim::program::command::strftime(format, call.process.machine.spec.clock.now())
}

/// Bytes in a text like `256m`, `1G`, `512Mi`, `1024`; units are powers of 1024.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "ki" => 1024,
        "m" | "mb" | "mi" => MEBIBYTE,
        "g" | "gb" | "gi" => 1024 * MEBIBYTE,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A duration like `250ms`, `10s`, `2m`, `1h`, `10` (seconds).
pub fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse().ok().map(Duration::from_millis);
    }
    crate::sim::program::command::process_control::duration(text).ok().flatten()
}

/// What the container may take in all, in bytes: its limit, or what the node of the default profile has.
pub fn available(call: &Invocation) -> u64 {
    call.process.machine.memory_limit().unwrap_or(16 * 1024 * MEBIBYTE)
}

/// The address of a host, by the container's own files; else glibc's words for why there is none.
///
/// # Errors
/// The name does not exist, or no server could tell.
pub async fn resolve(call: &Invocation, host: &str) -> Result<Ipv4Addr, &'static str> {
    const UNKNOWN: &str = "Name or service not known";
    let spec = &call.process.machine.spec;
    let file = |path: &str| String::from_utf8_lossy(&spec.filesystem.read(path).unwrap_or_default()).into_owned();
    match spec.network.lookup(&file("/etc/hosts"), &file("/etc/resolv.conf"), host).await {
        Ok(addresses) => addresses.first().copied().ok_or(UNKNOWN),
        Err(ResolveError::NotFound) => Err(UNKNOWN),
        Err(ResolveError::TryAgain) => Err("Temporary failure in name resolution"),
    }
}

/// Reports that the model cannot do this; the program fails.
pub async fn beyond(call: &Invocation, what: &str) -> i32 {
    let model = call.process.machine.spec.model.as_ref().map_or("", |choice| choice.model.as_str());
    call.unsupported(&format!("{what} (model {model})")).await
}

/// Go's runtime: a signal that nobody asked for kills the process; PID 1 cannot be killed so, and exits with 2.
pub fn go_exit(call: &Invocation, signal: i32) -> i32 {
    if call.process.pid == 1 {
        return 2;
    }
    call.process.end_by(signal);
    128 + signal
}
