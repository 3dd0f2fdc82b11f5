//! Deletion: preconditions, the grace of pods, finalizers, propagation (`kubernetes-behaviour.md` 1.6).
//! Collecting dependents is the garbage collector's, ending containers the kubelet's.

use super::custom::definition;
use super::namespace;
use super::pipeline::{self, text};
use super::resource::{self, Resource};
use super::server::{ApiServer, DeleteOptions, Propagation};
use super::status::ApiError;
use crate::json::At as _;
use crate::sim::clock::format_seconds;
use crate::sim::store::Object;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// What a deletion did.
#[derive(Debug)]
pub(super) struct Deleted {
    /// The object's last state, or its state while it waits.
    pub(super) object: Object,
    /// Whether it is gone from the store.
    pub(super) gone: bool,
}

/// Deletes an object, or marks it and lets it wait for its grace and its finalizers.
pub(super) fn delete(
    api: &ApiServer,
    resource: Resource,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
) -> Result<Deleted, ApiError> {
    let stored = check(api, resource, namespace, name, options)?;
    if resource == resource::CUSTOM_RESOURCE_DEFINITIONS {
        return definition::delete(api, &stored);
    }
    let finalizers = finalizers_after(&stored, options.propagation);
    let grace = if resource == resource::PODS { pod_grace(&stored, options.grace_seconds) } else { 0 };
    let waits = grace > 0 || !finalizers.is_empty() || has_namespace_finalizer(resource, &stored);
    if !waits {
        if resource == resource::PODS {
            // The real server stores the last mark before it removes a pod: watchers see MODIFIED with grace 0, then DELETED.
            api.store.put(resource, namespace, name, mark(api, resource, &stored, 0, &finalizers));
        }
        let object = api.store.remove(resource, namespace, name).ok_or_else(|| ApiError::not_found(resource, name))?;
        pipeline::removed(api, resource, &object);
        return Ok(Deleted { object, gone: true });
    }
    let object = mark(api, resource, &stored, grace, &finalizers);
    Ok(Deleted { object: api.store.put(resource, namespace, name, object), gone: false })
}

/// The object that would be deleted; refused where its deletion would be.
pub(super) fn check(
    api: &ApiServer,
    resource: Resource,
    namespace: &str,
    name: &str,
    options: &DeleteOptions,
) -> Result<Object, ApiError> {
    let stored = api.get(resource, namespace, name)?;
    check_preconditions(resource, name, &stored, options)?;
    namespace::check_deletion(resource, name)?;
    Ok(stored)
}

fn mark(api: &ApiServer, resource: Resource, stored: &Object, grace: i64, finalizers: &[String]) -> Value {
    let mut object = (**stored).clone();
    if !finalizers.is_empty() {
        object["metadata"]["finalizers"] = json!(finalizers);
    }
    let present = stored.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
    let first = stored.at("/metadata/deletionTimestamp").is_none();
    if first || present.is_some_and(|present| grace < present) {
        let at = deadline(api, stored, present.filter(|_| !first), grace);
        object["metadata"]["deletionTimestamp"] = json!(at);
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    }
    if first && resource.has_generation() {
        let generation = stored.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        object["metadata"]["generation"] = json!(generation + 1);
    }
    if resource == resource::NAMESPACES {
        object["status"]["phase"] = json!("Terminating");
    }
    object
}

/// A first deletion ends after its grace; a later one moves the end back, never into the past.
fn deadline(api: &ApiServer, stored: &Object, present: Option<i64>, grace: i64) -> String {
    let now = api.clock.now();
    let earlier = present.and_then(|present| {
        let end: jiff::Timestamp = text(stored, "/metadata/deletionTimestamp").parse().ok()?;
        end.checked_sub(SignedDuration::from_secs(present)).ok()
    });
    let begun = earlier.unwrap_or(now);
    let end = begun.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
    format_seconds(end.max(now))
}

fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let own = || pod.at("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(30);
    let unscheduled = text(pod, "/spec/nodeName").is_empty();
    let ended = ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"));
    if unscheduled || ended {
        return 0;
    }
    match asked.unwrap_or_else(own) {
        negative if negative < 0 => 1,
        grace => grace,
    }
}

fn finalizers_after(stored: &Value, propagation: Propagation) -> Vec<String> {
    let mut finalizers: Vec<String> = stored
        .at("/metadata/finalizers")
        .and_then(Value::as_array)
        .map(|all| all.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect())
        .unwrap_or_default();
    let own = match propagation {
        Propagation::Background => return finalizers,
        Propagation::Foreground => "foregroundDeletion",
        Propagation::Orphan => "orphan",
    };
    if !finalizers.iter().any(|finalizer| finalizer == own) {
        finalizers.push(own.to_owned());
    }
    finalizers
}

fn has_namespace_finalizer(resource: Resource, stored: &Value) -> bool {
    resource == resource::NAMESPACES
        && stored.at("/spec/finalizers").and_then(Value::as_array).is_some_and(|finalizers| !finalizers.is_empty())
}

fn check_preconditions(resource: Resource, name: &str, stored: &Value, options: &DeleteOptions) -> Result<(), ApiError> {
    let refused = |why: String| {
        let mut error = ApiError::conflict(resource, name, &why);
        let kind =
            if resource.group.is_empty() { resource.kind.to_owned() } else { format!("{}.{}", resource.kind, resource.group) };
        error.message = format!("Operation cannot be fulfilled on {kind} \"{name}\": {why}");
        if let Some(details) = &mut error.details {
            details["kind"] = json!(resource.kind);
        }
        Err(error)
    };
    let uid = text(stored, "/metadata/uid");
    if let Some(asked) = options.uid.as_deref().filter(|asked| *asked != uid) {
        return refused(format!(
            "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        ));
    }
    let version = text(stored, "/metadata/resourceVersion");
    if let Some(asked) = options.resource_version.as_deref().filter(|asked| *asked != version) {
        return refused(format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({version}). The object might have been modified"
        ));
    }
    Ok(())
}
