//! Who healed where somebody else was to: a remediation service or a controller. Named only where it is seen to have changed
//! something between the fault and the recovery; what it says of itself proves nothing. Where nobody signed what was done, Events name him.

use super::{by_others, events};
use crate::heal::{Claim, ClaimStatus, FIELD_MANAGER};
use crate::measure::judge::Judge;
use crate::measure::result::{HealedBy, How, Who};
use crate::observe::index::PodRecord;
use crate::observe::index::pod::condition_of;
use crate::observe::timeline::Writer;
use crate::scenario::Healer;
use crate::scenario::duration::format;
use std::time::Duration;

/// Field managers of Kubernetes' own programs.
const KUBERNETES: [&str; 7] = [
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-apiserver",
    "cloud-controller-manager",
    "cluster-autoscaler",
    "k3s",
];
/// The server's stamps have whole seconds.
const STAMP: Duration = Duration::from_secs(1);

/// Who healed what was stable from `stable_from` on.
pub(super) fn healed_by(judge: &Judge, stable_from: Duration) -> HealedBy {
    let accepted: Option<&Claim> =
        judge.claims.iter().find(|claim| claim.status != ClaimStatus::Unanswered && claim.at <= stable_from);
    let said = judge.claims.iter().map(said);
    let since = match judge.plan.heal.healer() {
        Healer::Webhook => accepted.map(|claim| claim.at),
        _ => judge.requested,
    };
    let done: Vec<Deed> = since.map_or_else(Vec::new, |since| deeds(judge, since, stable_from));
    let wanted = judge.plan.heal.external.as_ref().and_then(|external| external.manager.as_deref());
    // What is signed tells more than what Events say of the rest.
    let signed = done.iter().any(|deed| deed.manager.is_some());
    let by = |deed: &Deed| if signed { deed.manager.clone() } else { deed.told_by.clone() };
    let mut meant: Vec<&Deed> = done.iter().filter(|deed| wanted.is_none() || by(deed).as_deref() == wanted).collect();
    meant.sort_by_key(|deed| by(deed).is_none());
    let mut evidence: Vec<String> = done.iter().map(|deed| deed.text.clone()).take(5).collect();
    evidence.extend(said);
    let (who, name) = match (judge.plan.heal.healer(), meant.first()) {
        (_, None) if !done.is_empty() => {
            evidence.push(format!("but none of it was written by {}", wanted.unwrap_or_default()));
            (Who::Unknown, None)
        }
        (_, None) => {
            let mut healed = by_others(judge, stable_from);
            healed.evidence.extend(evidence);
            if healed.who == Who::Kubernetes {
                let told = events::told(judge, judge.requested.unwrap_or_default(), stable_from);
                healed.evidence.extend(told.into_iter().map(|told| format!("{told}; but nothing that it did was seen")));
            }
            return healed;
        }
        (Healer::Webhook, Some(_)) => (Who::Webhook, accepted.map(|claim| claim.by.clone())),
        (_, Some(deed)) => (Who::External, by(deed)),
    };
    let changed = meant.iter().any(|deed| deed.manager.is_some());
    HealedBy { who, name, how: if changed { How::Healed } else { How::Mitigated }, evidence }
}

/// Something that somebody did to the workload.
struct Deed {
    /// The field manager of a write; none for a deleted pod, which nobody signs.
    manager: Option<String>,
    /// Who told of it by an Event.
    told_by: Option<String>,
    text: String,
}

fn deeds(judge: &Judge, since: Duration, until: Duration) -> Vec<Deed> {
    let at = |writer: &Writer| judge.index.since_epoch(writer.server);
    let writes = judge.writers.iter().filter(|writer| is_foreign(writer)).filter_map(|writer| {
        let at = at(writer)?;
        let text = format!("{} was written by {} at {}", writer.object, writer.manager, format(at));
        (at + STAMP >= since && at <= until + STAMP).then(|| Deed { manager: Some(writer.manager.clone()), told_by: None, text })
    });
    let removed = judge.index.all_pods().filter(|pod| was_removed(judge, pod, since, until)).map(|pod| {
        let told = pod.deleted.and_then(|at| events::named(judge, pod, at));
        let (told_by, said) = told.map_or((None, String::new()), |(by, said)| (Some(by), format!("; {said}")));
        let name = &pod.reference.name;
        let text = format!("pod {name} was deleted, which neither Kubernetes nor comeback had a reason for{said}");
        Deed { manager: None, told_by, text }
    });
    writes.chain(removed).collect()
}

fn is_foreign(writer: &Writer) -> bool {
    let ours = writer.manager == FIELD_MANAGER || writer.manager == crate::engine::labels::FIELD_MANAGER;
    let state = !matches!(writer.subresource.as_str(), "" | "scale");
    !ours && !state && !KUBERNETES.contains(&writer.manager.as_str())
}

/// Whether somebody deleted a pod that its controller had no reason to delete. Only where its ReplicaSet is still the present one.
fn was_removed(judge: &Judge, pod: &PodRecord, since: Duration, until: Duration) -> bool {
    let deleted = pod.deleted.is_some_and(|at| at >= since && at <= until);
    let struck = judge.faults.iter().any(|fault| fault.record.targets.iter().any(|target| target.uid == pod.reference.uid));
    let disrupted = condition_of(pod.object(), "DisruptionTarget").is_some();
    deleted && !struck && !disrupted && judge.index.is_current(pod) && pod.owner.is_some()
}

/// A claim in words.
pub(in crate::measure) fn said(claim: &Claim) -> String {
    let message = claim.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    match claim.status {
        ClaimStatus::Unanswered => format!("{} gave no answer that could be used{message}", claim.by),
        status => format!("{} said `{}` at {}{message}", claim.by, status.as_str(), format(claim.at)),
    }
}
