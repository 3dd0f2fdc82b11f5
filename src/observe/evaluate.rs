//! The truth of conditions over the index: true, false or unknown, with the observed state in words.
//! Holds, latches and budgets are `measure`'s.

mod cel;
mod object;
mod pods;
mod probe;

use super::index::Index;
use super::timeline::Baseline;
use crate::scenario::Condition;
use std::time::Duration;

/// Three-valued truth; only `True` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It is seen not to hold.
    False,
    /// Nothing that was observed says either.
    Unknown,
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// What a condition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it holds.
    pub truth: Truth,
    /// The condition and the observed state, in one line.
    pub text: String,
    /// The server's own stamp of the change that made it so, where an object carries one.
    pub server: Option<jiff::Timestamp>,
}

/// What a condition is evaluated against.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The objects.
    pub index: &'a Index,
    /// The baseline, once taken.
    pub baseline: Option<&'a Baseline>,
    /// Conditions that look back (`restarts`, `event`, `log`, ...) count what was seen from here on:
    /// `requested`, or the beginning of the trial before that.
    pub since: Duration,
    /// Whether the condition must hold now, in a state that is to last: what pods said that are gone or on their way out tells nothing
    /// of it. An effect is latched instead, whoever showed it.
    pub standing: bool,
}

/// Evaluates one condition.
#[must_use]
pub fn evaluate(condition: &Condition, frame: Frame<'_>) -> Seen {
    match condition {
        Condition::Ready(ready) => pods::ready(ready, frame),
        Condition::Restarts(restarts) => pods::restarts(restarts, frame),
        Condition::Waiting(waiting) => pods::waiting(waiting, frame),
        Condition::Terminated(terminated) => pods::terminated(terminated, frame),
        Condition::Replaced(replaced) => pods::replaced(replaced, frame),
        Condition::Phase(phase) => pods::phase(phase, frame),
        Condition::Log(log) => pods::log(log, frame),
        Condition::Condition(condition) => object::condition(condition, frame),
        Condition::Event(event) => object::event(event, frame),
        Condition::Endpoints(endpoints) => object::endpoints(endpoints, frame),
        Condition::Rollout(rollout) => object::rollout(rollout, frame),
        Condition::Absent(absent) => object::absent(absent, frame),
        Condition::Cel(wanted) => cel::holds(wanted, frame),
        Condition::Node(node) => object::node(node, frame),
        Condition::Http(_)
        | Condition::Tcp(_)
        | Condition::Dns(_)
        | Condition::Exec(_)
        | Condition::Prometheus(_)
        | Condition::Alert(_)
        | Condition::Metric(_) => probe::tried(condition, frame),
        Condition::All(conditions) => all(conditions, frame),
        Condition::Any(conditions) => any(conditions, frame),
        Condition::Not(condition) => {
            let seen = evaluate(condition, frame);
            Seen { truth: !seen.truth, text: format!("not ({})", seen.text), server: seen.server }
        }
    }
}

/// Whether all hold: false as soon as one is seen false, else unknown as soon as one is.
#[must_use]
pub fn all(conditions: &[Condition], frame: Frame<'_>) -> Seen {
    let seen: Vec<_> = conditions.iter().map(|condition| evaluate(condition, frame)).collect();
    let truth = if seen.iter().any(|one| one.truth == Truth::False) {
        Truth::False
    } else if seen.iter().all(|one| one.truth == Truth::True) {
        Truth::True
    } else {
        Truth::Unknown
    };
    combine(&seen, truth, Truth::True)
}

fn any(conditions: &[Condition], frame: Frame<'_>) -> Seen {
    let seen: Vec<_> = conditions.iter().map(|condition| evaluate(condition, frame)).collect();
    let truth = if seen.iter().any(|one| one.truth == Truth::True) {
        Truth::True
    } else if seen.iter().all(|one| one.truth == Truth::False) {
        Truth::False
    } else {
        Truth::Unknown
    };
    combine(&seen, truth, Truth::False)
}

/// Joins the texts of those that decide: those that differ from `neutral`, or all when none does.
fn combine(seen: &[Seen], truth: Truth, neutral: Truth) -> Seen {
    let deciding: Vec<_> = seen.iter().filter(|one| one.truth != neutral).collect();
    let texts: Vec<_> = if deciding.is_empty() {
        seen.iter().map(|one| one.text.as_str()).collect()
    } else {
        deciding.iter().map(|one| one.text.as_str()).collect()
    };
    Seen { truth, text: texts.join("; "), server: seen.iter().filter_map(|one| one.server).max() }
}
