//! The undo records of one trial, each written down before its fault acts: to a file in the run directory and, for what lies
//! outside of the run's own namespaces, to the journal on the cluster.

use super::journal::{Held, Journal};
use super::{Confirmation, Remedy, UndoRecord, Undone, records_of, same, undo_all};
use crate::cluster::machine::Machines;
use crate::cluster::request::RequestError;
use crate::engine::ledger::{append_line, read_lines};
use crate::fault::Prepared;
use crate::fault::change::diff;
use crate::fault::machine::Done;
use crate::observe::index::{reference_to, text};
use crate::observe::timeline::Reference;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The numbers of changes that are no fault's begin here: a scenario has fewer faults.
const NO_FAULT: usize = 1_000_000;

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Record(Box<UndoRecord>),
    Confirmed(Confirmation),
    Undone { fault: usize, target: Reference },
}

/// The undo records of a trial: in memory with all values, in a file without secret ones, and in the journal on the cluster.
#[derive(Debug, Default)]
pub struct UndoLog {
    path: PathBuf,
    records: Vec<Kept>,
    journal: Option<Journal>,
    own_namespace: String,
    machines: Option<Arc<dyn Machines>>,
}

#[derive(Debug)]
struct Kept {
    record: UndoRecord,
    held: Option<Held>,
}

impl UndoLog {
    /// A log without records that will be written to `path`.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path, records: Vec::new(), journal: None, own_namespace: String::new(), machines: None }
    }

    /// The same with a journal on the cluster for everything outside of `own_namespace` (empty: for everything).
    #[must_use]
    pub fn with_journal(self, journal: Option<Journal>, own_namespace: &str) -> Self {
        Self { journal, own_namespace: own_namespace.to_owned(), ..self }
    }

    /// The same with the machines of the nodes, on which faults are undone, too.
    #[must_use]
    pub fn with_machines(self, machines: Option<Arc<dyn Machines>>) -> Self {
        Self { machines, ..self }
    }

    /// Reads the log that an earlier run left; what it says to be undone is left out.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let mut log = Self::at(path.to_owned());
        for line in read_lines(path)? {
            match line {
                Line::Record(record) => log.records.push(Kept { record: *record, held: None }),
                Line::Confirmed(confirmation) => drop(log.note(&confirmation)),
                Line::Undone { fault, target } => {
                    log.records.retain(|kept| kept.record.fault != fault || !same(&kept.record.target, &target));
                }
            }
        }
        Ok(log)
    }

    /// Records how to undo a prepared fault; on the disk and on the cluster when this returns. Call it before [`crate::fault::inject()`].
    ///
    /// # Errors
    /// It cannot be written: then the fault must not act.
    pub async fn record(&mut self, prepared: &Prepared) -> Result<(), RequestError> {
        for record in records_of(prepared) {
            self.add(record).await?;
        }
        Ok(())
    }

    /// Records how to undo one change of one object.
    ///
    /// # Errors
    /// It cannot be written: then the change must not be made.
    pub async fn add(&mut self, record: UndoRecord) -> Result<(), RequestError> {
        self.append(&Line::Record(Box::new(record.redacted())))?;
        let foreign = self.own_namespace.is_empty() || record.target.namespace != self.own_namespace;
        let Some(journal) = self.journal.clone().filter(|_| foreign) else {
            self.records.push(Kept { record, held: None });
            return Ok(());
        };
        // Kept first: a write whose answer is lost may have been carried out.
        let compact = record.compact();
        let mut held = journal.place(&compact);
        let position = self.records.len();
        self.records.push(Kept { record, held: Some(held.clone()) });
        let written = journal.write(&mut held, &compact).await;
        self.records[position].held = Some(held);
        written
    }

    /// Records how to take back a change that is about to be made by something else than a fault: by the healer. Without a `before` the
    /// object is about to be created, with the run's label.
    ///
    /// # Errors
    /// It cannot be written: then the change must not be made.
    pub async fn add_change(&mut self, by: &str, run: &str, before: &Value, after: &Value) -> Result<(), RequestError> {
        let fault = NO_FAULT + self.records.len();
        let created = before.is_null();
        let record = UndoRecord {
            fault,
            key: by.to_owned(),
            target: reference_to(if created { after } else { before }),
            api_version: text(after, "/apiVersion").to_owned(),
            remedy: if created { Remedy::Remove } else { Remedy::Revert },
            run: run.to_owned(),
            before: (!created).then(|| before.clone()),
            changes: (!created).then(|| diff(before, after)),
            undoing: None,
            holds: None,
        };
        self.add(record).await
    }

    /// Records how to take back what is about to be done to a node's machine by something else than a fault: by the healer.
    ///
    /// # Errors
    /// It cannot be written: then it must not be done.
    pub async fn add_machine(&mut self, by: &str, run: &str, node: &Value, done: Done) -> Result<(), RequestError> {
        let fault = NO_FAULT + self.records.len();
        let record = UndoRecord {
            fault,
            key: by.to_owned(),
            target: reference_to(node),
            api_version: "v1".to_owned(),
            remedy: Remedy::Machine(done),
            run: run.to_owned(),
            before: None,
            changes: None,
            undoing: None,
            holds: None,
        };
        self.add(record).await
    }

    /// Records what the fault changed.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn confirm(&mut self, confirmations: &[Confirmation]) -> Result<(), RequestError> {
        for confirmation in confirmations {
            let mut written = confirmation.clone();
            if written.target.kind == "Secret" {
                written.changes.clear();
            }
            self.append(&Line::Confirmed(written))?;
            let Some((position, foretold)) = self.note(confirmation) else { continue };
            // What the dry run foretold is in the journal already.
            if let (Some(journal), false) = (self.journal.clone(), foretold)
                && let Some(mut held) = self.records[position].held.clone()
            {
                let confirmed = journal.confirm(&mut held, confirmation).await;
                self.records[position].held = Some(held);
                confirmed?;
            }
        }
        Ok(())
    }

    /// Takes a confirmation in; the record's position, and whether it said the same already.
    fn note(&mut self, confirmation: &Confirmation) -> Option<(usize, bool)> {
        self.records.iter_mut().enumerate().find_map(|(position, kept)| {
            let before = kept.record.clone();
            kept.record.confirm(confirmation).then(|| (position, before == kept.record))
        })
    }

    /// The objects that the records are about.
    #[must_use]
    pub fn targets(&self) -> Vec<Reference> {
        self.records.iter().map(|kept| kept.record.target.clone()).collect()
    }

    /// The nodes whose machines were broken.
    #[must_use]
    pub fn broken_nodes(&self) -> Vec<Reference> {
        let broken = self.records.iter().filter(|kept| matches!(kept.record.remedy, Remedy::Machine(_)));
        broken.map(|kept| kept.record.target.clone()).collect()
    }

    /// How long undoing may have to wait for machines that nobody can reach until they mend themselves.
    #[must_use]
    pub fn waits(&self) -> Duration {
        let waits = self.records.iter().filter_map(|kept| match &kept.record.remedy {
            Remedy::Machine(done) => Some(done.waits()),
            _ => None,
        });
        waits.max().unwrap_or_default()
    }

    fn append(&self, line: &Line) -> Result<(), RequestError> {
        append_line(&self.path, line)
            .map_err(|error| RequestError::of(&format!("writing {}", self.path.display()), error.to_string()))
    }

    /// Undoes everything, newest first, as far as it is still what the faults made it. What is settled is taken out of the journal.
    pub async fn undo(&self, client: &kube::Client) -> Vec<(Reference, Result<Undone, RequestError>)> {
        self.undo_some(client, |_| true).await
    }

    /// Undoes those that `which` says, newest first.
    pub async fn undo_some(
        &self,
        client: &kube::Client,
        which: impl Fn(&UndoRecord) -> bool,
    ) -> Vec<(Reference, Result<Undone, RequestError>)> {
        let meant: Vec<&Kept> = self.records.iter().filter(|kept| which(&kept.record)).collect();
        let records: Vec<_> = meant.iter().map(|kept| kept.record.clone()).collect();
        let mut done = Vec::new();
        for (kept, (target, mut undone)) in
            meant.into_iter().rev().zip(undo_all(client, self.machines.as_deref(), &records).await)
        {
            if undone.as_ref().is_ok_and(Undone::is_settled) {
                let line = Line::Undone { fault: kept.record.fault, target: target.clone() };
                if let Err(error) = self.append(&line) {
                    tracing::warn!("{error}");
                }
                if let (Some(journal), Some(held)) = (&self.journal, &kept.held)
                    && let Err(error) = journal.forget(held).await
                {
                    undone = Err(error);
                }
            }
            done.push((target, undone));
        }
        done
    }
}
