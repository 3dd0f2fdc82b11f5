//! One Event object of the cluster and its history. Events are lossy: they support a diagnosis, absence proves nothing.

use super::shared::Shared;
use super::text;
use crate::json::At as _;
use crate::observe::timeline::Reference;
use serde_json::Value;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// What many events say alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventSort {
    /// The namespace.
    pub namespace: String,
    /// `Normal` or `Warning`.
    pub type_: String,
    /// The reason.
    pub reason: String,
    /// The part of the object that it is about (`spec.containers{app}`).
    pub field_path: String,
    /// Who reported it.
    pub component: String,
}

/// What is known of one Event object.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// What sort of event it is.
    pub sort: Arc<EventSort>,
    /// When it was first seen.
    pub first_seen: Duration,
    /// When it was last seen to change.
    pub last_seen: Duration,
    /// Its count (series.count for the newer recorder); at least 1.
    pub count: u32,
    /// Its message.
    pub message: String,
    /// What it is about.
    pub regarding: Arc<Reference>,
    /// The server's stamp of the last time it happened.
    pub server: Option<jiff::Timestamp>,
}

impl EventRecord {
    /// Folds the next state of an Event in.
    pub(super) fn fold(entry: Entry<'_, String, Self>, shared: &mut Shared, object: &Value, at: Duration) {
        let count = ["/count", "/series/count"].iter().find_map(|pointer| object.at(pointer)?.as_u64()).unwrap_or(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let own = |pointer: &str| text(object, pointer).to_owned();
        let record = entry.or_insert_with(|| {
            let component = ["/source/component", "/reportingComponent", "/reportingController"]
                .iter()
                .map(|pointer| text(object, pointer))
                .find(|component| !component.is_empty());
            Self {
                sort: shared.sorts.one(EventSort {
                    namespace: own("/metadata/namespace"),
                    type_: own("/type"),
                    reason: own("/reason"),
                    field_path: own("/involvedObject/fieldPath"),
                    component: component.unwrap_or_default().to_owned(),
                }),
                first_seen: at,
                last_seen: at,
                count,
                message: String::new(),
                regarding: shared.references.one(Reference {
                    kind: own("/involvedObject/kind"),
                    namespace: own("/involvedObject/namespace"),
                    name: own("/involvedObject/name"),
                    uid: own("/involvedObject/uid"),
                }),
                server: None,
            }
        });
        record.last_seen = at;
        record.count = count;
        text(object, "/message").clone_into(&mut record.message);
        record.server = text(object, "/lastTimestamp").parse().ok();
    }

    /// The container that it is about, from the field path.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        self.sort.field_path.split_once('{')?.1.strip_suffix('}')
    }
}
