//! The disruption controller: how many pods of each budget are healthy, and how many may go.
//! Refusing evictions that a budget does not allow is the API server's.

#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{
    condition, controller_of, integer, is_deleting, is_pod_finished, is_pod_ready, key, name, namespace, text, time, uid,
};
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::{
    self, DEPLOYMENTS, POD_DISRUPTION_BUDGETS, PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS,
};
use crate::sim::api::{ApiError, Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::scheduler::put_condition;
use crate::sim::store::{ChangeKind, Object};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an eviction that was granted may take until its pod is being deleted.
const DELETION_WITHIN: i64 = 120;
/// A pod that should have been disrupted and was not is relieved of the condition after this.
const STALE_AFTER: Duration = Duration::from_mins(2);

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(
        POD_DISRUPTION_BUDGETS,
        |_, item| {
            if item.kind == ChangeKind::Deleted { Vec::new() } else { vec![key(&item.object)] }
        },
    );
    context.inform(PODS, concerned);
    for resource in [DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, REPLICATION_CONTROLLERS] {
        context.inform(resource, |context, item| {
            let scale = |object: &Value| object.at("/spec/replicas").cloned();
            let same = item.previous.as_deref().is_some_and(|before| scale(before) == scale(&item.object));
            if same { Vec::new() } else { covering(context, item, &item.object["spec"]["template"]) }
        });
    }
    context.serve(|context, key| Box::pin(sync(context, key)));
}

/// Starts what takes back the announcement of disruptions that did not come.
pub(super) fn start_relieving(context: &Arc<Context>) {
    let later = Arc::clone(context);
    context.inform(PODS, move |_, item| {
        if item.kind != ChangeKind::Deleted && is_announced(&item.object) && !item.previous.as_deref().is_some_and(is_announced) {
            later.queue.add_after(key(&item.object), STALE_AFTER);
        }
        Vec::new()
    });
    context.serve(|context, key| {
        Box::pin(async move {
            let Ok(pod) = context.api.get(PODS, &key.0, &key.1) else { return Ok(()) };
            let since = condition(&pod["status"], "DisruptionTarget").and_then(|target| time(target, "/lastTransitionTime"));
            let Some(since) = since.filter(|_| is_announced(&pod)) else { return Ok(()) };
            let waited = context.api.clock.now().duration_since(since);
            let left = Duration::try_from(waited).map_or(STALE_AFTER, |waited| STALE_AFTER.saturating_sub(waited));
            if !left.is_zero() {
                context.queue.add_after(key.clone(), left);
                return Ok(());
            }
            context.before_write(key).await;
            let relieved = json!({
                "type": "DisruptionTarget", "status": "False", "lastProbeTime": null,
                "lastTransitionTime": context.api.clock.seconds(), "observedGeneration": pod["metadata"]["generation"],
            });
            context.api.modify(PODS, &key.0, &key.1, Subresource::Status, |pod| put_condition(pod, relieved)).map(|_| ())
        })
    });
}

/// Whether a disruption was announced to a pod that is not being deleted; the kubelet's own may take any time.
fn is_announced(pod: &Value) -> bool {
    let target = condition(&pod["status"], "DisruptionTarget");
    !is_deleting(pod)
        && !is_pod_finished(pod)
        && target.is_some_and(|target| target["status"] == "True" && target["reason"] != "TerminationByKubelet")
}

/// The budgets of a pod, when something changed that they count.
fn concerned(context: &Context, item: &WatchItem) -> Vec<Key> {
    let counted = |pod: &Value| (is_pod_ready(pod), is_deleting(pod), pod.at("/metadata/labels").cloned(), uid(pod).to_owned());
    let before = item.previous.as_deref();
    if item.kind == ChangeKind::Modified && before.is_some_and(|before| counted(before) == counted(&item.object)) {
        return Vec::new();
    }
    let mut keys = covering(context, item, &item.object);
    if let Some(before) = before {
        keys.extend(covering(context, item, before));
        keys.sort_unstable();
        keys.dedup();
    }
    keys
}

fn covering(context: &Context, item: &WatchItem, labelled: &Value) -> Vec<Key> {
    let labels = labelled.at("/metadata/labels");
    let budgets = context.api.list(POD_DISRUPTION_BUDGETS, Some(namespace(&item.object)));
    budgets.iter().filter(|budget| selector::matches(budget.at("/spec/selector"), labels)).map(|budget| key(budget)).collect()
}

/// What a budget asks for.
struct Demand {
    expected: i64,
    healthy: i64,
    unmanaged: bool,
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(budget) = context.api.get(POD_DISRUPTION_BUDGETS, &key.0, &key.1) else { return Ok(()) };
    let say = |kind, reason: &str, message: &str| context.recorder.event(&ObjectRef::of(&budget), kind, reason, message);
    let mut pods = context.api.list(PODS, Some(&key.0));
    pods.retain(|pod| selector::matches(budget.at("/spec/selector"), pod.at("/metadata/labels")));
    if pods.is_empty() {
        say(EventType::Normal, "NoPods", "No matching pods found");
    }
    let demand = match demand(context, &budget, &pods) {
        Ok(demand) => demand,
        Err(why) => {
            let message = format!("Failed to calculate the number of expected pods: {why}");
            say(EventType::Warning, "CalculateExpectedPodCountFailed", &message);
            return fail(context, key, &why).await;
        }
    };
    if demand.unmanaged {
        let message = format!(
            "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
            shown(&budget["spec"]["selector"])
        );
        say(EventType::Warning, "UnmanagedPods", &message);
    }
    let (disrupted, again) = disrupted(context, &budget, &pods);
    let healthy = pods.iter().filter(|pod| !is_deleting(pod) && !disrupted.contains_key(name(pod)) && is_pod_ready(pod)).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    let allowed = if demand.expected > 0 { (healthy - demand.healthy).max(0) } else { 0 };
    let mut status = json!({
        "currentHealthy": healthy, "desiredHealthy": demand.healthy, "expectedPods": demand.expected,
        "disruptionsAllowed": allowed, "observedGeneration": budget["metadata"]["generation"],
    });
    if !disrupted.is_empty() {
        status["disruptedPods"] = json!(disrupted);
    }
    if let Some(conditions) = budget.at("/status/conditions") {
        status["conditions"] = conditions.clone();
    }
    judge(&mut status, &context.api.clock.seconds());
    if let Some(again) = again {
        context.queue.add_after(key.clone(), again);
    }
    if budget["status"] == status {
        return Ok(());
    }
    context.before_write(key).await;
    let of = uid(&budget).to_owned();
    let written = context.api.modify(POD_DISRUPTION_BUDGETS, &key.0, &key.1, Subresource::Status, |stored| {
        // An eviction that was granted meanwhile is not forgotten: its change brings the budget here again.
        if uid(stored) == of && stored["status"] == budget["status"] {
            stored["status"] = status;
        }
    });
    match written {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}

/// The selector as Go prints one.
fn shown(selector: &Value) -> String {
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let labels: Vec<_> =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}: {}", value.as_str().unwrap_or_default())).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{},}},MatchExpressions:[]LabelSelectorRequirement{{}},}}",
        labels.join(",")
    )
}

async fn fail(context: &Context, key: &Key, why: &str) -> Result<(), ApiError> {
    context.before_write(key).await;
    let now = context.api.clock.seconds();
    let written = context.api.modify(POD_DISRUPTION_BUDGETS, &key.0, &key.1, Subresource::Status, |budget| {
        let generation = budget.at("/status/observedGeneration").cloned();
        budget["status"]["disruptionsAllowed"] = json!(0);
        set(&mut budget["status"], "False", "SyncFailed", why, generation.as_ref(), &now);
    });
    match written {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}

/// Brings the condition `DisruptionAllowed` in line with the numbers of a status.
pub(crate) fn judge(status: &mut Value, now: &str) {
    let generation = status.get("observedGeneration").cloned();
    let (state, reason) =
        if integer(status, "/disruptionsAllowed") > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set(status, state, reason, "", generation.as_ref(), now);
}

fn set(status: &mut Value, state: &str, reason: &str, message: &str, generation: Option<&Value>, now: &str) {
    let known = condition(status, "DisruptionAllowed");
    let since =
        known.filter(|known| known["status"] == *state).map_or_else(|| json!(now), |known| known["lastTransitionTime"].clone());
    let mut wanted = json!({
        "type": "DisruptionAllowed", "status": state, "reason": reason, "message": message, "lastTransitionTime": since,
    });
    if let Some(generation) = generation {
        wanted["observedGeneration"] = generation.clone();
    }
    status["conditions"] = json!([wanted]);
}

/// A whole number or a percentage of `total`, rounded up.
fn scaled(value: &Value, total: i64) -> i64 {
    match value.as_str().and_then(|text| text.strip_suffix('%')).and_then(|text| text.parse::<i64>().ok()) {
        Some(percent) => (percent * total + 99).div_euclid(100),
        None => value.as_i64().unwrap_or(0),
    }
}

fn demand(context: &Context, budget: &Value, pods: &[Object]) -> Result<Demand, String> {
    let spec = &budget["spec"];
    let all = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    if let Some(most) = spec.get("maxUnavailable").filter(|most| !most.is_null()) {
        let (expected, unmanaged) = scale(context, pods)?;
        return Ok(Demand { expected, healthy: (expected - scaled(most, expected)).max(0), unmanaged });
    }
    match &spec["minAvailable"] {
        Value::Null => Ok(Demand { expected: 0, healthy: 0, unmanaged: false }),
        least if least.is_string() => {
            let (expected, unmanaged) = scale(context, pods)?;
            Ok(Demand { expected, healthy: scaled(least, expected), unmanaged })
        }
        least => Ok(Demand { expected: all, healthy: scaled(least, all), unmanaged: false }),
    }
}

/// How many pods the owners of these pods want together, and whether some have no owner.
fn scale(context: &Context, pods: &[Object]) -> Result<(i64, bool), String> {
    let mut scales: BTreeMap<String, i64> = BTreeMap::new();
    let mut unmanaged = false;
    for pod in pods {
        let Some(owner) = controller_of(pod) else {
            unmanaged = true;
            continue;
        };
        let (uid_of, count) =
            scale_of(context, owner, namespace(pod)).ok_or_else(|| format!("found no controllers for pod \"{}\"", name(pod)))?;
        scales.insert(uid_of, count);
    }
    Ok((scales.values().sum(), unmanaged))
}

fn scale_of(context: &Context, owner: &Value, namespace: &str) -> Option<(String, i64)> {
    let resource = resource::by_kind(text(owner, "/apiVersion"), text(owner, "/kind"))?;
    let found =
        context.api.get(resource, namespace, text(owner, "/name")).ok().filter(|found| uid(found) == text(owner, "/uid"))?;
    if resource == REPLICA_SETS
        && let Some(above) = controller_of(&found).filter(|above| text(above, "/kind") == "Deployment")
    {
        return scale_of(context, above, namespace);
    }
    resource.has_scale().then(|| (uid(&found).to_owned(), found.at("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)))
}

/// Pods whose eviction was granted and that are not being deleted yet; and when to look again for those that never are.
fn disrupted(context: &Context, budget: &Value, pods: &[Object]) -> (BTreeMap<String, Value>, Option<Duration>) {
    let (mut left, mut again) = (BTreeMap::new(), None::<Duration>);
    let known = &budget["status"]["disruptedPods"];
    for pod in pods.iter().filter(|pod| !is_deleting(pod)) {
        let Some(since) = time(known, &format!("/{}", name(pod))) else { continue };
        let waited = context.api.clock.now().duration_since(since).as_secs();
        if waited > DELETION_WITHIN {
            let message = format!("Pod was expected by PDB {0}/{0} to be deleted but it wasn't", namespace(budget));
            context.recorder.event(&ObjectRef::of(pod), EventType::Warning, "NotDeleted", &message);
        } else {
            let rest = Duration::from_secs(u64::try_from(DELETION_WITHIN - waited + 1).unwrap_or(0));
            again = Some(again.map_or(rest, |again| again.min(rest)));
            left.insert(name(pod).to_owned(), known[name(pod)].clone());
        }
    }
    (left, again)
}
