//! The baseline of a trial: the workload's objects as the server stored them, and its pods.
//! One copy goes to the timeline, without secret values; the other stays in memory, for the healer to restore from.

use super::namespace::own_kind;
use crate::cluster::kinds::{self, Kind};
use crate::cluster::pages;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::detect::related::config_reads;
use crate::json::At as _;
use crate::observe::index::{controller_of, reference_to};
use crate::observe::packed::Body;
use crate::observe::timeline::{Baseline, Reference};
use crate::observe::watch::{observed, plain};
use crate::scenario::model::Existing;
use crate::scenario::plan::Manifest;
use kube::api::ListParams;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
    baseline.pods = list_pods(client, namespace, None, |pod| reference_to(&pod)).await?;
    baseline.pods.sort();
    Ok((baseline, originals))
}

/// Reads a workload that is there already: the pods with these labels, what controls them, and the configuration that they read.
///
/// # Errors
/// The server does not answer, or there is no such pod.
pub async fn read_existing(client: &kube::Client, existing: &Existing) -> Result<(Baseline, Originals), RequestError> {
    let namespace = existing.namespace.as_str();
    let mut wanted = BTreeSet::new();
    let pods = list_pods(client, namespace, Some(&existing.selector), |pod| {
        wanted.extend(
            pod.get("spec").map(config_reads).unwrap_or_default().into_iter().map(|read| (read.kind.to_owned(), read.name)),
        );
        ExistingPod::of(pod)
    })
    .await?;
    if pods.is_empty() {
        let message = format!("no pod in namespace {namespace} has the labels {}", existing.selector);
        return Err(RequestError::of("reading the baseline", message));
    }
    let mut objects = Vec::new();
    // By the uid of a pod's controller: whether what stands above it could be read.
    let mut controllers = BTreeMap::new();
    let mut uncontrolled = Vec::new();
    for pod in &pods {
        let known = match &pod.controller {
            None => false,
            Some(first) => {
                if let Some(known) = controllers.get(&first.uid) {
                    *known
                } else {
                    let top = top_of(client, namespace, first).await?;
                    controllers.insert(first.uid.clone(), top.is_some());
                    let known = top.is_some();
                    objects.extend(top.filter(|top| {
                        let top = reference_to(top);
                        wanted.insert((top.kind, top.name))
                    }));
                    known
                }
            }
        };
        if !known && !pod.ended {
            uncontrolled.push(Arc::clone(pod.object.object()));
        }
    }
    for (kind, name) in wanted.iter().filter(|(kind, _)| matches!(kind.as_str(), "ConfigMap" | "Secret")) {
        objects.extend(get(client, namespace, kind, name).await?);
    }
    let mut baseline = Baseline { pods: pods.into_iter().map(|pod| pod.reference).collect(), ..Baseline::default() };
    baseline.pods.sort();
    baseline.objects = objects.iter().map(|object| Arc::new(observed(object.clone()))).collect();
    // Pods that nothing controls, or nothing that can be read, are their own workload, beside whatever else there is.
    baseline.objects.extend(uncontrolled);
    Ok((baseline, Originals { objects: objects.into_iter().map(Arc::new).collect() }))
}

/// A pod that was there already. There may be thousands, and the most of them is never looked at again.
struct ExistingPod {
    reference: Reference,
    controller: Option<Reference>,
    /// Whether it has ended or is about to.
    ended: bool,
    object: Body,
}

impl ExistingPod {
    fn of(pod: Value) -> Self {
        let pod = Arc::new(pod);
        let mut object = Body::of(&pod);
        object.pack();
        let phase = pod.at("/status/phase").and_then(Value::as_str);
        let finished = phase.is_some_and(|phase| matches!(phase, "Succeeded" | "Failed"));
        Self {
            reference: reference_to(&pod),
            controller: controller_of(&pod),
            ended: finished || pod.at("/metadata/deletionTimestamp").is_some(),
            object,
        }
    }
}

/// What stands above a controller: itself, or what controls it. `None` where one of them cannot be read.
async fn top_of(client: &kube::Client, namespace: &str, first: &Reference) -> Result<Option<Value>, RequestError> {
    let mut reference = first.clone();
    // Kubernetes' own chains have two links: Deployment and ReplicaSet, CronJob and Job.
    for _ in 0..4 {
        let Some(object) = get(client, namespace, &reference.kind, &reference.name).await? else { return Ok(None) };
        match controller_of(&object) {
            None => return Ok(Some(object)),
            Some(above) => reference = above,
        }
    }
    Ok(None)
}

/// One object; `None` if it is not there, may not be read, or is of a kind that is not Kubernetes' own.
async fn get(client: &kube::Client, namespace: &str, kind: &str, name: &str) -> Result<Option<Value>, RequestError> {
    let Some(known) = Kind::known(None, kind) else { return Ok(None) };
    let api = known.api(client, namespace);
    let what = format!("reading {}/{name} for the baseline", kind.to_lowercase());
    match retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await {
        Ok(object) => Ok(object.map(|object| plain(object, &known.resource))),
        Err(error) if error.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn list_pods<T>(
    client: &kube::Client,
    namespace: &str,
    selector: Option<&str>,
    mut keep: impl FnMut(Value) -> T,
) -> Result<Vec<T>, RequestError> {
    let pods = own_kind("Pod")?;
    let api = pods.api(client, namespace);
    let parameters = ListParams { label_selector: selector.map(ToOwned::to_owned), ..ListParams::default() };
    let what = ("listing pods for the baseline", REQUEST_BUDGET);
    let (_, kept) = pages::list(&api, &parameters, what, |pod| keep(plain(pod, &pods.resource))).await?;
    Ok(kept)
}
