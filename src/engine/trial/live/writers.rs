//! Who wrote to the workload's objects, by their managedFields: read once, when the trial is decided, where somebody else may have
//! healed. What follows from it is `measure::attribution`'s.

use super::Live;
use crate::cluster::kinds::of_object;
use crate::cluster::request::{REQUEST_BUDGET, retried};
use crate::observe::index::{reference_to, text};
use crate::observe::timeline::{Fact, Source, Writer};
use crate::scenario::Healer;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long the reading may take in all.
const WITHIN: Duration = Duration::from_secs(15);

impl Live<'_> {
    /// Reads who wrote to the objects of the baseline, and records it.
    pub async fn look_at_writers(&mut self) {
        let others = matches!(self.plan.heal.healer(), Healer::Webhook | Healer::External);
        let baseline = self.recorder.judge().baseline().filter(|_| others).map(|baseline| baseline.objects.clone());
        let (client, namespace) = (self.session.client.clone(), self.namespace.clone());
        let work = timeout(WITHIN, read(&client, &namespace, baseline.unwrap_or_default()));
        match self.unless_stopped(work).await {
            Some(Ok(writers)) => writers.into_iter().for_each(|writer| self.record(Source::Watch, Fact::Wrote(writer))),
            Some(Err(_)) => tracing::warn!("who wrote to the workload could not be read within {WITHIN:?}"),
            None => {}
        }
    }
}

/// The writers of objects; what cannot be read is left out, and nobody is named for it.
async fn read(client: &kube::Client, namespace: &str, objects: Vec<Arc<Value>>) -> Vec<Writer> {
    let mut writers = Vec::new();
    for object in objects {
        let Ok(kind) = of_object(client, &object).await else { continue };
        let (api, name) = (kind.api(client, namespace), text(&object, "/metadata/name").to_owned());
        let what = format!("reading who wrote to {name}");
        let Ok(found) = retried(&what, REQUEST_BUDGET, || api.get(&name)).await else { continue };
        let entries = found.metadata.managed_fields.clone().unwrap_or_default();
        let of = |entry: k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| {
            Some(Writer {
                object: reference_to(&object),
                manager: entry.manager?,
                server: entry.time?.0,
                subresource: entry.subresource.unwrap_or_default(),
            })
        };
        writers.extend(entries.into_iter().filter_map(of));
    }
    writers.sort_by(|a, b| (&a.server, &a.object, &a.manager).cmp(&(&b.server, &b.object, &b.manager)));
    writers
}
