//! ResourceQuota admission: what a new object would use is counted against what lives in its namespace.
//! Publishing `status.used` is the quota controller's.

use super::pipeline::text;
use super::pod_defaults::fields;
use super::quantity;
use super::resource::{self, Resource};
use super::server::{ApiServer, Subresource};
use super::status::ApiError;
use serde_json::{Value, json};
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
    if name.ends_with("memory") || name.ends_with("storage") || name.contains("hugepages-") {
        quantity::format_binary(amount)
    } else {
        quantity::format_in_thousands(amount)
    }
}

/// Counts a new object as used in the status of the quotas that it is checked against, as admission does before it is stored.
pub(super) fn charge(api: &ApiServer, resource: Resource, namespace: &str, object: &Value) {
    if !resource.namespaced {
        return;
    }
    for quota in api.list(resource::RESOURCE_QUOTAS, Some(namespace)) {
        let requested = usage(resource, object);
        let known = quota.pointer("/status/used").and_then(Value::as_object);
        let concerned = known.is_some_and(|used| requested.iter().any(|(name, amount)| *amount > 0 && used.contains_key(name)));
        if !concerned || !in_scope(&quota, resource, object) {
            continue;
        }
        // The quota was listed just now.
        let _ = api.modify(resource::RESOURCE_QUOTAS, namespace, text(&quota, "/metadata/name"), Subresource::Status, |quota| {
            for (name, used) in quota["status"]["used"].as_object_mut().into_iter().flatten() {
                let before = used.as_str().and_then(quantity::parse).unwrap_or(0);
                if let Some(more) = requested.get(name) {
                    *used = json!(shown(name, before + more));
                }
            }
        });
    }
}

/// What a quota's `hard` names and the live objects of its namespace use, as `status.used` shows it.
pub(in crate::sim) fn used_of(api: &ApiServer, namespace: &str, quota: &Value) -> BTreeMap<String, String> {
    let hard: Vec<&String> = fields(quota.pointer("/spec/hard").unwrap_or(&Value::Null)).map(|(name, _)| name).collect();
    let mut total = Amounts::new();
    for resource in api.resources().into_iter().filter(|resource| resource.namespaced) {
        let counted = resource == resource::PODS
            || COUNTS.iter().any(|(_, counted)| *counted == resource)
            || hard.iter().any(|name| name.strip_prefix("count/") == Some(resource.qualified().as_str()));
        if counted {
            for (name, amount) in used(api, resource, namespace, quota) {
                *total.entry(name).or_default() += amount;
            }
        }
    }
    hard.into_iter().map(|name| (name.clone(), shown(name, total.get(name).copied().unwrap_or(0)))).collect()
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
    match (resource.group, resource.kind) {
        ("", "PersistentVolumeClaim") => {
            let size = text(object, "/spec/resources/requests/storage");
            let size = quantity::parse(size).unwrap_or(0);
            amounts.insert("requests.storage".to_owned(), size);
            let class = text(object, "/spec/storageClassName");
            if !class.is_empty() {
                amounts.insert(format!("{class}.storageclass.storage.k8s.io/requests.storage"), size);
                amounts.insert(format!("{class}.storageclass.storage.k8s.io/persistentvolumeclaims"), 1000);
            }
        }
        ("", "Service") => {
            let ports = object.pointer("/spec/ports").and_then(Value::as_array).map_or(0, Vec::len);
            let ports = i128::try_from(ports).unwrap_or(0) * 1000;
            let kind = text(object, "/spec/type");
            let open = kind == "NodePort" || kind == "LoadBalancer";
            amounts.insert("services.nodeports".to_owned(), if open { ports } else { 0 });
            amounts.insert("services.loadbalancers".to_owned(), if kind == "LoadBalancer" { 1000 } else { 0 });
        }
        _ => {}
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
    let by_selector = quota.pointer("/spec/scopeSelector/matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let class = text(object, "/spec/priorityClassName");
    let selected = by_selector.into_iter().all(|expression| {
        let values = expression["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        let among = values.iter().any(|value| value == class);
        resource == resource::PODS
            && text(expression, "/scopeName") == "PriorityClass"
            && match text(expression, "/operator") {
                "In" => among,
                "NotIn" => !among,
                "Exists" => !class.is_empty(),
                "DoesNotExist" => class.is_empty(),
                _ => false,
            }
    });
    selected
        && scopes.into_iter().all(|scope| {
            let is_pod = resource == resource::PODS;
            let best_effort = super::pod_defaults::qos_class(object) == "BestEffort";
            let ends = object.pointer("/spec/activeDeadlineSeconds").is_some();
            match scope {
                "BestEffort" => is_pod && best_effort,
                "NotBestEffort" => is_pod && !best_effort,
                "Terminating" => is_pod && ends,
                "NotTerminating" => is_pod && !ends,
                "PriorityClass" => is_pod && !class.is_empty(),
                _ => false,
            }
        })
}
