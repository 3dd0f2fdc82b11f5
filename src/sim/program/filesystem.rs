//! The file system of one container: files, directories, mounted volumes that may change underneath.
//! Only the model; commands that use it live beside the interpreter.

mod access;
mod memory;
mod volume;

pub use access::Access;
use memory::Complaints;
pub use memory::Tmpfs;

use super::data::{Data, to_usize};
use super::errno::Errno;
use crate::sim::latest;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The content of a mounted volume: relative path to bytes. Shared, so that a ConfigMap's refresh is seen by running programs.
/// A key that ends with `/` is an empty directory; the key `""` makes the volume a single file.
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

/// The largest file that the model holds (bytes); a larger one fails with ENOSPC.
pub const LARGEST_FILE: u64 = 256 * 1024 * 1024;
/// The size of `/dev/shm` (bytes), containerd's default.
const SHARED_MEMORY: u64 = 64 * 1024 * 1024;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A device, by its name under `/dev`.
    Device,
    /// A symbolic link and its target.
    Link(String),
}

/// What `stat` tells.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Bytes in a file.
    pub size: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// When it was last written.
    pub modified: Instant,
}

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    bytes: Vec<u8>,
    executable: bool,
    modified: Instant,
}

/// A container's file system: a writable layer of its own, and mounts over it.
#[derive(Clone, Debug)]
pub struct FileSystem {
    layer: Arc<Mutex<BTreeMap<String, Entry>>>,
    mounts: Vec<Mount>,
    access: Arc<Access>,
    tmpfs: Arc<Vec<Tmpfs>>,
    complaints: Complaints,
    version: latest::Sender<u64>,
}

impl Default for FileSystem {
    fn default() -> Self {
        Self::with_mounts(Vec::new())
    }
}

const DIRECTORIES: &[&str] = &[
    "/",
    "/bin",
    "/dev",
    "/dev/shm",
    "/etc",
    "/home",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/sbin",
    "/var",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/var/tmp",
    "/var/www",
];
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

impl FileSystem {
    /// An empty file system (with the usual directories) and these mounts.
    #[must_use]
    pub fn with_mounts(mut mounts: Vec<Mount>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.len()));
        let now = Instant::now();
        let entry = |kind: Kind, bytes: &[u8]| Entry { kind, bytes: bytes.to_vec(), executable: false, modified: now };
        let mut layer = BTreeMap::new();
        for path in DIRECTORIES {
            layer.insert((*path).to_owned(), entry(Kind::Directory, b""));
        }
        for path in DEVICES {
            layer.insert((*path).to_owned(), entry(Kind::Device, b""));
        }
        for (path, text) in [
            ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
            ("/etc/group", "root:x:0:\nnobody:x:65534:\n"),
            ("/etc/resolv.conf", "nameserver 10.96.0.10\n"),
            ("/dev/termination-log", ""),
        ] {
            layer.insert(path.to_owned(), entry(Kind::File, text.as_bytes()));
        }
        let filesystem = Self {
            layer: Arc::new(Mutex::new(layer)),
            mounts,
            access: Arc::default(),
            tmpfs: Arc::default(),
            complaints: Complaints::default(),
            version: latest::Sender::new(0),
        };
        let points: Vec<_> = filesystem.mounts.iter().map(|mount| mount.path.clone()).collect();
        for point in points {
            filesystem.make_directories(parent(&point));
        }
        filesystem
    }

    /// The same file system, as this user may write to it from now on.
    #[must_use]
    pub fn with_access(mut self, access: Access) -> Self {
        self.access = Arc::new(access);
        self
    }

    /// Who uses it.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mounted(&self, path: &str) -> Option<(&Mount, String)> {
        self.mounts.iter().find_map(|mount| {
            let rest = path.strip_prefix(mount.path.as_str())?;
            let rest = if mount.path == "/" {
                rest
            } else if rest.is_empty() {
                ""
            } else {
                rest.strip_prefix('/')?
            };
            Some((mount, rest.to_owned()))
        })
    }

    /// The bytes of a file, by its absolute path.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.load(path).ok()
    }

    /// An absolute path without `.`, `..` and links.
    #[must_use]
    pub fn resolve(&self, path: &str) -> String {
        let mut resolved = normalize(path);
        for _ in 0..16 {
            let Some(next) = self.follow_once(&resolved) else { break };
            resolved = next;
        }
        resolved
    }

    fn follow_once(&self, path: &str) -> Option<String> {
        let layer = self.lock();
        let ends = path.char_indices().filter(|(index, c)| *c == '/' && *index > 0).map(|(index, _)| index);
        for end in ends.chain([path.len()]) {
            if let Some(Entry { kind: Kind::Link(target), .. }) = layer.get(&path[..end]) {
                let base = if target.starts_with('/') { target.clone() } else { format!("{}/{target}", parent(&path[..end])) };
                return Some(normalize(&format!("{base}{}", &path[end..])));
            }
        }
        None
    }

    /// What an absolute path names; links are not followed at its end.
    pub fn link_metadata(&self, path: &str) -> Result<Metadata, Errno> {
        let path = normalize(path);
        if let Some((mount, key)) = self.mounted(&path) {
            return volume::metadata(&mount.volume, &key);
        }
        let layer = self.lock();
        if let Some(entry) = layer.get(&path) {
            return Ok(Metadata {
                kind: entry.kind.clone(),
                size: entry.bytes.len() as u64,
                executable: entry.executable,
                modified: entry.modified,
            });
        }
        match layer.get(parent(&path)).map(|entry| &entry.kind) {
            Some(Kind::File) => Err(Errno::NotDirectory),
            _ => Err(Errno::NotFound),
        }
    }

    /// What an absolute path names.
    pub fn metadata(&self, path: &str) -> Result<Metadata, Errno> {
        self.link_metadata(&self.resolve(path))
    }

    /// Whether writes to this place are possible; what lies on `/proc` and `/sys` is not asked.
    ///
    /// # Errors
    /// EROFS and EACCES.
    pub fn writable(&self, path: &str) -> Result<(), Errno> {
        let path = self.resolve(path);
        match self.mounted(&path) {
            Some((mount, _)) if mount.read_only => Err(Errno::ReadOnly),
            Some(_) => Ok(()),
            None => self.access.check(&path),
        }
    }

    /// Whether the path lies on a mounted volume.
    #[must_use]
    pub fn is_mounted(&self, path: &str) -> bool {
        self.mounted(&self.resolve(path)).is_some()
    }

    /// Puts a file of the container runtime's in place (the kubelet's `/etc/hosts`, say), whoever runs in the container and
    /// whether or not its root file system can be written.
    pub fn provide(&self, path: &str, content: Vec<u8>) {
        let entry = Entry { kind: Kind::File, bytes: content, executable: false, modified: Instant::now() };
        self.lock().insert(normalize(path), entry);
    }

    /// The bytes of a regular file.
    pub fn load(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let path = self.resolve(path);
        match self.link_metadata(&path)?.kind {
            Kind::Directory => return Err(Errno::IsDirectory),
            Kind::File => {}
            Kind::Device | Kind::Link(_) => return Err(Errno::Invalid),
        }
        if let Some((mount, key)) = self.mounted(&path) {
            return volume::lock(&mount.volume).get(&key).cloned().ok_or(Errno::NotFound);
        }
        self.lock().get(&path).map(|entry| entry.bytes.clone()).ok_or(Errno::NotFound)
    }

    /// Changes the bytes of a regular file, which is created if it does not exist.
    fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>) -> Result<(), Errno>) -> Result<(), Errno> {
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
            change(volume::lock(&mount.volume).entry(key).or_default())?;
        } else if path.starts_with("/proc/") || path.starts_with("/sys/") {
            return Err(Errno::Denied);
        } else {
            let mut layer = self.lock();
            let now = Instant::now();
            let fresh = || Entry { kind: Kind::File, bytes: Vec::new(), executable: false, modified: now };
            let entry = layer.entry(path).or_insert_with(fresh);
            entry.modified = now;
            change(&mut entry.bytes)?;
        }
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Creates a file, or empties it if `truncate`.
    pub fn create(&self, path: &str, truncate: bool) -> Result<(), Errno> {
        self.change(path, |bytes| {
            if truncate {
                bytes.clear();
            }
            Ok(())
        })
    }

    /// Replaces the content of a file.
    pub fn store(&self, path: &str, content: Vec<u8>) -> Result<(), Errno> {
        self.change(path, |bytes| {
            *bytes = content;
            Ok(())
        })
    }

    /// Writes at `offset` (or at the end); returns the offset after the write.
    pub fn write(&self, path: &str, offset: Option<u64>, data: Data) -> Result<u64, Errno> {
        let shared = self.resolve(path).starts_with("/dev/shm/");
        let others = if shared { self.memory() } else { 0 };
        let room = self.room(&self.resolve(path));
        let length = self.metadata(path).map_or(0, |metadata| metadata.size);
        let from = offset.unwrap_or(length);
        let end = from + data.len();
        let is_full = (shared && others + data.len() > SHARED_MEMORY)
            || room.is_some_and(|room| end.saturating_sub(length) > room)
            || !self.holds(from, end);
        self.change(path, |bytes| {
            if is_full {
                return Err(Errno::NoSpace);
            }
            let (from, to) = (to_usize(from), to_usize(end));
            if bytes.len() < to {
                bytes.resize(to, 0);
            }
            bytes[from..to].copy_from_slice(&data.into_bytes());
            Ok(())
        })?;
        Ok(end)
    }

    /// Changes with every write to a file of this container.
    #[must_use]
    pub fn changes(&self) -> latest::Receiver<u64> {
        self.version.subscribe()
    }

    /// Creates a directory and all above it.
    pub fn make_directories(&self, path: &str) {
        let path = normalize(path);
        let ends = path.char_indices().filter(|(index, c)| *c == '/' && *index > 0).map(|(index, _)| index);
        for end in ends.chain([path.len()]) {
            if self.metadata(&path[..end]).is_err() {
                // A place on a read-only volume stays missing, as it does on a node.
                let _ = self.make_directory(&path[..end]);
            }
        }
    }
}

mod tree;

/// The path of the directory that contains `path`.
#[must_use]
pub fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(index) => &path[..index],
    }
}

/// A path made absolute and free of `.`, `..` and doubled slashes.
#[must_use]
pub fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}
