//! What the engine tells reports while a run goes on: the only way from engine to progress and files.
//! Reports never call back.

use crate::measure::judge::Waiting;
use crate::measure::result::{ClusterInfo, RunResult, ScenarioResult, TrialResult};
use crate::scenario::Plan;
use std::sync::Arc;

/// One step of a run.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The run begins.
    Started {
        /// The run's id.
        id: String,
        /// The seed.
        seed: u64,
        /// The cluster.
        cluster: ClusterInfo,
        /// What will be tried.
        plans: Vec<Arc<Plan>>,
    },
    /// A trial begins.
    TrialStarted {
        /// The scenario's position in `plans`.
        scenario: usize,
        /// The trial's index.
        trial: u32,
    },
    /// A trial reached a phase (`setup`, `inject`, `effect`, `detect`, `heal`, `recover`, `restore`).
    TrialPhase {
        /// The scenario's position in `plans`.
        scenario: usize,
        /// The trial's index.
        trial: u32,
        /// The phase.
        phase: &'static str,
    },
    /// What a trial waits for now: told now and then, on clusters that run in real time.
    TrialWaits {
        /// The scenario's position in `plans`.
        scenario: usize,
        /// The trial's index.
        trial: u32,
        /// What it waits for.
        waiting: Waiting,
    },
    /// What a trial asked of its server, once it is over and cleaned up.
    TrialRequests {
        /// The scenario's position in `plans`.
        scenario: usize,
        /// The trial's index.
        trial: u32,
        /// How many requests it sent.
        requests: u64,
    },
    /// A trial has its verdict and is cleaned up.
    TrialFinished {
        /// The scenario's position in `plans`.
        scenario: usize,
        /// The trial.
        result: Box<TrialResult>,
    },
    /// All trials of a scenario are done.
    ScenarioFinished {
        /// The scenario.
        result: Box<ScenarioResult>,
    },
    /// Something that the user should know at once.
    Warning(String),
    /// The run is over.
    Finished(Box<RunResult>),
}
