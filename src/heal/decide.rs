//! Which action comes next: a pure function of what is found now, what is known, and what was already done.
//! The audited actions are the only memory, so a healer that was restarted and is given those of before (`memory`) goes on where it stopped.

use super::action::{ActionOutcome, ActionRecord};
use super::id::ActionId;
use super::policy::{Patience, Policy, patience};
use super::{guard, health};
use crate::detect::Finding;
use crate::observe::Index;
use crate::observe::index::PodRecord;
use crate::scenario::Step;
use std::time::Duration;

/// No workload is acted upon more often than this in one trial.
pub const MOST_ACTIONS: usize = 10;

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

impl Intent {
    /// The record of what came of it, with nothing changed and the intent's own reason.
    #[must_use]
    pub fn record(&self, outcome: ActionOutcome) -> ActionRecord {
        let step = match &self.remedy {
            Remedy::Step(step) => step.key(),
            Remedy::Report => "report",
        };
        ActionRecord {
            id: self.id.to_string(),
            step: step.to_owned(),
            subject: self.finding.subject.clone(),
            cause: self.finding.cause.clone(),
            at: self.at,
            outcome,
            reason: self.reason.clone(),
            before: None,
            after: None,
            replaces: Vec::new(),
        }
    }
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
        if let Next::Now(intent) = next(finding, findings, index, policy, history, now)
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
        .filter_map(|finding| match next(finding, findings, index, policy, history, now) {
            Next::At(due) => Some(due),
            Next::Now(_) => Some(now),
            Next::Nothing => None,
        })
        .min()
}

fn next(
    finding: &Finding,
    findings: &[Finding],
    index: &Index,
    policy: &Policy,
    history: &[ActionRecord],
    now: Duration,
) -> Next {
    if !policy.acts || !is_to_be_healed(finding, index) {
        return Next::Nothing;
    }
    let pod = index.pod(&finding.subject.uid);
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
    let (rung, attempt) = mine.last().map_or((0, 1), |last| following(last, ladder));
    if let Some(due) = ladder.get(rung).and_then(|step| node_rests_until(step, finding, index, history)).filter(|due| *due > now)
    {
        return Next::At(due);
    }
    if ladder.get(rung).is_some_and(acts) {
        let keys: Vec<_> = past
            .iter()
            .filter(|past| counts(past.record))
            .map(|past| (policy.ladder_key(&past.id.cause), past.record.at))
            .collect();
        let due = guard::tokens_due(history, &finding.group).max(guard::rests_until(&keys, &key));
        if let Some(due) = due.filter(|due| *due > now) {
            return Next::At(due);
        }
    }
    let tripped = ladder.get(rung).filter(|step| acts(step)).and_then(|_| guard::tripped(findings, index, history));
    let spent = past.iter().filter(|past| counts(past.record)).count();
    let (rung, remedy, reason) = match ladder.get(rung) {
        _ if tripped.is_some() => (ladder.len(), Remedy::Report, tripped.unwrap_or_default()),
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

/// Whether a finding is about something that is still there and not well: a pod of the present revision, a workload, or anything else
/// that is known. Of what is no workload the finding itself tells whether it is well.
#[must_use]
pub fn is_to_be_healed(finding: &Finding, index: &Index) -> bool {
    let subject = &finding.subject;
    match subject.kind.as_str() {
        "Pod" => {
            let pod = index.pod(&subject.uid).filter(|pod| pod.is_live() && index.is_current(pod));
            pod.is_some() && !health::is_well(index, &finding.group)
        }
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
            index.get(&subject.kind, &subject.name).is_some() && !health::is_well(index, &finding.group)
        }
        kind => index.get(kind, &subject.name).is_some(),
    }
}

/// The node that a finding is about, or that its pod is on.
pub(super) fn node_of(finding: &Finding, index: &Index) -> Option<String> {
    if finding.subject.kind == "Node" {
        return Some(finding.subject.name.clone());
    }
    let name = index.pod(&finding.subject.uid)?.node.as_str();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Until when a node is left in peace: several workloads on one node ask for the same, which is done once.
fn node_rests_until(step: &Step, finding: &Finding, index: &Index, history: &[ActionRecord]) -> Option<Duration> {
    let node = node_of(finding, index).filter(|_| step.is_about_a_node())?;
    let same = |record: &&ActionRecord| {
        record.subject.kind == "Node"
            && record.subject.name == node
            && record.step == step.key()
            && record.outcome == ActionOutcome::Acted
    };
    Some(history.iter().rfind(same)?.at + patience(step).timeout)
}

fn because(finding: &Finding) -> String {
    let evidence = finding.evidence.first().map_or("", |evidence| evidence.text.as_str());
    format!("{}: {evidence}", finding.cause)
}

/// Whether a step changes something, so that it takes a token.
const fn acts(step: &Step) -> bool {
    !matches!(step, Step::Wait(_)) && !step.only_tells()
}

/// Whether an action counts against what may be done in all.
pub(super) fn counts(record: &ActionRecord) -> bool {
    !matches!(record.step.as_str(), "wait" | "notify" | "webhook")
        && !matches!(record.outcome, ActionOutcome::NoRemedy | ActionOutcome::NoOp)
}

/// The rung and attempt after an action.
fn following(last: &Past<'_>, ladder: &[Step]) -> (usize, u32) {
    let attempts = ladder.get(last.id.rung).map_or(1, |step| patience(step).attempts);
    let told = ladder.get(last.id.rung).is_some_and(Step::only_tells) && last.record.outcome == ActionOutcome::Acted;
    let again =
        matches!(last.record.outcome, ActionOutcome::Acted | ActionOutcome::Failed) && last.id.attempt < attempts && !told;
    if again { (last.id.rung, last.id.attempt + 1) } else { (last.id.rung + 1, 1) }
}

/// Until when an action is given time. A pod that is younger than the action and still shows the trouble has answered already.
fn due_after(last: &Past<'_>, policy: &Policy, pod: Option<&PodRecord>) -> Option<Duration> {
    let ladder = policy.ladder(&last.id.cause);
    let Patience { attempts, timeout, .. } = ladder.get(last.id.rung).map(patience)?;
    let pause = ladder
        .get(last.id.rung)
        .filter(|_| last.id.attempt < attempts)
        .map_or(Duration::ZERO, |step| patience(step).pause_after(last.id.attempt));
    // A new pod elsewhere says nothing of a machine that is booting.
    let waits = matches!(ladder.get(last.id.rung), Some(Step::Wait(_) | Step::RebootNode(_)));
    // What was done before this healer began stands at its very begin: that a pod was seen later says nothing.
    let answered = pod.is_some_and(|pod| pod.first_seen > last.record.at) && !waits && !last.record.at.is_zero();
    Some(match last.record.outcome {
        ActionOutcome::Acted if answered => last.record.at + pause,
        ActionOutcome::Acted => last.record.at + pause.max(timeout),
        ActionOutcome::Failed => last.record.at + pause,
        ActionOutcome::Refused | ActionOutcome::NoOp | ActionOutcome::NoRemedy => last.record.at,
    })
}

#[cfg(test)]
pub(super) mod tests;
