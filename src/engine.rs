//! The engine: runs plans on a cluster, trial by trial, and tells reports what happens through [`RunEvent`].
//! Measurement and judgement are `measure`'s; what is printed is `report`'s.

pub mod apply;
pub mod baseline;
pub mod cleanup;
pub mod doctor;
pub mod home;
pub mod inventory;
pub mod labels;
pub mod lease;
pub mod ledger;
pub mod namespace;
pub mod permission;
pub mod preflight;
pub mod presence;
pub mod private;
mod project;
mod recorder;
mod run;
pub mod safety;
pub mod saved;
pub mod shard;
mod sight;
pub mod submit;
mod trial;

use crate::cluster::Cluster;
use crate::event::RunEvent;
use crate::measure::gate::Baseline;
use crate::measure::result::{RunResult, Shard, TrialResult};
use crate::scenario::Plan;
use crate::scenario::model::Gate;
use inventory::Inventory;
use safety::Safety;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Everything that a run is made of.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The scenarios, resolved, in order.
    pub plans: Vec<Arc<Plan>>,
    /// Scenarios that will not be tried, with the reason (`skipped`).
    pub skipped: Vec<(Arc<Plan>, String)>,
    /// Which part of a whole run this is; its gate is judged over all of them.
    pub shard: Option<Shard>,
    /// What the run is held to, beside its scenarios' own objectives.
    pub gate: Option<GateRequest>,
    /// The cluster.
    pub cluster: Arc<dyn Cluster>,
    /// The run's id; also its label value on objects of real clusters.
    pub id: String,
    /// The run's seed.
    pub seed: u64,
    /// How many trials run at once, at least 1.
    pub concurrency: usize,
    /// The run directory; it exists.
    pub directory: PathBuf,
    /// The command line, for the result file.
    pub command: Vec<String>,
    /// Stop after the first trial whose verdict is not expected.
    pub fail_fast: bool,
    /// Leave the namespace of a trial with an unexpected verdict in place.
    pub keep_on_failure: bool,
    /// What the run may touch outside of its own namespaces.
    pub safety: Safety,
    /// What of the run is on the cluster at the moment.
    pub inventory: Arc<Inventory>,
    /// Trials that an earlier attempt at this very run has finished, by scenario and index: they count, and are not tried again. Their
    /// files lie in the run directory.
    pub known: BTreeMap<(String, u32), TrialResult>,
}

/// What a run is held to.
#[derive(Clone, Debug, Default)]
pub struct GateRequest {
    /// The suite's targets, if there are any.
    pub targets: Option<Gate>,
    /// The run that it is compared with.
    pub baseline: Option<Arc<Baseline>>,
    /// No more trials of a scenario than prove or refute the targets' success rate with this confidence, and at most the plan's.
    pub until_confident: Option<f64>,
}

impl RunRequest {
    fn targets(&self) -> Option<&Gate> {
        self.saved_targets().filter(|_| self.shard.is_none())
    }

    /// The gate's targets as they are kept: those of a shard are judged later.
    fn saved_targets(&self) -> Option<&Gate> {
        self.gate.as_ref()?.targets.as_ref()
    }

    fn baseline(&self) -> Option<&Baseline> {
        self.gate.as_ref()?.baseline.as_deref()
    }

    fn until_confident(&self) -> Option<f64> {
        self.gate.as_ref()?.until_confident
    }
}

/// Which signal asked the run to stop; `None` while nothing did. A trial that sees one cleans up and is `aborted`.
pub type Stop = watch::Receiver<Option<Signal>>;

/// A signal that ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: exit code 130.
    Interrupt,
    /// SIGTERM: exit code 143.
    Terminate,
    /// `--timeout` has passed: not an interruption; the trials that it cut off are `aborted` and say nothing (exit code 4, or
    /// what the others proved).
    TimedOut,
}

/// Runs everything and returns the complete result. Blocks the calling thread; trials run on threads of their own.
/// `report` is called for each event, from one thread at a time, in order.
#[must_use]
pub fn run(request: &RunRequest, stop: &Stop, report: &mut dyn FnMut(&RunEvent)) -> RunResult {
    run::run(request, stop, report)
}

pub use run::trial_seed;
