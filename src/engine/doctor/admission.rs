//! What would refuse pods: Pod Security and webhooks for those that a run makes, quotas and limits in namespaces of others.
//! Pods are tried by a dry run in the namespace `default`: nothing is created.

use super::{ASK_WITHIN, Check, Grade, said};
use crate::cluster::request::{RequestError, retried};
use crate::json::At as _;
use crate::scenario::Plan;
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where pods are tried.
const TRIED_IN: &str = "default";

pub(super) async fn check(client: &kube::Client, plans: &[&Plan]) -> Vec<Check> {
    let mut checks = Vec::from_iter(pods(client, plans).await);
    checks.extend(quotas_of(client, plans).await);
    checks
}

/// The quotas of the namespaces of others in which the plans act.
pub(super) async fn quotas_of(client: &kube::Client, plans: &[&Plan]) -> Vec<Check> {
    let mut checks = Vec::new();
    let namespaces: BTreeSet<&str> = plans.iter().filter_map(|plan| Some(plan.existing.as_ref()?.namespace.as_str())).collect();
    for namespace in namespaces {
        checks.push(quotas(client, namespace).await);
    }
    checks
}

/// The pods that the plans' manifests make, one of each shape, with the scenario.
fn shapes(plans: &[&Plan]) -> BTreeMap<String, (String, Value)> {
    let mut shapes = BTreeMap::new();
    for plan in plans {
        for manifest in &plan.manifests {
            let kind = manifest.object.get("kind").and_then(Value::as_str).unwrap_or_default();
            let pointer = match kind {
                "Pod" => "/spec",
                "CronJob" => "/spec/jobTemplate/spec/template/spec",
                _ => "/spec/template/spec",
            };
            let Some(spec) = manifest.object.at(pointer).filter(|spec| spec.get("containers").is_some()) else { continue };
            let mut spec = spec.clone();
            if let Some(fields) = spec.as_object_mut() {
                // Accounts and claims of the workload are not there in `default`.
                fields.remove("serviceAccountName");
                fields.remove("serviceAccount");
            }
            shapes.entry(spec.to_string()).or_insert((plan.name.clone(), spec));
        }
    }
    shapes
}

async fn pods(client: &kube::Client, plans: &[&Plan]) -> Option<Check> {
    const NAME: &str = "admission";
    let shapes = shapes(plans);
    if shapes.is_empty() {
        return None;
    }
    let api: Api<Pod> = Api::namespaced(client.clone(), TRIED_IN);
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let (mut refused, count) = (Vec::new(), shapes.len());
    for (scenario, spec) in shapes.into_values() {
        let pod = json!({ "metadata": { "generateName": "comeback-doctor-" }, "spec": spec });
        let Ok(pod) = serde_json::from_value::<Pod>(pod) else { continue };
        match retried("trying a pod", ASK_WITHIN, || api.create(&parameters, &pod)).await {
            Ok(_) => {}
            Err(error) if is_missing_right(&error) => {
                let found = format!("whether pods would be admitted cannot be tried: {}", said(&error));
                return Some(Check::new(NAME, Grade::Doubt, found, ""));
            }
            Err(error) => refused.push(format!("{scenario}: {}", said(&error))),
        }
    }
    Some(if refused.is_empty() {
        Check::new(NAME, Grade::Good, format!("all {count} shapes of pods are admitted (tried in namespace {TRIED_IN})"), "")
    } else {
        let found =
            format!("pods would be refused in namespace {TRIED_IN}, so perhaps in a trial's, too: {}", refused.join("; "));
        let remedy = "make the pods fit the level of Pod Security (securityContext), or exempt namespaces that begin with cb-";
        Check::new(NAME, Grade::Doubt, found, remedy)
    })
}

/// RBAC's refusal, not admission's: both are 403.
fn is_missing_right(error: &RequestError) -> bool {
    error.code == 403 && error.message.contains("cannot create resource")
}

async fn quotas(client: &kube::Client, namespace: &str) -> Check {
    const NAME: &str = "quota";
    let api: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
    let parameters = ListParams::default();
    match retried("listing quotas", ASK_WITHIN, || api.list(&parameters)).await {
        Ok(quotas) => {
            let full: Vec<String> = quotas.items.iter().flat_map(full).collect();
            if full.is_empty() {
                return Check::new(NAME, Grade::Good, format!("none is used up in namespace {namespace}"), "");
            }
            let found = format!("used up in namespace {namespace}: {}", full.join(", "));
            Check::new(NAME, Grade::Doubt, found, "raise it: a pod that is lost could not be replaced")
        }
        Err(error) => {
            Check::new(NAME, Grade::Doubt, format!("quotas of namespace {namespace} may not be listed: {}", said(&error)), "")
        }
    }
}

/// The resources of which nothing is left.
fn full(quota: &ResourceQuota) -> Vec<String> {
    let name = quota.metadata.name.as_deref().unwrap_or_default();
    let Some(status) = &quota.status else { return Vec::new() };
    let (Some(hard), Some(used)) = (&status.hard, &status.used) else { return Vec::new() };
    let of = |resource: &String| {
        let number = crate::sim::api::quantity::parse;
        let (hard, used) = (number(&hard.get(resource)?.0)?, number(&used.get(resource)?.0)?);
        (used >= hard).then(|| format!("{name} {resource}"))
    };
    hard.keys().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_without_room_is_named() {
        let quota = |used: &str| -> ResourceQuota {
            serde_json::from_value(json!({ "metadata": { "name": "team" },
                "status": { "hard": { "pods": "2", "limits.memory": "1Gi" }, "used": { "pods": used, "limits.memory": "512Mi" } } }))
            .unwrap()
        };
        assert_eq!(full(&quota("2")), ["team pods"]);
        assert!(full(&quota("1")).is_empty());
    }

    #[test]
    fn rbac_and_admission_refuse_with_the_same_code() {
        let refused =
            |message: &str| RequestError { what: String::new(), code: 403, reason: String::new(), message: message.to_owned() };
        assert!(is_missing_right(&refused(r#"pods is forbidden: User "u" cannot create resource "pods""#)));
        assert!(!is_missing_right(&refused(r#"pods "x" is forbidden: violates PodSecurity "restricted:latest""#)));
    }
}
