//! What many records say alike is kept once: labels, owners, what events are about.
//! Which parts of a record those are is the record's.

use crate::observe::timeline::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Values of one type, each kept once.
#[derive(Clone, Debug)]
pub(super) struct Values<T>(BTreeSet<Arc<T>>);

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<T: Ord> Values<T> {
    /// The one copy of a value.
    pub fn one(&mut self, value: T) -> Arc<T> {
        self.same(Arc::new(value))
    }

    /// The one copy of a value that may have been another so far.
    pub fn same(&mut self, value: Arc<T>) -> Arc<T> {
        if let Some(known) = self.0.get(&value) {
            return Arc::clone(known);
        }
        self.0.insert(Arc::clone(&value));
        value
    }
}

/// What the records of an index share.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared {
    pub references: Values<Reference>,
    pub labels: Values<BTreeMap<String, String>>,
    pub sorts: Values<super::event::EventSort>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one() {
        let mut values = Values::default();
        let (first, second, other) = (values.one("a".to_owned()), values.one("a".to_owned()), values.one("b".to_owned()));
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
    }
}
