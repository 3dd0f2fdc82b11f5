//! The timeline: the append-only log of one trial's observations, as JSON lines. Verdicts come from it alone.
//! Meaning is given to it elsewhere: `index` folds it into objects, `measure` into a verdict.

use crate::detect::Finding;
use crate::heal::opinion::Opinion;
use crate::heal::{ActionRecord, Claim};
use crate::scenario::duration::serde_seconds;
use crate::sim::limits::Limit;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// One thing that was seen or done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// Position in the timeline, from 0 without gaps: a gap is a lost observation, and a timeline with one proves nothing.
    pub seq: u64,
    /// Monotonic time since the trial began, at receipt.
    #[serde(with = "serde_seconds")]
    pub at: Duration,
    /// Who saw or did it.
    pub source: Source,
    /// What.
    pub fact: Fact,
}

/// Who saw or did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// The engine: phases, budgets, ends.
    Engine,
    /// A watch or a list of the API server.
    Watch,
    /// A followed container log.
    Log,
    /// Something that was tried.
    Probe,
    /// The fault injector.
    Fault,
    /// A detector.
    Detector,
    /// comeback's healer.
    Healer,
    /// The cluster itself (what the embedded one could not do).
    Cluster,
}

/// An object by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The kind.
    pub kind: String,
    /// The namespace, empty for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid, where known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.kind.to_lowercase();
        if self.namespace.is_empty() {
            write!(f, "{kind}/{}", self.name)
        } else {
            write!(f, "{kind}/{} in {}", self.name, self.namespace)
        }
    }
}

/// What was seen or done. The order of variants is roughly that of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fact {
    /// The trial began.
    Began(Began),
    /// The namespace exists.
    NamespaceReady,
    /// Every watch has delivered its initial list.
    Watching {
        /// The kinds watched.
        kinds: Vec<String>,
    },
    /// The whole workload was accepted by the server.
    Applied {
        /// Its objects.
        objects: Vec<Reference>,
    },
    /// An object in a state that was not seen before (managedFields removed, secret values replaced by their hash).
    Object(Arc<Value>),
    /// An object is gone; its last state.
    Deleted(Arc<Value>),
    /// A line of a container's log.
    LogLine(LogLine),
    /// Something was tried (`http`, `tcp`, `dns`, `exec`).
    Sample(Sample),
    /// A watch was cut and could not be resumed without a list; states may have been missed, restart counts tell.
    Relisted {
        /// The kind.
        kind: String,
    },
    /// Nothing was seen for a while: what is seen from now on may have happened at any time since.
    Blind {
        /// The beginning of the stretch, as time since the trial began.
        #[serde(with = "serde_seconds")]
        since: Duration,
        /// Its end, where that is not this moment.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_seconds::option")]
        until: Option<Duration>,
        /// What was not seen, in words.
        what: String,
    },
    /// A fresh list agrees with what the watches have shown (differences are recorded before this): no hold is complete
    /// without one, because a watch that has silently died shows no failure.
    Confirmed,
    /// The steady state held for its whole hold.
    Steady,
    /// The baseline of the invariants, taken now.
    Baseline(Baseline),
    /// A fault is about to be requested.
    Requested(FaultRecord),
    /// The API accepted a fault. Never an effect.
    Accepted {
        /// The position of the fault in the scenario.
        fault: usize,
        /// What a reader should know: refusals that were waited out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// What was measured of a fault's effect where no object of the cluster shows it: an API server that does not answer.
    Measured {
        /// The position of the fault in the scenario.
        fault: usize,
        /// What was measured.
        text: String,
    },
    /// Faults undid themselves before the end of the trial (`for`).
    Reverted {
        /// Their positions in the scenario.
        faults: Vec<usize>,
        /// What could not be undone, and why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<String>,
    },
    /// A fault found no target.
    NoTarget {
        /// The position of the fault in the scenario.
        fault: usize,
        /// What was looked for.
        reason: String,
    },
    /// A detector's statement, new or with more evidence.
    Finding(Finding),
    /// A step of the healer.
    Action(ActionRecord),
    /// Something that a healer that is not ours says of itself.
    Claim(Claim),
    /// What an engine thinks of a finding.
    Opinion(Opinion),
    /// Somebody wrote to an object of the workload.
    Wrote(Writer),
    /// Something that the embedded cluster could not do faithfully.
    Limit(Limit),
    /// The harness or its environment failed.
    Error {
        /// What failed, where, what was expected, what to do next.
        message: String,
    },
    /// The user stopped the trial.
    Aborted {
        /// The signal.
        signal: String,
    },
    /// The trial was decided, or its budget ended; nothing after this counts for the verdict.
    Ended {
        /// Why.
        reason: String,
    },
    /// Clean-up is done.
    Restored {
        /// What of ours is still on the cluster.
        leftovers: Vec<Reference>,
    },
}

/// The first fact of every timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Began {
    /// The scenario's name.
    pub scenario: String,
    /// The trial's index, from 0.
    pub trial: u32,
    /// Which attempt at it, from 0; others than the first are retries.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub attempt: u32,
    /// The attempt's seed.
    pub seed: u64,
    /// The run's label value on objects.
    pub run_label: String,
    /// The cluster's name, as in findings.
    pub cluster: String,
    /// The trial's namespace.
    pub namespace: String,
    /// The wall (or simulated) time at which `at` is zero.
    pub epoch: jiff::Timestamp,
}

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container.
    pub container: String,
    /// The restart count of the instance that wrote it.
    pub restart: u32,
    /// The server's stamp of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<jiff::Timestamp>,
    /// The line without its newline.
    pub text: String,
}

/// What came of trying something once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The condition, as JSON.
    pub probe: String,
    /// The tick, from 0: an answer that comes after a later tick's is of the past.
    pub number: u64,
    /// Whether it succeeded; absent where it could not be tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<bool>,
    /// How long it took.
    #[serde(with = "serde_seconds")]
    pub took: Duration,
    /// What went wrong, or what was measured.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// How far the alert has got, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertSeen>,
}

/// An alert as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertSeen {
    /// How far it has got.
    pub phase: AlertPhase,
    /// Since when its expression holds, by Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_at: Option<jiff::Timestamp>,
    /// Since when it fires, by Alertmanager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<jiff::Timestamp>,
}

/// How far an alert has got, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AlertPhase {
    /// Its expression does not hold.
    #[default]
    Inactive,
    /// It holds, and not yet for long enough.
    Pending,
    /// It fires; with an Alertmanager: that has it.
    Firing,
}

/// Who wrote to an object, by its managedFields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Writer {
    /// The object.
    pub object: Reference,
    /// The field manager.
    pub manager: String,
    /// When it wrote last, by the server's clock (1 s resolution).
    pub server: jiff::Timestamp,
    /// The subresource that it wrote; empty for the object itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subresource: String,
}

/// A fault at the moment of its request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRecord {
    /// The position of the fault in the scenario.
    pub fault: usize,
    /// Its key in the language.
    pub key: String,
    /// What it will act on, resolved.
    pub targets: Vec<Reference>,
    /// One line for people.
    pub description: String,
}

/// What must still be there at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// The workload's objects as the server stored them.
    pub objects: Vec<Arc<Value>>,
    /// The pods then, by uid.
    pub pods: Vec<Reference>,
}

/// A whole timeline.
pub type Timeline = Vec<Observation>;

/// Reads a timeline from JSON lines. A last line that was cut off by a crash is left out; its absence shows.
///
/// # Errors
/// The line number and what is wrong with it.
pub fn parse(text: &str) -> Result<Timeline, String> {
    let mut timeline = Timeline::new();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(observation) => timeline.push(observation),
            Err(_) if index + 1 == lines.len() && !line.ends_with('\n') => {}
            Err(error) => return Err(format!("line {}: not an observation: {error}", index + 1)),
        }
    }
    Ok(timeline)
}
