//! The policy of healing: whether comeback heals at all, and by which ladder. Where a ladder stands is `decide`'s business.

use crate::scenario::strategy::{self, Ladder};
use crate::scenario::{Heal, Healer, Step};
use std::time::Duration;

/// How comeback heals in one run.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether comeback heals.
    pub acts: bool,
    /// The user's ladder for every cause; empty: the ladder of the diagnosed cause.
    pub strategy: Vec<Step>,
    /// The user's ladders by cause; a cause that none of them answers has the default one.
    pub ladders: Vec<Ladder>,
    /// The run's label, the first part of every action's id.
    pub run: String,
}

/// When a step counts as having had its chance.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often the step is tried.
    pub attempts: u32,
    /// The pause before the second attempt; doubled before each further one.
    pub backoff: Duration,
    /// How long an attempt may take to show success.
    pub timeout: Duration,
}

impl Policy {
    /// The policy of a scenario's `heal`, in a run.
    #[must_use]
    pub fn new(heal: &Heal, run: &str) -> Self {
        Self {
            acts: heal.healer() == Healer::Comeback,
            strategy: heal.strategy.clone(),
            ladders: Vec::new(),
            run: run.to_owned(),
        }
    }

    /// The same, with the user's ladders by cause.
    #[must_use]
    pub fn with_ladders(self, ladders: &[Ladder]) -> Self {
        Self { ladders: ladders.to_vec(), ..self }
    }

    /// The ladder that answers a cause. An empty one is a report.
    #[must_use]
    pub fn ladder(&self, cause: &str) -> &[Step] {
        if !self.strategy.is_empty() {
            return &self.strategy;
        }
        let ladder = strategy::for_cause(&self.ladders, cause).or_else(|| strategy::for_cause(strategy::defaults(), cause));
        ladder.map(|ladder| ladder.steps.as_slice()).unwrap_or_default()
    }

    /// Causes with the same key share one ladder and its attempts: a slow start that was given a startup probe may go on failing as
    /// that; a limit that was raised may turn out to be a leak.
    #[must_use]
    pub fn ladder_key<'a>(&'a self, cause: &'a str) -> LadderKey<'a> {
        if !self.strategy.is_empty() {
            return LadderKey::Only;
        }
        let own = strategy::for_cause(&self.ladders, cause).map(|ladder| LadderKey::Own(&ladder.name));
        let default = || strategy::for_cause(strategy::defaults(), cause).map(|ladder| LadderKey::Default(&ladder.name));
        own.or_else(default).unwrap_or(LadderKey::None(cause))
    }
}

/// What tells one ladder from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LadderKey<'a> {
    /// The scenario's one ladder for every cause.
    Only,
    /// A strategy that the scenario names.
    Own(&'a str),
    /// A shipped one.
    Default(&'a str),
    /// A cause that has none.
    None(&'a str),
}

/// The patience that a step is given.
#[must_use]
pub fn patience(step: &Step) -> Patience {
    let of = |attempts: u32, backoff: Duration, timeout: Duration| Patience { attempts: attempts.max(1), backoff, timeout };
    match step {
        Step::Wait(wait) => of(1, Duration::ZERO, wait.for_),
        Step::RestartPod(step)
        | Step::RestartWorkload(step)
        | Step::Rollback(step)
        | Step::RevertConfig(step)
        | Step::RestoreObject(step)
        | Step::CordonNode(step)
        | Step::DrainNode(step)
        | Step::RebootNode(step) => of(step.max_attempts, step.backoff, step.timeout),
        Step::SetMemory(step) => of(step.max_attempts, step.backoff, step.timeout),
        Step::RelaxProbe(step) => of(step.max_attempts, step.backoff, step.timeout),
        Step::Patch(step) => of(step.max_attempts, step.backoff, step.timeout),
        Step::Scale(step) => of(step.max_attempts, step.backoff, step.timeout),
        Step::Notify(step) => of(step.max_attempts, step.backoff, step.timeout),
        Step::Webhook(step) => of(step.max_attempts, step.backoff, step.timeout),
    }
}

impl Patience {
    /// The pause after an attempt (from 1) before the next one.
    #[must_use]
    pub fn pause_after(&self, attempt: u32) -> Duration {
        self.backoff.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)))
    }
}
