//! The baseline of a trial: the workload's objects as the server stored them, and its pods.
//! One copy goes to the timeline, without secret values; the other stays in memory, for the healer to restore from.

use super::namespace::own_kind;
use crate::cluster::kinds;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::json::At as _;
use crate::observe::index::reference_to;
use crate::observe::timeline::Baseline;
use crate::observe::watch::{observed, plain};
use crate::scenario::plan::Manifest;
use kube::api::ListParams;
use serde_json::Value;
use std::sync::Arc;

/// The workload's objects with all their values, secrets too. Never written anywhere.
#[derive(Clone, Default)]
pub struct Originals {
    /// The objects, in the order of the manifests.
    pub objects: Vec<Arc<Value>>,
}

impl std::fmt::Debug for Originals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.objects.iter().map(|object| reference_to(object).to_string()).collect();
        f.debug_tuple("Originals").field(&names).finish()
    }
}

impl Originals {
    /// An object by kind and name.
    #[must_use]
    pub fn get(&self, kind: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.iter().find(|object| {
            let reference = reference_to(object);
            reference.kind == kind && reference.name == name
        })
    }
}

/// Reads the workload of a trial. Objects that are gone by now are left out.
///
/// # Errors
/// The server does not answer, or nothing of the workload is there: without a baseline no invariant means anything.
pub async fn read(client: &kube::Client, namespace: &str, manifests: &[Manifest]) -> Result<(Baseline, Originals), RequestError> {
    let mut baseline = Baseline::default();
    let mut originals = Originals::default();
    for manifest in manifests {
        let Some(name) = manifest.object.at("/metadata/name").and_then(Value::as_str) else { continue };
        let kind = kinds::of_object(client, &manifest.object).await?;
        let api = kind.api(client, namespace);
        let what = format!("reading {}/{name} for the baseline", kind.resource.kind.to_lowercase());
        if let Some(object) = retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await? {
            let object = plain(object, &kind.resource);
            baseline.objects.push(Arc::new(observed(object.clone())));
            originals.objects.push(Arc::new(object));
        }
    }
    if baseline.objects.is_empty() {
        return Err(RequestError::of("reading the baseline", "nothing of the workload is in the namespace"));
    }
    let pods = own_kind("Pod")?;
    let api = pods.api(client, namespace);
    let listed = retried("listing pods for the baseline", REQUEST_BUDGET, || {
        let api = api.clone();
        async move { api.list(&ListParams::default()).await }
    })
    .await?;
    baseline.pods = listed.items.into_iter().map(|pod| reference_to(&plain(pod, &pods.resource))).collect();
    baseline.pods.sort();
    Ok((baseline, originals))
}
