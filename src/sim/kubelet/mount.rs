//! Mounting a pod's volumes before its first container, refreshing them at later syncs, and showing them to containers.
//! Their content is made in `volume`.

use super::expansion::expand;
use super::volume::{Trouble, content, refreshes};
use super::worker::Worker;
use crate::sim::events::EventType;
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::program::filesystem::Mount;
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// A failed mount is tried again after this, then after the double, and so on.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(122);
/// How often a waiting sync looks whether its volumes are there.
const POLL: Duration = Duration::from_millis(300);

impl Worker {
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
                let files = content(&record.agent, &record.state(), volume);
                match files {
                    Ok(files) => {
                        self.volumes.insert(volume.name.clone(), Arc::new(Mutex::new(files)));
                    }
                    Err(Trouble::Missing(why)) => {
                        failed = true;
                        self.say_failed(volume, &why);
                        left.push((volume, (delay * 2).min(LONGEST_RETRY), Instant::now() + delay));
                    }
                    Err(Trouble::Unsupported(kind)) => {
                        self.report_unsupported(volume, kind);
                        left.push((volume, LONGEST_RETRY, Instant::now() + LONGEST_RETRY));
                    }
                }
            }
            waiting = left;
        }
        sleep(if failed { POLL } else { latency.mul_f64(0.4) }).await;
        self.mounted = true;
    }

    fn say_failed(&self, volume: &Volume, why: &str) {
        let message = format!("MountVolume.SetUp failed for volume \"{}\" : {why}", volume.name);
        self.record.event(None, EventType::Warning, "FailedMount", &message);
    }

    fn report_unsupported(&self, volume: &Volume, kind: &str) {
        self.record.agent.limits.report(Limit {
            kind: LimitKind::Kind,
            uid: self.record.uid.clone(),
            subject: format!("{}/{}", self.record.namespace, self.record.name),
            construct: format!("volume {} ({kind})", volume.name),
            position: None,
            help: "use emptyDir, configMap, secret, downwardAPI or projected volumes, or run this scenario on a real cluster"
                .to_owned(),
        });
    }

    /// Brings mounted volumes up to date: this sync is what their readers waited for.
    fn refresh(&self, spec: &PodSpec) {
        for volume in spec.volumes.iter().flatten().filter(|volume| refreshes(volume)) {
            let files = content(&self.record.agent, &self.record.state(), volume);
            match (files, self.volumes.get(&volume.name)) {
                (Ok(files), Some(mounted)) => {
                    *mounted.lock().unwrap_or_else(PoisonError::into_inner) = files;
                }
                (Err(Trouble::Missing(why)), _) => self.say_failed(volume, &why),
                _ => {}
            }
        }
    }

    /// The mounts of a container that starts now. A `subPath` is a copy: it never refreshes.
    pub(super) fn mounts_of(&self, spec: &PodSpec, container: &Container, env: &BTreeMap<String, String>) -> Vec<Mount> {
        let mut mounts = Vec::new();
        for wanted in container.volume_mounts.iter().flatten() {
            let Some(volume) = self.volumes.get(&wanted.name) else { continue };
            let follows = spec.volumes.iter().flatten().any(|volume| volume.name == wanted.name && refreshes(volume));
            let read_only = wanted.read_only == Some(true) || follows;
            let path = wanted.mount_path.trim_end_matches('/').to_owned();
            let sub_path = wanted.sub_path.clone().or_else(|| wanted.sub_path_expr.as_ref().map(|text| expand(text, env)));
            match sub_path.filter(|text| !text.is_empty()) {
                None => mounts.push(Mount { path, read_only, volume: Arc::clone(volume) }),
                Some(inner) => {
                    let files = volume.lock().unwrap_or_else(PoisonError::into_inner);
                    let (parent, file) = path.rsplit_once('/').unwrap_or(("", &path));
                    let (place, copy) = match files.get(&inner) {
                        Some(bytes) => (parent.to_owned(), BTreeMap::from([(file.to_owned(), bytes.clone())])),
                        None => {
                            let prefix = format!("{}/", inner.trim_end_matches('/'));
                            let below = files
                                .iter()
                                .filter_map(|(name, bytes)| Some((name.strip_prefix(&prefix)?.to_owned(), bytes.clone())));
                            (path.clone(), below.collect())
                        }
                    };
                    mounts.push(Mount { path: place, read_only, volume: Arc::new(Mutex::new(copy)) });
                }
            }
        }
        mounts
    }
}
