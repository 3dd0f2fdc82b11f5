//! An object as compressed JSON text in one piece: how the many are kept that nobody looks at until something happens to them.
//! Which objects are kept so is their keeper's; here is only the form.

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::Value;
use std::io::{self, Read as _};
use std::sync::{Arc, OnceLock};

/// An object's text. A tree of `serde_json` takes some thirty times as much: each of a pod's sixty small maps has room for eleven.
#[derive(Clone, Debug)]
struct Packed(Arc<[u8]>);

impl Packed {
    fn of(object: &Value) -> io::Result<Self> {
        let mut text = DeflateEncoder::new(Vec::new(), Compression::fast());
        serde_json::to_writer(&mut text, object)?;
        Ok(Self(text.finish()?.into()))
    }

    fn open(&self) -> io::Result<Value> {
        let mut text = Vec::new();
        DeflateDecoder::new(&*self.0).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// An object that is open while it is looked at, and packed by its keeper when that was long ago.
#[derive(Clone, Debug)]
pub struct Body {
    open: OnceLock<Arc<Value>>,
    packed: Option<Packed>,
}

impl Body {
    /// An open one.
    #[must_use]
    pub fn of(object: &Arc<Value>) -> Self {
        Self { open: OnceLock::from(Arc::clone(object)), packed: None }
    }

    /// The object, opened if need be.
    #[must_use]
    pub fn object(&self) -> &Arc<Value> {
        // Only what could be opened again was packed.
        self.open.get_or_init(|| Arc::new(self.packed.as_ref().and_then(|packed| packed.open().ok()).unwrap_or_default()))
    }

    /// Closes it; an object that cannot be packed stays open.
    pub fn pack(&mut self) {
        let Some(object) = self.open.take() else { return };
        if self.packed.is_none() {
            self.packed = Packed::of(&object).ok();
        }
        if self.packed.is_none() {
            self.open = OnceLock::from(object);
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
