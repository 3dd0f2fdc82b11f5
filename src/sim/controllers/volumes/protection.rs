//! Protection of claims and volumes that are in use, and claims made for single pods.
//! The finalizers are set by the API server.

use super::super::context::Context;
use super::super::object::{is_deleting, key, list, name, namespace, owner_reference, text};
use super::super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS};
use crate::sim::api::{ApiError, Resource, Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::scheduler::volumes::claims;
use crate::sim::store::ChangeKind;
use serde_json::{Value, json};
use std::sync::Arc;

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";
/// Before a claim goes, the API server itself is asked for the namespace's pods; in writes (recorded: 25 ms from the deletion
/// of a claim to its end).
const LIVE_LIST: u32 = 4;

/// Starts what lets claims go that no pod uses.
pub(in crate::sim::controllers) fn start_claims(context: &Arc<Context>) {
    context.inform(PERSISTENT_VOLUME_CLAIMS, |_, item| wanting(item));
    context.inform(PODS, |_, item| {
        if item.kind != ChangeKind::Deleted {
            return Vec::new();
        }
        claims(&item.object).map(|(claim, _)| (namespace(&item.object).to_owned(), claim)).collect()
    });
    context.serve(|context, key| {
        Box::pin(async move {
            let Ok(claim) = context.api.get(PERSISTENT_VOLUME_CLAIMS, &key.0, &key.1) else { return Ok(()) };
            let pods = context.api.list(PODS, Some(&key.0));
            let used =
                pods.iter().any(|pod| !text(pod, "/spec/nodeName").is_empty() && claims(pod).any(|(claim, _)| claim == key.1));
            if !is_deleting(&claim) || used {
                return Ok(());
            }
            context.work(key, LIVE_LIST).await;
            release(context, PERSISTENT_VOLUME_CLAIMS, key, CLAIM).await
        })
    });
}

/// Starts what lets volumes go that are not bound.
pub(in crate::sim::controllers) fn start_volumes(context: &Arc<Context>) {
    context.inform(PERSISTENT_VOLUMES, |_, item| wanting(item));
    context.serve(|context, key| {
        Box::pin(async move {
            let Ok(volume) = context.api.get(PERSISTENT_VOLUMES, &key.0, &key.1) else { return Ok(()) };
            if !is_deleting(&volume) || text(&volume, "/status/phase") == "Bound" {
                return Ok(());
            }
            release(context, PERSISTENT_VOLUMES, key, VOLUME).await
        })
    });
}

fn wanting(item: &WatchItem) -> Vec<Key> {
    if item.kind != ChangeKind::Deleted && is_deleting(&item.object) { vec![key(&item.object)] } else { Vec::new() }
}

async fn release(context: &Context, resource: Resource, key: &Key, finalizer: &str) -> Result<(), ApiError> {
    let Ok(object) = context.api.get(resource, &key.0, &key.1) else { return Ok(()) };
    if !list(&object, "/metadata/finalizers").iter().any(|known| known == finalizer) {
        return Ok(());
    }
    context.before_write(key).await;
    let released = context.api.modify(resource, &key.0, &key.1, Subresource::Main, |object| {
        let Some(metadata) = object["metadata"].as_object_mut() else { return };
        let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else { return };
        finalizers.retain(|known| known != finalizer);
        if finalizers.is_empty() {
            metadata.remove("finalizers");
        }
    });
    match released {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}

/// Starts what makes the claims of ephemeral volumes.
pub(in crate::sim::controllers) fn start_ephemeral(context: &Arc<Context>) {
    context.inform(PODS, |_, item| {
        let new = item.kind == ChangeKind::Added && claims(&item.object).any(|(_, own)| own);
        if new { vec![key(&item.object)] } else { Vec::new() }
    });
    context.serve(|context, key| Box::pin(make_claims(context, key)));
}

async fn make_claims(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(pod) = context.api.get(PODS, &key.0, &key.1) else { return Ok(()) };
    if is_deleting(&pod) {
        return Ok(());
    }
    for volume in list(&pod, "/spec/volumes") {
        let Some(template) = volume.at("/ephemeral/volumeClaimTemplate") else { continue };
        let claim = format!("{}-{}", name(&pod), text(volume, "/name"));
        if let Ok(known) = context.api.get(PERSISTENT_VOLUME_CLAIMS, &key.0, &claim) {
            if !super::owned_by(&known, &pod) {
                let why = format!("PVC {}/{claim} was not created for pod {}/{} (pod is not owner)", key.0, key.0, key.1);
                context.recorder.event(
                    &ObjectRef::of(&pod),
                    EventType::Warning,
                    "FailedBinding",
                    &format!("ephemeral volume {}: {why}", text(volume, "/name")),
                );
            }
            continue;
        }
        let mut owner = owner_reference(&pod);
        owner["apiVersion"] = json!("v1");
        owner["kind"] = json!("Pod");
        let mut metadata = template.get("metadata").cloned().unwrap_or_else(|| json!({}));
        metadata["name"] = json!(claim);
        metadata["ownerReferences"] = json!([owner]);
        context.before_write(key).await;
        context.api.create(PERSISTENT_VOLUME_CLAIMS, &key.0, json!({"metadata": metadata, "spec": template["spec"]}))?;
    }
    Ok(())
}
