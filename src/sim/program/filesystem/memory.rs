//! How much a container's file system holds: in memory, on its own layer, and what still fits on a volume in memory.
//! Reading and writing files is not here.

use super::{FileSystem, volume};
use std::sync::Arc;

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
