//! Reading what a fault will act on, before it acts: uids for preconditions, states for the undo record.
//! Which pods and nodes are meant was chosen in `choose`; which objects a fault names or makes stands in `subject`.

use super::change::diff;
use super::hold::Holds;
use super::inject::rehearse;
use super::program::Surroundings;
use super::subject::{self, Subject};
use super::verb::container_of;
use super::{FaultError, Prepared, Prey, machine, token};
use crate::cluster::kinds::{self, Kind};
use crate::cluster::machine::Machines;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::engine::labels::PROBE;
use crate::observe::index::{reference_to, text};
use crate::observe::timeline::Reference;
use crate::observe::watch::plain;
use crate::scenario::{Fault, Target};
use kube::api::ListParams;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Where a fault is injected.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The client.
    pub client: &'a kube::Client,
    /// The trial's namespace.
    pub namespace: &'a str,
    /// The run's label value.
    pub run: &'a str,
    /// The labels of the trial's pods, where the namespace is others', too.
    pub pods: Option<&'a str>,
    /// The machines of the nodes, where they can be reached.
    pub machines: Option<&'a dyn Machines>,
    /// What the programs of a `command` find in their environment; none where no program reaches the cluster.
    pub surroundings: Option<&'a Arc<Surroundings>>,
    /// After how long machines that cannot be reached meanwhile take the fault back by themselves.
    pub limit: Duration,
}

/// Reads what a fault acts on: the chosen pods or nodes, or the object that it names.
///
/// # Errors
/// No target where an object, key or container is not there; the server's refusal otherwise.
pub async fn prepare(scene: Scene<'_>, position: usize, fault: &Fault, chosen: &[Reference]) -> Result<Prepared, FaultError> {
    let mut prey = if matches!(fault, Fault::Command(_)) {
        if scene.surroundings.is_none() {
            return Err(RequestError::of("command", "no program reaches this cluster").into());
        }
        Vec::new()
    } else if fault.pods().is_some() {
        chosen_pods(scene, chosen).await?
    } else if fault.nodes().is_some() {
        nodes(scene, fault, chosen).await?
    } else if matches!(fault, Fault::PauseApiServer(_)) {
        let kind = kinds::resolve(scene.client, None, "Node").await?;
        machine::control_plane(scene.client, &kind).await?.into_iter().map(|node| prey_of(&kind, node)).collect()
    } else if let Fault::ExpireToken(expire) = fault {
        vec![token::account(scene, expire).await?]
    } else if let Fault::ChaosMesh(chaos) = fault {
        vec![made(scene, &chaos.manifest(scene.namespace)).await?]
    } else if let Some((target, ..)) = fault.policy() {
        let owner = match target.as_ref().and_then(Target::workload) {
            Some((kind, name)) => existing(scene, None, kind, name).await?.before,
            None => None,
        };
        vec![made(scene, &subject::network_policy(fault, owner.as_ref())?).await?]
    } else {
        match subject::of(fault) {
            Some(Subject::Named(api_version, kind, name)) => {
                vec![existing(scene, api_version.as_deref(), &kind, &name).await?]
            }
            Some(Subject::Made(manifest)) => vec![made(scene, &manifest).await?],
            None => return Err(FaultError::NoTarget(format!("`{}` names no object", fault.key()))),
        }
    };
    if fault.is_about_a_machine() {
        machine::find(scene, fault, &mut prey).await?;
    }
    for prey in &prey {
        subject::check(fault, prey)?;
        if let Some((_, container)) = fault.workload().filter(|_| subject::is_about_a_container(fault)) {
            container_of(prey, container)?;
        }
    }
    let (namespace, run) = (scene.namespace.to_owned(), scene.run.to_owned());
    let surroundings = scene.surroundings.cloned();
    let (fault_, holds, limit) = (fault.clone(), Holds::default(), scene.limit);
    let mut prepared = Prepared { position, fault: fault_, namespace, run, prey, limit, holds, surroundings };
    for index in 0..prepared.prey.len() {
        let prey = &prepared.prey[index];
        let expected = rehearse(scene.client, &prepared, prey).await?;
        // A node may be cordoned already and still be drained.
        let must_change = !matches!(fault, Fault::DrainNode(_));
        if let (Some(before), Some(expected)) = (&prey.before, &expected)
            && must_change
            && diff(before, expected).is_empty()
        {
            let (kind, name) = (prey.reference.kind.to_lowercase(), &prey.reference.name);
            return Err(FaultError::NoTarget(format!("{kind}/{name} is already as the fault would make it")));
        }
        prepared.prey[index].expected = expected;
    }
    Ok(prepared)
}

async fn chosen_pods(scene: Scene<'_>, pods: &[Reference]) -> Result<Vec<Prey>, FaultError> {
    let mut prey = Vec::new();
    for pod in pods {
        let found = existing(scene, None, "Pod", &pod.name).await?;
        if found.reference.uid != pod.uid {
            return Err(FaultError::NoTarget(format!("pod {} was replaced since it was chosen", pod.name)));
        }
        prey.push(found);
    }
    Ok(prey)
}

/// The chosen nodes; where they are drained, each followed by the trial's own pods on it that a drain evicts.
async fn nodes(scene: Scene<'_>, fault: &Fault, chosen: &[Reference]) -> Result<Vec<Prey>, FaultError> {
    let mut prey = Vec::new();
    for node in chosen {
        let kind = kinds::resolve(scene.client, None, "Node").await?;
        let found = read_object(scene, &kind, &node.name).await?;
        prey.push(found.ok_or_else(|| FaultError::NoTarget(format!("there is no node {}", node.name)))?);
        if matches!(fault, Fault::DrainNode(_)) {
            let pods = pods_on(scene, &node.name).await?;
            if pods.is_empty() {
                return Err(FaultError::NoTarget(format!("no pod of the trial on node {} would be evicted", node.name)));
            }
            prey.extend(pods);
        }
    }
    Ok(prey)
}

/// The trial's pods on a node that a drain evicts: not those of `DaemonSets`, static ones, and ended ones.
async fn pods_on(scene: Scene<'_>, node: &str) -> Result<Vec<Prey>, FaultError> {
    let kind = kinds::resolve(scene.client, None, "Pod").await?;
    let api = kind.api(scene.client, scene.namespace);
    let on_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let on_node = scene.pods.iter().fold(on_node, |parameters, pods| parameters.labels(pods));
    let list = retried(&format!("listing the pods on {node}"), REQUEST_BUDGET, || api.list(&on_node)).await?;
    let pods = list.items.into_iter().map(|pod| plain(pod, &kind.resource)).filter(|pod| {
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let of_daemon_set = owners.into_iter().flatten().any(|owner| text(owner, "/kind") == "DaemonSet");
        let mirror = !text(pod, "/metadata/annotations/kubernetes.io~1config.mirror").is_empty();
        let leaving = !text(pod, "/metadata/deletionTimestamp").is_empty();
        let ended = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
        let ours = pod.pointer("/metadata/labels").is_some_and(|labels| labels.get(PROBE).is_some());
        !(of_daemon_set || mirror || leaving || ended || ours)
    });
    Ok(pods.map(|pod| prey_of(&kind, pod)).collect())
}

/// An object that the fault applies: as it is there already, or not yet.
async fn made(scene: Scene<'_>, manifest: &Value) -> Result<Prey, FaultError> {
    let kind = kinds::of_object(scene.client, manifest).await?;
    let name = text(manifest, "/metadata/name");
    let found = read(scene, &kind, name).await?;
    let absent = || Prey {
        reference: Reference {
            kind: kind.resource.kind.clone(),
            namespace: scene.namespace.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
        },
        kind: kind.clone(),
        before: None,
        expected: None,
        manifest: None,
        machine: None,
    };
    Ok(Prey { manifest: Some(manifest.clone()), ..found.unwrap_or_else(absent) })
}

pub(super) async fn existing(scene: Scene<'_>, api_version: Option<&str>, kind: &str, name: &str) -> Result<Prey, FaultError> {
    let kind = kinds::resolve(scene.client, api_version, kind).await?;
    let found = read(scene, &kind, name).await?;
    found.ok_or_else(|| FaultError::NoTarget(format!("{} {name} is not in the trial's namespace", kind.resource.kind)))
}

async fn read(scene: Scene<'_>, kind: &Kind, name: &str) -> Result<Option<Prey>, FaultError> {
    if !kind.namespaced {
        return Err(FaultError::NoTarget(format!(
            "{} is cluster-scoped; this fault only acts on objects in the trial's own namespace",
            kind.resource.kind
        )));
    }
    read_object(scene, kind, name).await
}

async fn read_object(scene: Scene<'_>, kind: &Kind, name: &str) -> Result<Option<Prey>, FaultError> {
    let api = kind.api(scene.client, scene.namespace);
    let what = format!("reading {}/{name}", kind.resource.kind.to_lowercase());
    let found = retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await?;
    Ok(found.map(|object| prey_of(kind, plain(object, &kind.resource))))
}

fn prey_of(kind: &Kind, object: Value) -> Prey {
    let (reference, before) = (reference_to(&object), Some(object));
    Prey { kind: kind.clone(), reference, before, expected: None, manifest: None, machine: None }
}
