//! What the recorded cluster was, as far as its recording shows: nodes, images on them, images that a registry had.
//! Running the replay is `replay`'s.

use super::normal::text;
use super::recording::{Fact, Recording};
use crate::sim::profile::{Cgroup, DISK_BYTES, NodeShape, Profile};
use std::collections::{BTreeMap, BTreeSet};

/// Node capacity where the recording shows no node: that of the cluster of the shipped recordings.
const CPU_MILLIS: u64 = 2_000;
const MEMORY_BYTES: u64 = 24_684_084 * 1024;
/// Images of the shipped recordings that are busybox with one more file, `/etc/version`.
const VERSIONED: [(&str, &str); 2] = [("docker.io/library/app:v1", "v1"), ("docker.io/library/app:v2", "v2")];

/// The profile of a replay.
#[must_use]
pub fn profile(recording: &Recording) -> Profile {
    let shared_kernel = is_kind(recording);
    let mut profile = Profile { nodes: nodes(recording), cgroup: Cgroup::V1, shared_kernel, ..Profile::default() };
    for (image, version) in VERSIONED {
        let files = BTreeMap::from([("/etc/version".to_owned(), format!("{version}\n"))]);
        profile.busybox_images.insert(image.to_owned(), files);
    }
    for fact in recording.facts.iter().filter(|fact| fact.kind == "events" && text(&fact.object, "/reason") == "Pulled") {
        let message = text(&fact.object, "/message");
        let image = message.split('"').nth(1).unwrap_or_default().to_owned();
        let size = message.rsplit_once("Image size: ").and_then(|(_, size)| size.split(' ').next()?.parse().ok());
        if let Some(size) = size {
            profile.pullable.insert(image, size);
        }
    }
    profile
}

/// Whether the recorded nodes are containers of one machine, as kind's are.
fn is_kind(recording: &Recording) -> bool {
    let nodes = recording.facts.iter().filter(|fact| fact.kind == "nodes");
    nodes.map(|fact| text(&fact.object, "/spec/providerID")).any(|provider| provider.starts_with("kind://"))
}

/// The nodes that the recording names; a control plane with its taint beside workers.
fn nodes(recording: &Recording) -> Vec<NodeShape> {
    let mut names = BTreeSet::new();
    for fact in &recording.facts {
        let pointer = match fact.kind.as_str() {
            "nodes" => "/metadata/name",
            "pods" => "/spec/nodeName",
            _ => continue,
        };
        names.insert(text(&fact.object, pointer).to_owned());
    }
    names.remove("");
    if let Some(prefix) = names.iter().find_map(|name| Some(name.split_once("-worker")?.0.to_owned())) {
        names.insert(format!("{prefix}-control-plane"));
        names.insert(format!("{prefix}-worker"));
    }
    if names.is_empty() {
        names.insert("embedded-control-plane".to_owned());
    }
    let alone = names.len() == 1;
    let shape = |name: String| {
        let (cpu_millis, memory_bytes) = capacity(recording, &name).unwrap_or((CPU_MILLIS, MEMORY_BYTES));
        NodeShape {
            control_plane: !alone && name.ends_with("-control-plane"),
            name,
            cpu_millis,
            memory_bytes,
            disk_bytes: DISK_BYTES,
        }
    };
    names.into_iter().map(shape).collect()
}

/// What a recorded node offers, as kubelets write it: whole or milli processors, and Ki of memory.
fn capacity(recording: &Recording, name: &str) -> Option<(u64, u64)> {
    let is_own = |fact: &&Fact| fact.kind == "nodes" && text(&fact.object, "/metadata/name") == name;
    let node = &recording.facts.iter().find(is_own)?.object;
    let cpu = text(node, "/status/capacity/cpu");
    let millis = cpu.strip_suffix('m').map_or_else(|| cpu.parse().map(|whole: u64| whole * 1_000), str::parse).ok()?;
    let kibibytes: u64 = text(node, "/status/capacity/memory").strip_suffix("Ki")?.parse().ok()?;
    Some((millis, kibibytes * 1024))
}
