//! Clusters: where a trial runs. A [`Cluster`] is chosen once per run; each trial opens a [`Session`] of its own on it.
//! Nothing outside this module and `sim` asks whether a cluster is simulated.

pub mod context;
pub mod embedded;
pub mod exec;
mod fingerprint;
mod incluster;
pub mod kind;
pub mod kinds;
pub mod machine;
mod openshift;
pub mod pages;
pub mod request;
pub mod select;
pub mod wait;

use crate::measure::result::ClusterInfo;
use crate::scenario::model::Need;
use crate::sim::limits::Limits;
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// A cluster that trials can run on.
pub trait Cluster: Send + Sync + std::fmt::Debug {
    /// Provider, name and fingerprint, stored with every result.
    fn info(&self) -> ClusterInfo;

    /// What it can do.
    fn capabilities(&self) -> Vec<Need>;

    /// Why it lacks a capability, where that is known.
    fn why_not(&self, _need: Need) -> Option<String> {
        None
    }

    /// Whether each trial's runtime has a paused clock that jumps from event to event.
    fn is_virtual_time(&self) -> bool;

    /// Opens a session for one trial; called inside that trial's own current-thread runtime.
    fn open<'a>(&'a self, trial: &'a TrialContext) -> futures::future::BoxFuture<'a, Result<Session, ClusterError>>;

    /// Removes what connecting created (a kind cluster). Blocking, outside of asynchronous runtimes; a second call does nothing.
    ///
    /// # Errors
    /// It could not be removed: something of ours is left behind.
    fn close(&self) -> Result<(), ClusterError> {
        Ok(())
    }

    /// What leads other programs to the cluster, in the form of a kubeconfig with one current context; none where none reaches it.
    fn kubeconfig(&self) -> Option<kube::config::Kubeconfig> {
        None
    }

    /// Writes the logs of the nodes' machines into a new folder; none where the cluster has no machines that we may look into.
    /// Blocking.
    fn export_logs(&self, _folder: &std::path::Path) -> Option<Result<(), ClusterError>> {
        None
    }

    /// The image of the privileged pods by which it reaches the machines of its nodes, where it does so by pods.
    fn node_pods(&self) -> Option<String> {
        None
    }

    /// Why a plan that needs nothing which the cluster lacks cannot be run on it all the same.
    fn cannot(&self, _plan: &crate::scenario::Plan) -> Option<String> {
        None
    }

    /// Gives up removing what connecting created, for the user to look at; its name, where there is something.
    fn keep(&self) -> Option<String> {
        None
    }
}

/// What a session needs to know of its trial.
#[derive(Clone, Debug, Default)]
pub struct TrialContext {
    /// The trial's seed.
    pub seed: u64,
    /// How many nodes the scenario needs; a real cluster has as many as it has.
    pub nodes: usize,
    /// Whether the scenario needs Chaos Mesh; a real cluster has it or not.
    pub chaos_mesh: bool,
    /// Whether the scenario needs an OpenShift; a real cluster is one or not.
    pub openshift: bool,
    /// Whether the scenario needs nodes with cgroups of version 1; those of a real cluster have what they have.
    pub cgroup_v1: bool,
    /// The namespace of the run's own, in which pods may reach nodes; none where it has none.
    pub home: Option<String>,
    /// The registry of all pods' images, where it is not the images' own.
    pub registry: Option<String>,
    /// Stand-ins for images.
    pub images: std::collections::BTreeMap<String, crate::scenario::model::StandIn>,
}

/// One trial's connection to its cluster.
#[derive(Clone)]
pub struct Session {
    /// The client; every request of the trial goes through it.
    pub client: kube::Client,
    /// The kubeconfig's token, for what else of the cluster asks for one.
    pub token: Option<SecretString>,
    /// The trial's clock.
    pub clock: TrialClock,
    /// What the cluster could not do faithfully; never any on a real one.
    pub limits: Limits,
    /// The machines of the nodes, where they can be reached.
    pub machines: Option<Arc<dyn machine::Machines>>,
    /// How many requests were sent; not counted where none leaves this process.
    pub requests: Option<Requests>,
    /// Keeps what the session needs alive (a simulation, a port-forward) until it is dropped.
    pub guard: Arc<dyn std::any::Any + Send + Sync>,
}

/// Counts what is sent to a server.
#[derive(Clone, Debug, Default)]
pub struct Requests(Arc<AtomicU64>);

impl Requests {
    /// So many until now.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more.
    fn sent(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Monotonic time since the trial began, and the wall (or simulated) time at its beginning.
#[derive(Clone, Copy, Debug)]
pub struct TrialClock {
    /// The wall or simulated time at which the trial began.
    pub epoch: jiff::Timestamp,
    started: Instant,
}

impl TrialClock {
    /// A clock that begins now, at wall or simulated time `epoch`.
    #[must_use]
    pub fn starting_at(epoch: jiff::Timestamp) -> Self {
        Self { epoch, started: Instant::now() }
    }

    /// Time since the trial began, in whole microseconds: the resolution of timelines.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(micros)
    }

    /// The wall (or simulated) time now, for people to read: it moves on with the monotonic clock.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        self.epoch.saturating_add(self.started.elapsed()).unwrap_or(jiff::Timestamp::MAX)
    }

    /// The instant at which `elapsed()` is `at`.
    #[must_use]
    pub fn instant_of(&self, at: Duration) -> Instant {
        self.started + at
    }
}

/// A cluster could not be reached or made: exit code 3.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// What failed, where, and what to do next.
    pub message: String,
}

impl ClusterError {
    /// An error with its message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Runs a future on a runtime of its own, for the few requests outside of trials. Must not be called inside a runtime.
///
/// # Errors
/// The runtime cannot be made.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, ClusterError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ClusterError::new(format!("no asynchronous runtime could be started: {error}")))?;
    Ok(runtime.block_on(future))
}
