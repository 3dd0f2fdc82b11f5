//! The life of a namespace: what it is given when it appears, and how it is emptied (`kubernetes-behaviour.md` 1.10).
//! Refusing new content in a namespace that goes away is the API server's.

#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{integer, is_deleting, key, list, name, text};
use super::queue::Key;
use crate::sim::api::resource::{CONFIG_MAPS, NAMESPACES, PODS, SERVICE_ACCOUNTS};
use crate::sim::api::{ApiError, DeleteOptions, Resource, Subresource, WatchItem};
use crate::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A namespace is first looked at this long after each change of it.
const FIRST_DELAY: Duration = Duration::from_secs(5);
/// How long objects with finalizers are expected to take, in seconds.
const FINALIZER_ESTIMATE: i64 = 15;
/// The `ConfigMap` with the cluster's certificate authority.
const ROOT_CA: &str = "kube-root-ca.crt";

/// Starts what fills namespaces: the service account controller and the publisher of the root certificate.
pub(super) fn start_filling(context: &Arc<Context>) {
    context.inform(NAMESPACES, |_, item| {
        if item.kind == ChangeKind::Deleted || is_deleting(&item.object) { Vec::new() } else { vec![key(&item.object)] }
    });
    for (resource, wanted) in [(SERVICE_ACCOUNTS, "default"), (CONFIG_MAPS, ROOT_CA)] {
        context.inform(resource, move |_, item| {
            let lost = item.kind == ChangeKind::Deleted && name(&item.object) == wanted;
            if lost { vec![(String::new(), text(&item.object, "/metadata/namespace").to_owned())] } else { Vec::new() }
        });
    }
    let context = Arc::clone(context);
    let tasks = context.api.gate.control_plane.clone();
    tasks.spawn(async move {
        loop {
            let key = context.queue.next().await;
            fill(&context, &key).await;
        }
    });
}

async fn fill(context: &Context, key: &Key) {
    let description = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as \
        the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
    // The simulated API server has no certificate to verify, so the bundle is empty.
    let root = json!({
        "metadata": {"name": ROOT_CA, "annotations": {"kubernetes.io/description": description}}, "data": {"ca.crt": ""},
    });
    for (resource, object) in [(CONFIG_MAPS, root), (SERVICE_ACCOUNTS, json!({"metadata": {"name": "default"}}))] {
        context.before_write(key).await;
        let open = context.api.get(NAMESPACES, "", &key.1).is_ok_and(|namespace| !is_deleting(&namespace));
        if open {
            // There already, or the namespace went away in between.
            let _ = context.api.create(resource, &key.1, object);
        }
    }
}

/// Starts what empties namespaces.
pub(super) fn start_emptying(context: &Arc<Context>) {
    let later = Arc::clone(context);
    context.inform(NAMESPACES, move |_, item: &WatchItem| {
        if item.kind != ChangeKind::Deleted && is_deleting(&item.object) {
            later.queue.add_after(key(&item.object), FIRST_DELAY);
        }
        Vec::new()
    });
    let context = Arc::clone(context);
    let tasks = context.api.gate.control_plane.clone();
    tasks.spawn(async move {
        loop {
            let key = context.queue.next().await;
            match empty(&context, &key).await {
                Ok(None) => context.queue.forget(&key),
                Ok(Some(estimate)) => {
                    let again = Duration::from_secs(u64::try_from(estimate / 2 + 1).unwrap_or(1));
                    context.queue.add_after(key, again);
                }
                Err(_) => context.queue.retry(key),
            }
        }
    });
}

/// What is left of one kind.
#[derive(Debug, Default)]
struct Rest {
    count: usize,
    finalizers: BTreeMap<String, usize>,
    estimate: i64,
}

/// One pass over a namespace; the estimated seconds until the rest is gone, or none when all is.
async fn empty(context: &Context, key: &Key) -> Result<Option<i64>, ApiError> {
    let Ok(namespace) = context.api.get(NAMESPACES, "", &key.1) else { return Ok(None) };
    if !is_deleting(&namespace) {
        return Ok(None);
    }
    // Pods first, and nothing else while there are any.
    let pods = delete_all(context, key, PODS).await?;
    if pods.count > 0 {
        write_conditions(context, key, &BTreeMap::new()).await?;
        return Ok(Some(pods.estimate));
    }
    let mut rests = BTreeMap::new();
    for resource in context.api.resources().into_iter().filter(|resource| resource.namespaced) {
        let rest = delete_all(context, key, resource).await?;
        if rest.count > 0 {
            rests.insert((resource.plural, resource.group), rest);
        }
    }
    write_conditions(context, key, &rests).await?;
    if let Some(estimate) = rests.values().map(|rest| rest.estimate).max() {
        return Ok(Some(estimate));
    }
    context.before_write(key).await;
    let finalized = context.api.modify(NAMESPACES, "", &key.1, Subresource::Main, |namespace| {
        if let Some(finalizers) = namespace.pointer_mut("/spec/finalizers").and_then(Value::as_array_mut) {
            finalizers.retain(|finalizer| finalizer != "kubernetes");
        }
    });
    match finalized {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(None),
    }
}

/// Deletes all objects of a kind as one collection and counts what stays.
async fn delete_all(context: &Context, key: &Key, resource: Resource) -> Result<Rest, ApiError> {
    let objects = context.api.list(resource, Some(&key.1));
    if objects.is_empty() {
        return Ok(Rest::default());
    }
    for object in &objects {
        context.before_write(key).await;
        match context.api.delete(resource, &key.1, name(object), &DeleteOptions::default()) {
            Err(error) if error.code != 404 => return Err(error),
            _ => {}
        }
    }
    let mut rest = Rest::default();
    for object in context.api.list(resource, Some(&key.1)) {
        rest.count += 1;
        for finalizer in list(&object, "/metadata/finalizers") {
            *rest.finalizers.entry(finalizer.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let grace = if resource == PODS { integer(&object, "/spec/terminationGracePeriodSeconds") } else { FINALIZER_ESTIMATE };
        rest.estimate = rest.estimate.max(grace);
    }
    Ok(rest)
}

async fn write_conditions(
    context: &Context,
    key: &Key,
    rests: &BTreeMap<(&'static str, &'static str), Rest>,
) -> Result<(), ApiError> {
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for (finalizer, count) in rests.values().flat_map(|rest| &rest.finalizers) {
        *held.entry(finalizer).or_default() += count;
    }
    let mut left: Vec<_> =
        rests.iter().map(|((plural, group), rest)| format!("{plural}.{group} has {} resource instances", rest.count)).collect();
    left.sort_unstable();
    let waiting: Vec<_> = held.iter().map(|(finalizer, count)| format!("{finalizer} in {count} resource instances")).collect();
    let filled = (
        "ContentRemoved",
        "All content successfully removed",
        "SomeResourcesRemain",
        format!("Some resources are remaining: {}", left.join(", ")),
        !left.is_empty(),
    );
    let unfinalized = (
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
        "SomeFinalizersRemain",
        format!("Some content in the namespace has finalizers remaining: {}", waiting.join(", ")),
        !waiting.is_empty(),
    );
    let judged = |(fine, told, reason, message, bad): (&'static str, &'static str, &'static str, String, bool)| {
        if bad { ("True", reason, message) } else { ("False", fine, told.to_owned()) }
    };
    let wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            ("False", "ResourcesDiscovered", "All resources successfully discovered".to_owned()),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            ("False", "ParsedGroupVersions", "All legacy kube types successfully parsed".to_owned()),
        ),
        (
            "NamespaceDeletionContentFailure",
            ("False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization".to_owned()),
        ),
        ("NamespaceContentRemaining", judged(filled)),
        ("NamespaceFinalizersRemaining", judged(unfinalized)),
    ];
    let now = context.api.clock.seconds();
    let Ok(namespace) = context.api.get(NAMESPACES, "", &key.1) else { return Ok(()) };
    let mut status = namespace["status"].clone();
    for (kind, (state, reason, message)) in wanted {
        let known = list(&status, "/conditions").iter().position(|known| known["type"] == kind);
        let same = known.map(|index| &status["conditions"][index]);
        if same.is_some_and(|same| same["status"] == state && same["message"] == *message) {
            continue;
        }
        let condition = json!({"type": kind, "status": state, "reason": reason, "message": message, "lastTransitionTime": now});
        if !status["conditions"].is_array() {
            status["conditions"] = json!([]);
        }
        match (known, status["conditions"].as_array_mut()) {
            (Some(index), Some(conditions)) => conditions[index] = condition,
            (None, Some(conditions)) => conditions.push(condition),
            (_, None) => {}
        }
    }
    if namespace["status"] == status {
        return Ok(());
    }
    context.before_write(key).await;
    match context.api.modify(NAMESPACES, "", &key.1, Subresource::Status, |namespace| namespace["status"] = status) {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}
