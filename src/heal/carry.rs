//! Carrying an intent out through the API: guards, preconditions, and the audit record with what was there before and after.
//! What to do was decided in `decide`; whether it helped is judged by the trial.

mod config;
mod node;
mod object;
mod owner;
mod scale;
mod tell;
mod workload;

pub use node::{AnnounceNode, NodeChange, Nodes};

use super::action::{ActionOutcome, ActionRecord};
use super::decide::{Intent, Remedy};
use crate::cluster::request::RequestError;
use crate::detect::Subject;
use crate::observe::Index;
use crate::scenario::Step;
use crate::scenario::duration::format;
use futures::future::BoxFuture;
use kube::Client;
use serde_json::Value;
use std::sync::Arc;

/// The field manager of everything that the healer writes.
pub const FIELD_MANAGER: &str = "comeback-healer";

/// What carrying out needs.
pub struct Healing<'a> {
    /// The cluster.
    pub client: &'a Client,
    /// What is known; its server time is the time of restarts.
    pub index: &'a Index,
    /// The objects of the steady state as the server stored them, Secrets with their real content. Absent: there was no steady state.
    pub baseline: Option<&'a [Arc<Value>]>,
    /// The only namespace that may be touched.
    pub namespace: &'a str,
    /// Told of each change before it is made, where it has to be undone afterwards. What cannot be told is not done.
    pub announce: Option<&'a Announce<'a>>,
    /// What acting on nodes needs; absent: nodes may not be touched.
    pub nodes: Option<Nodes<'a>>,
    /// The run's label, by which others are told who speaks.
    pub run: &'a str,
}

/// Takes an object as it is, or null where it is about to be created, and as it is about to be.
pub type Announce<'a> = dyn Fn(&Value, &Value) -> BoxFuture<'static, Result<(), RequestError>> + Send + Sync + 'a;

/// What one attempt made of the cluster.
pub(super) struct Done {
    /// What was acted upon.
    pub subject: Subject,
    /// What the API made of it.
    pub outcome: ActionOutcome,
    /// Why nothing was done, or what else there is to say.
    pub note: Option<String>,
    /// The changed part, before.
    pub before: Option<Value>,
    /// The changed part, after.
    pub after: Option<Value>,
    /// Pods that the action replaces.
    pub replaces: Vec<String>,
}

impl Done {
    pub(super) fn nothing(subject: Subject, outcome: ActionOutcome, note: impl Into<String>) -> Self {
        Self { subject, outcome, note: Some(note.into()), before: None, after: None, replaces: Vec::new() }
    }
}

impl Healing<'_> {
    /// Carries one intent out. Always gives a record: what the server refused or what failed is audited like what was done.
    pub async fn carry_out(&self, intent: &Intent) -> ActionRecord {
        let subject = intent.finding.subject.clone();
        let done = match &intent.remedy {
            Remedy::Report => Done::nothing(subject, ActionOutcome::NoRemedy, "reported"),
            // What is about a node is in no namespace, and the steps on workloads find none of it.
            Remedy::Step(_) if subject.namespace != self.namespace && subject.kind != "Node" => {
                let note = format!("namespace {} is not the trial's own ({})", subject.namespace, self.namespace);
                Done::nothing(subject, ActionOutcome::Refused, note)
            }
            Remedy::Step(step) => self.step(step, intent).await,
        };
        let reason = match (&done.note, done.outcome) {
            (_, ActionOutcome::NoRemedy) | (None, _) => intent.reason.clone(),
            (Some(note), ActionOutcome::Acted) => format!("{}; {note}", intent.reason),
            (Some(note), _) => note.clone(),
        };
        ActionRecord {
            subject: done.subject,
            reason,
            before: done.before,
            after: done.after,
            replaces: done.replaces,
            ..intent.record(done.outcome)
        }
    }

    async fn step(&self, step: &Step, intent: &Intent) -> Done {
        let finding = &intent.finding;
        match step {
            Step::Wait(wait) => {
                let note = format!("gives Kubernetes {}", format(wait.for_));
                Done::nothing(finding.subject.clone(), ActionOutcome::Acted, note)
            }
            Step::RestartPod(_) => self.restart_pod(finding).await,
            Step::RestartWorkload(_) => self.restart_workload(finding).await,
            Step::Rollback(_) => self.rollback(finding).await,
            Step::SetMemory(step) => self.set_memory(finding, step).await,
            Step::RelaxProbe(step) => self.relax_probe(finding, step).await,
            Step::RevertConfig(_) => self.revert_config(finding).await,
            Step::RestoreObject(_) => self.restore_objects(finding).await,
            Step::Patch(step) => self.patch(finding, step).await,
            Step::Scale(step) => self.scale(finding, step).await,
            Step::CordonNode(_) => self.cordon_node(finding).await,
            Step::DrainNode(_) => self.drain_node(finding).await,
            Step::RebootNode(_) => self.reboot_node(finding).await,
            Step::Notify(step) => self.notify(finding, step).await,
            Step::Webhook(step) => self.webhook(finding, step).await,
        }
    }
}

#[cfg(test)]
mod tests;
