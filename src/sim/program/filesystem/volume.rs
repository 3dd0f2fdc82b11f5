//! Reading the flat map of a mounted volume as a tree.
//! Who may write to it is decided by `filesystem`.

use super::{BLOCK, Content, Errno, Kind, Metadata, Volume};
use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use tokio::time::Instant;

/// The content, locked.
pub fn lock(volume: &Volume) -> MutexGuard<'_, BTreeMap<String, Content>> {
    volume.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of the blocks that it takes.
pub fn size(volume: &Volume) -> u64 {
    lock(volume).values().map(Content::blocks).sum()
}

/// What a relative path names.
pub fn metadata(volume: &Volume, key: &str) -> Result<Metadata, Errno> {
    let content = lock(volume);
    // Volumes carry no times: their files count as old.
    let of = |kind: Kind, size, blocks| Metadata { kind, size, blocks, executable: false, modified: Instant::now() };
    if let Some(content) = content.get(key).filter(|_| !key.ends_with('/')) {
        return Ok(of(Kind::File, content.len(), content.blocks()));
    }
    if key.is_empty() || has_children(&content, key) {
        return Ok(of(Kind::Directory, 0, BLOCK));
    }
    Err(Errno::NotFound)
}

/// Whether something lies below the directory `key` (or its marker exists).
pub fn has_children(content: &BTreeMap<String, Content>, key: &str) -> bool {
    let prefix = format!("{key}/");
    content.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix))
}

/// Names directly below the directory `key`.
pub fn list(volume: &Volume, key: &str) -> Vec<String> {
    let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
    let mut names: Vec<String> = lock(volume)
        .keys()
        .filter_map(|path| path.strip_prefix(&prefix))
        .filter_map(|rest| rest.split('/').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}
