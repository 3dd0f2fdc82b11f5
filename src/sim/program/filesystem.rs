//! The file system of one container: files, directories, mounted volumes that may change underneath.
//! Only the model; commands that use it live beside the interpreter.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The content of a mounted volume: relative path to bytes. Shared, so that a ConfigMap's refresh is seen by running programs.
pub type Volume = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// One volume at its place in a container.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Absolute path without a trailing slash.
    pub path: String,
    /// Whether writes fail with "Read-only file system".
    pub read_only: bool,
    /// The content.
    pub volume: Volume,
}

/// A container's file system: a writable layer of its own, and mounts over it.
#[derive(Clone, Debug, Default)]
pub struct FileSystem {
    layer: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    mounts: Vec<Mount>,
}

impl FileSystem {
    /// An empty file system (with the usual directories) and these mounts.
    #[must_use]
    pub fn with_mounts(mounts: Vec<Mount>) -> Self {
        Self { layer: Arc::default(), mounts }
    }

    /// The bytes of a file.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        for mount in &self.mounts {
            if let Some(inner) = path.strip_prefix(&mount.path).and_then(|rest| rest.strip_prefix('/')) {
                return mount.volume.lock().unwrap_or_else(PoisonError::into_inner).get(inner).cloned();
            }
        }
        self.layer.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}
