//! Writing files: where their bytes go, and whether they fit there.
//! Directories and links are `tree`.

use super::{BLOCK, Content, Entry, Errno, FileSystem, Kind, SHARED_MEMORY, parent, volume};
use crate::sim::program::data::Data;
use tokio::time::Instant;

impl FileSystem {
    /// Changes the content of a regular file, which is created if it does not exist.
    fn change(&self, path: &str, change: impl FnOnce(&mut Content)) -> Result<(), Errno> {
        let path = self.resolve(path);
        if self.link_metadata(&path).is_ok_and(|metadata| metadata.kind == Kind::Directory) {
            return Err(Errno::IsDirectory);
        }
        let above = self.metadata(parent(&path))?;
        if above.kind != Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        self.writable(&path)?;
        if let Some((mount, key)) = self.mounted(&path) {
            change(volume::lock(&mount.volume).entry(key).or_default());
        } else if path.starts_with("/proc/") || path.starts_with("/sys/") {
            return Err(Errno::Denied);
        } else {
            let mut layer = self.lock();
            let now = Instant::now();
            let fresh = || Entry { kind: Kind::File, content: Content::default(), executable: false, modified: now };
            let entry = layer.entry(path).or_insert_with(fresh);
            entry.modified = now;
            change(&mut entry.content);
        }
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Creates a file, or empties it if `truncate`.
    pub fn create(&self, path: &str, truncate: bool) -> Result<(), Errno> {
        self.change(path, |content| {
            if truncate {
                content.set_length(0);
            }
        })
    }

    /// Replaces the content of a file.
    pub fn store(&self, path: &str, content: impl Into<Content>) -> Result<(), Errno> {
        let content = content.into();
        let before = self.metadata(path).map_or(0, |metadata| metadata.size);
        let held = content.held();
        let room = self.take_room(path, content.blocks().saturating_sub(before), held);
        self.change(path, |present| {
            *present = if room.is_ok() { content } else { Content::default() };
        })?;
        room
    }

    /// The content of a regular file.
    pub fn content(&self, path: &str) -> Result<Content, Errno> {
        self.with_content(path, Content::clone)
    }

    /// Cuts a file off, or lengthens it by a hole that takes no room; it is created if it does not exist.
    pub fn set_length(&self, path: &str, length: u64) -> Result<(), Errno> {
        self.change(path, |content| content.set_length(length))
    }

    /// Writes at `offset` (or at the end); returns the offset after the write.
    pub fn write(&self, path: &str, offset: Option<u64>, data: Data) -> Result<u64, Errno> {
        let length = self.metadata(path).map_or(0, |metadata| metadata.size);
        let from = offset.unwrap_or(length);
        let end = from + data.len();
        let held = if let Data::Bytes(bytes) = &data { bytes.len() as u64 } else { 0 };
        let grows = (end - from).min(end.saturating_sub(length));
        let room = self.take_room(path, grows, held);
        let mut data = data;
        if room.is_err() {
            // What still fits is written.
            let fits = data.len() - grows + self.last_room(path, grows);
            data = data.take(fits);
        }
        self.change(path, |content| content.write(from, data))?;
        room.map(|()| end)
    }

    /// Takes the whole blocks that are left for a file that cannot grow by `bytes`.
    fn last_room(&self, path: &str, bytes: u64) -> u64 {
        let path = self.resolve(path);
        let left = match self.room(&path) {
            _ if path.starts_with("/dev/") => SHARED_MEMORY.saturating_sub(self.shared_memory()),
            Some(room) => room,
            None => self.disk.available(),
        };
        let left = left.min(bytes) / BLOCK * BLOCK;
        if self.take_room(&path, left, 0).is_ok() { left } else { 0 }
    }

    /// Takes room for a file that grows by `bytes`, of which the simulation itself holds `held` in memory.
    fn take_room(&self, path: &str, bytes: u64, held: u64) -> Result<(), Errno> {
        let path = self.resolve(path);
        if !self.holds(held) {
            return Err(Errno::NoSpace);
        }
        if path.starts_with("/dev/") {
            let is_full = path.starts_with("/dev/shm/") && self.shared_memory() + bytes > SHARED_MEMORY;
            return if is_full { Err(Errno::NoSpace) } else { Ok(()) };
        }
        match self.room(&path) {
            Some(room) if bytes > room => Err(Errno::NoSpace),
            Some(_) => Ok(()),
            None if self.mounted(&path).is_some_and(|(mount, _)| mount.remote) => Ok(()),
            None => self.disk.grow(bytes),
        }
    }
}
