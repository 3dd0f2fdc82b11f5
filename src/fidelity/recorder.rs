//! Records a namespace of any cluster as watch streams, in the form that `recording` reads.
//! What was applied and done is reconstructed in `manifest`; files are written by `files`.

mod files;
mod manifest;

use super::Error;
use super::recording::KINDS;
use files::Files;
use futures::TryStreamExt;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use manifest::History;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long to wait before a watch that failed is begun anew.
const RETRY: Duration = Duration::from_secs(1);

/// What to record.
pub struct Recorder {
    /// The cluster.
    pub client: kube::Client,
    /// The namespace.
    pub namespace: String,
    /// The wall clock, in seconds of Unix.
    pub now: fn() -> f64,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// What was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// How many watch events.
    pub facts: usize,
    /// How many actions were told from them.
    pub actions: usize,
}

/// One watched collection.
struct Collection {
    kind: &'static str,
    api: Api<DynamicObject>,
    params: WatchParams,
}

impl Recorder {
    /// Records into `folder` until `stop` is ready.
    ///
    /// # Errors
    /// The folder cannot be written, or a kind cannot be listed.
    pub async fn record(&self, folder: &Path, stop: impl Future<Output = ()>) -> Result<Recorded, Error> {
        let shared = Arc::new(Mutex::new((Files::create(folder)?, History::new(&self.namespace), Recorded::default())));
        let watches = self.collections().into_iter().map(|collection| self.follow(collection, Arc::clone(&shared)));
        let watching = futures::future::try_join_all(watches);
        tokio::select! {
            biased;
            result = watching => drop(result?),
            () = stop => {}
        }
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (files, history, recorded) = &mut *shared;
        recorded.actions = history.finish(files)?;
        Ok(*recorded)
    }

    fn collections(&self) -> Vec<Collection> {
        let collection = |kind: &'static str, plural: &str| {
            // Kinds of the recording are all built in.
            let resource = crate::sim::api::resource::ALL.iter().find(|resource| resource.plural == plural)?;
            let resource = ApiResource {
                group: resource.group.to_owned(),
                version: resource.version.to_owned(),
                api_version: resource.api_version(),
                kind: resource.kind.to_owned(),
                plural: resource.plural.to_owned(),
            };
            let (api, params) = match kind {
                "nodes" => (Api::all_with(self.client.clone(), &resource), WatchParams::default()),
                "leases" => (Api::namespaced_with(self.client.clone(), "kube-node-lease", &resource), WatchParams::default()),
                "node_events" => {
                    let params = WatchParams::default().fields("involvedObject.kind=Node");
                    (Api::namespaced_with(self.client.clone(), "default", &resource), params)
                }
                _ => (Api::namespaced_with(self.client.clone(), &self.namespace, &resource), WatchParams::default()),
            };
            Some(Collection { kind, api, params })
        };
        let plural = |kind: &'static str| if kind == "node_events" { "events" } else { kind };
        // ConfigMaps are no recorded kind, but a replay needs them.
        KINDS.iter().copied().chain(["configmaps"]).filter_map(|kind| collection(kind, plural(kind))).collect()
    }

    /// Lists once, then watches for ever, beginning anew where a watch breaks.
    async fn follow(&self, collection: Collection, shared: Arc<Mutex<(Files, History, Recorded)>>) -> Result<(), Error> {
        let note = |change: &str, object: &DynamicObject| -> Result<(), Error> {
            let mut value = serde_json::to_value(object).map_err(|error| Error::new(error.to_string()))?;
            if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
            let at = (self.now)();
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let (files, history, recorded) = &mut *shared;
            history.note(at, collection.kind, change, &value);
            if collection.kind != "configmaps" {
                recorded.facts += 1;
                files.fact(collection.kind, at, change, &value)?;
            }
            Ok(())
        };
        let mut params = ListParams::default();
        params.field_selector.clone_from(&collection.params.field_selector);
        let mut version = match collection.api.list(&params).await {
            Ok(list) => {
                for object in &list.items {
                    note("ADDED", object)?;
                }
                list.metadata.resource_version.unwrap_or_default()
            }
            Err(error) => return Err(Error::new(format!("listing {} was refused: {error}", collection.kind))),
        };
        loop {
            let broken = self.watch(&collection, &mut version, &note).await?;
            if broken {
                tokio::time::sleep(RETRY).await;
                // A version that is too old would break every watch; a fresh list shows where to go on.
                if let Ok(list) = collection.api.list(&params.clone().limit(1)).await {
                    version = list.metadata.resource_version.unwrap_or(version);
                }
            }
        }
    }

    /// One watch to its end; true when it ended by an error.
    async fn watch(
        &self,
        collection: &Collection,
        version: &mut String,
        note: &impl Fn(&str, &DynamicObject) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let Ok(stream) = collection.api.watch(&collection.params, version).await else { return Ok(true) };
        let mut stream = std::pin::pin!(stream);
        loop {
            let (change, object) = match stream.try_next().await {
                Ok(Some(WatchEvent::Added(object))) => ("ADDED", object),
                Ok(Some(WatchEvent::Modified(object))) => ("MODIFIED", object),
                Ok(Some(WatchEvent::Deleted(object))) => ("DELETED", object),
                Ok(Some(WatchEvent::Bookmark(bookmark))) => {
                    version.clone_from(&bookmark.metadata.resource_version);
                    continue;
                }
                Ok(None) => return Ok(false),
                Ok(Some(WatchEvent::Error(_))) | Err(_) => return Ok(true),
            };
            if let Some(newest) = &object.metadata.resource_version {
                version.clone_from(newest);
            }
            note(change, &object)?;
        }
    }
}

#[cfg(test)]
mod tests;
