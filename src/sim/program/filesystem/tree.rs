//! Directories: listing, making, removing, renaming, links and modes.
//! The content of files is `filesystem`.

use super::{Content, Entry, Errno, FileSystem, Kind, normalize, parent, volume};
use tokio::time::Instant;

impl FileSystem {
    /// Names in a directory, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        let path = self.resolve(path);
        if self.link_metadata(&path)?.kind != Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let mut names = match self.mounted(&path) {
            Some((mount, key)) => volume::list(&mount.volume, &key),
            None => self
                .lock()
                .range(prefix.clone()..)
                .take_while(|(full, _)| full.starts_with(&prefix))
                .filter_map(|(full, _)| full.strip_prefix(&prefix))
                .filter(|name| !name.is_empty() && !name.contains('/'))
                .map(str::to_owned)
                .collect(),
        };
        let points = self.mounts.iter().filter(|mount| parent(&mount.path) == path && mount.path != "/");
        names.extend(points.filter_map(|mount| mount.path.rsplit('/').next()).map(str::to_owned));
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn insert(&self, path: &str, kind: Kind) -> Result<(), Errno> {
        if self.link_metadata(path).is_ok() {
            return Err(Errno::Exists);
        }
        if self.metadata(parent(path))?.kind != Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        self.writable(path)?;
        if let Some((mount, key)) = self.mounted(path) {
            if kind != Kind::Directory {
                return Err(Errno::Invalid);
            }
            volume::lock(&mount.volume).insert(format!("{key}/"), Content::default());
            return Ok(());
        }
        if path.starts_with("/proc/") || path.starts_with("/sys/") {
            return Err(Errno::NotFound);
        }
        let entry = Entry { kind, content: Content::default(), executable: true, modified: Instant::now() };
        self.lock().insert(path.to_owned(), entry);
        Ok(())
    }

    /// Creates one directory.
    pub fn make_directory(&self, path: &str) -> Result<(), Errno> {
        self.insert(&self.resolve(path), Kind::Directory)
    }

    /// Creates a symbolic link.
    pub fn make_link(&self, path: &str, target: &str) -> Result<(), Errno> {
        let path = normalize(path);
        let place = format!("{}/{}", self.resolve(parent(&path)), path.rsplit('/').next().unwrap_or_default());
        self.insert(&normalize(&place), Kind::Link(target.to_owned()))
    }

    /// The path with links above its last part resolved, its last part kept.
    fn place(&self, path: &str) -> String {
        let path = normalize(path);
        let name = path.rsplit('/').next().unwrap_or_default();
        normalize(&format!("{}/{name}", self.resolve(parent(&path))))
    }

    /// Removes a file or link.
    pub fn remove_file(&self, path: &str) -> Result<(), Errno> {
        let path = self.place(path);
        let metadata = self.link_metadata(&path)?;
        if metadata.kind == Kind::Directory {
            return Err(Errno::IsDirectory);
        }
        self.remove(&path)
    }

    /// Removes an empty directory.
    pub fn remove_directory(&self, path: &str) -> Result<(), Errno> {
        let path = self.place(path);
        if self.link_metadata(&path)?.kind != Kind::Directory {
            return Err(Errno::NotDirectory);
        }
        if path == "/" || self.mounts.iter().any(|mount| mount.path == path) {
            return Err(Errno::Busy);
        }
        if !self.list(&path)?.is_empty() {
            return Err(Errno::NotEmpty);
        }
        self.remove(&path)
    }

    fn remove(&self, path: &str) -> Result<(), Errno> {
        if self.mounts.iter().any(|mount| mount.path == path) {
            return Err(Errno::Busy);
        }
        self.writable(path)?;
        if let Some((mount, key)) = self.mounted(path) {
            let mut content = volume::lock(&mount.volume);
            content.remove(&key);
            content.remove(&format!("{key}/"));
            // The directory stays when its last file goes.
            if let Some((above, _)) = key.rsplit_once('/').filter(|(above, _)| !volume::has_children(&content, above)) {
                let marker = format!("{above}/");
                content.insert(marker, Content::default());
            }
        } else {
            self.lock().remove(path);
        }
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Sets or clears the right to execute. Accepted and without effect on volumes, whose modes are not modelled.
    pub fn set_executable(&self, path: &str, executable: bool) -> Result<(), Errno> {
        let path = self.resolve(path);
        self.link_metadata(&path)?;
        self.writable(&path)?;
        if let Some(entry) = self.lock().get_mut(&path) {
            entry.executable = executable;
        }
        Ok(())
    }

    /// Moves a file or directory; an existing file at `to` is replaced.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        let (from, to) = (self.place(from), self.place(to));
        let metadata = self.link_metadata(&from)?;
        if from == to {
            return Ok(());
        }
        if to.starts_with(&format!("{from}/")) {
            return Err(Errno::Invalid);
        }
        self.writable(&from)?;
        self.writable(&to)?;
        match metadata.kind {
            Kind::Directory => {
                if self.link_metadata(&to).is_err() {
                    self.make_directory(&to)?;
                }
                for name in self.list(&from)? {
                    self.rename(&format!("{from}/{name}"), &format!("{to}/{name}"))?;
                }
                self.remove_directory(&from)
            }
            Kind::Link(target) => {
                let _ = self.remove_file(&to);
                self.make_link(&to, &target)?;
                self.remove_file(&from)
            }
            Kind::File if self.mounted(&from).is_none() && self.mounted(&to).is_none() => {
                // The directory must be there, as for any new file.
                self.create(&to, false)?;
                let mut layer = self.lock();
                if let Some(entry) = layer.remove(&from) {
                    layer.insert(to, entry);
                }
                drop(layer);
                self.version.send_modify(|version| *version += 1);
                Ok(())
            }
            Kind::File | Kind::Device => {
                self.store(&to, self.content(&from)?)?;
                self.set_executable(&to, metadata.executable)?;
                self.remove_file(&from)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mount;
    use super::*;
    use std::sync::{Arc, Mutex};

    fn mount(path: &str, read_only: bool, files: &[(&str, &str)]) -> Mount {
        let content = files.iter().map(|(key, text)| ((*key).to_owned(), text.as_bytes().into())).collect();
        Mount { path: path.to_owned(), read_only, volume: Arc::new(Mutex::new(content)), remote: false }
    }

    #[test]
    fn volumes_lie_over_the_layer_and_change_underneath() {
        let config = mount("/etc/app", true, &[("a.conf", "one"), ("sub/b", "two")]);
        let volume = Arc::clone(&config.volume);
        let files = FileSystem::with_mounts(vec![config, mount("/data", false, &[])]);
        assert_eq!(files.list("/etc/app").unwrap(), ["a.conf", "sub"]);
        assert_eq!(files.load("/etc/app/sub/../a.conf").unwrap(), b"one");
        assert_eq!(files.store("/etc/app/a.conf", b"x".to_vec()), Err(Errno::ReadOnly));
        volume.lock().unwrap().insert("a.conf".to_owned(), b"new".to_vec().into());
        assert_eq!(files.read("/etc/app/a.conf").unwrap(), b"new");
        files.make_directory("/data/d").unwrap();
        files.store("/data/d/f", b"x".to_vec()).unwrap();
        assert_eq!(files.remove_directory("/data/d"), Err(Errno::NotEmpty));
        files.rename("/data/d/f", "/tmp/f").unwrap();
        assert_eq!(files.read("/tmp/f").unwrap(), b"x");
        files.remove_directory("/data/d").unwrap();
        assert!(files.list("/").unwrap().contains(&"data".to_owned()));
        assert_eq!(files.remove_directory("/data"), Err(Errno::Busy));
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let files = FileSystem::default();
        files.store("/tmp/f", b"x".to_vec()).unwrap();
        files.make_link("/tmp/l", "f").unwrap();
        assert_eq!(files.load("/tmp/l").unwrap(), b"x");
        files.make_link("/tmp/loop", "loop").unwrap();
        assert!(files.load("/tmp/loop").is_err());
        files.remove_file("/tmp/l").unwrap();
        assert_eq!(files.load("/tmp/f").unwrap(), b"x");
    }

    #[test]
    fn errors_are_those_of_the_kernel() {
        let files = FileSystem::default();
        assert_eq!(files.load("/tmp"), Err(Errno::IsDirectory));
        assert_eq!(files.load("/nope"), Err(Errno::NotFound));
        assert_eq!(files.create("/nope/x", true), Err(Errno::NotFound));
        assert_eq!(files.create("/etc/passwd/x", true), Err(Errno::NotDirectory));
        assert_eq!(files.make_directory("/tmp"), Err(Errno::Exists));
        assert_eq!(files.remove_file("/tmp"), Err(Errno::IsDirectory));
    }
}
