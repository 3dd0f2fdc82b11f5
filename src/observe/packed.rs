//! An object as JSON text in one piece: how the many are kept that nobody looks at until something happens to them.
//! Which objects are kept so is their keeper's; here is only the form.

use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// An object's text. A tree of `serde_json` takes some ten times as much: each of a pod's sixty small maps has room for eleven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Arc<str>);

impl Packed {
    /// Packs an object.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        Self(object.to_string().into())
    }

    /// The object again.
    #[must_use]
    pub fn open(&self) -> Value {
        // The text is one that serde_json has written.
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// An object that is open while it is looked at, and packed by its keeper when that was long ago.
#[derive(Clone, Debug)]
pub(in crate::observe) struct Body {
    open: OnceLock<Arc<Value>>,
    packed: Option<Packed>,
}

impl Body {
    /// An open one.
    pub fn of(object: &Arc<Value>) -> Self {
        Self { open: OnceLock::from(Arc::clone(object)), packed: None }
    }

    /// The object, opened if need be.
    pub fn object(&self) -> &Arc<Value> {
        self.open.get_or_init(|| Arc::new(self.packed.as_ref().map(Packed::open).unwrap_or_default()))
    }

    /// Closes it.
    pub fn pack(&mut self) {
        if let Some(object) = self.open.take() {
            self.packed.get_or_insert_with(|| Packed::of(&object));
        }
    }

    /// Whether it takes the room of an open one.
    #[cfg(test)]
    pub fn is_open(&self) -> bool {
        self.open.get().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_packed_object_is_the_same_when_it_is_opened() {
        let object = Arc::new(json!({ "kind": "Pod", "spec": { "nodeName": "a", "weights": [0.1, 1, null, "\u{e9}\n"] } }));
        let mut body = Body::of(&object);
        assert!(Arc::ptr_eq(body.object(), &object));
        for _ in 0..2 {
            body.pack();
            body.pack();
            assert!(!body.is_open());
            assert_eq!(body.object(), &object);
            assert!(body.is_open());
        }
    }
}
