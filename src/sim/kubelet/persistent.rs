//! Volumes whose content outlives pods: directories of the host and claimed persistent volumes.
//! Volumes that follow the API or end with their pod are in `volume`.

use super::agent::{Agent, lock};
use super::volume::Trouble;
use crate::json::At as _;
use crate::sim::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES};
use crate::sim::program::filesystem::{Volume, size};
use k8s_openapi::api::core::v1::{HostPathVolumeSource, Volume as Definition};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Directories of a node whose content nobody can know: those of its system.
const SYSTEM: [&str; 15] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/var/lib", "/var/log",
    "/var/run",
];

/// The contents of all such volumes of a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Disks {
    volumes: Arc<Mutex<BTreeMap<Place, Volume>>>,
}

/// Where content lies: on a node by its path, or behind a persistent volume; and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    disk: String,
    part: String,
}

impl Place {
    /// A part of it.
    pub(super) fn part(&self, part: &str) -> Self {
        Self { disk: self.disk.clone(), part: part.trim_matches('/').to_owned() }
    }
}

impl Disks {
    /// The content at a place, empty when it is new.
    ///
    /// # Errors
    /// Another view of the same content is in use, which could not be kept the same.
    pub(super) fn open(&self, place: &Place) -> Result<Volume, Trouble> {
        let mut volumes = lock(&self.volumes);
        if let Some(volume) = volumes.get(place) {
            return Ok(Arc::clone(volume));
        }
        let overlaps = |other: &Place| {
            let within = |inner: &str, outer: &str| {
                outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
            };
            let parts = other.disk == place.disk && (within(&other.part, &place.part) || within(&place.part, &other.part));
            parts || (other.disk != place.disk && (within(&other.disk, &place.disk) || within(&place.disk, &other.disk)))
        };
        if volumes.iter().any(|(other, content)| overlaps(other) && !lock(content).is_empty()) {
            return Err(Trouble::Unsupported("part of a volume that is also mounted whole"));
        }
        let volume = Volume::default();
        volumes.insert(place.clone(), Arc::clone(&volume));
        Ok(volume)
    }

    /// Whether a volume's content lies behind a network, and not on a node's disk.
    pub(super) fn is_remote(&self, volume: &Volume) -> bool {
        lock(&self.volumes).iter().any(|(place, content)| Arc::ptr_eq(content, volume) && !place.disk.starts_with("node "))
    }

    /// Bytes that directories of a node take on its disk.
    pub(super) fn used_on(&self, node: &str) -> u64 {
        let prefix = format!("node {node}/");
        lock(&self.volumes).iter().filter(|(place, _)| place.disk.starts_with(&prefix)).map(|(_, content)| size(content)).sum()
    }

    fn exists(&self, place: &Place) -> bool {
        lock(&self.volumes).contains_key(place)
    }
}

/// Where a volume's content lies, for the volumes whose content outlives the pod.
pub(super) fn place(agent: &Agent, pod: &Value, volume: &Definition) -> Option<Result<Place, Trouble>> {
    if let Some(source) = &volume.host_path {
        return Some(host_path(agent, source));
    }
    let text = |pointer: &str| pod.at(pointer).and_then(Value::as_str).unwrap_or_default();
    let claim = match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(source), _) => source.claim_name.clone(),
        (None, Some(_)) => format!("{}-{}", text("/metadata/name"), volume.name),
        (None, None) => return None,
    };
    Some(claimed(agent, text("/metadata/namespace"), &claim))
}

fn on_host(agent: &Agent, path: &str) -> Place {
    Place { disk: format!("node {}{}", agent.node.name, path.trim_end_matches('/')), part: String::new() }
}

fn host_path(agent: &Agent, source: &HostPathVolumeSource) -> Result<Place, Trouble> {
    let path = source.path.trim_end_matches('/');
    if path.is_empty()
        || SYSTEM.iter().any(|own| path == *own || path.strip_prefix(own).is_some_and(|rest| rest.starts_with('/')))
    {
        return Err(Trouble::Unsupported("hostPath in the node's system"));
    }
    let place = on_host(agent, path);
    let disks = &agent.runtime.disks;
    let wanted = match source.type_.as_deref().unwrap_or_default() {
        "" | "DirectoryOrCreate" => return Ok(place),
        "FileOrCreate" => {
            lock(&*disks.open(&place)?).entry(String::new()).or_default();
            return Ok(place);
        }
        "Directory" => "directory",
        "File" => "file",
        _ => return Err(Trouble::Unsupported("hostPath of a socket or device")),
    };
    if disks.exists(&place) {
        return Ok(place);
    }
    Err(Trouble::Missing(format!("hostPath type check failed: {path} is not a {wanted}")))
}

fn claimed(agent: &Agent, namespace: &str, claim: &str) -> Result<Place, Trouble> {
    let missing = |what: String| Trouble::Missing(what);
    let found = agent.api.get(PERSISTENT_VOLUME_CLAIMS, namespace, claim);
    let claim = found.map_err(|error| missing(error.message))?;
    let bound = claim.at("/spec/volumeName").and_then(Value::as_str).filter(|_| claim["status"]["phase"] == "Bound");
    let Some(name) = bound else { return Err(missing("PVC is not bound".to_owned())) };
    let volume = agent.api.get(PERSISTENT_VOLUMES, "", name).map_err(|error| missing(error.message))?;
    let path = ["/spec/hostPath/path", "/spec/local/path"].iter().find_map(|pointer| volume.at(pointer)?.as_str());
    Ok(match path {
        Some(path) => on_host(agent, path),
        None => Place {
            disk: format!("volume {}", volume.at("/metadata/uid").and_then(Value::as_str).unwrap_or(name)),
            part: String::new(),
        },
    })
}
