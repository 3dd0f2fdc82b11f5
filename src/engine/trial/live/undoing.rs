//! What a trial writes down of its faults and of the healer's changes, and how it takes them back.
//! Records and their undoing are `fault::undo`'s; when faults that do not last are undone says `agenda`.

use super::Live;
use crate::cluster::request::RequestError;
use crate::fault::undo::Confirmation;
use crate::fault::{Prepared, UndoRecord, Undone, machine};
use crate::heal::NodeChange;
use crate::observe::timeline::Reference;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

impl Live<'_> {
    /// Writes how to undo a fault, before it acts. Never cut short: half a record could not be found again.
    pub async fn remember(&mut self, prepared: &Prepared) -> Result<(), RequestError> {
        self.undo.lock().await.record(prepared).await
    }

    /// Writes what a fault changed.
    pub async fn changed(&mut self, confirmations: &[Confirmation]) -> Result<(), RequestError> {
        self.undo.lock().await.confirm(confirmations).await
    }

    /// Undoes the faults, as far as it can be done in time; what could not be undone is returned.
    pub async fn undo_faults(&self, within: Duration) -> Vec<Reference> {
        self.undo_some(within, |_| true).await
    }

    /// The same for what does not go with the trial's own namespace: nodes.
    pub async fn undo_faults_outside(&self, namespace: &str, within: Duration) -> Vec<Reference> {
        self.undo_some(within, |record| record.target.namespace != namespace).await
    }

    async fn undo_some(&self, within: Duration, which: impl Fn(&UndoRecord) -> bool) -> Vec<Reference> {
        let undo = self.undo.lock().await;
        let client = &self.session.client;
        let broken: Vec<_> = undo.broken_nodes();
        let within = within + undo.waits();
        let work = async {
            let done = undo.undo_some(client, which).await;
            // What comes next on this cluster needs its nodes.
            let ready = broken.iter().map(|node| machine::wait_ready(client, &node.name, machine::READY_WITHIN));
            (done, join_all(ready).await)
        };
        let Ok((results, ready)) = tokio::time::timeout(within, work).await else {
            tracing::warn!("undoing the faults in {} took longer than {within:?}", self.namespace);
            return undo.targets();
        };
        let mut left = Vec::new();
        for (target, undone) in results {
            let why = match undone {
                Ok(Undone::LeftAlone(why)) => why,
                Ok(_) => continue,
                Err(error) => error.message,
            };
            // In a namespace of the run's own it goes with the namespace.
            if self.plan.existing.is_some() {
                tracing::warn!("the fault on {target} could not be undone: {why}");
            }
            left.push(target);
        }
        for (node, ready) in broken.into_iter().zip(ready) {
            if let Err(why) = ready {
                tracing::warn!("{why}");
                left.push(node);
            }
        }
        left
    }

    /// Writes how to take back a change of the healer, before it is made.
    pub(super) fn announcing(
        &self,
    ) -> impl Fn(&Value, &Value) -> BoxFuture<'static, Result<(), RequestError>> + Send + Sync + use<> {
        let (undo, run) = (Arc::clone(&self.undo), self.run_label.clone());
        move |before: &Value, after: &Value| {
            let (undo, run, before, after) = (Arc::clone(&undo), run.clone(), before.clone(), after.clone());
            async move { undo.lock().await.add_change("healing", &run, &before, &after).await }.boxed()
        }
    }

    /// The same for nodes, which never go with a namespace.
    pub(super) fn announcing_nodes(
        &self,
    ) -> impl Fn(NodeChange) -> BoxFuture<'static, Result<(), RequestError>> + Send + Sync + use<> {
        let (undo, run) = (Arc::clone(&self.undo), self.run_label.clone());
        move |change: NodeChange| {
            let (undo, run) = (Arc::clone(&undo), run.clone());
            async move {
                let mut undo = undo.lock().await;
                match change {
                    NodeChange::Object { before, after } => undo.add_change("healing", &run, &before, &after).await,
                    NodeChange::Machine { node, done } => undo.add_machine("healing", &run, &node, done).await,
                }
            }
            .boxed()
        }
    }
}
