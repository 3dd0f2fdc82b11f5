//! What of a run is on a real cluster at the moment, for the message of a second signal: nothing else can be asked then.
//! What is left after a run is found on the cluster itself, by `cleanup`.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// What of a run is on the cluster, in words.
#[derive(Debug, Default)]
pub struct Inventory {
    present: Mutex<BTreeSet<String>>,
}

impl Inventory {
    /// Something is about to be there.
    pub fn add(&self, what: impl Into<String>) {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).insert(what.into());
    }

    /// It is gone.
    pub fn remove(&self, what: &str) {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }

    /// What is there, in order.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_added_and_not_removed() {
        let inventory = Inventory::default();
        inventory.add("namespace b");
        inventory.add("namespace a");
        inventory.add("namespace c");
        inventory.remove("namespace b");
        assert_eq!(inventory.list(), ["namespace a", "namespace c"]);
    }
}
