//! ResourceQuota admission: what a new object would use is counted against what lives in its namespace.
//! Publishing `status.used` is the quota controller's.

use super::pipeline::text;
use super::pod_defaults::fields;
use super::quantity;
use super::resource::{self, Resource};
use super::server::ApiServer;
use super::status::ApiError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Amounts by quota resource, in thousandths.
type Amounts = BTreeMap<String, i128>;

const COMPUTE: &[&str] = &[
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
const COUNTS: &[(&str, Resource)] = &[
    ("configmaps", resource::CONFIG_MAPS),
    ("persistentvolumeclaims", resource::PERSISTENT_VOLUME_CLAIMS),
    ("replicationcontrollers", resource::REPLICATION_CONTROLLERS),
    ("resourcequotas", resource::RESOURCE_QUOTAS),
    ("secrets", resource::SECRETS),
    ("services", resource::SERVICES),
];

/// Whether a name may stand in a quota's `hard`.
pub(super) fn is_known(name: &str) -> bool {
    const OTHERS: &[&str] = &["pods", "requests.storage", "services.loadbalancers", "services.nodeports"];
    COMPUTE.contains(&name)
        || OTHERS.contains(&name)
        || COUNTS.iter().any(|(count, _)| *count == name)
        || name.contains('/')
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
}

/// Refuses a new object that a quota of its namespace has no room for.
pub(super) fn check(api: &ApiServer, resource: Resource, namespace: &str, object: &Value) -> Result<(), ApiError> {
    if !resource.namespaced {
        return Ok(());
    }
    let name = text(object, "/metadata/name");
    for quota in api.list(resource::RESOURCE_QUOTAS, Some(namespace)) {
        if !in_scope(&quota, resource, object) {
            continue;
        }
        let quota_name = text(&quota, "/metadata/name");
        let hard: Amounts = fields(quota.pointer("/spec/hard").unwrap_or(&Value::Null))
            .filter_map(|(name, amount)| Some((name.clone(), quantity::parse(amount.as_str()?)?)))
            .collect();
        if resource == resource::PODS {
            must_specify(&hard, object, name, quota_name)?;
        }
        let requested = usage(resource, object);
        let used = used(api, resource, namespace, &quota);
        let over: BTreeSet<&String> = requested
            .iter()
            .filter(|(name, amount)| {
                **amount > 0 && hard.get(*name).is_some_and(|hard| used.get(*name).unwrap_or(&0) + **amount > *hard)
            })
            .map(|(name, _)| name)
            .collect();
        if !over.is_empty() {
            let show = |amounts: &Amounts| {
                let parts: Vec<String> =
                    over.iter().map(|name| format!("{name}={}", shown(name, *amounts.get(*name).unwrap_or(&0)))).collect();
                parts.join(",")
            };
            let why = format!(
                "exceeded quota: {quota_name}, requested: {}, used: {}, limited: {}",
                show(&requested),
                show(&used),
                show(&hard)
            );
            return Err(ApiError::forbidden(resource, name, &why));
        }
    }
    Ok(())
}

fn shown(name: &str, amount: i128) -> String {
    if name.ends_with("memory") || name.ends_with("storage") {
        quantity::format_binary(amount)
    } else {
        quantity::format_in_thousands(amount)
    }
}

/// Usage of all live objects of the resource that the quota covers.
fn used(api: &ApiServer, resource: Resource, namespace: &str, quota: &Value) -> Amounts {
    let mut total = Amounts::new();
    for object in api.list(resource, Some(namespace)).iter().filter(|object| in_scope(quota, resource, object)) {
        for (name, amount) in usage(resource, object) {
            *total.entry(name).or_default() += amount;
        }
    }
    total
}

/// What one object uses. Pods that have ended use no compute and do not count as pods.
fn usage(resource: Resource, object: &Value) -> Amounts {
    let mut amounts = Amounts::new();
    amounts.insert(format!("count/{}", resource.qualified()), 1000);
    if let Some((name, _)) = COUNTS.iter().find(|(_, counted)| *counted == resource) {
        amounts.insert((*name).to_owned(), 1000);
    }
    if resource != resource::PODS || ["Succeeded", "Failed"].contains(&text(object, "/status/phase")) {
        return amounts;
    }
    amounts.insert("pods".to_owned(), 1000);
    for side in ["requests", "limits"] {
        for (name, amount) in pod_total(object, side) {
            if side == "requests" && ["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()) {
                amounts.insert(name.clone(), amount);
            }
            amounts.insert(format!("{side}.{name}"), amount);
        }
    }
    amounts
}

/// The sum over containers, at least the largest init container's.
fn pod_total(pod: &Value, side: &str) -> Amounts {
    let list = |name: &str| pod.pointer(&format!("/spec/{name}")).and_then(Value::as_array).cloned().unwrap_or_default();
    let amounts = |container: &Value| -> Amounts {
        fields(container.pointer(&format!("/resources/{side}")).unwrap_or(&Value::Null))
            .filter_map(|(name, amount)| Some((name.clone(), quantity::parse(amount.as_str()?)?)))
            .collect()
    };
    let mut total = Amounts::new();
    for container in list("containers") {
        for (name, amount) in amounts(&container) {
            *total.entry(name).or_default() += amount;
        }
    }
    for container in list("initContainers") {
        for (name, amount) in amounts(&container) {
            let present = total.entry(name).or_default();
            *present = (*present).max(amount);
        }
    }
    total
}

fn must_specify(hard: &Amounts, pod: &Value, name: &str, quota: &str) -> Result<(), ApiError> {
    let mut missing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for limited in hard.keys().filter(|name| COMPUTE.contains(&name.as_str())) {
        let (side, what) = limited.split_once('.').unwrap_or(("requests", limited));
        let containers =
            ["containers", "initContainers"].iter().filter_map(|list| pod.pointer(&format!("/spec/{list}"))?.as_array());
        for container in containers.flatten() {
            if container.pointer(&format!("/resources/{side}/{what}")).is_none() {
                missing.entry(limited).or_default().push(text(container, "/name").to_owned());
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let parts: Vec<String> = missing.iter().map(|(what, containers)| format!("{what} for: {}", containers.join(","))).collect();
    Err(ApiError::forbidden(resource::PODS, name, &format!("failed quota: {quota}: must specify {}", parts.join("; "))))
}

fn in_scope(quota: &Value, resource: Resource, object: &Value) -> bool {
    let scopes = quota.pointer("/spec/scopes").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    scopes.into_iter().all(|scope| {
        let is_pod = resource == resource::PODS;
        let best_effort = super::pod_defaults::qos_class(object) == "BestEffort";
        let ends = object.pointer("/spec/activeDeadlineSeconds").is_some();
        match scope {
            "BestEffort" => is_pod && best_effort,
            "NotBestEffort" => is_pod && !best_effort,
            "Terminating" => is_pod && ends,
            "NotTerminating" => is_pod && !ends,
            _ => false,
        }
    })
}
