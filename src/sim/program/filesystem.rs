//! The file system of one container: files, directories, mounted volumes that may change underneath.
//! Only the model; commands that use it live beside the interpreter.

mod access;
mod content;
mod memory;
mod volume;
mod write;

pub use access::Access;
use content::BLOCK;
pub use content::Content;
use memory::Complaints;
pub use memory::{Space, Tmpfs};
pub use volume::size;

use super::data::Data;
use super::errno::Errno;
use super::node_disk::NodeDisk;
use crate::sim::latest;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The content of a mounted volume: relative path to bytes. Shared, so that a ConfigMap's refresh is seen by running programs.
/// A key that ends with `/` is an empty directory; the key `""` makes the volume a single file.
pub type Volume = Arc<Mutex<BTreeMap<String, Content>>>;

/// One volume at its place in a container.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Absolute path without a trailing slash.
    pub path: String,
    /// Whether writes fail with "Read-only file system".
    pub read_only: bool,
    /// The content.
    pub volume: Volume,
    /// Whether it lies on another disk than the node's: behind a network.
    pub remote: bool,
}

/// The most of one file that a program of the model holds at once (bytes); with more, it fails with ENOSPC.
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
    /// Bytes of the blocks that it takes: none for holes, a directory's own one.
    pub blocks: u64,
    /// Whether it may be executed.
    pub executable: bool,
    /// When it was last written.
    pub modified: Instant,
}

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    content: Content,
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
    disk: NodeDisk,
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
        let entry = |kind: Kind, bytes: &[u8]| Entry { kind, content: bytes.into(), executable: false, modified: now };
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
            disk: NodeDisk::default(),
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

    /// The same file system on this disk.
    #[must_use]
    pub fn with_disk(mut self, disk: NodeDisk) -> Self {
        self.disk = disk;
        self
    }

    /// The disk that it lies on.
    #[must_use]
    pub const fn disk(&self) -> &NodeDisk {
        &self.disk
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
                size: entry.content.len(),
                blocks: if entry.kind == Kind::Directory { BLOCK } else { entry.content.blocks() },
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
        let entry = Entry { kind: Kind::File, content: content.into(), executable: false, modified: Instant::now() };
        self.lock().insert(normalize(path), entry);
    }

    /// Does something with the content of a regular file.
    fn with_content<T>(&self, path: &str, read: impl FnOnce(&Content) -> T) -> Result<T, Errno> {
        let path = self.resolve(path);
        match self.link_metadata(&path)?.kind {
            Kind::Directory => return Err(Errno::IsDirectory),
            Kind::File => {}
            Kind::Device | Kind::Link(_) => return Err(Errno::Invalid),
        }
        if let Some((mount, key)) = self.mounted(&path) {
            return volume::lock(&mount.volume).get(&key).map(read).ok_or(Errno::NotFound);
        }
        self.lock().get(&path).map(|entry| read(&entry.content)).ok_or(Errno::NotFound)
    }

    /// The bytes of a regular file, all at once; ENOSPC, with a limit, for one that is too large for that.
    pub fn load(&self, path: &str) -> Result<Vec<u8>, Errno> {
        let is_small = |content: &Content| content.len() <= LARGEST_FILE;
        if let Some(bytes) = self.with_content(path, |content| is_small(content).then(|| content.to_bytes()))? {
            return Ok(bytes);
        }
        self.complain("reading a file of more than 256 MiB at once");
        Err(Errno::NoSpace)
    }

    /// Up to `limit` bytes of a regular file from an offset on; nothing at its end.
    pub fn slice(&self, path: &str, from: u64, limit: u64) -> Result<Data, Errno> {
        self.with_content(path, |content| content.slice(from, limit))
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
