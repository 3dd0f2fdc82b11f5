//! One object that is neither a pod nor an event, its history of contents, and since when its conditions are as they are.

use super::text;
use crate::json::At as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One object that is not a pod or an event.
#[derive(Clone, Debug)]
pub struct ObjectRecord {
    /// When it was first seen.
    pub first_seen: Duration,
    /// When it was seen to be gone.
    pub deleted: Option<Duration>,
    /// The present (or last) state.
    pub object: Arc<Value>,
    /// States whose `spec`, `data` or `endpoints` differ from the one before, with the time at which each was first seen; oldest first.
    pub versions: Vec<(Duration, Arc<Value>)>,
    /// Its conditions by type: the status, and since when it was seen.
    pub conditions: BTreeMap<String, (String, Duration)>,
}

impl ObjectRecord {
    pub(super) fn note_conditions(&mut self, object: &Value, at: Duration) {
        for condition in object.at("/status/conditions").and_then(Value::as_array).into_iter().flatten() {
            let (type_, status) = (text(condition, "/type"), text(condition, "/status"));
            match self.conditions.get_mut(type_) {
                Some(known) if known.0 == status => {}
                Some(known) => *known = (status.to_owned(), at),
                None => {
                    self.conditions.insert(type_.to_owned(), (status.to_owned(), at));
                }
            }
        }
    }
}
