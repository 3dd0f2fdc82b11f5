//! Signals and the time limit of a run: the first asks the run to stop and clean up, a second signal ends the process at once.

use super::console::Console;
use crate::engine::inventory::Inventory;
use crate::engine::{Signal, Stop};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A signal this soon after the first is the same one: `timeout`, terminals and CI runners tell the process and its group.
const SAME: Duration = Duration::from_millis(500);

/// Listens from now on.
///
/// # Errors
/// The system refused a thread or a handler.
pub(super) fn listen(
    timeout: Option<Duration>,
    hint: String,
    inventory: Arc<Inventory>,
    console: Console,
) -> Result<Stop, String> {
    let (tell, stop) = watch::channel(None);
    let (ready_tell, ready) = mpsc::channel();
    let ready_tell = Mutex::new(ready_tell);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let outcome = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
                runtime.block_on(async {
                    let mut signals = Signals::new()?;
                    if let Ok(ready) = ready_tell.lock() {
                        let _ = ready.send(Ok(()));
                    }
                    wait(&mut signals, timeout, &tell, (&hint, &inventory), console).await;
                    Ok(())
                })
            });
            if let (Err(error), Ok(ready)) = (outcome, ready_tell.lock()) {
                let _ = ready.send(Err::<(), std::io::Error>(error));
            }
        })
        .map_err(|error| format!("no thread for signals: {error}"))?;
    match ready.recv() {
        Ok(Ok(())) => Ok(stop),
        Ok(Err(error)) => Err(format!("signals cannot be handled: {error}")),
        Err(_) => Err("signals cannot be handled".to_owned()),
    }
}

async fn wait(
    signals: &mut Signals,
    timeout: Option<Duration>,
    tell: &watch::Sender<Option<Signal>>,
    (hint, inventory): (&str, &Inventory),
    console: Console,
) {
    let limit = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let first = tokio::select! {
        biased;
        signal = signals.next() => signal,
        () = limit => Signal::TimedOut,
    };
    match first {
        Signal::TimedOut => console.error("--timeout has passed: stopping and cleaning up"),
        Signal::Interrupt | Signal::Terminate => {
            console.error("stopping and cleaning up; a second signal ends at once and may leave something behind");
        }
    }
    // The receiver is gone when the run is over.
    let _ = tell.send(Some(first));
    let told = Instant::now();
    let mut second = signals.next().await;
    while second == first && told.elapsed() < SAME {
        second = signals.next().await;
    }
    let present = inventory.list();
    let what = if present.is_empty() { String::new() } else { format!(": {}", present.join(", ")) };
    console.error(&format!("ended at once. What is left on the cluster{what} is removed by `{hint}`"));
    std::process::exit(if second == Signal::Interrupt { 130 } else { 143 });
}

/// The signals that end a process.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Listens from now on.
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// The signals that end a process.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Listens from now on.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}
