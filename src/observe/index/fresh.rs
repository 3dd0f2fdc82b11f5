//! What a fresh list shows that the watches have not: pure comparison. Reading the list is `watch`'s.

use super::{Index, reference_to, text, version_of};
use crate::observe::timeline::Reference;
use crate::observe::watch::{Listed, Listing};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Index {
    /// The resource versions of what exists, by uid.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<String, u64> {
        let pods = self.pods().map(|pod| (pod.reference.uid.clone(), pod.version));
        let others = self.objects.values().filter(|record| record.deleted.is_none());
        let others = others.map(|record| (text(&record.object, "/metadata/uid").to_owned(), version_of(&record.object)));
        pods.chain(others).filter_map(|(uid, version)| Some((uid, version?))).collect()
    }

    /// How a fresh list of a kind differs from what is known: first what is gone (`Err`), then what is new or newer (`Ok`).
    #[must_use]
    pub fn missed(&self, listing: &Listing) -> Vec<Result<Arc<Value>, Reference>> {
        let known: BTreeMap<String, (Reference, Option<u64>)> = if listing.kind == "Pod" {
            self.pods().map(|pod| (pod.reference.uid.clone(), (pod.reference.clone(), pod.version))).collect()
        } else {
            let objects = self.objects(&listing.kind).map(|object| (reference_to(object), version_of(object)));
            objects.map(|(reference, version)| (reference.uid.clone(), (reference, version))).collect()
        };
        let there: BTreeSet<&str> = listing.objects.iter().map(|listed| listed.uid.as_str()).collect();
        // What a watch told while the list was on its way is newer than the list.
        let is_gone = |uid: &str, version: Option<u64>| !there.contains(uid) && version <= listing.version;
        let gone = known.iter().filter(|(uid, (_, version))| is_gone(uid, *version)).map(|(_, (reference, _))| reference.clone());
        let is_new = |listed: &&Listed| known.get(&listed.uid).is_none_or(|(_, version)| *version < listed.version);
        let new = listing.objects.iter().filter(is_new).filter_map(|listed| listed.object.clone());
        gone.map(Err).chain(new.map(Ok)).collect()
    }

    /// The last state seen of what is gone now; of what is not kept, its name.
    #[must_use]
    pub fn last_of(&self, reference: &Reference) -> Arc<Value> {
        let pod = || self.pod(&reference.uid).map(|pod| Arc::clone(pod.object()));
        let other = || self.record(&reference.kind, &reference.name).map(|record| Arc::clone(&record.object));
        let own = |object: &Arc<Value>| text(object, "/metadata/uid") == reference.uid;
        pod().or_else(other).filter(own).unwrap_or_else(|| {
            let Reference { kind, namespace, name, uid } = reference;
            Arc::new(json!({ "kind": kind, "metadata": { "namespace": namespace, "name": name, "uid": uid } }))
        })
    }
}

#[cfg(test)]
mod tests;
