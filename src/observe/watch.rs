//! Watches of a trial's namespace: one per kind, resumed and relisted by themselves, delivering each new state once.
//! What states mean is `index`'s; appending them to the timeline is the engine's.

mod follow;
mod freshness;
mod redact;

use crate::cluster::kinds::{self, Kind};
use crate::cluster::pages;
use crate::cluster::request::RequestError;
use crate::heal::Claim;
use crate::heal::opinion::Opinion;
use crate::json::At as _;
use crate::observe::probe::pod;
use crate::observe::timeline::{LogLine, Reference, Sample};
use crate::scenario::fault::chaos_mesh;
use crate::scenario::{Condition, Detector, Fault, Plan, Step};
use futures::future::join_all;
use kube::api::{DynamicObject, ListParams};
use kube::discovery::ApiResource;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

pub use redact::observed;

/// The budget of a fresh list: as patient as a watch is, for without it nothing is concluded.
const LIST_BUDGET: Duration = follow::PATIENCE;

/// Kinds that every trial watches.
const ALWAYS: &[&str] = &["Pod", "Event", "Deployment", "ReplicaSet", "ConfigMap", "Secret", "Service", "EndpointSlice"];

/// A kind to watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedKind {
    /// The kind.
    pub kind: String,
    /// Its apiVersion, where given.
    pub api_version: Option<String>,
}

/// What a watch (or a followed log) delivers. The engine turns each into a fact of the timeline, in the order of arrival.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// An object in a state not seen before, managedFields removed, secret values replaced by their hashes.
    Object(Arc<Value>),
    /// An object is gone; its last state.
    Deleted(Arc<Value>),
    /// An object is gone, unseen: a list does not have it any more.
    Gone(Reference),
    /// A watch had to list again: states may have been missed.
    Relisted {
        /// The kind.
        kind: String,
    },
    /// A watch works again, or delivers what it has held back; for so long it may have shown nothing.
    Blind {
        /// The kind.
        kind: String,
        /// How long.
        lasted: Duration,
    },
    /// A line of a container's log.
    LogLine(LogLine),
    /// What came of trying something.
    Sample(Sample),
    /// What a healer that is not ours says of itself.
    Claim(Claim),
    /// What an engine thinks of a finding.
    Opinion(Opinion),
    /// A watch failed for good, or for too long: the trial is blind and becomes an `error`.
    Failed {
        /// What failed and why.
        message: String,
    },
}

/// Running watches; they stop when this is dropped.
#[derive(Debug)]
pub struct Watching {
    /// The kinds watched, in order.
    pub kinds: Vec<Kind>,
    _tasks: JoinSet<()>,
}

/// The kinds that a plan's conditions and faults need, beside those that every trial watches.
#[must_use]
pub fn kinds_of(plan: &Plan) -> Vec<WatchedKind> {
    let mut wanted = BTreeSet::new();
    for condition in plan.conditions() {
        collect(condition, &mut wanted);
    }
    let looked_at = plan.detectors.iter().flat_map(Detector::kinds);
    wanted.extend(
        looked_at
            .map(|(kind, api_version)| WatchedKind { kind: kind.to_owned(), api_version: api_version.map(ToOwned::to_owned) }),
    );
    if pod::is_needed(plan) {
        // Whether the pod that asks may ask.
        wanted.insert(WatchedKind { kind: "NetworkPolicy".to_owned(), api_version: None });
    }
    if plan.existing.is_some() {
        let kinds = ["StatefulSet", "DaemonSet", "ControllerRevision", "Job"];
        wanted.extend(kinds.map(|kind| WatchedKind { kind: kind.to_owned(), api_version: None }));
    }
    if plan.steps().any(Step::is_about_a_node) {
        wanted.insert(WatchedKind { kind: "Node".to_owned(), api_version: None });
    }
    for fault in plan.single_faults() {
        if fault.nodes().is_some() {
            wanted.insert(WatchedKind { kind: "Node".to_owned(), api_version: None });
        }
        if let Some(kind) = fault.workload().and_then(|(target, _)| Some(target?.workload()?.0)) {
            wanted.insert(WatchedKind { kind: kind.to_owned(), api_version: None });
        }
        if let Fault::ChaosMesh(chaos) = fault {
            let api_version = Some(chaos_mesh::API_VERSION.to_owned());
            wanted.extend(chaos.acting().into_iter().map(|kind| WatchedKind { kind, api_version: api_version.clone() }));
        }
        let (kind, api_version) = match fault {
            Fault::Patch(patch) => (&patch.kind, &patch.api_version),
            Fault::Delete(delete) => (&delete.kind, &delete.api_version),
            _ => continue,
        };
        wanted.insert(WatchedKind { kind: kind.clone(), api_version: api_version.clone() });
    }
    // What has a pod template is compared with the baseline at the end.
    let applied = plan.single_faults().into_iter().filter_map(|fault| match fault {
        Fault::Apply(apply) => Some(&apply.manifest),
        _ => None,
    });
    let objects = plan.manifests.iter().map(|manifest| &manifest.object).chain(applied);
    for object in objects.filter(|object| object.at("/spec/template").is_some()) {
        let text = |field| object.get(field).and_then(Value::as_str).map(ToOwned::to_owned);
        // The present revision of a DaemonSet's template is told by no field of its own.
        if text("kind").as_deref() == Some("DaemonSet") {
            wanted.insert(WatchedKind { kind: "ControllerRevision".to_owned(), api_version: None });
        }
        wanted.extend(text("kind").map(|kind| WatchedKind { kind, api_version: text("apiVersion") }));
    }
    let mut kinds: Vec<_> = ALWAYS.iter().map(|kind| WatchedKind { kind: (*kind).to_owned(), api_version: None }).collect();
    kinds.extend(wanted.into_iter().filter(|wanted| !ALWAYS.contains(&wanted.kind.as_str())));
    kinds.dedup_by(|a, b| a.kind == b.kind && (a.api_version.is_none() || b.api_version.is_none()));
    kinds
}

fn collect(condition: &Condition, wanted: &mut BTreeSet<WatchedKind>) {
    match condition {
        Condition::Condition(status) => {
            wanted.insert(WatchedKind { kind: status.kind.clone(), api_version: status.api_version.clone() });
        }
        Condition::Cel(cel) => {
            wanted.insert(WatchedKind { kind: cel.kind.clone(), api_version: cel.api_version.clone() });
        }
        Condition::Absent(absent) => {
            wanted.insert(WatchedKind { kind: absent.kind.clone(), api_version: absent.api_version.clone() });
        }
        Condition::Node(_) => {
            wanted.insert(WatchedKind { kind: "Node".to_owned(), api_version: None });
        }
        Condition::Any(inner) | Condition::All(inner) => inner.iter().for_each(|condition| collect(condition, wanted)),
        Condition::Not(inner) => collect(inner, wanted),
        _ => {}
    }
}

/// Starts the watches and returns when each has delivered its first list (which is in `sink` by then). Of pods only those with
/// the labels `pods` are seen, where that is given.
///
/// # Errors
/// A kind that the server does not serve or that may not be watched; a server that does not answer for 30 s.
pub async fn start(
    client: &kube::Client,
    namespace: &str,
    watched: &[WatchedKind],
    pods: Option<&str>,
    sink: &mpsc::UnboundedSender<Seen>,
) -> Result<Watching, RequestError> {
    let mut tasks = JoinSet::new();
    let mut firsts = Vec::new();
    let mut kinds = Vec::new();
    let freshness = freshness::Freshness::new();
    for watched in watched {
        let kind = kinds::resolve(client, watched.api_version.as_deref(), &watched.kind).await?;
        let (ready, first) = oneshot::channel();
        firsts.push(first);
        let api = kind.api(client, namespace);
        let selector = pods.filter(|_| kind.resource.kind == "Pod").map(ToOwned::to_owned);
        let (resource, namespace, freshness) = (kind.resource.clone(), namespace.to_owned(), freshness.clone());
        tasks.spawn(follow::follow(api, resource, namespace, selector, sink.clone(), ready, freshness));
        kinds.push(kind);
    }
    for first in join_all(firsts).await {
        first.map_err(|_| RequestError::of("starting watches", "a watch ended before its first list"))??;
    }
    Ok(Watching { kinds, _tasks: tasks })
}

/// The objects of one kind at one moment.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The kind.
    pub kind: String,
    /// The list's resource version.
    pub version: Option<u64>,
    /// The objects.
    pub objects: Vec<Listed>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its uid.
    pub uid: String,
    /// Its resource version.
    pub version: Option<u64>,
    /// The object, as a watch would deliver it, if it is not known in this version.
    pub object: Option<Arc<Value>>,
}

/// Lists kinds afresh, from the store itself and not from a cache. Of what is `known`, by uid, in the same version, only that it is
/// there is kept.
///
/// # Errors
/// The server's refusal, or no answer within the request budget.
pub async fn list(
    client: &kube::Client,
    namespace: &str,
    kinds: &[Kind],
    pods: Option<&str>,
    known: &BTreeMap<String, u64>,
) -> Result<Vec<Listing>, RequestError> {
    let lists = kinds.iter().map(|kind| async move {
        let (api, mut parameters) = (kind.api(client, namespace), ListParams::default());
        parameters.label_selector = pods.filter(|_| kind.resource.kind == "Pod").map(ToOwned::to_owned);
        let what = format!("listing {} in {namespace}", kind.resource.plural);
        let (version, objects) = pages::list(&api, &parameters, (&what, LIST_BUDGET), |object| {
            let uid = object.metadata.uid.clone().unwrap_or_default();
            let version = object.metadata.resource_version.as_ref().and_then(|version| version.parse().ok());
            let is_known = version.is_some() && known.get(&uid).copied() == version;
            let object = (!is_known).then(|| Arc::new(observed(plain(object, &kind.resource))));
            Listed { uid, version, object }
        })
        .await?;
        Ok(Listing { kind: kind.resource.kind.clone(), version, objects })
    });
    join_all(lists).await.into_iter().collect()
}

/// An object as plain JSON with its kind (items of lists come without) and without managedFields.
#[must_use]
pub fn plain(mut object: DynamicObject, resource: &ApiResource) -> Value {
    object.metadata.managed_fields = None;
    let mut plain = serde_json::to_value(&object).unwrap_or_default();
    if let Some(fields) = plain.as_object_mut() {
        fields.insert("apiVersion".to_owned(), Value::from(resource.api_version.clone()));
        fields.insert("kind".to_owned(), Value::from(resource.kind.clone()));
    }
    plain
}
