//! Evictions: granted within the limits of the pod's disruption budget, or refused with the server's texts.
//! How many pods a budget allows to go is counted by the disruption controller.

use super::pipeline::text;
use super::resource::{POD_DISRUPTION_BUDGETS, PODS};
use super::server::{ApiServer, DeleteOptions, Subresource};
use super::status::ApiError;
use crate::sim::controllers::disruption::judge;
use crate::sim::controllers::object::{condition, integer, is_deleting, is_pod_ready};
use crate::sim::controllers::selector;
use crate::sim::store::Object;
use serde_json::{Value, json};

/// More evictions that the controller has not confirmed are not granted.
const MOST_UNCONFIRMED: usize = 2_000;

/// What was decided about an eviction.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    /// The pod is on its way.
    Granted,
    /// The server does not know how to decide: a Status inside an answer that succeeded.
    Undecided(Value),
}

fn too_many(cause: &str, retry_after: i64) -> ApiError {
    let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]});
    if retry_after > 0 {
        details["retryAfterSeconds"] = json!(retry_after);
    }
    ApiError {
        code: 429,
        reason: "TooManyRequests",
        message: "Cannot evict pod as it would violate the pod's disruption budget.".to_owned(),
        details: Some(details),
    }
}

/// Evicts a pod: takes it from its budget, tells it, deletes it. With `dry_run` only the decision is made.
///
/// # Errors
/// 404 without the pod, 429 when its budget is used up or not counted yet, 409 when a precondition fails.
pub(super) fn evict(
    api: &ApiServer,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
    dry_run: bool,
) -> Result<Decision, ApiError> {
    let pod = api.get(PODS, namespace, name)?;
    let ends = matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed" | "Pending") || is_deleting(&pod);
    if !ends {
        let covers = |budget: &Object| selector::matches(budget.pointer("/spec/selector"), pod.pointer("/metadata/labels"));
        let budgets: Vec<_> = api.list(POD_DISRUPTION_BUDGETS, Some(namespace)).into_iter().filter(covers).collect();
        match budgets.as_slice() {
            [] => {}
            [budget] => take(api, &pod, budget, dry_run)?,
            _ => {
                return Ok(Decision::Undecided(json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 500,
                    "message": "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                })));
            }
        }
    }
    if dry_run {
        return Ok(Decision::Granted);
    }
    let ended = matches!(text(&pod, "/status/phase"), "Succeeded" | "Failed");
    if !ended && !is_deleting(&pod) {
        let now = api.clock.seconds();
        api.modify(PODS, namespace, name, Subresource::Status, |pod| announce(pod, &now))?;
    }
    let mut options = options.clone();
    // The condition was written by the server itself: a client's version was checked against the state before.
    if let Some(version) = options.resource_version.take()
        && text(&pod, "/metadata/resourceVersion") != version
    {
        options.resource_version = Some(version);
    }
    api.delete(PODS, namespace, name, &options)?;
    Ok(Decision::Granted)
}

fn announce(pod: &mut Value, now: &str) {
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting",
        "lastProbeTime": null, "lastTransitionTime": now,
    });
    let mut conditions = pod.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    conditions.retain(|present| present["type"] != "DisruptionTarget");
    conditions.push(condition);
    pod["status"]["conditions"] = Value::Array(conditions);
}

/// Takes a pod from its budget; an unhealthy one may go without.
fn take(api: &ApiServer, pod: &Value, budget: &Object, dry_run: bool) -> Result<(), ApiError> {
    let name = text(budget, "/metadata/name");
    let status = &budget["status"];
    let (healthy, desired) = (integer(status, "/currentHealthy"), integer(status, "/desiredHealthy"));
    let always = text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
    if !is_pod_ready(pod) && (always || healthy >= desired && desired > 0) {
        return Ok(());
    }
    if integer(status, "/observedGeneration") < integer(budget, "/metadata/generation") {
        return Err(too_many(&format!("The disruption budget {name} is still being processed by the server."), 10));
    }
    let unconfirmed = status["disruptedPods"].as_object().map_or(0, serde_json::Map::len);
    if unconfirmed > MOST_UNCONFIRMED {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(ApiError::forbidden(POD_DISRUPTION_BUDGETS, name, why));
    }
    let allowed = integer(status, "/disruptionsAllowed");
    if allowed <= 0 {
        let judged = condition(status, "DisruptionAllowed").filter(|judged| judged["status"] == "False");
        let told = judged.map_or("", |judged| text(judged, "/message"));
        let cause = if !told.is_empty() && judged.is_some_and(|judged| judged["reason"] == "SyncFailed") {
            format!("The disruption budget {name} does not allow evicting pods currently because it failed sync: {told}")
        } else if healthy <= desired {
            format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")
        } else {
            format!("The disruption budget {name} does not allow evicting pods currently")
        };
        return Err(too_many(&cause, 0));
    }
    if dry_run {
        return Ok(());
    }
    let (now, victim) = (api.clock.seconds(), text(pod, "/metadata/name").to_owned());
    let namespace = text(budget, "/metadata/namespace");
    api.modify(POD_DISRUPTION_BUDGETS, namespace, name, Subresource::Status, |budget| {
        let status = &mut budget["status"];
        status["disruptionsAllowed"] = json!(allowed - 1);
        status["disruptedPods"][victim] = json!(now);
        if allowed == 1 {
            judge(status, &now);
        }
    })?;
    Ok(())
}
