//! The thread that simulates: one simulated cluster on a paused clock that is let run in steps, as fast as real time allows.
//! Requests come through an inbox; how they reach it is `gateway`'s.

use super::gateway::Job;
use super::pace::Pace;
use super::{Notice, ServeError};
use crate::sim::api;
use crate::sim::api::Credentials;
use crate::sim::api::resource::SERVICE_ACCOUNTS;
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Instant;

/// What is simulated, and for whom.
pub(super) struct Setting {
    /// The seed of every random choice.
    pub(super) seed: u64,
    /// What the simulated clock shows at the beginning.
    pub(super) epoch: jiff::Timestamp,
    /// The cluster.
    pub(super) profile: Profile,
    /// Simulated seconds per real second.
    pub(super) speed: f64,
    /// Who may come in.
    pub(super) credentials: Credentials,
    /// What the tokens of service accounts are signed with.
    pub(super) secret: [u8; 32],
    /// Who is told what the user should know.
    pub(super) notify: Arc<dyn Fn(Notice) + Send + Sync>,
}

/// What comes into the inbox.
pub(super) enum Message {
    /// A request to answer.
    Job(Box<Job>),
    /// The end.
    Stop,
}

/// Simulates until the inbox says stop or has no sender left.
///
/// # Errors
/// When the system gives no runtime, or the cluster does not start.
pub(super) fn run(setting: Setting, inbox: &Receiver<Message>, ready: impl FnOnce()) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| ServeError(format!("no runtime for the simulation: {error}")))?;
    let Setting { seed, epoch, profile, speed, credentials, secret, notify } = setting;
    let (begun, service) = runtime.block_on(async {
        let has_controllers = !profile.without.controllers;
        let simulation = Simulation::start(seed, epoch, profile);
        if has_controllers {
            // The first client may create a pod at once, as on any cluster that has been up for a moment.
            simulation.api.watch(SERVICE_ACCOUNTS, Some("default")).next().await;
        }
        tokio::spawn(tell_limits(simulation.limits.clone(), Arc::clone(&notify)));
        (tokio::time::Instant::now(), api::served(&simulation, credentials, secret, speed))
    });
    let service = service.map_err(|error| ServeError(format!("the cluster did not start: {error}")))?;
    let report = service.pace();
    ready();
    let open = Arc::new(AtomicUsize::new(0));
    let mut pace = Pace::new(speed, real_now());
    loop {
        let rest = pace.rest(real_now(), open.load(Ordering::Relaxed) > 0);
        let mut message = match inbox.recv_timeout(rest) {
            Ok(message) => Ok(message),
            Err(RecvTimeoutError::Timeout) => Err(TryRecvError::Empty),
            Err(RecvTimeoutError::Disconnected) => Err(TryRecvError::Disconnected),
        };
        loop {
            match message {
                Ok(Message::Job(job)) => drop(runtime.spawn(job.answer(service.clone(), Arc::clone(&open), speed))),
                Err(TryRecvError::Empty) => break,
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return Ok(()),
            }
            message = inbox.try_recv();
        }
        if let Some(target) = pace.next(real_now()) {
            // The runtime's clock jumps from timer to timer, and not beyond this one.
            runtime.block_on(async { tokio::time::sleep_until(begun + target).await });
            let late = pace.ran(target, real_now());
            report.set_lost(pace.lost());
            if late {
                notify(Notice::Late { reached: pace.reached(), lost: pace.lost() });
            }
        }
    }
}

/// Passes on what the simulation cannot do faithfully, as it comes up.
async fn tell_limits(limits: crate::sim::limits::Limits, notify: Arc<dyn Fn(Notice) + Send + Sync>) {
    let mut changes = limits.subscribe();
    let mut told = 0;
    loop {
        for limit in limits.since(told) {
            told += 1;
            notify(Notice::Limit(limit));
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where a served cluster reads real time: its pace")]
fn real_now() -> Instant {
    Instant::now()
}
