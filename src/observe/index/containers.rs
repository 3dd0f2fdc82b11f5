//! The containers of one pod by name, in as little room as they need: a namespace may have thousands of pods.
//! What is known of each is `container`'s.

use super::container::ContainerRecord;

/// The containers of a pod in order of name: init containers, sidecars and main ones alike.
#[derive(Clone, Debug, Default)]
pub struct Containers(Box<[ContainerRecord]>);

impl Containers {
    /// A container by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ContainerRecord> {
        self.find(name).ok().and_then(|position| self.0.get(position))
    }

    /// All of them.
    pub fn values(&self) -> std::slice::Iter<'_, ContainerRecord> {
        self.0.iter()
    }

    /// Their names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values().map(|container| container.name.as_str())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The container of this name, which is new if it was not known.
    pub(super) fn entry(&mut self, name: &str, is_init: bool) -> Option<&mut ContainerRecord> {
        let position = self.find(name).unwrap_or_else(|position| {
            let mut all = std::mem::take(&mut self.0).into_vec();
            all.reserve_exact(1);
            all.insert(position, ContainerRecord::new(name, is_init));
            self.0 = all.into_boxed_slice();
            position
        });
        self.0.get_mut(position)
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|container| container.name.as_str().cmp(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_there_once_and_in_order() {
        let mut containers = Containers::default();
        assert!(containers.is_empty());
        for (name, is_init) in [("web", false), ("init", true), ("web", true), ("sidecar", false)] {
            containers.entry(name, is_init).unwrap().restart_count += 1;
        }
        assert_eq!(containers.keys().collect::<Vec<_>>(), ["init", "sidecar", "web"]);
        let web = containers.get("web").unwrap();
        assert_eq!((web.restart_count, web.is_init), (2, false));
        assert!(containers.get("w").is_none());
    }
}
