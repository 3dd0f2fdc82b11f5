//! How much a container's file system holds: in memory, on its own layer, and what still fits on a volume in memory.
//! Reading and writing files is not here.

use super::{FileSystem, SHARED_MEMORY, volume};
use crate::sim::limits::{Limit, LimitKind, Limits};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What the simulation holds in its own memory of the files that one container sees, in bytes: those that are neither runs of
/// equal bytes nor random.
const LARGEST_HELD: u64 = 512 * 1024 * 1024;
/// After so many written bytes all are counted anew.
const STEP: u64 = 16 * 1024 * 1024;

/// Whom a file system tells of what it cannot hold: limits, the pod's uid, and the container.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaints {
    to: Arc<OnceLock<(Limits, String, String)>>,
    /// Bytes written since they were last counted.
    written: Arc<AtomicU64>,
}

/// A mounted volume that lives in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tmpfs {
    /// Where it is mounted: absolute, without a trailing slash.
    pub path: String,
    /// How many bytes fit; none for as many as there is memory.
    pub size: Option<u64>,
    /// Whether its content counts as this container's memory.
    pub charged: bool,
}

/// One mounted file system, as `df` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is mounted.
    pub device: &'static str,
    /// Where.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes in use.
    pub used: u64,
}

/// The files that a kubelet and its runtime mount into every container from the node's disk.
const FROM_NODE: [&str; 4] = ["/etc/hosts", "/dev/termination-log", "/etc/hostname", "/etc/resolv.conf"];
/// The device of the node's disk.
const DEVICE: &str = "/dev/vda1";

impl FileSystem {
    /// How full everything is that this container has mounted.
    #[must_use]
    pub fn spaces(&self) -> Vec<Space> {
        let (size, used) = (self.disk.capacity(), self.disk.used());
        let on_disk = |device, path: &str| Space { device, path: path.to_owned(), size, used };
        let in_memory = |device, path: &str, size, used| Space { device, path: path.to_owned(), size, used };
        let mut all = vec![on_disk("overlay", "/"), in_memory("tmpfs", "/dev", SHARED_MEMORY, 0)];
        all.push(in_memory("shm", "/dev/shm", SHARED_MEMORY, self.shared_memory()));
        for mount in self.mounts.iter().rev().filter(|mount| !mount.remote) {
            all.push(match self.tmpfs.iter().find(|tmpfs| tmpfs.path == mount.path) {
                Some(tmpfs) => in_memory("tmpfs", &mount.path, tmpfs.size.unwrap_or(size), self.content_of(&mount.path)),
                None => on_disk(DEVICE, &mount.path),
            });
        }
        let ours = FROM_NODE.iter().filter(|path| !self.mounts.iter().any(|mount| mount.path == **path));
        all.extend(ours.map(|path| on_disk(DEVICE, path)));
        all
    }

    /// The same file system, of whose mounts these live in memory.
    #[must_use]
    pub fn with_tmpfs(mut self, tmpfs: Vec<Tmpfs>) -> Self {
        self.tmpfs = Arc::new(tmpfs);
        self
    }

    /// Tells `limits` of what a real disk would hold and this file system cannot. Only the first call counts.
    pub fn report_to(&self, limits: &Limits, uid: &str, subject: &str) {
        let _ = self.complaints.to.set((limits.clone(), uid.to_owned(), subject.to_owned()));
    }

    /// Says what a real disk would do and this one cannot.
    pub(super) fn complain(&self, construct: &str) {
        if let Some((limits, uid, subject)) = self.complaints.to.get() {
            limits.report(Limit {
                kind: LimitKind::Program,
                uid: uid.clone(),
                subject: subject.clone(),
                construct: construct.to_owned(),
                position: None,
                help: "write less, write zeros or random bytes, or run this scenario on a real cluster".to_owned(),
            });
        }
    }

    /// Whether the simulation can hold so many more bytes in its memory; if it cannot, that is a limit.
    pub(super) fn holds(&self, bytes: u64) -> bool {
        if self.complaints.written.fetch_add(bytes, Ordering::Relaxed) + bytes < STEP {
            return true;
        }
        self.complaints.written.store(0, Ordering::Relaxed);
        let layer: u64 = self.lock().values().map(|entry| entry.content.held()).sum();
        let held = |volume| volume::lock(volume).values().map(super::Content::held).sum::<u64>();
        let mounted: u64 = self.mounts.iter().map(|mount| held(&mount.volume)).sum();
        if layer + mounted + bytes <= LARGEST_HELD {
            return true;
        }
        self.complain("files of more than 512 MiB in one container, beside zeros and random bytes");
        false
    }

    /// Bytes of the blocks of a volume's files.
    pub(super) fn content_of(&self, path: &str) -> u64 {
        self.mounts.iter().find(|mount| mount.path == path).map_or(0, |mount| volume::size(&mount.volume))
    }

    /// Bytes that still fit on the volume in memory that a path lies on; none for any other place.
    pub(super) fn room(&self, path: &str) -> Option<u64> {
        let (mount, _) = self.mounted(path)?;
        let tmpfs = self.tmpfs.iter().find(|tmpfs| tmpfs.path == mount.path)?;
        Some(tmpfs.size.map_or(u64::MAX, |size| size.saturating_sub(self.content_of(&mount.path))))
    }

    /// Bytes of files that live in memory.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let mounted: u64 = self.tmpfs.iter().filter(|tmpfs| tmpfs.charged).map(|tmpfs| self.content_of(&tmpfs.path)).sum();
        mounted + self.shared_memory()
    }

    /// Bytes of files in `/dev/shm`.
    pub(super) fn shared_memory(&self) -> u64 {
        let layer = self.lock();
        let from = "/dev/shm/".to_owned();
        let shared = layer.range(from..).take_while(|(path, _)| path.starts_with("/dev/shm/"));
        shared.map(|(_, entry)| entry.content.len()).sum::<u64>()
    }

    /// Bytes of the blocks of files on the container's own writable layer.
    #[must_use]
    pub fn written(&self) -> u64 {
        let layer = self.lock();
        layer.iter().filter(|(path, _)| !path.starts_with("/dev/")).map(|(_, entry)| entry.content.blocks()).sum()
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::program::trial::{finish, spec};

    #[rstest::rstest]
    #[case("head -c 300m /dev/urandom >/f; cp /f /g; stat -c %s /g", "314572800", None)]
    #[case("truncate -s 10G /f; stat -c %s /f; du -k /f", "10737418240\n0\t/f", None)]
    #[case("fallocate -l 10G /f; stat -c %s /f; du -m /f", "10737418240\n10240\t/f", None)]
    #[case(
        "for i in 1 2 3 4 5; do yes | head -c 120m >/f$i; done 2>/dev/null; echo $?",
        "1",
        Some("files of more than 512 MiB in one container, beside zeros and random bytes")
    )]
    // What is full on a real node, too, is none.
    #[case("dd if=/dev/zero of=/dev/shm/f bs=1M count=65 2>/dev/null; echo $?", "1", None)]
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_held_is_a_limit(#[case] script: &str, #[case] text: &str, #[case] limit: Option<&str>) {
        let (lines, _, _, limits) = finish(spec(&["sh", "-c", script], Vec::new())).await;
        assert_eq!((lines.join("\n").as_str(), limits), (text, limit.map(ToOwned::to_owned).into_iter().collect()));
    }
}
