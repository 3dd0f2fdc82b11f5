//! The policy of healing: whether comeback heals at all, and by which ladder. Where a ladder stands is `decide`'s business.

use crate::scenario::heal::{Attempts, RelaxProbe, SetMemory, Wait};
use crate::scenario::{Heal, Healer, Step};
use std::time::Duration;

/// How comeback heals in one run.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether comeback heals.
    pub acts: bool,
    /// The user's ladder for every cause; empty: the ladder of the diagnosed cause.
    pub strategy: Vec<Step>,
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
        Self { acts: heal.healer() == Healer::Comeback, strategy: heal.strategy.clone(), run: run.to_owned() }
    }

    /// The ladder that answers a cause. An empty one is a report.
    #[must_use]
    pub fn ladder(&self, cause: &str) -> Vec<Step> {
        if self.strategy.is_empty() { default_ladder(cause) } else { self.strategy.clone() }
    }

    /// Causes with the same key share one ladder and its attempts: a user's ladder is one for the workload, and a slow start
    /// that was given a startup probe may go on failing as that; a limit that was raised may turn out to be a leak.
    #[must_use]
    pub fn ladder_key<'a>(&self, cause: &'a str) -> &'a str {
        if !self.strategy.is_empty() {
            ""
        } else if cause.starts_with("probe.") {
            "probe"
        } else if cause.starts_with("oom.") {
            "oom"
        } else {
            cause
        }
    }
}

fn default_ladder(cause: &str) -> Vec<Step> {
    let prompt = Attempts { timeout: Duration::from_secs(1), ..Attempts::default() };
    let patiently = Step::Wait(Wait { for_: Duration::from_mins(5) });
    match cause {
        // A raise is a stopgap for a leak: it buys the time to the next kill.
        "oom.limit" | "oom.leak" | "oom.child" => vec![Step::SetMemory(SetMemory::default())],
        // Good values do not wake a container that waits out its back-off: new pods follow at once, and they read them afresh.
        "config.bad-value" => vec![Step::RevertConfig(prompt), Step::RestartWorkload(Attempts::default())],
        "config.missing" => vec![Step::RestoreObject(Attempts::default())],
        "crash.after-rollout" | "image.notfound" | "image.name" | "start.command" => vec![Step::Rollback(Attempts::default())],
        "probe.liveness" | "probe.startup" | "probe.readiness" => vec![Step::RelaxProbe(RelaxProbe::default())],
        "rollout.stuck" => vec![Step::Rollback(Attempts::default())],
        // Five minutes are what Kubernetes itself waits before it moves the pods.
        "node.unreachable" | "node.notready" => vec![patiently, Step::RebootNode(Attempts::default())],
        // The kubelet first clears up and evicts by itself.
        "node.pressure" => {
            let drain = Attempts { max_attempts: 3, backoff: Duration::from_secs(30), ..Attempts::default() };
            vec![patiently, Step::DrainNode(drain), Step::RebootNode(Attempts::default())]
        }
        _ => Vec::new(),
    }
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
