//! Mounting a pod's volumes before its first container, refreshing them at later syncs, and showing them to containers.
//! Their content is made in `volume`.

use super::agent::lock;
use super::expansion::expand;
use super::persistent::place;
use super::pod::PodRecord;
use super::quantity::Amount;
use super::volume::{Files, Trouble, content, refreshes};
use super::worker::Worker;
use crate::sim::events::EventType;
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::program::filesystem::{Content, Mount, Tmpfs, Volume as ProgramVolume};
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// A failed mount is tried again after this, then after the double, and so on.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(122);
/// How often a waiting sync looks whether its volumes are there.
const POLL: Duration = Duration::from_millis(300);

fn say_failed(record: &PodRecord, volume: &Volume, why: &str) {
    let message = format!("MountVolume.SetUp failed for volume \"{}\" : {why}", volume.name);
    record.event(None, EventType::Warning, "FailedMount", &message);
}

/// Why a volume cannot be mounted by a kubelet that was told of its pod only to end it: nobody has registered what the
/// volume is made of. Nothing for volumes that are made of no objects.
fn unregistered(volume: &Volume, namespace: &str) -> Option<String> {
    let config_map = volume.config_map.iter().map(|source| Some(source.name.clone()));
    let secret = volume.secret.iter().map(|source| source.secret_name.clone());
    let projected = volume.projected.iter().flat_map(|source| source.sources.iter().flatten()).flat_map(|source| {
        let config_map = source.config_map.iter().map(|source| Some(source.name.clone()));
        config_map.chain(source.secret.iter().map(|source| Some(source.name.clone())))
    });
    let names = config_map.chain(secret).chain(projected).flatten();
    let missing: Vec<String> = names.map(|name| format!("object \"{namespace}\"/\"{name}\" not registered")).collect();
    match missing.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}

impl Worker {
    /// Tries in vain to mount what a kubelet before this one has mounted, for as long as a container runs.
    pub(super) fn mount_in_vain(&self) {
        let record = Arc::clone(&self.record);
        let running = |record: &PodRecord| record.state().instances.values().flatten().any(super::instance::Instance::running);
        if self.mounted || record.agent.age().is_none() || !running(&record) {
            return;
        }
        let tasks = record.agent.tasks.clone();
        tasks.spawn(async move {
            let spec = Arc::clone(&record.state().spec);
            let mut retry = FIRST_RETRY;
            sleep(record.latency("volumes-in-vain", record.agent.profile.latencies.create)).await;
            while running(&record) {
                for volume in spec.volumes.iter().flatten() {
                    if let Some(why) = unregistered(volume, &record.namespace) {
                        say_failed(&record, volume, &why);
                    }
                }
                sleep(retry + record.latency("volumes-in-vain", record.agent.profile.latencies.create)).await;
                retry = (retry * 2).min(LONGEST_RETRY);
            }
        });
    }

    /// Mounts what is not mounted yet, for as long as it takes; brings mounted volumes up to date.
    pub(super) async fn mount(&mut self, spec: &PodSpec) {
        if self.mounted {
            self.refresh(spec);
            return;
        }
        let record = Arc::clone(&self.record);
        let latency = record.latency("volumes", record.agent.profile.latencies.sandbox.mul_f64(0.7));
        sleep(latency.mul_f64(0.6)).await;
        let mut waiting: Vec<(&Volume, Duration, Instant)> =
            spec.volumes.iter().flatten().map(|volume| (volume, FIRST_RETRY, Instant::now())).collect();
        let mut failed = false;
        while let Some(next) = waiting.iter().map(|(_, _, at)| *at).min() {
            sleep_until(next).await;
            let mut left = Vec::new();
            for (volume, delay, at) in waiting {
                if at > Instant::now() {
                    left.push((volume, delay, at));
                    continue;
                }
                match self.mount_one(volume) {
                    Ok(()) => {}
                    Err(Trouble::Missing(why)) => {
                        failed = true;
                        say_failed(&self.record, volume, &why);
                        left.push((volume, (delay * 2).min(LONGEST_RETRY), Instant::now() + delay));
                    }
                    Err(Trouble::Unsupported(kind)) => {
                        self.report_unsupported(volume, kind);
                        say_failed(&self.record, volume, &format!("the embedded cluster cannot mount it ({kind})"));
                        left.push((volume, LONGEST_RETRY, Instant::now() + LONGEST_RETRY));
                    }
                }
            }
            waiting = left;
        }
        sleep(if failed { POLL } else { latency.mul_f64(0.4) }).await;
        self.share_parts(spec);
        self.mounted = true;
    }

    /// Mounts a volume.
    fn mount_one(&self, volume: &Volume) -> Result<(), Trouble> {
        let record = &self.record;
        let pod = Arc::clone(&record.state().pod);
        if let Some(place) = place(&record.agent, &pod, volume) {
            let disk = record.agent.runtime.disks.open(&place?)?;
            lock(&record.volumes).insert(volume.name.clone(), disk);
            return Ok(());
        }
        let files = content(&record.agent, &record.state(), volume)?;
        let rebooted = {
            let state = record.state();
            state.sandboxes > 0 && state.sandbox.is_none()
        };
        if rebooted && in_memory(volume) {
            lock(&record.volumes).remove(&volume.name);
        }
        self.keep_content(volume, files);
        Ok(())
    }

    /// Keeps the content of a mounted volume. One that an earlier kubelet mounted stays the same to its containers.
    fn keep_content(&self, volume: &Volume, files: Files) {
        let mut volumes = lock(&self.record.volumes);
        match volumes.get(&volume.name) {
            Some(mounted) if refreshes(volume) => *lock(mounted) = contents(files),
            Some(_) => {}
            None => {
                volumes.insert(volume.name.clone(), Arc::new(Mutex::new(contents(files))));
            }
        }
    }

    fn report_unsupported(&self, volume: &Volume, kind: &str) {
        self.record.agent.limits.report(Limit {
            kind: LimitKind::Kind,
            uid: self.record.uid.clone(),
            subject: format!("{}/{}", self.record.namespace, self.record.name),
            construct: format!("volume {} ({kind})", volume.name),
            position: None,
            help: "use emptyDir, configMap, secret, downwardAPI, projected, hostPath or persistentVolumeClaim volumes, or run this scenario on a real cluster"
                .to_owned(),
        });
    }

    /// Brings mounted volumes up to date: this sync is what their readers waited for.
    fn refresh(&self, spec: &PodSpec) {
        for volume in spec.volumes.iter().flatten().filter(|volume| refreshes(volume)) {
            let files = content(&self.record.agent, &self.record.state(), volume);
            match (files, lock(&self.record.volumes).get(&volume.name)) {
                (Ok(files), Some(mounted)) => {
                    *lock(mounted) = contents(files);
                }
                (Err(Trouble::Missing(why)), _) => say_failed(&self.record, volume, &why),
                _ => {}
            }
        }
    }

    /// The parts of writable volumes that containers share by `subPath`: one content for all who name the same part.
    fn share_parts(&self, spec: &PodSpec) {
        let writable = |name: &str| spec.volumes.iter().flatten().any(|volume| volume.name == name && !refreshes(volume));
        for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
            for wanted in container.volume_mounts.iter().flatten() {
                let Some(part) = wanted.sub_path.as_deref().filter(|part| !part.is_empty() && writable(&wanted.name)) else {
                    continue;
                };
                let pod = Arc::clone(&self.record.state().pod);
                let volume = spec.volumes.iter().flatten().find(|volume| volume.name == wanted.name);
                let agent = &self.record.agent;
                let shared = match volume.and_then(|volume| Some((volume, place(agent, &pod, volume)?.ok()?.part(part)))) {
                    None => ProgramVolume::default(),
                    Some((volume, place)) => agent.runtime.disks.open(&place).unwrap_or_else(|_| {
                        self.report_unsupported(volume, "part of a volume that is also mounted whole");
                        ProgramVolume::default()
                    }),
                };
                lock(&self.record.volumes).entry(part_key(&wanted.name, part)).or_insert(shared);
            }
        }
    }

    /// The mounts of a container that starts now. A `subPath` of what follows the API is a copy: it never refreshes.
    pub(super) fn mounts_of(&self, spec: &PodSpec, container: &Container, env: &BTreeMap<String, String>) -> Vec<Mount> {
        let mut mounts = Vec::new();
        let volumes = lock(&self.record.volumes);
        for wanted in container.volume_mounts.iter().flatten() {
            let Some(volume) = volumes.get(&wanted.name) else { continue };
            let follows = spec.volumes.iter().flatten().any(|volume| volume.name == wanted.name && refreshes(volume));
            let claimed = spec.volumes.iter().flatten().find(|volume| volume.name == wanted.name);
            let claimed = claimed.and_then(|volume| volume.persistent_volume_claim.as_ref()?.read_only) == Some(true);
            let read_only = wanted.read_only == Some(true) || follows || claimed;
            let path = wanted.mount_path.trim_end_matches('/').to_owned();
            let part = wanted.sub_path.clone().or_else(|| wanted.sub_path_expr.as_ref().map(|text| expand(text, env)));
            let volume = match part.filter(|part| !part.is_empty()) {
                None => Arc::clone(volume),
                Some(part) => match volumes.get(&part_key(&wanted.name, &part)) {
                    Some(shared) => Arc::clone(shared),
                    None => Arc::new(Mutex::new(copy_of(&lock(volume), &part))),
                },
            };
            let remote = self.record.agent.runtime.disks.is_remote(&volume);
            mounts.push(Mount { path, read_only, volume, remote });
        }
        mounts
    }
}

/// Whether a volume lives in memory.
pub(super) fn in_memory(volume: &Volume) -> bool {
    volume.empty_dir.as_ref().is_some_and(|empty| empty.medium.as_deref() == Some("Memory"))
}

/// The volumes in memory that a container sees: where, and how many bytes fit. Only the first container of the pod that sees
/// one is charged for it, as the kernel charges whoever writes.
pub(super) fn tmpfs_of(spec: &PodSpec, container: &Container) -> Vec<Tmpfs> {
    let sees = |container: &Container, name: &str| container.volume_mounts.iter().flatten().any(|mount| mount.name == name);
    let bytes = |quantity: &Quantity| Amount::parse(&quantity.0).map(Amount::units);
    let mut found = Vec::new();
    for volume in spec.volumes.iter().flatten().filter(|volume| in_memory(volume)) {
        let size = volume.empty_dir.as_ref().and_then(|empty| bytes(empty.size_limit.as_ref()?)).filter(|bytes| *bytes > 0);
        let first = spec.containers.iter().find(|other| sees(other, &volume.name));
        let charged = first.is_none_or(|first| first.name == container.name);
        for mount in container.volume_mounts.iter().flatten().filter(|mount| mount.name == volume.name) {
            found.push(Tmpfs { path: mount.mount_path.trim_end_matches('/').to_owned(), size, charged });
        }
    }
    found
}

/// The key of a shared part of a volume; no volume has a name with a slash.
fn part_key(volume: &str, part: &str) -> String {
    format!("{volume}/{}", part.trim_matches('/'))
}

/// What programs see of files.
fn contents(files: Files) -> BTreeMap<String, Content> {
    files.into_iter().map(|(path, bytes)| (path, bytes.into())).collect()
}

/// A copy of one file (the empty key stands for it) or of everything below a directory.
fn copy_of(files: &BTreeMap<String, Content>, part: &str) -> BTreeMap<String, Content> {
    if let Some(bytes) = files.get(part) {
        return BTreeMap::from([(String::new(), bytes.clone())]);
    }
    let prefix = format!("{}/", part.trim_matches('/'));
    files.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(&prefix)?.to_owned(), bytes.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_file_or_what_lies_below() {
        let file = |path: &str, text: &str| (path.to_owned(), Content::from(text.as_bytes()));
        let files = BTreeMap::from([file("a.conf", "1"), file("d/b", "2")]);
        assert_eq!(copy_of(&files, "a.conf"), BTreeMap::from([file("", "1")]));
        assert_eq!(copy_of(&files, "d/"), BTreeMap::from([file("b", "2")]));
        assert!(copy_of(&files, "nothing").is_empty());
    }
}
