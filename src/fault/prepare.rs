//! Reading what a fault will act on, before it acts: uids for preconditions, states for the undo record.
//! Which pods are meant was chosen in `choose`.

use super::change::diff;
use super::inject::rehearse;
use super::{FaultError, Prepared, Prey};
use crate::cluster::kinds::{self, Kind};
use crate::cluster::request::{REQUEST_BUDGET, retried};
use crate::observe::index::{reference_to, text};
use crate::observe::timeline::Reference;
use crate::observe::watch::plain;
use crate::scenario::Fault;
use serde_json::Value;

/// Where a fault is injected.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The client.
    pub client: &'a kube::Client,
    /// The trial's namespace.
    pub namespace: &'a str,
    /// The run's label value.
    pub run: &'a str,
}

/// Reads what a fault acts on: the chosen pods, or the object that it names.
///
/// # Errors
/// No target where an object, key or container is not there; the server's refusal otherwise.
pub async fn prepare(scene: Scene<'_>, position: usize, fault: &Fault, pods: &[Reference]) -> Result<Prepared, FaultError> {
    let mut prey = Vec::new();
    match fault {
        Fault::DeletePods(_) | Fault::Exec(_) => {
            for pod in pods {
                let found = existing(scene, None, "Pod", &pod.name).await?;
                if found.reference.uid != pod.uid {
                    return Err(FaultError::NoTarget(format!("pod {} was replaced since it was chosen", pod.name)));
                }
                prey.push(found);
            }
        }
        Fault::SetConfig(set) => prey.push(existing(scene, None, "ConfigMap", &set.config_map).await?),
        Fault::DeleteConfig(delete) => {
            let found = existing(scene, None, "ConfigMap", &delete.config_map).await?;
            if let Some(key) = &delete.key
                && found.before.as_ref().and_then(|object| object.get("data")?.get(key)).is_none()
            {
                return Err(FaultError::NoTarget(format!("ConfigMap {} has no key {key}", delete.config_map)));
            }
            prey.push(found);
        }
        Fault::SetImage(set) => {
            let found = existing(scene, None, "Deployment", &set.deployment).await?;
            container_of(&found, set.container.as_deref())?;
            prey.push(found);
        }
        Fault::SetResources(set) => {
            let found = existing(scene, None, "Deployment", &set.deployment).await?;
            container_of(&found, set.container.as_deref())?;
            prey.push(found);
        }
        Fault::Patch(patch) => prey.push(existing(scene, patch.api_version.as_deref(), &patch.kind, &patch.name).await?),
        Fault::Delete(delete) => prey.push(existing(scene, delete.api_version.as_deref(), &delete.kind, &delete.name).await?),
        Fault::Apply(apply) => {
            let kind = kinds::of_object(scene.client, &apply.manifest).await?;
            let name = text(&apply.manifest, "/metadata/name");
            prey.push(match read(scene, &kind, name).await? {
                Some(found) => found,
                None => Prey {
                    reference: Reference {
                        kind: kind.resource.kind.clone(),
                        namespace: scene.namespace.to_owned(),
                        name: name.to_owned(),
                        uid: String::new(),
                    },
                    kind,
                    before: None,
                    expected: None,
                },
            });
        }
    }
    let (namespace, run) = (scene.namespace.to_owned(), scene.run.to_owned());
    let mut prepared = Prepared { position, fault: fault.clone(), namespace, run, prey };
    for index in 0..prepared.prey.len() {
        let prey = &prepared.prey[index];
        let expected = rehearse(scene.client, &prepared, prey).await?;
        if let (Some(before), Some(expected)) = (&prey.before, &expected)
            && diff(before, expected).is_empty()
        {
            let (kind, name) = (prey.reference.kind.to_lowercase(), &prey.reference.name);
            return Err(FaultError::NoTarget(format!("{kind}/{name} is already as the fault would make it")));
        }
        prepared.prey[index].expected = expected;
    }
    Ok(prepared)
}

async fn existing(scene: Scene<'_>, api_version: Option<&str>, kind: &str, name: &str) -> Result<Prey, FaultError> {
    let kind = kinds::resolve(scene.client, api_version, kind).await?;
    let found = read(scene, &kind, name).await?;
    found.ok_or_else(|| FaultError::NoTarget(format!("{} {name} is not in the trial's namespace", kind.resource.kind)))
}

async fn read(scene: Scene<'_>, kind: &Kind, name: &str) -> Result<Option<Prey>, FaultError> {
    if !kind.namespaced {
        return Err(FaultError::NoTarget(format!(
            "{} is cluster-scoped; a fault only acts on objects in the trial's own namespace",
            kind.resource.kind
        )));
    }
    let api = kind.api(scene.client, scene.namespace);
    let what = format!("reading {}/{name}", kind.resource.kind.to_lowercase());
    let found = retried(&what, REQUEST_BUDGET, || api.get_opt(name)).await?;
    Ok(found.map(|object| {
        let object = plain(object, &kind.resource);
        Prey { kind: kind.clone(), reference: reference_to(&object), before: Some(object), expected: None }
    }))
}

/// The container of a Deployment's template that a fault means: the named one, else the only one.
pub(super) fn container_of(prey: &Prey, named: Option<&str>) -> Result<String, FaultError> {
    let containers = prey.before.as_ref().and_then(|object| object.pointer("/spec/template/spec/containers")?.as_array());
    let names: Vec<_> = containers.into_iter().flatten().map(|container| text(container, "/name")).collect();
    match (named, names.as_slice()) {
        (Some(named), _) if names.contains(&named) => Ok(named.to_owned()),
        (Some(named), _) => Err(no_container(prey, &format!("has no container {named} (it has {})", names.join(", ")))),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(no_container(prey, &format!("has {} containers ({}): name one", names.len(), names.join(", ")))),
    }
}

fn no_container(prey: &Prey, what: &str) -> FaultError {
    FaultError::NoTarget(format!("{} {} {what}", prey.reference.kind, prey.reference.name))
}

/// A scalar as ConfigMaps hold it: text.
pub(super) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
