//! One pod's present state and history. Containers' histories live in `container`.

use super::containers::Containers;
use super::shared::Shared;
use super::{controller_of, reference_to, text, version_of};
use crate::json::At as _;
use crate::observe::packed::Body;
use crate::observe::timeline::Reference;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What is known of one pod (one uid).
#[derive(Clone, Debug)]
pub struct PodRecord {
    /// The pod.
    pub reference: Reference,
    /// Its controlling owner.
    pub owner: Option<Arc<Reference>>,
    /// Its labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// When it was first seen.
    pub first_seen: Duration,
    /// When it was last seen to change.
    pub last_seen: Duration,
    /// When a deletionTimestamp was first seen.
    pub terminating: Option<Duration>,
    /// When it was seen to be gone.
    pub deleted: Option<Duration>,
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// Since when `ready` is as it is.
    pub ready_since: Duration,
    /// The server's stamp of that: its Ready condition's last transition.
    pub ready_stamp: Option<jiff::Timestamp>,
    /// How often it was seen Ready again with another transition time and nothing seen in between: it was not Ready meanwhile.
    pub missed_flaps: u32,
    /// Its phase.
    pub phase: String,
    /// Its containers by name: init containers, sidecars and main ones alike.
    pub containers: Containers,
    /// The node that it is bound to; empty without one.
    pub node: String,
    /// The resource version of the present (or last) state.
    pub version: Option<u64>,
    body: Body,
}

impl PodRecord {
    /// A record from the first state seen; `None` when the object has no uid.
    #[must_use]
    pub fn first(object: &Arc<Value>, at: Duration) -> Option<Self> {
        let reference = reference_to(object);
        if reference.uid.is_empty() {
            return None;
        }
        let mut record = Self {
            reference,
            owner: None,
            labels: Arc::default(),
            first_seen: at,
            last_seen: at,
            terminating: None,
            deleted: None,
            ready: false,
            ready_since: at,
            ready_stamp: None,
            missed_flaps: 0,
            phase: String::new(),
            containers: Containers::default(),
            node: String::new(),
            version: None,
            body: Body::of(object),
        };
        record.update(object, at);
        Some(record)
    }

    /// Folds the next state in.
    pub fn update(&mut self, object: &Arc<Value>, at: Duration) {
        self.body = Body::of(object);
        self.version = version_of(object);
        text(object, "/spec/nodeName").clone_into(&mut self.node);
        self.last_seen = at;
        let (owner, labels) = (controller_of(object), labels_of(object));
        if self.owner.as_deref() != owner.as_ref() {
            self.owner = owner.map(Arc::new);
        }
        if *self.labels != labels {
            self.labels = Arc::new(labels);
        }
        text(object, "/status/phase").clone_into(&mut self.phase);
        if object.at("/metadata/deletionTimestamp").is_some() {
            self.terminating.get_or_insert(at);
        }
        let condition = condition_of(object, "Ready");
        let ready = condition.is_some_and(|condition| text(condition, "/status") == "True");
        let stamp = condition.and_then(|condition| text(condition, "/lastTransitionTime").parse().ok());
        let moved = std::mem::replace(&mut self.ready_stamp, stamp) != stamp;
        if ready && self.ready && moved {
            self.missed_flaps += 1;
        }
        if ready != self.ready {
            self.ready = ready;
            self.ready_since = at;
        }
        for (list, statuses, init) in [
            ("/spec/initContainers", "/status/initContainerStatuses", true),
            ("/spec/containers", "/status/containerStatuses", false),
        ] {
            let specs = object.at(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let statuses = object.at(statuses).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for spec in specs {
                let name = text(spec, "/name");
                let sidecar = text(spec, "/restartPolicy") == "Always";
                let status = statuses.iter().find(|status| text(status, "/name") == name);
                if let (Some(record), Some(status)) = (self.containers.entry(name, init && !sidecar), status) {
                    record.update(status, at);
                }
            }
        }
    }

    /// Shares with others what they say, too.
    pub(super) fn share(&mut self, shared: &mut Shared) {
        self.owner = self.owner.take().map(|owner| shared.references.same(owner));
        self.labels = shared.labels.same(std::mem::take(&mut self.labels));
    }

    /// The present (or last) state.
    #[must_use]
    pub fn object(&self) -> &Arc<Value> {
        self.body.object()
    }

    /// Keeps the state in as little room as possible, until it is looked at again.
    pub(super) fn pack(&mut self) {
        self.body.pack();
    }

    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.body.is_open()
    }

    /// A status condition of the pod by type.
    #[must_use]
    pub fn condition(&self, type_: &str) -> Option<&Value> {
        condition_of(self.object(), type_)
    }

    /// Whether the pod exists and is not being deleted.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.deleted.is_none() && self.terminating.is_none()
    }

    /// Whether its phase is Succeeded or Failed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }

    /// The restart policy.
    #[must_use]
    pub fn restart_policy(&self) -> &str {
        match text(self.object(), "/spec/restartPolicy") {
            "" => "Always",
            policy => policy,
        }
    }

    /// A container's spec by name, init containers too.
    #[must_use]
    pub fn container_spec(&self, name: &str) -> Option<&Value> {
        ["/spec/containers", "/spec/initContainers"]
            .iter()
            .filter_map(|list| self.object().at(list)?.as_array())
            .flatten()
            .find(|container| text(container, "/name") == name)
    }
}

/// A status condition of any object by type.
#[must_use]
pub fn condition_of<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object.at("/status/conditions")?.as_array()?.iter().find(|condition| text(condition, "/type") == type_)
}

/// An object's labels.
#[must_use]
pub fn labels_of(object: &Value) -> BTreeMap<String, String> {
    object
        .at("/metadata/labels")
        .and_then(Value::as_object)
        .map(|labels| labels.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect())
        .unwrap_or_default()
}
