//! The persistent volume controller: binds claims to volumes, has volumes made and reclaims them.
//! Volumes of the class `kubernetes.io/host-path` are made here, as kind's controller manager does; others wait for whoever makes them.

use super::super::context::Context;
use super::super::object::{annotate, annotation, is_deleting, list, name, namespace, text, uid};
use super::super::queue::Key;
use super::reclaim;
use super::{BOUND, capacity, class_of, fits, is_bound, is_reserved_for};
use crate::json::At as _;
use crate::sim::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, STORAGE_CLASSES};
use crate::sim::api::{ApiError, Subresource, WatchItem};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::scheduler::volumes::SELECTED_NODE;
use crate::sim::store::{ChangeKind, Object};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Claims and volumes are looked at again this often, on one grid.
const RESYNC: Duration = Duration::from_secs(15);
/// The provisioner within the controller manager.
const HOST_PATH: &str = "kubernetes.io/host-path";
/// Set where the controller, not the user, chose the other side.
const BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// What else the controller does before it makes a volume, and from a volume that fits to the first write of its binding, in
/// writes (recorded: 13 ms from the claim's annotation to the volume, 20 ms from there to the claim that names it).
const MAKE: u32 = 3;
const MATCH: u32 = 3;
/// The first part of a volume's key, where a claim's has its namespace.
const VOLUME: &str = "/volume";

/// Starts the controller.
pub(in crate::sim::controllers) fn start(context: &Arc<Context>) {
    context.inform(PERSISTENT_VOLUME_CLAIMS, |_, item| {
        let volume = text(&item.object, "/spec/volumeName").to_owned();
        let own = (namespace(&item.object).to_owned(), name(&item.object).to_owned());
        match item.kind {
            ChangeKind::Deleted if volume.is_empty() => Vec::new(),
            ChangeKind::Deleted => vec![(VOLUME.to_owned(), volume)],
            ChangeKind::Added | ChangeKind::Modified => vec![own],
        }
    });
    context.inform(PERSISTENT_VOLUMES, |_, item: &WatchItem| {
        let claim =
            (text(&item.object, "/spec/claimRef/namespace").to_owned(), text(&item.object, "/spec/claimRef/name").to_owned());
        let own = (VOLUME.to_owned(), name(&item.object).to_owned());
        let claimed = !claim.1.is_empty();
        match item.kind {
            ChangeKind::Deleted => claimed.then_some(claim).into_iter().collect(),
            ChangeKind::Added | ChangeKind::Modified => std::iter::once(own).chain(claimed.then_some(claim)).collect(),
        }
    });
    context.serve(|context, key| Box::pin(sync(context, key)));
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    if key.0 == VOLUME {
        return match context.api.get(PERSISTENT_VOLUMES, "", &key.1) {
            Ok(volume) => sync_volume(context, key, &volume).await,
            Err(_) => Ok(()),
        };
    }
    match context.api.get(PERSISTENT_VOLUME_CLAIMS, &key.0, &key.1) {
        Ok(claim) if is_bound(&claim) || annotation(&claim, BOUND).is_some() => sync_bound(context, key, &claim).await,
        Ok(claim) => {
            let settled = sync_unbound(context, key, &claim).await?;
            if !settled {
                context.queue.add_after(key.clone(), until_resync(context));
            }
            Ok(())
        }
        Err(_) => Ok(()),
    }
}

fn until_resync(context: &Context) -> Duration {
    let phase = Duration::from_millis(context.api.random.bits("persistentvolume-controller", "resync", 0) % 15_000);
    let past = (context.api.clock.elapsed() + RESYNC).saturating_sub(phase).as_millis() % RESYNC.as_millis();
    RESYNC.saturating_sub(Duration::from_millis(u64::try_from(past).unwrap_or(0)))
}

fn say(context: &Context, object: &Value, kind: EventType, reason: &str, message: &str) {
    context.recorder.event(&ObjectRef::of(object), kind, reason, message);
}

/// A claim that is bound is held to its volume.
async fn sync_bound(context: &Context, key: &Key, claim: &Object) -> Result<(), ApiError> {
    let volume = text(claim, "/spec/volumeName");
    let lost = |reason: &'static str, message: &'static str| async move {
        if text(claim, "/status/phase") == "Lost" {
            return Ok(());
        }
        write_claim(context, key, Subresource::Status, |claim| claim["status"] = json!({"phase": "Lost"})).await?;
        say(context, claim, EventType::Warning, reason, message);
        Ok(())
    };
    if volume.is_empty() {
        return lost("ClaimLost", "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!").await;
    }
    let Ok(volume) = context.api.get(PERSISTENT_VOLUMES, "", volume) else {
        return lost("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!").await;
    };
    if volume.at("/spec/claimRef").is_none() || text(&volume, "/spec/claimRef/uid") == uid(claim) {
        return bind(context, key, &volume, claim).await;
    }
    lost("ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly").await
}

/// A claim that is not bound is bound, or told what it waits for; says whether nothing is left to do.
async fn sync_unbound(context: &Context, key: &Key, claim: &Object) -> Result<bool, ApiError> {
    let wanted = text(claim, "/spec/volumeName");
    if !wanted.is_empty() {
        return sync_prebound(context, key, claim, wanted).await;
    }
    let class = class_of(claim).map(|class| (class, context.api.get(STORAGE_CLASSES, "", class).ok()));
    let delayed = class
        .as_ref()
        .is_some_and(|(_, class)| class.as_ref().is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer"));
    let volumes = context.api.list(PERSISTENT_VOLUMES, None);
    let fitting = volumes.iter().filter(|volume| fits(claim, volume));
    // With delayed binding the scheduler chooses: only what is reserved for the claim is taken.
    let best = fitting
        .filter(|volume| !delayed || is_reserved_for(volume, claim))
        .min_by_key(|volume| (!is_reserved_for(volume, claim), capacity(volume)));
    if let Some(volume) = best {
        bind(context, key, volume, claim).await?;
        return Ok(true);
    }
    match class {
        None if claim.at("/spec/storageClassName").is_none() && default_class(context).is_some() => {
            let class = default_class(context);
            write_claim(context, key, Subresource::Main, |claim| claim["spec"]["storageClassName"] = json!(class)).await?;
            Ok(true)
        }
        None => {
            let message = "no persistent volumes available for this claim and no storage class is set";
            say(context, claim, EventType::Normal, "FailedBinding", message);
            Ok(false)
        }
        Some(_) if delayed && annotation(claim, SELECTED_NODE).is_none() => {
            let (reason, message) = waits_for(context, claim);
            say(context, claim, EventType::Normal, reason, &message);
            Ok(false)
        }
        Some((class, None)) => {
            let message = format!("storageclass.storage.k8s.io \"{class}\" not found");
            say(context, claim, EventType::Warning, "ProvisioningFailed", &message);
            Ok(false)
        }
        Some((_, Some(class))) => provision(context, key, claim, &class).await,
    }
}

/// The class that claims without one get: the newest that is marked.
pub(crate) fn default_class(context: &Context) -> Option<String> {
    crate::sim::api::default_class(&context.api)
}

async fn sync_prebound(context: &Context, key: &Key, claim: &Object, wanted: &str) -> Result<bool, ApiError> {
    let Ok(volume) = context.api.get(PERSISTENT_VOLUMES, "", wanted) else { return Ok(false) };
    if volume.at("/spec/claimRef").is_none() {
        if let Some(why) = mismatch(&volume, claim) {
            let message = format!("Cannot bind to requested volume \"{wanted}\": {why}");
            say(context, claim, EventType::Warning, "VolumeMismatch", &message);
            return Ok(false);
        }
        bind(context, key, &volume, claim).await?;
        return Ok(true);
    }
    if is_reserved_for(&volume, claim) {
        bind(context, key, &volume, claim).await?;
        return Ok(true);
    }
    let message = format!("volume \"{wanted}\" already bound to a different claim.");
    say(context, claim, EventType::Warning, "FailedBinding", &message);
    Ok(false)
}

fn mismatch(volume: &Value, claim: &Value) -> Option<&'static str> {
    let modes = list(volume, "/spec/accessModes");
    if super::wanted(claim) > capacity(volume) {
        Some("requested PV is too small")
    } else if class_of(claim) != class_of(volume) {
        Some("storageClassName does not match")
    } else if volume["spec"]["volumeMode"] != claim["spec"]["volumeMode"] {
        Some("incompatible volumeMode")
    } else if !list(claim, "/spec/accessModes").iter().all(|mode| modes.contains(mode)) {
        Some("incompatible accessMode")
    } else {
        None
    }
}

/// What a claim of a class that binds late waits for.
fn waits_for(context: &Context, claim: &Value) -> (&'static str, String) {
    let pods = context.api.list(PODS, Some(namespace(claim)));
    let users: Vec<&str> = pods
        .iter()
        .filter(|pod| text(pod, "/spec/nodeName").is_empty() && crate::sim::scheduler::volumes::uses(pod, name(claim)))
        .map(|pod| name(pod))
        .collect();
    if users.is_empty() {
        return ("WaitForFirstConsumer", "waiting for first consumer to be created before binding".to_owned());
    }
    let what = if users.len() == 1 { "pod" } else { "pods" };
    ("WaitForPodScheduled", format!("waiting for {what} {} to be scheduled", users.join(",")))
}

async fn write_claim(
    context: &Context,
    key: &Key,
    subresource: Subresource,
    change: impl FnOnce(&mut Value),
) -> Result<(), ApiError> {
    context.before_write(key).await;
    match context.api.modify(PERSISTENT_VOLUME_CLAIMS, &key.0, &key.1, subresource, change) {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}

pub(super) async fn write_volume(
    context: &Context,
    name: &str,
    subresource: Subresource,
    change: impl FnOnce(&mut Value),
) -> Result<(), ApiError> {
    context.before_write(&(VOLUME.to_owned(), name.to_owned())).await;
    match context.api.modify(PERSISTENT_VOLUMES, "", name, subresource, change) {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}

/// The four writes of a binding, as far as they are missing.
async fn bind(context: &Context, key: &Key, volume: &Object, claim: &Object) -> Result<(), ApiError> {
    if !is_bound(claim) {
        context.work(key, MATCH).await;
    }
    if text(volume, "/spec/claimRef/uid") != uid(claim) {
        let by_user = volume.at("/spec/claimRef").is_some();
        let reference = reference_to(claim);
        write_volume(context, name(volume), Subresource::Main, |volume| {
            volume["spec"]["claimRef"] = reference;
            if !by_user {
                annotate(volume, BY_CONTROLLER, "yes");
            }
        })
        .await?;
    }
    set_phase(context, name(volume), "Bound").await?;
    if text(claim, "/spec/volumeName") != name(volume) || annotation(claim, BOUND).is_none() {
        write_claim(context, key, Subresource::Main, |claim| {
            if text(claim, "/spec/volumeName").is_empty() {
                annotate(claim, BY_CONTROLLER, "yes");
            }
            claim["spec"]["volumeName"] = json!(name(volume));
            annotate(claim, BOUND, "yes");
        })
        .await?;
    }
    let bound = json!({
        "phase": "Bound", "accessModes": volume["spec"]["accessModes"], "capacity": {"storage": volume["spec"]["capacity"]["storage"]},
    });
    if text(claim, "/status/phase") != "Bound" {
        write_claim(context, key, Subresource::Status, |claim| claim["status"] = bound).await?;
    }
    Ok(())
}

fn reference_to(claim: &Value) -> Value {
    json!({
        "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace(claim), "name": name(claim), "uid": uid(claim),
        "resourceVersion": claim["metadata"]["resourceVersion"],
    })
}

/// Sets a volume's phase, with the time of the change.
pub(super) async fn set_phase(context: &Context, volume: &str, phase: &str) -> Result<(), ApiError> {
    let known = context.api.get(PERSISTENT_VOLUMES, "", volume);
    if known.is_ok_and(|known| text(&known, "/status/phase") == phase) {
        return Ok(());
    }
    let now = context.api.clock.seconds();
    write_volume(context, volume, Subresource::Status, |volume| {
        volume["status"] = json!({"phase": phase, "lastPhaseTransitionTime": now});
    })
    .await
}

/// Has a volume made for a claim; says whether that is done.
async fn provision(context: &Context, key: &Key, claim: &Object, class: &Object) -> Result<bool, ApiError> {
    let provisioner = text(class, "/provisioner").to_owned();
    if annotation(claim, "volume.kubernetes.io/storage-provisioner") != Some(&provisioner) {
        write_claim(context, key, Subresource::Main, |claim| {
            annotate(claim, "volume.beta.kubernetes.io/storage-provisioner", &provisioner);
            annotate(claim, "volume.kubernetes.io/storage-provisioner", &provisioner);
        })
        .await?;
    }
    if provisioner != HOST_PATH {
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        say(context, claim, EventType::Normal, "ExternalProvisioning", &message);
        context.api.limits.report(Limit {
            kind: LimitKind::Kind,
            uid: uid(claim).to_owned(),
            subject: format!("PersistentVolumeClaim {}/{}", key.0, key.1),
            construct: format!("provisioner {provisioner}"),
            position: None,
            help: format!("the embedded cluster makes volumes of {HOST_PATH} only; use the class `standard`, or a real cluster"),
        });
        return Ok(false);
    }
    let volume = format!("pvc-{}", uid(claim));
    if context.api.get(PERSISTENT_VOLUMES, "", &volume).is_err() {
        context.work(key, MAKE).await;
        context.before_write(key).await;
        let reclaim = class["reclaimPolicy"].as_str().unwrap_or("Delete");
        let mode = claim["spec"]["volumeMode"].as_str().unwrap_or("Filesystem");
        let path = format!("/tmp/hostpath_pv/{}", context.api.random.uid(&volume, 0));
        let made = json!({
            "metadata": {
                "name": volume, "finalizers": [reclaim::DELETER],
                "annotations": {
                    "kubernetes.io/createdby": "hostpath-dynamic-provisioner", "pv.kubernetes.io/provisioned-by": HOST_PATH,
                    (BY_CONTROLLER): "yes",
                },
            },
            "spec": {
                "accessModes": claim["spec"]["accessModes"], "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
                "claimRef": reference_to(claim), "hostPath": {"path": path, "type": ""}, "persistentVolumeReclaimPolicy": reclaim,
                "storageClassName": name(class), "volumeMode": mode,
            },
        });
        context.api.create(PERSISTENT_VOLUMES, "", made)?;
        let message = format!("Successfully provisioned volume {volume} using {HOST_PATH}");
        say(context, claim, EventType::Normal, "ProvisioningSucceeded", &message);
    }
    Ok(true)
}

/// A volume is free, bound or released.
async fn sync_volume(context: &Context, key: &Key, volume: &Object) -> Result<(), ApiError> {
    if text(volume, "/spec/claimRef/uid").is_empty() {
        return set_phase(context, &key.1, "Available").await;
    }
    let claim_key = (text(volume, "/spec/claimRef/namespace").to_owned(), text(volume, "/spec/claimRef/name").to_owned());
    let claim = context.api.get(PERSISTENT_VOLUME_CLAIMS, &claim_key.0, &claim_key.1).ok();
    match claim.filter(|claim| uid(claim) == text(volume, "/spec/claimRef/uid")) {
        None => {
            set_phase(context, &key.1, "Released").await?;
            if is_deleting(volume) && !list(volume, "/metadata/finalizers").iter().any(|known| known == reclaim::DELETER) {
                return Ok(());
            }
            reclaim::reclaim(context, volume).await
        }
        Some(claim) if text(&claim, "/spec/volumeName") == key.1 => set_phase(context, &key.1, "Bound").await,
        Some(_) => Ok(()),
    }
}
