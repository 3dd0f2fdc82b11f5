//! The fault `chaosMesh`: waiting until Chaos Mesh has chosen what it acts on, and until it has taken everything back.
//! The object itself is applied and removed as any other.

use super::{FaultError, Prepared, Prey};
use crate::cluster::kinds::Kind;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::observe::index::pod::condition_of;
use crate::observe::index::text;
use crate::observe::watch::plain;
use crate::scenario::fault::ChaosMesh;
use crate::scenario::fault::chaos_mesh::API_VERSION;
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How long the controller may take to choose. Observed: 0.2 to 0.9 s; nothing is tried again where nothing was found.
const CHOSEN_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// How long it may take to take everything back. Observed: 0.2 s, of a namespace full of chaos 15 s.
const RECOVERED_WITHIN: Duration = Duration::from_mins(1);

/// Whether an object is one of Chaos Mesh.
#[must_use]
pub(super) fn is_its(api_version: &str) -> bool {
    api_version == API_VERSION
}

/// Waits until the controller has chosen its targets.
///
/// # Errors
/// It found none: no target. It does not take the object up at all.
pub(super) async fn chosen(client: &kube::Client, prepared: &Prepared, fault: &ChaosMesh, prey: &Prey) -> Result<(), FaultError> {
    if !fault.is_experiment() {
        // What makes others chooses nothing itself.
        return Ok(());
    }
    let name = &prey.reference.name;
    let what = format!("waiting for Chaos Mesh to choose the targets of {}/{name}", fault.kind.to_lowercase());
    let api = prey.kind.api(client, &prepared.namespace);
    let deadline = Instant::now() + CHOSEN_WITHIN;
    loop {
        let found = retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await?;
        let Some(object) = found.map(|object| plain(object, &prey.kind.resource)) else {
            return Err(FaultError::NoTarget(format!("somebody removed {}/{name}", fault.kind.to_lowercase())));
        };
        let selected = condition_of(&object, "Selected");
        let records = object.pointer("/status/experiment/containerRecords").and_then(Value::as_array);
        if records.is_some_and(|records| !records.is_empty()) || selected.is_some_and(|one| text(one, "/status") == "True") {
            return Ok(());
        }
        let over = Instant::now() >= deadline;
        if selected.is_some()
            && let Some(why) = refusal(client, &prepared.namespace, &object).await?
        {
            return Err(FaultError::NoTarget(format!("Chaos Mesh: {why}")));
        }
        if over && selected.is_some() {
            let message = format!("Chaos Mesh has chosen nothing after {} s", CHOSEN_WITHIN.as_secs());
            return Err(FaultError::NoTarget(message));
        }
        if over {
            let message = format!(
                "its controller has not taken it up after {} s: `kubectl --namespace chaos-mesh get pods` shows whether it runs",
                CHOSEN_WITHIN.as_secs()
            );
            return Err(RequestError::of(&what, message).into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What the controller says of an object that it can do nothing with.
async fn refusal(client: &kube::Client, namespace: &str, object: &Value) -> Result<Option<String>, RequestError> {
    let Some(kind) = Kind::known(None, "Event") else { return Ok(None) };
    let api: Api<DynamicObject> = kind.api(client, namespace);
    let about = ListParams::default().fields(&format!("involvedObject.uid={}", text(object, "/metadata/uid")));
    let events = retried("listing events of Chaos Mesh", REQUEST_BUDGET, || api.list(&about)).await?;
    let messages = events.items.iter().filter_map(|event| event.data.get("message").and_then(Value::as_str));
    Ok(messages.filter(|message| message.contains("Failed to select targets")).map(ToOwned::to_owned).next())
}

/// Waits until a removed object is gone: its finalizer holds it until everything is taken back.
///
/// # Errors
/// It may not be watched.
pub(super) async fn is_recovered(api: &Api<DynamicObject>, name: &str, uid: &str) -> Result<bool, RequestError> {
    let gone = |found: Option<&DynamicObject>| found.is_none_or(|found| found.metadata.uid.as_deref() != Some(uid));
    wait::until(api, name, RECOVERED_WITHIN, gone).await
}
