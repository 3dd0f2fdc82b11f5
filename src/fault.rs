//! Faults: choosing what one acts on, noting how to undo it, injecting it. The faults' YAML is `scenario::fault`.
//! Whether a fault had an effect is the judge's question: the API's acceptance never is one.

pub mod change;
mod chaos;
pub mod choose;
mod evict;
mod exec;
pub mod hold;
pub mod inject;
pub mod machine;
pub mod prepare;
pub mod program;
mod subject;
mod token;
pub mod undo;
mod verb;

use crate::cluster::kinds::Kind;
use crate::cluster::machine::Machine;
use crate::cluster::request::RequestError;
use crate::observe::timeline::{FaultRecord, Reference};
use crate::scenario::Fault;
use hold::Holds;
use program::Surroundings;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

pub use choose::choose;
pub use inject::inject;
pub use prepare::prepare;
pub use undo::{UndoLog, UndoRecord, Undone};

/// Why a fault could not be injected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// There is nothing that it could act on (any more): the trial is `invalid`.
    #[error("no target: {0}")]
    NoTarget(String),
    /// The request failed or was refused: the trial is an `error`.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The command of an `exec` failed without ending its container, or a `command` failed.
    #[error("{0}")]
    Command(String),
}

/// One object that a fault acts on, as it was when the fault was prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct Prey {
    /// Its kind.
    pub kind: Kind,
    /// The object; its uid is empty if it does not exist yet.
    pub reference: Reference,
    /// Its state, `None` if it does not exist yet (`apply`). With secret values: never to be written as it is.
    pub before: Option<Value>,
    /// What the fault will make of it, by a dry run; `None` where it changes no fields, or no dry run is possible.
    pub expected: Option<Value>,
    /// The whole object that the fault applies; `None` where it does something else.
    pub manifest: Option<Value>,
    /// The machine of a node, where the fault is done to that.
    pub machine: Option<Machine>,
}

/// What came of an injection that the API accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injected {
    /// What it changed, for the undo log.
    pub confirmations: Vec<undo::Confirmation>,
    /// What a reader should know: refusals that were waited out.
    pub notes: Vec<String>,
    /// What was measured of its effect, where no object of the cluster can show it.
    pub measured: Option<String>,
}

/// A fault with everything that it will act on.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The position of the fault in the scenario.
    pub position: usize,
    /// The fault.
    pub fault: Fault,
    /// The trial's namespace.
    pub namespace: String,
    /// The run's label value, for objects that the fault creates.
    pub run: String,
    /// What it acts on.
    pub prey: Vec<Prey>,
    /// After how long machines that cannot be reached meanwhile take it back by themselves.
    pub limit: Duration,
    /// What its commands hold in pods.
    pub holds: Holds,
    /// What the programs of a `command` find in their environment.
    pub surroundings: Option<Arc<Surroundings>>,
}

impl Prepared {
    /// The fact that goes to the timeline before the fault is injected.
    #[must_use]
    pub fn record(&self) -> FaultRecord {
        let targets: Vec<_> = self.prey.iter().map(|prey| prey.reference.clone()).collect();
        let shown: Vec<_> = targets.iter().map(|target| format!("{}/{}", target.kind.to_lowercase(), target.name)).collect();
        let on = if shown.is_empty() { String::new() } else { format!(" on {}", shown.join(", ")) };
        let description = format!("{}{}{on}", self.fault.key(), Self::detail(&self.fault));
        FaultRecord { fault: self.position, key: self.fault.key().to_owned(), targets, description }
    }

    /// What a reader of a fault needs beside key and targets.
    #[must_use]
    pub fn detail(fault: &Fault) -> String {
        match fault {
            Fault::ChaosMesh(chaos) => format!(" {}/{}", chaos.kind.to_lowercase(), chaos.name),
            Fault::Exec(exec) => format!(" `{}`", exec.command.join(" ")),
            Fault::StressMemory(stress) => format!(" {}", stress.size),
            Fault::StressCpu(stress) => format!(" {} cores", stress.cores),
            Fault::FillDisk(fill) => format!(" {} by {}", fill.path, fill.size),
            Fault::Command(command) => format!(" `{}`", command.run.join(" ")),
            Fault::KillContainer(kill) => format!(" by {}", kill.signal.name()),
            Fault::SetConfig(set) => format!(" {}={}", set.key, verb::as_text(&set.value)),
            Fault::SetSecret(set) => format!(" key {}", set.key),
            Fault::DeleteConfig(delete) => delete.key.as_ref().map_or(String::new(), |key| format!(" key {key}")),
            Fault::DeleteSecret(delete) => delete.key.as_ref().map_or(String::new(), |key| format!(" key {key}")),
            Fault::SetImage(set) => format!(" {}", set.image),
            Fault::SetEnv(set) => match &set.value {
                Some(value) => format!(" {}={}", set.name, verb::as_text(value)),
                None => format!(" without {}", set.name),
            },
            Fault::SetProbe(set) => format!(" {}", set.probe.field()),
            Fault::SetReplicas(set) => format!(" {}", set.replicas),
            Fault::TaintNode(taint) => format!(" {}:{}", taint.key, taint.effect.name()),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::examples;
