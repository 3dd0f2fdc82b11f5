//! Undo records: written to `undo.jsonl` in the run directory before a fault acts, carried out at the end of its trial.
//! Undoing twice does no harm, and what somebody else changed since is left alone.

use super::change::{Change, Reversal, diff, reversal};
use super::{Prepared, Prey};
use crate::cluster::kinds;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::engine::labels::{FIELD_MANAGER, RUN};
use crate::engine::ledger::{append_line, read_lines};
use crate::observe::index::text;
use crate::observe::timeline::Reference;
use crate::observe::watch::{observed, plain};
use crate::scenario::Fault;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How a fault on one object is undone. Nothing is recorded for what Kubernetes itself replaces (deleted pods, commands).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Remedy {
    /// Change back what the fault changed.
    Revert,
    /// Create the object again.
    Recreate,
    /// Remove the object that the fault created.
    Remove,
}

/// One fault on one object, before it acted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoRecord {
    /// The position of the fault in the scenario.
    pub fault: usize,
    /// The fault's key.
    pub key: String,
    /// The object.
    pub target: Reference,
    /// Its apiVersion.
    pub api_version: String,
    /// What undoes it.
    pub remedy: Remedy,
    /// The run's label value.
    pub run: String,
    /// The object before; in the file, secret values are hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What the fault changes: as a dry run told, then as it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
}

/// What a fault did to one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// The position of the fault in the scenario.
    pub fault: usize,
    /// The object, with the uid that it has now.
    pub target: Reference,
    /// What changed.
    pub changes: Vec<Change>,
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Record(UndoRecord),
    Confirmed(Confirmation),
}

/// What undoing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// The object is as before.
    Reverted,
    /// It was so already.
    AlreadyBack,
    /// Left alone, with the reason.
    LeftAlone(String),
}

/// The undo records of a trial, in memory with all values and in a file without secret ones.
#[derive(Debug)]
pub struct UndoLog {
    path: PathBuf,
    records: Vec<UndoRecord>,
}

impl UndoLog {
    /// A log without records that will be written to `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path, records: Vec::new() }
    }

    /// Reads the log that an earlier run left.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let mut log = Self::at(path.to_owned());
        for line in read_lines(path)? {
            match line {
                Line::Record(record) => log.records.push(record),
                Line::Confirmed(confirmation) => log.note(&confirmation),
            }
        }
        Ok(log)
    }

    /// Records how to undo a prepared fault, on the disk before this returns. Call it before [`super::inject()`].
    ///
    /// # Errors
    /// The file cannot be written: then the fault must not act.
    pub fn record(&mut self, prepared: &Prepared) -> std::io::Result<()> {
        for record in records_of(prepared) {
            let mut written = UndoRecord { before: record.before.clone().map(observed), ..record.clone() };
            if written.target.kind == "Secret" {
                written.changes = None;
            }
            append_line(&self.path, &Line::Record(written))?;
            self.records.push(record);
        }
        Ok(())
    }

    /// Records what the fault changed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn confirm(&mut self, confirmations: &[Confirmation]) -> std::io::Result<()> {
        for confirmation in confirmations {
            let mut written = confirmation.clone();
            if written.target.kind == "Secret" {
                // The file must hold no secret values: without them only this process can undo it.
                written.changes.clear();
            }
            append_line(&self.path, &Line::Confirmed(written))?;
            self.note(confirmation);
        }
        Ok(())
    }

    fn note(&mut self, confirmation: &Confirmation) {
        let same = |record: &&mut UndoRecord| {
            record.fault == confirmation.fault
                && record.target.kind == confirmation.target.kind
                && record.target.name == confirmation.target.name
        };
        if let Some(record) = self.records.iter_mut().find(same) {
            record.target.uid.clone_from(&confirmation.target.uid);
            record.changes = Some(confirmation.changes.clone());
        }
    }

    /// Undoes everything, newest first, as far as it is still what the faults made it.
    pub async fn undo(&self, client: &kube::Client) -> Vec<(Reference, Result<Undone, RequestError>)> {
        let mut done = Vec::new();
        let mut recreated = BTreeSet::new();
        for record in self.records.iter().rev() {
            let mut record = record.clone();
            let key = (record.target.kind.clone(), record.target.name.clone());
            if recreated.contains(&key) {
                // What was made again has another uid; earlier faults on it are undone on the new object.
                record.target.uid.clear();
            }
            let undone = undo(client, &record).await;
            if record.remedy == Remedy::Recreate && undone == Ok(Undone::Reverted) {
                recreated.insert(key);
            }
            done.push((record.target, undone));
        }
        done
    }
}

fn records_of(prepared: &Prepared) -> Vec<UndoRecord> {
    let remedy = |prey: &Prey| match &prepared.fault {
        Fault::DeletePods(_) | Fault::Exec(_) => None,
        Fault::Delete(_) => Some(Remedy::Recreate),
        Fault::DeleteConfig(delete) if delete.key.is_none() => Some(Remedy::Recreate),
        Fault::Apply(_) if prey.before.is_none() => Some(Remedy::Remove),
        _ => Some(Remedy::Revert),
    };
    let record = |prey: &Prey| {
        Some(UndoRecord {
            fault: prepared.position,
            key: prepared.fault.key().to_owned(),
            target: prey.reference.clone(),
            api_version: prey.kind.resource.api_version.clone(),
            remedy: remedy(prey)?,
            run: prepared.run.clone(),
            before: prey.before.clone(),
            changes: prey.before.as_ref().zip(prey.expected.as_ref()).map(|(before, expected)| diff(before, expected)),
        })
    };
    prepared.prey.iter().filter_map(record).collect()
}

/// What a fault did to one object, from its states before and after.
pub(super) fn confirmation_of(position: usize, prey: &Prey, after: &Value) -> Confirmation {
    let changes = prey.before.as_ref().map_or(Vec::new(), |before| diff(before, after));
    let target = Reference { uid: text(after, "/metadata/uid").to_owned(), ..prey.reference.clone() };
    Confirmation { fault: position, target, changes }
}

/// Undoes one record.
///
/// # Errors
/// The server's refusal, or no answer.
pub async fn undo(client: &kube::Client, record: &UndoRecord) -> Result<Undone, RequestError> {
    let (name, uid) = (record.target.name.as_str(), record.target.uid.as_str());
    let what = format!("undoing {} on {}", record.key, record.target);
    let kind = kinds::resolve(client, Some(&record.api_version), &record.target.kind).await?;
    let api = kind.api(client, &record.target.namespace);
    let present = retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await?.map(|object| plain(object, &kind.resource));
    match (&record.remedy, present) {
        (Remedy::Revert, None) => Ok(Undone::LeftAlone("it is gone".to_owned())),
        (Remedy::Revert | Remedy::Remove, Some(present)) if !uid.is_empty() && text(&present, "/metadata/uid") != uid => {
            Ok(Undone::LeftAlone("another object has its name now".to_owned()))
        }
        (Remedy::Revert, Some(present)) => {
            let hashed = record.before.as_ref().is_some_and(|before| before.get("dataHash").is_some());
            if hashed {
                return Ok(Undone::LeftAlone("the values of a Secret are not kept on the disk".to_owned()));
            }
            let Some(changes) = &record.changes else {
                return Ok(Undone::LeftAlone("what the fault changed was never confirmed".to_owned()));
            };
            match reversal(changes, &present, text(&present, "/metadata/uid")) {
                Reversal::AlreadyBack => Ok(Undone::AlreadyBack),
                Reversal::ChangedSince(path) => Ok(Undone::LeftAlone(format!("{path} was changed since"))),
                Reversal::Patch(patch) => {
                    let patch: Patch<Value> =
                        Patch::Json(serde_json::from_value(patch).map_err(|error| RequestError::of(&what, error.to_string()))?);
                    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                    retried(&what, REQUEST_BUDGET, || api.patch(name, &parameters, &patch)).await?;
                    Ok(Undone::Reverted)
                }
            }
        }
        (Remedy::Recreate, Some(present)) if text(&present, "/metadata/deletionTimestamp").is_empty() => Ok(Undone::AlreadyBack),
        (Remedy::Recreate, Some(_)) => Ok(Undone::LeftAlone("it is still being deleted".to_owned())),
        (Remedy::Recreate, None) => {
            let Some(object) = record.before.as_ref().and_then(fresh) else {
                return Ok(Undone::LeftAlone("its values are not kept on the disk".to_owned()));
            };
            let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            match retried(&what, REQUEST_BUDGET, || api.create(&parameters, &object)).await {
                Ok(_) => Ok(Undone::Reverted),
                Err(error) if error.is_already_there() => Ok(Undone::AlreadyBack),
                Err(error) => Err(error),
            }
        }
        (Remedy::Remove, None) => Ok(Undone::AlreadyBack),
        (Remedy::Remove, Some(present)) => {
            if uid.is_empty()
                && present.pointer("/metadata/labels").and_then(|labels| labels.get(RUN))
                    != Some(&Value::from(record.run.clone()))
            {
                return Ok(Undone::LeftAlone("it does not carry this run's label".to_owned()));
            }
            let own = Some(text(&present, "/metadata/uid").to_owned());
            let preconditions = Some(Preconditions { uid: own, resource_version: None });
            let parameters = DeleteParams { preconditions, ..DeleteParams::background() };
            match retried(&what, REQUEST_BUDGET, || api.delete(name, &parameters)).await {
                Ok(_) => Ok(Undone::Reverted),
                Err(error) if error.is_not_found() => Ok(Undone::AlreadyBack),
                Err(error) => Err(error),
            }
        }
    }
}

/// An object as it can be created again; `None` if its values were hashed.
fn fresh(before: &Value) -> Option<DynamicObject> {
    let mut object = before.clone();
    let fields = object.as_object_mut()?;
    if fields.contains_key("dataHash") {
        return None;
    }
    fields.remove("status");
    let metadata = fields.get_mut("metadata")?.as_object_mut()?;
    for own in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        metadata.remove(own);
    }
    serde_json::from_value(object).ok()
}

#[cfg(test)]
mod tests;
