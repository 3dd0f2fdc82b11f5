//! Preemption: on which node the fewest and least important pods would have to go for a pod that found no room.
//! Deleting them is done by the scheduler itself.

use super::super::api::resource::POD_DISRUPTION_BUDGETS;
use super::super::controllers::object::{condition, integer, name, text};
use super::super::controllers::selector;
use super::super::store::Object;
use super::cache::{Cache, NodeId};
use super::filter::{Cycle, Refusal};
use super::info::PodInfo;
use super::message::{Verdict, histogram};
use crate::json::At as _;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The share of nodes to look at, in percent, and the least number.
const SHARE: usize = 10;
const LEAST: usize = 100;

/// The node to clear, and whom of.
#[derive(Debug)]
pub(super) struct Plan {
    /// The node.
    pub node: NodeId,
    /// Who goes, the most important first.
    pub victims: Vec<Arc<PodInfo>>,
    violations: usize,
}

/// Whether the pod may preempt now; if not, why.
fn ineligible(cache: &Cache, pod: &PodInfo, refusals: &BTreeMap<NodeId, Refusal>) -> Option<&'static str> {
    if text(&pod.object, "/spec/preemptionPolicy") == "Never" {
        return Some("not eligible due to preemptionPolicy=Never.");
    }
    let nominated = cache.known(text(&pod.object, "/status/nominatedNodeName"))?;
    if refusals.get(&nominated).is_some_and(|refusal| !refusal.resolvable) {
        return None;
    }
    let going = |other: &Arc<PodInfo>| {
        let target = condition(&other.object["status"], "DisruptionTarget");
        other.priority < pod.priority
            && other.is_deleting()
            && target.is_some_and(|target| target["status"] == "True" && target["reason"] == "PreemptionByScheduler")
    };
    let waits = cache.nodes.get(nominated)?.pods.values().any(going);
    waits.then_some("not eligible due to a terminating pod on the nominated node.")
}

/// The best plan, or the text that tells why there is none.
pub(super) fn plan(cache: &Cache, cycle: &Cycle, refusals: &BTreeMap<NodeId, Refusal>, offset: u64) -> Result<Plan, String> {
    let pod = &cycle.pod;
    if let Some(why) = ineligible(cache, pod, refusals) {
        return Err(why.to_owned());
    }
    let total = cache.existing().count();
    let promising: Vec<NodeId> = refusals.iter().filter(|(_, refusal)| refusal.resolvable).map(|(node, _)| *node).collect();
    let wanted = (promising.len() * SHARE / 100).max(LEAST).min(promising.len());
    let start = usize::try_from(offset % u64::try_from(promising.len().max(1)).unwrap_or(1)).unwrap_or(0);
    let budgets = cache.api().list(POD_DISRUPTION_BUDGETS, None);
    let mut plans: Vec<Plan> = Vec::new();
    let mut verdicts: Vec<Verdict> = Vec::new();
    for place in 0..promising.len() {
        let Some(node) = promising.get((start + place) % promising.len()).copied() else { continue };
        match victims(cache, cycle, node, &budgets) {
            Ok(plan) => plans.push(plan),
            Err(reasons) => verdicts.push(reasons),
        }
        if plans.len() >= wanted && plans.iter().any(|plan| plan.violations == 0) {
            break;
        }
    }
    best(plans).ok_or_else(|| {
        let unhelpful = total - verdicts.len();
        let rest = std::iter::repeat_n("Preemption is not helpful for scheduling", unhelpful);
        let reasons = verdicts.iter().flatten().map(AsRef::as_ref).chain(rest);
        format!("0/{total} nodes are available: {}.", histogram(reasons))
    })
}

/// Who would have to go from a node; the reasons when it would not help.
fn victims(cache: &Cache, cycle: &Cycle, id: NodeId, budgets: &[Object]) -> Result<Plan, Verdict> {
    let api = cache.api();
    let mut node = cache.nodes.get(id).cloned().unwrap_or_default();
    let mut cycle = cycle.clone();
    let mut candidates: Vec<_> = node.pods.values().filter(|other| other.priority < cycle.pod.priority).cloned().collect();
    if candidates.is_empty() {
        return Err(vec!["No preemption victims found for incoming pod".into()]);
    }
    for other in &candidates {
        node.remove(other.uid());
        cycle.change(api, other, &node, -1);
    }
    if let Some(refusal) = cycle.refusal(cache, id, &node) {
        return Err(refusal.reasons);
    }
    candidates.sort_by_key(|pod| importance(pod));
    let (violating, others) = by_budget(candidates, budgets);
    let mut victims = Vec::new();
    let mut violations = 0;
    for (other, violates) in violating.into_iter().map(|pod| (pod, 1)).chain(others.into_iter().map(|pod| (pod, 0))) {
        node.add(&other);
        cycle.change(api, &other, &node, 1);
        if cycle.refusal(cache, id, &node).is_some() {
            node.remove(other.uid());
            cycle.change(api, &other, &node, -1);
            victims.push(other);
            violations += violates;
        }
    }
    victims.sort_by_key(|pod| importance(pod));
    Ok(Plan { node: id, victims, violations })
}

/// Sorts the most important first: the higher priority, then the longer it runs.
fn importance(pod: &PodInfo) -> (Reverse<i64>, String, String) {
    let start = text(&pod.object, "/status/startTime");
    let start = if start.is_empty() { "~" } else { start };
    (Reverse(pod.priority), start.to_owned(), pod.uid().to_owned())
}

/// Those whose removal a budget forbids, and the others.
fn by_budget(pods: Vec<Arc<PodInfo>>, budgets: &[Object]) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
    let mut allowed: Vec<i64> = budgets.iter().map(|budget| integer(budget, "/status/disruptionsAllowed")).collect();
    pods.into_iter().partition(|pod| {
        let labels = pod.object.at("/metadata/labels").filter(|labels| labels.is_object());
        labels.is_some()
            && budgets.iter().zip(allowed.iter_mut()).any(|(budget, allowed)| {
                let selector = budget.at("/spec/selector");
                let empty = selector.and_then(serde_json::Value::as_object).is_none_or(serde_json::Map::is_empty);
                let covers =
                    text(budget, "/metadata/namespace") == pod.namespace() && !empty && selector::matches(selector, labels);
                let disrupted = budget.at("/status/disruptedPods").is_some_and(|pods| pods.get(name(&pod.object)).is_some());
                if !covers || disrupted {
                    return false;
                }
                *allowed -= 1;
                *allowed < 0
            })
    })
}

/// Fewest violated budgets, least important victims, lowest sum of priorities, fewest victims, latest start; then the first.
fn best(plans: Vec<Plan>) -> Option<Plan> {
    plans.into_iter().filter(|plan| !plan.victims.is_empty()).min_by_key(|plan| {
        let highest = plan.victims.first().map_or(0, |victim| victim.priority);
        let sum: i64 = plan.victims.iter().map(|victim| victim.priority + i64::from(i32::MAX) + 1).sum();
        let most_important = plan.victims.iter().filter(|victim| victim.priority == highest);
        let earliest =
            most_important.map(|victim| text(&victim.object, "/status/startTime")).min().unwrap_or_default().to_owned();
        (plan.violations, highest, sum, plan.victims.len(), Reverse(earliest))
    })
}
