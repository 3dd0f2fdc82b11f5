//! What becomes of a volume whose claim is gone: it is kept, or deleted with what it holds.
//! Noticing that is the binder's.

use super::super::context::Context;
use super::super::object::{annotation, list, name, text, uid};
use super::binder::{set_phase, write_volume};
use crate::json::At as _;
use crate::sim::api::resource::PERSISTENT_VOLUMES;
use crate::sim::api::{ApiError, DeleteOptions, Subresource};
use crate::sim::events::{EventType, ObjectRef};
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::store::Object;
use serde_json::Value;

/// Keeps a volume until what it holds is deleted.
pub(super) const DELETER: &str = "kubernetes.io/pv-controller";

/// Deals with a released volume by its policy.
pub(super) async fn reclaim(context: &Context, volume: &Object) -> Result<(), ApiError> {
    match text(volume, "/spec/persistentVolumeReclaimPolicy") {
        "Delete" => delete(context, volume).await,
        "Recycle" => {
            context.api.limits.report(Limit {
                kind: LimitKind::Kind,
                uid: uid(volume).to_owned(),
                subject: format!("PersistentVolume {}", name(volume)),
                construct: "reclaim policy Recycle".to_owned(),
                position: None,
                help: "use the reclaim policy Delete or Retain, or a real cluster".to_owned(),
            });
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Why the controller manager cannot delete what a volume holds.
fn obstacle(volume: &Value) -> Option<String> {
    if annotation(volume, "pv.kubernetes.io/provisioned-by").is_some_and(|by| by != "kubernetes.io/host-path") {
        // Whoever made it deletes it.
        return Some(String::new());
    }
    let Some(path) = volume.at("/spec/hostPath/path").and_then(Value::as_str) else {
        return Some(format!(
            "error getting deleter volume plugin for volume \"{}\": no deletable volume plugin matched",
            name(volume)
        ));
    };
    (!path.starts_with("/tmp/")).then(|| format!("host_path deleter only supports /tmp/.+ but received provided {path}"))
}

async fn delete(context: &Context, volume: &Object) -> Result<(), ApiError> {
    if let Some(why) = obstacle(volume) {
        if !why.is_empty() && text(volume, "/status/phase") != "Failed" {
            set_phase(context, name(volume), "Failed").await?;
            context.recorder.event(&ObjectRef::of(volume), EventType::Warning, "VolumeFailedDelete", &why);
        }
        return Ok(());
    }
    if list(volume, "/metadata/finalizers").iter().any(|known| known == DELETER) {
        write_volume(context, name(volume), Subresource::Main, |volume| {
            if let Some(finalizers) = volume["metadata"]["finalizers"].as_array_mut() {
                finalizers.retain(|known| known != DELETER);
            }
        })
        .await?;
    }
    context.before_write(&(String::new(), name(volume).to_owned())).await;
    let options = DeleteOptions { uid: Some(uid(volume).to_owned()), ..DeleteOptions::default() };
    match context.api.delete(PERSISTENT_VOLUMES, "", name(volume), &options) {
        Err(error) if !matches!(error.code, 404 | 409) => Err(error),
        _ => Ok(()),
    }
}
