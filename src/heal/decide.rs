//! Which action comes next: a pure function of what is found now, what is known, and what was already done.
//! The audited actions are the only memory, so a healer that was restarted goes on where it stopped.

use super::action::{ActionOutcome, ActionRecord};
use super::health;
use super::id::ActionId;
use super::policy::{Patience, Policy, patience};
use crate::detect::Finding;
use crate::observe::{Index, index::PodRecord};
use crate::scenario::Step;
use std::time::Duration;

/// No workload is acted upon more often than this in one trial.
const MOST_ACTIONS: usize = 10;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// Carry out a step.
    Step(Step),
    /// The ladder is at its end, or the cause has no remedy: say so, once.
    Report,
}

/// A decision to act, before it is carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The action's id.
    pub id: ActionId,
    /// What to do.
    pub remedy: Remedy,
    /// The finding that it answers.
    pub finding: Finding,
    /// When it was decided.
    pub at: Duration,
    /// Why.
    pub reason: String,
}

/// One earlier action of a group.
struct Past<'a> {
    id: ActionId,
    record: &'a ActionRecord,
}

enum Next {
    Now(Box<Intent>),
    At(Duration),
    Nothing,
}

/// What to do now. `findings` are those that hold now (of `detect`, not of the past); `history` is every action so far, oldest first.
#[must_use]
pub fn decide(findings: &[Finding], index: &Index, policy: &Policy, history: &[ActionRecord], now: Duration) -> Vec<Intent> {
    let mut intents: Vec<Intent> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.leading) {
        if let Next::Now(intent) = next(finding, index, policy, history, now)
            && !intents.iter().any(|known| known.id.group == intent.id.group)
        {
            intents.push(*intent);
        }
    }
    intents
}

/// When the next decision may fall although nothing more is observed.
#[must_use]
pub fn next_deadline(
    findings: &[Finding],
    index: &Index,
    policy: &Policy,
    history: &[ActionRecord],
    now: Duration,
) -> Option<Duration> {
    findings
        .iter()
        .filter(|finding| finding.leading)
        .filter_map(|finding| match next(finding, index, policy, history, now) {
            Next::At(due) => Some(due),
            Next::Now(_) => Some(now),
            Next::Nothing => None,
        })
        .min()
}

fn next(finding: &Finding, index: &Index, policy: &Policy, history: &[ActionRecord], now: Duration) -> Next {
    let Some(pod) = policy.acts.then(|| index.pod(&finding.subject.uid)).flatten() else { return Next::Nothing };
    if !pod.is_live() || !index.is_current(pod) || health::is_well(index, &finding.group) {
        return Next::Nothing;
    }
    let past: Vec<Past<'_>> = history
        .iter()
        .filter_map(|record| Some(Past { id: ActionId::parse(&record.id)?, record }))
        .filter(|past| past.id.group == finding.group)
        .collect();
    let key = policy.ladder_key(&finding.cause);
    let mine: Vec<&Past<'_>> = past.iter().filter(|past| policy.ladder_key(&past.id.cause) == key).collect();
    if mine.iter().any(|past| past.record.outcome == ActionOutcome::NoRemedy) {
        return Next::Nothing;
    }
    // Whatever was done last, for this cause or another, gets its time to show.
    let last = past.iter().rfind(|past| past.record.outcome != ActionOutcome::NoRemedy);
    if let Some(due) = last.and_then(|last| due_after(last, policy, pod)).filter(|due| *due > now) {
        return Next::At(due);
    }
    let ladder = policy.ladder(&finding.cause);
    let (rung, attempt) = mine.last().map_or((0, 1), |last| following(last, &ladder));
    let spent = past.iter().filter(|past| counts(past.record)).count();
    let (rung, remedy, reason) = match ladder.get(rung) {
        _ if spent >= MOST_ACTIONS => {
            (ladder.len(), Remedy::Report, format!("{MOST_ACTIONS} actions on {} did not heal it", finding.group))
        }
        Some(step) => (rung, Remedy::Step(step.clone()), because(finding)),
        None if ladder.is_empty() => {
            (0, Remedy::Report, format!("{} has no remedy that is safe to apply by itself", finding.cause))
        }
        None => (ladder.len(), Remedy::Report, format!("every step for {} was tried: {}", finding.cause, because(finding))),
    };
    let attempt = if remedy == Remedy::Report { 1 } else { attempt };
    let id = ActionId { run: policy.run.clone(), group: finding.group.clone(), cause: finding.cause.clone(), rung, attempt };
    Next::Now(Box::new(Intent { id, remedy, finding: finding.clone(), at: now, reason }))
}

fn because(finding: &Finding) -> String {
    let evidence = finding.evidence.first().map_or("", |evidence| evidence.text.as_str());
    format!("{}: {evidence}", finding.cause)
}

fn counts(record: &ActionRecord) -> bool {
    record.step != "wait" && !matches!(record.outcome, ActionOutcome::NoRemedy | ActionOutcome::NoOp)
}

/// The rung and attempt after an action.
fn following(last: &Past<'_>, ladder: &[Step]) -> (usize, u32) {
    let attempts = ladder.get(last.id.rung).map_or(1, |step| patience(step).attempts);
    let again = matches!(last.record.outcome, ActionOutcome::Acted | ActionOutcome::Failed) && last.id.attempt < attempts;
    if again { (last.id.rung, last.id.attempt + 1) } else { (last.id.rung + 1, 1) }
}

/// Until when an action is given time. A pod that is younger than the action and still shows the trouble has answered already.
fn due_after(last: &Past<'_>, policy: &Policy, pod: &PodRecord) -> Option<Duration> {
    let ladder = policy.ladder(&last.id.cause);
    let Patience { attempts, timeout, .. } = ladder.get(last.id.rung).map(patience)?;
    let pause = ladder
        .get(last.id.rung)
        .filter(|_| last.id.attempt < attempts)
        .map_or(Duration::ZERO, |step| patience(step).pause_after(last.id.attempt));
    let waits = matches!(ladder.get(last.id.rung), Some(Step::Wait(_)));
    let answered = pod.first_seen > last.record.at && !waits;
    Some(match last.record.outcome {
        ActionOutcome::Acted if answered => last.record.at + pause,
        ActionOutcome::Acted => last.record.at + pause.max(timeout),
        ActionOutcome::Failed => last.record.at + pause,
        ActionOutcome::Refused | ActionOutcome::NoOp | ActionOutcome::NoRemedy => last.record.at,
    })
}

#[cfg(test)]
mod tests;
