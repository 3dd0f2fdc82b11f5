//! How much a container's file system holds: in memory, on its own layer, and what still fits on a volume in memory.
//! Reading and writing files is not here.

use super::{FileSystem, LARGEST_FILE, volume};
use crate::sim::limits::{Limit, LimitKind, Limits};
use std::sync::{Arc, OnceLock};

/// What the files that one container sees may take together, in bytes: the simulation holds them in memory, a node's disk is
/// larger.
const LARGEST_DISK: u64 = 1024 * 1024 * 1024;
/// After so many bytes of a file all are counted anew.
const STEP: u64 = 16 * 1024 * 1024;

/// Whom a file system tells of what it cannot hold: limits, the pod's uid, and the container.
#[derive(Clone, Debug, Default)]
pub(super) struct Complaints(Arc<OnceLock<(Limits, String, String)>>);

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

impl FileSystem {
    /// The same file system, of whose mounts these live in memory.
    #[must_use]
    pub fn with_tmpfs(mut self, tmpfs: Vec<Tmpfs>) -> Self {
        self.tmpfs = Arc::new(tmpfs);
        self
    }

    /// Tells `limits` of what a real disk would hold and this file system cannot. Only the first call counts.
    pub fn report_to(&self, limits: &Limits, uid: &str, subject: &str) {
        let _ = self.complaints.0.set((limits.clone(), uid.to_owned(), subject.to_owned()));
    }

    /// Whether the simulation can hold a file that grows from `from` to `end` bytes; if it cannot, that is a limit.
    pub(super) fn holds(&self, from: u64, end: u64) -> bool {
        let all = || {
            let mounted = self.mounts.iter().map(|mount| self.content(&mount.path)).sum::<u64>();
            self.written() + mounted + (end - from)
        };
        let construct = if end > LARGEST_FILE {
            "a file of more than 256 MiB"
        } else if end / STEP != from / STEP && all() > LARGEST_DISK {
            "files of more than 1 GiB in one container"
        } else {
            return true;
        };
        if let Some((limits, uid, subject)) = self.complaints.0.get() {
            limits.report(Limit {
                kind: LimitKind::Program,
                uid: uid.clone(),
                subject: subject.clone(),
                construct: construct.to_owned(),
                position: None,
                help: "write less, give the volume a sizeLimit in memory, or run this scenario on a real cluster".to_owned(),
            });
        }
        false
    }

    /// Bytes of a volume's files.
    fn content(&self, path: &str) -> u64 {
        let mount = self.mounts.iter().find(|mount| mount.path == path);
        mount.map_or(0, |mount| volume::lock(&mount.volume).values().map(|bytes| bytes.len() as u64).sum())
    }

    /// Bytes that still fit on the volume in memory that a path lies on; none for any other place.
    pub(super) fn room(&self, path: &str) -> Option<u64> {
        let (mount, _) = self.mounted(path)?;
        let size = self.tmpfs.iter().find(|tmpfs| tmpfs.path == mount.path)?.size?;
        Some(size.saturating_sub(self.content(&mount.path)))
    }

    /// Bytes of files that live in memory.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let mounted: u64 = self.tmpfs.iter().filter(|tmpfs| tmpfs.charged).map(|tmpfs| self.content(&tmpfs.path)).sum();
        let layer = self.lock();
        let from = "/dev/shm/".to_owned();
        let shared = layer.range(from..).take_while(|(path, _)| path.starts_with("/dev/shm/"));
        mounted + shared.map(|(_, entry)| entry.bytes.len() as u64).sum::<u64>()
    }

    /// Bytes of files on the container's own writable layer.
    #[must_use]
    pub fn written(&self) -> u64 {
        let layer = self.lock();
        layer.iter().filter(|(path, _)| !path.starts_with("/dev/")).map(|(_, entry)| entry.bytes.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::program::trial::{finish, spec};

    #[rstest::rstest]
    #[case("dd if=/dev/zero of=/f bs=1M count=257 2>/dev/null; echo $?", "1", Some("a file of more than 256 MiB"))]
    #[case(
        "for i in 1 2 3 4 5 6; do dd if=/dev/zero of=/f$i bs=1M count=200 2>/dev/null; done; echo $?",
        "1",
        Some("files of more than 1 GiB in one container")
    )]
    #[case("for i in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=/f bs=1M count=200 2>/dev/null; done; echo $?", "0", None)]
    // What is full on a real node, too, is none.
    #[case("dd if=/dev/zero of=/dev/shm/f bs=1M count=65 2>/dev/null; echo $?", "1", None)]
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_held_is_a_limit(#[case] script: &str, #[case] code: &str, #[case] limit: Option<&str>) {
        let (lines, _, _, limits) = finish(spec(&["sh", "-c", script], Vec::new())).await;
        assert_eq!((lines, limits), (vec![code.to_owned()], limit.map(ToOwned::to_owned).into_iter().collect()));
    }
}
