//! Pods that fill their node's disk beyond what they may: limits of volumes, of containers and of pods.
//! What is written is counted by the file system; how a pod is ended lives in `ending`.

use super::agent::lock;
use super::pod::PodRecord;
use super::quantity::Amount;
use crate::sim::program::filesystem::size;
use crate::sim::program::{Container as Process, FileSystem};
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Sizes of volumes are measured once a minute, those of containers more often.
const VOLUMES: Duration = Duration::from_mins(1);
const CONTAINERS: Duration = Duration::from_secs(15);

fn bytes(quantity: &Quantity) -> Option<u64> {
    Amount::parse(&quantity.0).map(Amount::units).filter(|bytes| *bytes > 0)
}

fn storage(list: Option<&std::collections::BTreeMap<String, Quantity>>) -> Option<(u64, String)> {
    let quantity = list?.get("ephemeral-storage")?;
    Some((bytes(quantity)?, quantity.0.clone()))
}

/// Whether anything of the pod's storage is limited.
fn is_limited(spec: &PodSpec) -> bool {
    let volumes = spec.volumes.iter().flatten().filter_map(|volume| volume.empty_dir.as_ref());
    volumes.into_iter().any(|volume| volume.size_limit.is_some()) || !limits(spec).is_empty()
}

/// The limits of the containers that have one: name, bytes, as written.
fn limits(spec: &PodSpec) -> Vec<(&str, u64, String)> {
    let containers = spec.containers.iter();
    containers
        .filter_map(|container| {
            let (bytes, text) = storage(container.resources.as_ref()?.limits.as_ref())?;
            Some((container.name.as_str(), bytes, text))
        })
        .collect()
}

/// What is too full: the message of the eviction. `volumes`: whether the sizes of volumes are known anew.
fn excess(record: &PodRecord, volumes: bool) -> Option<String> {
    let spec = Arc::clone(&record.state().spec);
    let containers = record.container_disk();
    if volumes {
        let contents = lock(&record.volumes);
        for volume in spec.volumes.iter().flatten() {
            let Some(limit) = volume.empty_dir.as_ref().and_then(|empty| empty.size_limit.as_ref()) else { continue };
            if bytes(limit).is_some_and(|most| contents.get(&volume.name).is_some_and(|content| size(content) > most)) {
                return Some(format!("Usage of EmptyDir volume \"{}\" exceeds the limit \"{}\". ", volume.name, limit.0));
            }
        }
    }
    let limits = limits(&spec);
    let used = |name: &str| containers.iter().find(|(known, _)| known == name).map_or(0, |(_, used)| *used);
    if !limits.is_empty() {
        let most: u64 = limits.iter().map(|(_, most, _)| most).sum();
        if containers.iter().map(|(_, used)| used).sum::<u64>() + record.volume_disk() > most {
            let total = limits.iter().filter_map(|(_, _, text)| Amount::parse(text)).fold(Amount::ZERO, Amount::plus);
            return Some(format!("Pod ephemeral local storage usage exceeds the total limit of containers {}. ", total.text()));
        }
    }
    let full = limits.iter().find(|(name, most, _)| used(name) > *most);
    full.map(|(name, _, text)| format!("Container {name} exceeded its local ephemeral storage limit \"{text}\". "))
}

/// Looks at the pod's storage after each change that a container makes, when the kubelet would.
pub(super) fn watch(record: &Arc<PodRecord>, process: &Arc<Process>, filesystem: &FileSystem) {
    let spec = Arc::clone(&record.state().spec);
    if !is_limited(&spec) {
        return;
    }
    let (record, process, mut changes) = (Arc::clone(record), Arc::clone(process), filesystem.changes());
    let tasks = record.agent.tasks.clone();
    tasks.spawn(async move {
        let (mut exit, mut log) = (process.exit(), process.log().subscribe());
        loop {
            tokio::select! {
                biased;
                _ = exit.wait_for(Option::is_some) => return,
                _ = changes.changed() => {}
                _ = log.changed() => {}
            }
            let now = Instant::now();
            let lag = |period: Duration| now + period.mul_f64(record.unit("storage-lag"));
            let (containers, volumes) = (lag(CONTAINERS), lag(VOLUMES));
            for (at, volumes) in [(containers, false), (volumes.max(containers), true)] {
                sleep_until(record.agent.housekeeping.from(at)).await;
                if let Some(message) = excess(&record, volumes) {
                    record.evict(&message, false);
                    return;
                }
            }
            changes.mark_unchanged();
            log.mark_unchanged();
            if let Some(message) = excess(&record, true) {
                record.evict(&message, false);
                return;
            }
        }
    });
}
