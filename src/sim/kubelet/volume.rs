//! Volumes of a pod: their content from ConfigMaps, Secrets and the downward API, and where containers see them.
//! When they are mounted and refreshed is decided in `mount` and `sync`.

use super::agent::Agent;
use super::environment::{byte_data, field_value, resource_value, singular};
use super::pod::State;
use crate::json::At as _;
use crate::sim::api::resource::{CONFIG_MAPS, Resource, SECRETS};
use crate::sim::api::token::Bound;
use k8s_openapi::api::core::v1::{Container, DownwardAPIVolumeFile, KeyToPath, PodSpec, ServiceAccountTokenProjection, Volume};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Relative paths and their bytes.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The ConfigMap that every namespace gets; pods never wait for it here.
const ROOT_CERTIFICATES: &str = "kube-root-ca.crt";

/// Why a volume has no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Something is missing: the text of `FailedMount`.
    Missing(String),
    /// The embedded cluster has no such volumes.
    Unsupported(&'static str),
}

/// Whether a volume's content follows an object of the API.
pub(super) fn refreshes(volume: &Volume) -> bool {
    volume.config_map.is_some() || volume.secret.is_some() || volume.projected.is_some() || volume.downward_api.is_some()
}

/// The ConfigMaps and Secrets that a pod mounts: plural and name.
pub(super) fn sources(spec: &PodSpec) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    for volume in spec.volumes.iter().flatten() {
        if let Some(source) = &volume.config_map {
            found.insert((CONFIG_MAPS.plural, source.name.clone()));
        }
        if let Some(name) = volume.secret.as_ref().and_then(|source| source.secret_name.clone()) {
            found.insert((SECRETS.plural, name));
        }
        for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            if let Some(source) = &source.config_map {
                found.insert((CONFIG_MAPS.plural, source.name.clone()));
            }
            if let Some(source) = &source.secret {
                found.insert((SECRETS.plural, source.name.clone()));
            }
        }
    }
    found
}

/// The content of a volume now.
///
/// # Errors
/// A missing source, or a kind of volume that is not simulated.
pub(super) fn content(agent: &Agent, state: &State, volume: &Volume) -> Result<Files, Trouble> {
    if volume.empty_dir.is_some() {
        return Ok(Files::new());
    }
    if let Some(source) = &volume.config_map {
        return keyed(agent, state, CONFIG_MAPS, &source.name, source.items.as_deref(), source.optional);
    }
    if let Some(source) = &volume.secret {
        let name = source.secret_name.as_deref().unwrap_or_default();
        return keyed(agent, state, SECRETS, name, source.items.as_deref(), source.optional);
    }
    if let Some(source) = &volume.downward_api {
        return downward(agent, state, source.items.as_deref().unwrap_or_default());
    }
    let Some(projected) = &volume.projected else { return Err(Trouble::Unsupported(kind(volume))) };
    let mut files = Files::new();
    for source in projected.sources.iter().flatten() {
        if let Some(source) = &source.config_map {
            files.extend(keyed(agent, state, CONFIG_MAPS, &source.name, source.items.as_deref(), source.optional)?);
        } else if let Some(source) = &source.secret {
            files.extend(keyed(agent, state, SECRETS, &source.name, source.items.as_deref(), source.optional)?);
        } else if let Some(source) = &source.downward_api {
            files.extend(downward(agent, state, source.items.as_deref().unwrap_or_default())?);
        } else if let Some(source) = &source.service_account_token {
            files.insert(source.path.clone(), token(agent, state, source)?.into_bytes());
        } else {
            return Err(Trouble::Unsupported("projected clusterTrustBundle or podCertificate"));
        }
    }
    Ok(files)
}

/// The pod's own token: made anew when four fifths of its time are over.
fn token(agent: &Agent, state: &State, source: &ServiceAccountTokenProjection) -> Result<String, Trouble> {
    /// Seconds that a token is valid where nothing is asked.
    const USUAL: u64 = 3_600;
    let text = |pointer: &str| state.pod.at(pointer).and_then(Value::as_str).unwrap_or_default();
    let account = (text("/metadata/namespace"), text("/spec/serviceAccountName"));
    let bound = Bound { kind: "pod", name: text("/metadata/name").to_owned(), uid: text("/metadata/uid").to_owned() };
    let audience: Vec<String> = source.audience.iter().filter(|audience| !audience.is_empty()).cloned().collect();
    let valid = source.expiration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(USUAL);
    let issued = agent.api.tokens().projected(&agent.api, account, &audience, Duration::from_secs(valid), &bound);
    issued.map_err(|error| Trouble::Missing(format!("failed to fetch token: {}", error.message)))
}

fn kind(volume: &Volume) -> &'static str {
    let kinds = [(volume.nfs.is_some(), "nfs"), (volume.csi.is_some(), "csi"), (volume.image.is_some(), "image")];
    kinds.iter().find(|(is, _)| *is).map_or("volume source", |(_, name)| name)
}

fn keyed(
    agent: &Agent,
    state: &State,
    resource: Resource,
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
) -> Result<Files, Trouble> {
    let optional = optional == Some(true);
    let namespace = state.pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let object = match agent.api.get(resource, namespace, name) {
        Ok(object) => object,
        Err(_) if optional || name == ROOT_CERTIFICATES => return Ok(Files::new()),
        Err(error) => return Err(Trouble::Missing(singular(resource, name, &error.message))),
    };
    let mut data = byte_data(resource, &object);
    let Some(items) = items.filter(|items| !items.is_empty()) else { return Ok(data) };
    let mut files = Files::new();
    for item in items {
        match data.remove(&item.key) {
            Some(bytes) => {
                files.insert(item.path.clone(), bytes);
            }
            None if optional => {}
            None => {
                let kind = if resource == SECRETS { "secret" } else { "config" };
                return Err(Trouble::Missing(format!("references non-existent {kind} key: {}", item.key)));
            }
        }
    }
    Ok(files)
}

fn downward(agent: &Agent, state: &State, items: &[DownwardAPIVolumeFile]) -> Result<Files, Trouble> {
    let mut files = Files::new();
    for item in items {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => field_value(agent, state, &field.field_path),
            (None, Some(selector)) => resource_value(agent, state, &Container::default(), selector),
            (None, None) => continue,
        };
        files.insert(item.path.clone(), value.map_err(Trouble::Missing)?.into_bytes());
    }
    Ok(files)
}
