//! What lies on a node's disk: images, writable layers, logs, volumes, and what the node itself needs.
//! What a kubelet does when it becomes too much lives in `eviction` and `image_gc`.

use super::agent::lock;
use super::host::{Host, Left};
use super::instance::Instance;
use super::mount::in_memory;
use super::pod::PodRecord;
use crate::sim::profile::NodeShape;
use crate::sim::program::filesystem::{Volume, size};
use crate::sim::program::node_disk::{Meter, NodeDisk};
use k8s_openapi::api::core::v1::PodSpec;
use std::collections::BTreeMap;

/// What system, container runtime and kubelet take of a node's disk (bytes): a minimal system.
const SYSTEM: u64 = 2 * 1024 * 1024 * 1024;
/// Hard thresholds of the eviction manager, as shares of the disk: the kubelet's defaults.
pub(super) const IMAGE_FS_AVAILABLE: f32 = 0.15;
pub(super) const NODE_FS_AVAILABLE: f32 = 0.10;
/// Image garbage is collected from this share on (percent in use), down to the lower one: the kubelet's defaults.
pub(super) const GC_HIGH: u64 = 85;
pub(super) const GC_LOW: u64 = 80;

/// A share of a disk in bytes, as the kubelet computes it.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the kubelet computes it in floating point, and disks are far below 2^53 bytes"
)]
pub(super) fn share(capacity: u64, share: f32) -> u64 {
    (capacity as f64 * f64::from(share)) as u64
}

/// The disk of a machine.
pub(super) fn disk_of(node: &NodeShape) -> NodeDisk {
    // Percentages in use are rounded up: 85 are reached with less than 16 % left.
    NodeDisk::new(node.disk_bytes, &[share(node.disk_bytes, 0.16), share(node.disk_bytes, IMAGE_FS_AVAILABLE)])
}

/// What a run of a container takes: its writable layer and its log.
pub(super) fn of_instance(instance: &Instance) -> u64 {
    let log = instance.process.as_ref().map_or(0, |process| process.log().bytes_on_disk());
    instance.filesystem.written() + log
}

/// The volumes of a pod that lie on the node's disk and end with the pod.
pub(super) fn volumes_on_disk(spec: &PodSpec, volumes: &BTreeMap<String, Volume>) -> Vec<Volume> {
    let empty = |name: &str| {
        spec.volumes.iter().flatten().any(|volume| volume.name == name && volume.empty_dir.is_some() && !in_memory(volume))
    };
    let own = volumes.iter().filter(|(key, _)| empty(key.split('/').next().unwrap_or_default()));
    own.map(|(_, volume)| Volume::clone(volume)).collect()
}

impl PodRecord {
    /// Bytes that the newest run of each container takes, in order of their names.
    pub(super) fn container_disk(&self) -> Vec<(String, u64)> {
        let newest: Vec<(String, Instance)> = {
            let state = self.state();
            state.instances.iter().filter_map(|(name, all)| Some((name.clone(), all.last()?.clone()))).collect()
        };
        newest.into_iter().map(|(name, instance)| (name, of_instance(&instance))).collect()
    }

    /// Bytes of the volumes that lie on the node's disk and end with the pod.
    pub(super) fn volume_disk(&self) -> u64 {
        let spec = {
            let state = self.state();
            // The volumes of a pod that has ended are gone; its containers stay until they are collected.
            if state.finished {
                return 0;
            }
            std::sync::Arc::clone(&state.spec)
        };
        let volumes = volumes_on_disk(&spec, &lock(&self.volumes));
        volumes.iter().map(size).sum()
    }

    /// Bytes that the pod takes of its node's disk, the last runs of its containers included.
    fn disk(&self) -> u64 {
        let instances: Vec<Instance> = {
            let state = self.state();
            if state.collected {
                return 0;
            }
            state.instances.values().flatten().cloned().collect()
        };
        instances.iter().map(of_instance).sum::<u64>() + self.volume_disk()
    }
}

impl Left {
    fn disk(&self) -> u64 {
        let instances: u64 = self.instances.values().flatten().map(of_instance).sum();
        instances + self.on_disk.iter().map(size).sum::<u64>()
    }
}

impl Meter for Host {
    fn used(&self) -> u64 {
        let agent = self.switches().kubelet.upgrade();
        let served: u64 = agent.iter().flat_map(|agent| agent.records()).map(|record| record.disk()).sum();
        let left: Vec<Left> = lock(&self.left).values().cloned().collect();
        let left: u64 = left.iter().map(Left::disk).sum();
        SYSTEM + lock(&self.images).bytes() + served + left + self.runtime.disks.used_on(&self.node.name)
    }
}
