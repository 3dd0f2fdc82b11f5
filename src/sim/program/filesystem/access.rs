//! Who runs in a container and what may be written in its root file system.
//! Mounted volumes have a switch of their own; the modes of single files are not modelled.

use super::Errno;

/// User, groups and the root file system's switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether the root file system is mounted read-only.
    pub read_only_root: bool,
    /// The user id; 0 may write everywhere.
    pub user: i64,
    /// The primary group's id.
    pub group: i64,
    /// All further groups, ascending.
    pub groups: Vec<i64>,
}

/// Where everybody may write: the image's directories of mode 1777 and the kubelet's file for the last message.
const FOR_ALL: [&str; 4] = ["/tmp/", "/var/tmp/", "/dev/shm/", "/dev/termination-log"];

impl Access {
    /// Checks a write to an absolute, resolved path of the root file system.
    ///
    /// # Errors
    /// EROFS and EACCES, in the kernel's order.
    pub fn check(&self, path: &str) -> Result<(), Errno> {
        if self.read_only_root && !path.starts_with("/dev/") {
            return Err(Errno::ReadOnly);
        }
        if self.user != 0 && !FOR_ALL.iter().any(|place| path.starts_with(place)) {
            return Err(Errno::Denied);
        }
        Ok(())
    }

    /// The user's name in the image's `/etc/passwd`.
    #[must_use]
    pub fn user_name(&self) -> Option<&'static str> {
        name(self.user)
    }

    /// What `id` prints.
    #[must_use]
    pub fn identity(&self) -> String {
        let shown = |id: i64| name(id).map_or_else(|| id.to_string(), |name| format!("{id}({name})"));
        let groups: Vec<String> =
            std::iter::once(self.group).chain(self.groups.iter().copied().filter(|id| *id != self.group)).map(shown).collect();
        format!("uid={} gid={} groups={}", shown(self.user), shown(self.group), groups.join(","))
    }
}

/// The only users and groups of the image.
fn name(id: i64) -> Option<&'static str> {
    match id {
        0 => Some("root"),
        65_534 => Some("nobody"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FileSystem, Mount};
    use super::*;
    use crate::sim::program::trial::{finish, spec};
    use rstest::rstest;
    use std::sync::Arc;

    #[rstest]
    #[case::root(Access::default(), "/etc/x", Ok(()))]
    #[case::read_only(Access { read_only_root: true, ..Access::default() }, "/tmp/x", Err(Errno::ReadOnly))]
    #[case::memory(Access { read_only_root: true, ..Access::default() }, "/dev/shm/x", Ok(()))]
    #[case::user(Access { user: 1000, ..Access::default() }, "/etc/x", Err(Errno::Denied))]
    #[case::user_in_tmp(Access { user: 1000, ..Access::default() }, "/tmp/x", Ok(()))]
    #[case::both(Access { read_only_root: true, user: 1000, ..Access::default() }, "/x", Err(Errno::ReadOnly))]
    fn checks(#[case] access: Access, #[case] path: &str, #[case] expected: Result<(), Errno>) {
        assert_eq!(access.check(path), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn programs_meet_the_kernel() {
        let data = Mount { path: "/data".to_owned(), read_only: false, volume: Arc::default(), remote: false };
        let script = "echo a >/x; echo b >/data/x && cat /data/x; mkdir /tmp/d; rm /etc/passwd; mv /data/x /etc/y; echo c >/dev/null; id; whoami; cat /data/x";
        let mut spec = spec(&["sh", "-c", script], Vec::new());
        let access = Access { read_only_root: true, user: 1000, group: 3000, groups: vec![2000, 3000] };
        spec.filesystem = FileSystem::with_mounts(vec![data]).with_access(access);
        let (lines, code, _, limits) = finish(spec).await;
        assert_eq!(
            lines,
            [
                "sh: can't create /x: Read-only file system",
                "b",
                "mkdir: can't create directory '/tmp/d': Read-only file system",
                "rm: can't remove '/etc/passwd': Read-only file system",
                "mv: can't rename '/data/x': Read-only file system",
                "uid=1000 gid=3000 groups=3000,2000",
                "whoami: unknown uid 1000",
                "b",
            ]
        );
        assert_eq!((code, limits.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_known_to_everybody_and_on_a_read_only_root_too() {
        let script = "cat /etc/resolv.conf /etc/hostname; echo x >/etc/resolv.conf";
        for access in [Access { user: 1000, ..Access::default() }, Access { read_only_root: true, ..Access::default() }] {
            let mut spec = spec(&["sh", "-c", script], Vec::new());
            spec.filesystem = FileSystem::default().with_access(access);
            let (lines, code, ..) = finish(spec).await;
            assert!(lines[0].starts_with("search ns.svc.cluster.local "), "{lines:?}");
            assert!(code == 1 && lines.len() == 5, "{lines:?}");
        }
    }
}
