//! Who healed: from the healer's audit, the pods' ages and the objects' versions; otherwise "unknown".
//! comeback is named only if an action of its own came before the recovery and the good pods are its doing.

mod events;
mod others;

pub(super) use others::said;

use super::judge::{FaultState, Judge};
use super::relation;
use super::result::{HealedBy, How, Who};
use crate::detect::related;
use crate::heal::{ActionOutcome, ActionRecord};
use crate::observe::index::PodRecord;
use crate::observe::index::container::State;
use crate::observe::timeline::Reference;
use crate::scenario::duration::format;
use crate::scenario::{Fault, Healer};
use std::time::Duration;

/// Steps that push the symptom back and leave the cause.
const STOPGAPS: [&str; 7] = ["restartPod", "restartWorkload", "relaxProbe", "scale", "cordonNode", "drainNode", "wait"];
/// Steps that change nothing of the cluster.
pub const TELLING: [&str; 3] = ["wait", "notify", "webhook"];

/// Who healed what was stable from `stable_from` on.
#[must_use]
pub fn healed_by(judge: &Judge, stable_from: Duration) -> HealedBy {
    if matches!(judge.plan.heal.healer(), Healer::Webhook | Healer::External) {
        return others::healed_by(judge, stable_from);
    }
    let acted: Vec<_> = judge.actions.iter().filter(|action| action.at <= stable_from && is_change(action)).collect();
    if acted.is_empty() { by_others(judge, stable_from) } else { by_comeback(judge, &acted) }
}

/// Whether an action changed something of the cluster.
#[must_use]
pub fn is_change(action: &ActionRecord) -> bool {
    action.outcome == ActionOutcome::Acted && !TELLING.contains(&action.step.as_str())
}

fn by_comeback(judge: &Judge, acted: &[&ActionRecord]) -> HealedBy {
    let good: Vec<_> = judge.index.pods().filter(|pod| pod.is_live() && pod.ready).collect();
    let mut evidence: Vec<String> = acted
        .iter()
        .map(|action| format!("{} on {} at {:.1}s", action.step, action.subject.name, action.at.as_secs_f64()))
        .collect();
    let last = acted.iter().max_by_key(|action| action.at);
    let linked = last.and_then(|action| link(judge, &good, action));
    let how = if acted.iter().any(|action| !STOPGAPS.contains(&action.step.as_str())) { How::Healed } else { How::Mitigated };
    if let Some(text) = linked {
        evidence.push(text);
        HealedBy { who: Who::Comeback, name: None, how, evidence }
    } else {
        evidence.push("but the good pods are neither younger than these actions nor use what they changed".to_owned());
        HealedBy { who: Who::Unknown, name: None, how, evidence }
    }
}

/// Why the good pods are the action's doing: each is younger than it, was started again after it, or uses what it changed.
fn link(judge: &Judge, good: &[&PodRecord], action: &ActionRecord) -> Option<String> {
    let good = meant(judge, good, action);
    let reasons: Option<Vec<&str>> = good.iter().map(|pod| tie(judge, pod, action)).collect();
    let first = good.first()?;
    let reasons = reasons?;
    let same = reasons.iter().all(|reason| Some(reason) == reasons.first());
    let others = if good.len() > 1 { format!("; the same holds for all {} good pods", good.len()) } else { String::new() };
    Some(format!("pod {} {}{}", first.reference.name, reasons.first()?, if same { others } else { String::new() }))
}

/// The pods whose being good is to be explained: those of the workload that the action was about, and all that were not well
/// since the fault. Pods of other workloads that were never broken tell nothing; where there are no others, all are asked.
fn meant<'a>(judge: &Judge, good: &[&'a PodRecord], action: &ActionRecord) -> Vec<&'a PodRecord> {
    let requested = judge.requested.unwrap_or_default();
    let broken = |pod: &PodRecord| {
        pod.first_seen >= requested
            || pod.ready_since >= requested
            || pod.missed_flaps > 0
            || pod.containers.values().any(|container| container.risen_since(requested) > 0)
    };
    let of_subject = |pod: &PodRecord| {
        let workload = judge.index.workload_of(pod);
        workload.kind == action.subject.kind && workload.name == action.subject.name
    };
    let meant: Vec<_> = good.iter().copied().filter(|pod| broken(pod) || of_subject(pod)).collect();
    if meant.is_empty() { good.to_vec() } else { meant }
}

/// What ties a good pod to an action.
fn tie(judge: &Judge, pod: &PodRecord, action: &ActionRecord) -> Option<&'static str> {
    if pod.first_seen >= action.at {
        return Some("is younger than the action");
    }
    if pod.containers.values().any(|container| started_after(judge, &container.state, action.at)) {
        return Some("started its container again after the action");
    }
    let changed = &action.subject;
    let on_it = changed.kind == "Node" && pod.node.as_str() == changed.name;
    if action.step == "rebootNode" && on_it && pod.ready_since >= action.at {
        return Some("is on the node that the action mended, and ready since");
    }
    let workload = judge.index.workload_of(pod);
    if workload.kind == changed.kind && workload.name == changed.name && judge.index.is_current(pod) {
        return Some("is of the revision that the action made current");
    }
    if changed.kind == "Service" && pod.ready_since >= action.at && relation::names(&judge.index, pod, &changed.name) {
        return Some("names the Service that the action changed, and is ready since");
    }
    if changed.kind == "Service" && relation::behind(&judge.index, &changed.name, pod) {
        return Some("is one of those to which the Service leads that the action changed");
    }
    let spec = pod.object().get("spec")?;
    let reads = related::config_reads(spec).into_iter().any(|read| read.kind == changed.kind && read.name == changed.name);
    reads.then_some("uses the object that the action changed")
}

fn started_after(judge: &Judge, state: &State, at: Duration) -> bool {
    match state {
        State::Running(Some(started)) => {
            judge.index.since_epoch(*started).is_some_and(|started| started + Duration::from_secs(1) >= at)
        }
        _ => false,
    }
}

fn by_others(judge: &Judge, stable_from: Duration) -> HealedBy {
    let undone: Vec<_> = judge.reverted.iter().filter(|(at, _)| *at <= stable_from).collect();
    let gone = |(position, fault): (usize, &Fault)| {
        fault.pods().is_some() || undone.iter().any(|(_, faults)| faults.contains(&position))
    };
    let how =
        if judge.expected.iter().enumerate().all(gone) && !judge.expected.is_empty() { How::Healed } else { How::Mitigated };
    if let Some(stranger) = strange_change(judge, stable_from) {
        let since = judge.requested.unwrap_or_default();
        let evidence = std::iter::once(stranger).chain(events::told(judge, since, stable_from)).collect();
        return HealedBy { who: Who::Unknown, name: None, how, evidence };
    }
    let mut evidence = vec!["nothing of the workload was changed by anybody after the fault".to_owned()];
    evidence.extend(undone.iter().flat_map(|(at, faults)| {
        let keys = faults.iter().filter_map(|fault| judge.expected.get(*fault)).map(Fault::key);
        keys.map(|key| format!("`{key}` undid itself at {}", format(*at)))
    }));
    let created = judge.index.events().filter(|event| {
        event.sort.reason == "SuccessfulCreate"
            && judge.requested.is_some_and(|requested| event.last_seen >= requested && event.last_seen <= stable_from)
    });
    evidence.extend(created.map(|event| format!("{}: {}", event.sort.component, event.message)).take(3));
    HealedBy { who: Who::Kubernetes, name: None, how, evidence }
}

/// Whether a fault changed this very object.
fn changes_object(fault: &FaultState, object: &Reference) -> bool {
    fault.record.targets.iter().any(|target| target.kind == object.kind && target.name == object.name)
}

/// A change of a baseline object after the faults that neither the faults nor our actions explain.
fn strange_change(judge: &Judge, stable_from: Duration) -> Option<String> {
    let requested = judge.requested?;
    judge.baseline.iter().flat_map(|baseline| &baseline.objects).find_map(|object| {
        let reference = crate::observe::index::reference_to(object);
        let record = judge.index.record(&reference.kind, &reference.name)?;
        let changes = record.versions.iter().skip(1).filter(|(at, _)| *at > requested && *at <= stable_from).count();
        let ours = judge.faults.iter().filter(|fault| changes_object(fault, &reference));
        let undone = judge.reverted.iter().flat_map(|(_, faults)| faults);
        let back = ours.clone().filter(|fault| undone.clone().any(|position| *position == fault.record.fault)).count();
        let ours = ours.count() + back;
        (changes > ours).then(|| format!("{reference} was changed {changes} times after the fault, {ours} of them by comeback"))
    })
}
