//! One Event object of the cluster and its history. Events are lossy: they support a diagnosis, absence proves nothing.

use super::text;
use crate::json::At as _;
use crate::observe::timeline::Reference;
use serde_json::Value;
use std::collections::btree_map::Entry;
use std::time::Duration;

/// What is known of one Event object.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// Its namespace.
    pub namespace: String,
    /// When it was first seen.
    pub first_seen: Duration,
    /// When it was last seen to change.
    pub last_seen: Duration,
    /// Its count (series.count for the newer recorder); at least 1.
    pub count: u32,
    /// `Normal` or `Warning`.
    pub type_: String,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
    /// What it is about.
    pub regarding: Reference,
    /// The part of it (`spec.containers{app}`).
    pub field_path: String,
    /// Who reported it.
    pub component: String,
    /// The server's stamp of the last time it happened.
    pub server: Option<jiff::Timestamp>,
}

impl EventRecord {
    /// Folds the next state of an Event in.
    pub fn fold(entry: Entry<'_, String, Self>, object: &Value, at: Duration) {
        let count = ["/count", "/series/count"].iter().find_map(|pointer| object.at(pointer)?.as_u64()).unwrap_or(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let component = ["/source/component", "/reportingComponent", "/reportingController"]
            .iter()
            .map(|pointer| text(object, pointer))
            .find(|component| !component.is_empty())
            .unwrap_or_default();
        let record = entry.or_insert_with(|| Self {
            namespace: text(object, "/metadata/namespace").to_owned(),
            first_seen: at,
            last_seen: at,
            count,
            type_: text(object, "/type").to_owned(),
            reason: text(object, "/reason").to_owned(),
            message: String::new(),
            regarding: Reference {
                kind: text(object, "/involvedObject/kind").to_owned(),
                namespace: text(object, "/involvedObject/namespace").to_owned(),
                name: text(object, "/involvedObject/name").to_owned(),
                uid: text(object, "/involvedObject/uid").to_owned(),
            },
            field_path: text(object, "/involvedObject/fieldPath").to_owned(),
            component: component.to_owned(),
            server: None,
        });
        record.last_seen = at;
        record.count = count;
        text(object, "/message").clone_into(&mut record.message);
        record.server = text(object, "/lastTimestamp").parse().ok();
    }

    /// The container that it is about, from the field path.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.field_path.split_once('{')?.1.strip_suffix('}')
    }
}
