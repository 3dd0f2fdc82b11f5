//! Undo records: what they say, and how they are carried out, at the end of the trial or by `cleanup`. They are written before a
//! fault acts: to a file in the run directory (`log`) and to the cluster (`journal`).
//! Undoing twice does no harm, and what somebody else changed since is left alone.

pub mod journal;
mod log;

pub use log::UndoLog;

use super::change::{Change, Reversal, diff, reversal};
use super::chaos;
use super::hold::Holds;
use super::machine::{self, Done};
use super::program::Undoing;
use super::verb::{Verb, verb};
use super::{Prepared, Prey};
use crate::cluster::kinds;
use crate::cluster::machine::Machines;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::engine::labels::{FIELD_MANAGER, RUN};
use crate::observe::index::text;
use crate::observe::timeline::Reference;
use crate::observe::watch::{observed, plain};
use crate::scenario::Fault;
use crate::scenario::duration::serde_text;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often an object is read again that was written between reading and patching it.
const ATTEMPTS: usize = 5;
/// How long an object that is being deleted may take to go, before it can be made again.
const GONE_WITHIN: Duration = Duration::from_secs(30);

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
    /// Take back what was done to the node's machine.
    Machine(Done),
    /// Let go of what a command holds in the pod.
    LetGo,
    /// Run a program.
    Run {
        /// Program and arguments.
        command: Vec<String>,
        /// How long it may take.
        #[serde(with = "serde_text")]
        within: Duration,
        /// The namespace that it is about.
        namespace: String,
    },
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
    /// What its program needs; never written down: programs are run by the trial alone.
    #[serde(skip)]
    pub undoing: Option<Undoing>,
    /// What is held in the pod; never written down: it ends with the connection.
    #[serde(skip)]
    pub holds: Option<Holds>,
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

/// What undoing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// The object is as before.
    Reverted,
    /// It was so already.
    AlreadyBack,
    /// There is nothing of the fault left that could be undone, with the reason.
    Moot(String),
    /// Left alone, with the reason: it is neither as before nor as the fault made it.
    LeftAlone(String),
}

impl Undone {
    /// Whether nothing of the fault is left.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !matches!(self, Self::LeftAlone(_))
    }
}

impl UndoRecord {
    /// Takes in what the fault changed, if it is this one's.
    pub fn confirm(&mut self, confirmation: &Confirmation) -> bool {
        let ours = self.fault == confirmation.fault && same(&self.target, &confirmation.target);
        if ours {
            self.target.uid.clone_from(&confirmation.target.uid);
            self.changes = Some(confirmation.changes.clone());
        }
        ours
    }

    /// The record as it may be written to a file: without secret values.
    fn redacted(&self) -> Self {
        let mut written = Self { before: self.before.clone().map(observed), ..self.clone() };
        if written.target.kind == "Secret" {
            written.changes = None;
        }
        written
    }

    /// What is needed to undo it: the whole object only where it has to be made again.
    fn compact(&self) -> Self {
        let whole = self.remedy == Remedy::Recreate;
        Self { before: self.before.clone().filter(|_| whole), ..self.clone() }
    }
}

/// Whether two references name the same object, whatever its uid.
fn same(a: &Reference, b: &Reference) -> bool {
    (&a.kind, &a.namespace, &a.name) == (&b.kind, &b.namespace, &b.name)
}

/// Undoes records, given oldest first, from the newest on; what came of each, newest first.
pub async fn undo_all(
    client: &kube::Client,
    machines: Option<&dyn Machines>,
    records: &[UndoRecord],
) -> Vec<(Reference, Result<Undone, RequestError>)> {
    let mut done = Vec::new();
    let mut recreated = BTreeSet::new();
    for record in records.iter().rev() {
        let mut record = record.clone();
        let key = (record.target.kind.clone(), record.target.namespace.clone(), record.target.name.clone());
        if recreated.contains(&key) {
            // What was made again has another uid; earlier faults on it are undone on the new object.
            record.target.uid.clear();
        }
        let undone = match &record.remedy {
            Remedy::Machine(done) => machine::take_back(machines, done).await,
            _ => undo(client, &record).await,
        };
        // An earlier attempt, cut short, may have made it.
        if record.remedy == Remedy::Recreate && matches!(undone, Ok(Undone::Reverted | Undone::AlreadyBack)) {
            recreated.insert(key);
        }
        done.push((record.target, undone));
    }
    done
}

fn records_of(prepared: &Prepared) -> Vec<UndoRecord> {
    if let (Fault::Command(fault), Some(surroundings)) = (&prepared.fault, &prepared.surroundings) {
        let namespace = prepared.namespace.clone();
        return vec![UndoRecord {
            fault: prepared.position,
            key: prepared.fault.key().to_owned(),
            // What a program does may lie anywhere: it does not go with the trial's namespace.
            target: Reference { kind: "Program".to_owned(), name: fault.run.join(" "), ..Reference::default() },
            api_version: String::new(),
            remedy: Remedy::Run { command: fault.undo.clone(), within: fault.within(), namespace },
            run: prepared.run.clone(),
            before: None,
            changes: None,
            undoing: Some(Undoing::new(surroundings, &fault.env)),
            holds: None,
        }];
    }
    let remedy = |prey: &Prey| match verb(&prepared.fault, prey).ok()? {
        Verb::DeletePod(_) | Verb::Evict(_) | Verb::Run => None,
        Verb::Machine => machine::done(prepared, prey).map(Remedy::Machine),
        Verb::Hold => Some(Remedy::LetGo),
        Verb::Delete | Verb::Renew => Some(Remedy::Recreate),
        Verb::Apply(_) if prey.before.is_none() => Some(Remedy::Remove),
        Verb::Apply(_) | Verb::Change(..) => Some(Remedy::Revert),
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
            undoing: None,
            holds: prepared.fault.holding().map(|_| prepared.holds.clone()),
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

/// Undoes one record of an object.
///
/// # Errors
/// The server's refusal, or no answer.
pub async fn undo(client: &kube::Client, record: &UndoRecord) -> Result<Undone, RequestError> {
    if record.remedy == Remedy::LetGo {
        let Some(holds) = &record.holds else {
            return Ok(Undone::Moot("what was held ended with the connection of its run".to_owned()));
        };
        return Ok(if holds.let_go(&record.target.name).await? { Undone::Reverted } else { Undone::AlreadyBack });
    }
    if let Remedy::Run { command, within, namespace } = &record.remedy {
        let Some(undoing) = &record.undoing else {
            let how = format!("run `{}` for namespace {namespace}", command.join(" "));
            return Ok(Undone::LeftAlone(format!("programs are not run from what lies on a cluster or a disk: {how}")));
        };
        if undoing.is_done() {
            return Ok(Undone::AlreadyBack);
        }
        let ran = undoing.run(command, *within).await;
        return ran.map(|()| Undone::Reverted).map_err(|error| RequestError::of("undoing command", error));
    }
    for _ in 1..ATTEMPTS {
        match attempt(client, record).await {
            // The patch is bound to what was read; somebody wrote meanwhile, as controllers do to the taints of nodes.
            Err(error) if record.remedy == Remedy::Revert && matches!(error.code, 409 | 422) => {}
            done => return done,
        }
    }
    attempt(client, record).await
}

async fn attempt(client: &kube::Client, record: &UndoRecord) -> Result<Undone, RequestError> {
    let (name, uid) = (record.target.name.as_str(), record.target.uid.as_str());
    let what = format!("undoing {} on {}", record.key, record.target);
    let kind = kinds::resolve(client, Some(&record.api_version), &record.target.kind).await?;
    let api = kind.api(client, &record.target.namespace);
    let present = retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await?.map(|object| plain(object, &kind.resource));
    match (&record.remedy, present) {
        (Remedy::Revert, None) => Ok(Undone::Moot("it is gone".to_owned())),
        (Remedy::Revert | Remedy::Remove, Some(present)) if !uid.is_empty() && text(&present, "/metadata/uid") != uid => {
            Ok(Undone::Moot("another object has its name now".to_owned()))
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
                    let patched = retried(&what, REQUEST_BUDGET, || api.patch(name, &parameters, &patch)).await?;
                    let patched = plain(patched, &kind.resource);
                    Ok(match reversal(changes, &patched, text(&patched, "/metadata/uid")) {
                        Reversal::AlreadyBack => Undone::Reverted,
                        _ => Undone::LeftAlone("the server changed it again at once".to_owned()),
                    })
                }
            }
        }
        (Remedy::Recreate, Some(present)) if text(&present, "/metadata/deletionTimestamp").is_empty() => Ok(Undone::AlreadyBack),
        (Remedy::Recreate, present) => {
            if let Some(ending) = present {
                let ending = text(&ending, "/metadata/uid").to_owned();
                let gone = |present: Option<&DynamicObject>| {
                    present.is_none_or(|present| present.metadata.uid.as_deref() != Some(ending.as_str()))
                };
                if !wait::until(&api, name, GONE_WITHIN, gone).await? {
                    return Ok(Undone::LeftAlone("it is still being deleted: a finalizer holds it".to_owned()));
                }
            }
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
        (Remedy::Machine(_), _) => Err(RequestError::of(&what, "this is not undone by the API")),
        // It has no object.
        (Remedy::Run { .. } | Remedy::LetGo, _) => Ok(Undone::LeftAlone("a program undoes it".to_owned())),
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
                Ok(_) => {}
                Err(error) if error.is_not_found() => return Ok(Undone::AlreadyBack),
                Err(error) => return Err(error),
            }
            let its = chaos::is_its(&record.api_version);
            if its && !chaos::is_recovered(&api, name, text(&present, "/metadata/uid")).await? {
                let why = "Chaos Mesh has not taken everything back: does its controller run?";
                return Ok(Undone::LeftAlone(why.to_owned()));
            }
            Ok(Undone::Reverted)
        }
    }
}

/// An object as it can be created again; `None` if its values were hashed.
pub(super) fn fresh(before: &Value) -> Option<DynamicObject> {
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
