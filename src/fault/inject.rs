//! Carrying out a prepared fault: one request per target, with the target's uid as precondition.
//! The undo records must be on the disk before. What is to be done to each target says `verb`.

use super::undo::{Confirmation, confirmation_of};
use super::verb::{Verb, verb};
use super::{FaultError, Injected, Prepared, Prey, chaos, evict, exec, machine, program, token};
use crate::cluster::machine::Machines;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::engine::apply::apply_object;
use crate::engine::labels::FIELD_MANAGER;
use crate::observe::watch::plain;
use crate::scenario::Fault;
use crate::scenario::fault::PatchType;
use futures::future::join_all;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::{Value, json};

/// Injects a fault. Returns when the API has accepted all of it.
///
/// # Errors
/// A target that is gone or was replaced; the server's refusal; a command that failed without ending its container.
pub async fn inject(client: &kube::Client, machines: Option<&dyn Machines>, prepared: &Prepared) -> Result<Injected, FaultError> {
    let mut injected = Injected::default();
    if let (Fault::Command(command), Some(surroundings)) = (&prepared.fault, &prepared.surroundings) {
        let ran = program::run(&command.run, surroundings, &command.env, command.within()).await;
        return ran.map(|()| injected).map_err(FaultError::Command);
    }
    // A token of before, by which it shows that it is refused.
    let witness = match prepared.prey.first() {
        Some(prey) if matches!(prepared.fault, Fault::ExpireToken(_)) => Some(token::issue(client, prepared, prey).await?),
        _ => None,
    };
    // A node takes no new pods before its own are evicted, so that none comes back to it.
    let (first, then): (Vec<_>, Vec<_>) = prepared.prey.iter().partition(|prey| prey.reference.kind == "Node");
    for group in [first, then] {
        let acts = group.into_iter().map(|prey| act(client, machines, prepared, prey));
        for result in join_all(acts).await {
            let (confirmation, note) = result?;
            injected.confirmations.extend(confirmation);
            injected.notes.extend(note);
        }
    }
    if matches!(prepared.fault, Fault::PauseApiServer(_)) {
        injected.measured = Some(machine::silence(client).await?);
    }
    if let Some(witness) = witness {
        injected.measured = Some(token::refused(client, &witness).await?);
    }
    Ok(injected)
}

async fn act(
    client: &kube::Client,
    machines: Option<&dyn Machines>,
    prepared: &Prepared,
    prey: &Prey,
) -> Result<(Option<Confirmation>, Option<String>), FaultError> {
    match verb(&prepared.fault, prey)? {
        Verb::DeletePod(grace) => delete(client, prepared, prey, grace).await?,
        Verb::Delete => delete(client, prepared, prey, None).await?,
        Verb::Renew => token::renew(client, prepared, prey).await?,
        Verb::Evict(grace) => return Ok((None, evict::evict(client, prepared, prey, grace).await?)),
        Verb::Run => run(client, prepared, prey).await?,
        Verb::Machine => machine::carry_out(machines, prepared, prey).await?,
        Verb::Hold => exec::hold(client, prepared, prey).await?,
        change => {
            if let Some(after) = self::change(client, prepared, prey, change, false).await? {
                if let Fault::ChaosMesh(fault) = &prepared.fault {
                    chaos::chosen(client, prepared, fault, prey).await?;
                }
                return Ok((Some(confirmation_of(prepared.position, prey, &after)), None));
            }
        }
    }
    Ok((None, None))
}

async fn run(client: &kube::Client, prepared: &Prepared, prey: &Prey) -> Result<(), FaultError> {
    match &prepared.fault {
        Fault::Exec(fault) => exec::run(client, prepared, prey, fault.container.as_deref(), &fault.command).await,
        Fault::KillContainer(fault) => {
            let command = ["sh".to_owned(), "-c".to_owned(), format!("kill -s {} 1", fault.signal.name())];
            exec::run(client, prepared, prey, fault.container.as_deref(), &command).await
        }
        _ => Ok(()),
    }
}

/// What a fault that changes fields will make of an object, by a dry run; it is refused here if the server would refuse it.
pub(super) async fn rehearse(client: &kube::Client, prepared: &Prepared, prey: &Prey) -> Result<Option<Value>, FaultError> {
    match change(client, prepared, prey, verb(&prepared.fault, prey)?, true).await {
        Ok(expected) => Ok(expected),
        // Some admission webhooks refuse every dry run.
        Err(FaultError::Request(error)) if error.message.contains("dry run") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes fields of an object, or creates it; its state then, or nothing where the verb changes no fields.
async fn change(
    client: &kube::Client,
    prepared: &Prepared,
    prey: &Prey,
    verb: Verb,
    dry_run: bool,
) -> Result<Option<Value>, FaultError> {
    Ok(match verb {
        Verb::Change(type_, patch) => Some(self::patch(client, prepared, prey, type_, patch, dry_run).await?),
        Verb::Apply(manifest) => Some(apply_object(client, &prepared.namespace, &prepared.run, &manifest, dry_run).await?),
        Verb::DeletePod(_) | Verb::Evict(_) | Verb::Run | Verb::Hold | Verb::Machine | Verb::Delete | Verb::Renew => None,
    })
}

pub(super) async fn delete(
    client: &kube::Client,
    prepared: &Prepared,
    prey: &Prey,
    grace: Option<u32>,
) -> Result<(), FaultError> {
    let name = &prey.reference.name;
    let what = format!("deleting {}/{name}", prey.reference.kind.to_lowercase());
    let preconditions = Some(Preconditions { uid: Some(prey.reference.uid.clone()), resource_version: None });
    let parameters = DeleteParams { grace_period_seconds: grace, preconditions, ..DeleteParams::background() };
    let api = prey.kind.api(client, &prepared.namespace);
    let mut attempts = 0;
    let deleted = retried(&what, REQUEST_BUDGET, || {
        attempts += 1;
        api.delete(name, &parameters)
    })
    .await;
    match deleted {
        Ok(_) => Ok(()),
        // An earlier attempt was carried out and only its answer was lost.
        Err(error) if error.is_not_found() && attempts > 1 => Ok(()),
        Err(error) => Err(gone_or(error)),
    }
}

/// Patches one object; its state after the patch.
async fn patch(
    client: &kube::Client,
    prepared: &Prepared,
    prey: &Prey,
    type_: PatchType,
    change: Value,
    dry_run: bool,
) -> Result<Value, FaultError> {
    let name = &prey.reference.name;
    let what = format!("patching {}/{name}", prey.reference.kind.to_lowercase());
    let change = with_uid(type_, change, &prey.reference.uid).map_err(|message| RequestError::of(&what, message))?;
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), dry_run, ..PatchParams::default() };
    let api = prey.kind.api(client, &prepared.namespace);
    let patch: Patch<Value> = match type_ {
        PatchType::Strategic => Patch::Strategic(change),
        PatchType::Merge => Patch::Merge(change),
        PatchType::Json => Patch::Json(
            serde_json::from_value(change).map_err(|error| RequestError::of(&what, format!("not a JSON patch: {error}")))?,
        ),
    };
    let patched = retried(&what, REQUEST_BUDGET, || api.patch(name, &parameters, &patch)).await.map_err(gone_or)?;
    Ok(plain(patched, &prey.kind.resource))
}

/// The patch, bound to one uid: the server refuses it on an object that replaced the target.
fn with_uid(type_: PatchType, mut change: Value, uid: &str) -> Result<Value, String> {
    match (type_, &mut change) {
        (PatchType::Json, Value::Array(operations)) => {
            operations.insert(0, json!({ "op": "test", "path": "/metadata/uid", "value": uid }));
        }
        (PatchType::Json, _) => return Err("a JSON patch is a list of operations".to_owned()),
        (_, Value::Object(fields)) => {
            let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
            let Some(metadata) = metadata.as_object_mut() else { return Err("metadata of a patch is an object".to_owned()) };
            metadata.insert("uid".to_owned(), json!(uid));
        }
        _ => return Err("a merge patch is an object".to_owned()),
    }
    Ok(change)
}

/// A target that went away or was replaced under the fault is no target; all else is the server's refusal.
pub(super) fn gone_or(error: RequestError) -> FaultError {
    if error.is_not_found() || error.is_conflict() { FaultError::NoTarget(error.to_string()) } else { error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_is_bound_to_the_targets_uid() {
        let merge = with_uid(PatchType::Merge, json!({ "data": { "a": "b" } }), "u").unwrap();
        assert_eq!(merge, json!({ "data": { "a": "b" }, "metadata": { "uid": "u" } }));
        let operations = with_uid(PatchType::Json, json!([{ "op": "remove", "path": "/data/a" }]), "u").unwrap();
        assert_eq!(operations[0], json!({ "op": "test", "path": "/metadata/uid", "value": "u" }));
        assert!(with_uid(PatchType::Json, json!({}), "u").is_err());
        assert!(with_uid(PatchType::Strategic, json!([]), "u").is_err());
    }
}
