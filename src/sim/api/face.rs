//! The versions and groups in which one stored object can be read and written, and the conversion between them.
//! What is stored is always one of them; the events' two faces are spelled out in `event`.

use super::event;
use super::resource::{Resource, group_version};
use super::scaling;
use serde_json::{Value, json};
use std::borrow::Cow;

/// How a path shows the objects of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Face {
    /// As they are stored.
    Stored,
    /// Core events as events.k8s.io/v1.
    GroupedEvent,
    /// Autoscalers of autoscaling/v2 as autoscaling/v1.
    FirstAutoscaler,
    /// Namespaces as projects of OpenShift.
    Project,
    /// A custom kind in another of its versions, with nothing but the apiVersion changed.
    Version(&'static str),
}

/// A resource as a path asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Served {
    /// What is stored.
    pub(super) resource: Resource,
    /// How it is shown.
    pub(super) face: Face,
}

impl Served {
    /// The built-in resource of a group, version and plural.
    pub(super) fn built_in(group: &str, version: &str, plural: &str) -> Option<Self> {
        if group == event::GROUP && version == "v1" && plural == "events" {
            return Some(Self { resource: super::resource::EVENTS, face: Face::GroupedEvent });
        }
        let resource = *super::resource::ALL.iter().find(|resource| resource.plural == plural && resource.group == group)?;
        if resource.version == version {
            return Some(Self { resource, face: Face::Stored });
        }
        resource.other_versions().contains(&version).then_some(Self { resource, face: Face::FirstAutoscaler })
    }

    /// The apiVersion of what is shown.
    pub(super) fn api_version(self) -> String {
        match self.face {
            Face::Stored => self.resource.api_version(),
            Face::GroupedEvent => "events.k8s.io/v1".to_owned(),
            Face::FirstAutoscaler => "autoscaling/v1".to_owned(),
            Face::Project => "project.openshift.io/v1".to_owned(),
            Face::Version(version) => group_version(self.resource.group, version),
        }
    }

    /// The kind of what is shown.
    pub(super) fn kind(self) -> &'static str {
        if self.face == Face::Project { "Project" } else { self.resource.kind }
    }

    /// The version alone.
    pub(super) fn version(self) -> &'static str {
        match self.face {
            Face::Stored => self.resource.version,
            Face::GroupedEvent | Face::FirstAutoscaler | Face::Project => "v1",
            Face::Version(version) => version,
        }
    }

    /// A stored object as it is shown.
    pub(super) fn show(self, object: &Value) -> Cow<'_, Value> {
        match self.face {
            Face::Stored => Cow::Borrowed(object),
            Face::GroupedEvent => Cow::Owned(event::to_group(object)),
            Face::FirstAutoscaler => Cow::Owned(scaling::to_first(object)),
            Face::Project => {
                let mut shown = object.clone();
                shown["apiVersion"] = json!(self.api_version());
                shown["kind"] = json!(self.kind());
                Cow::Owned(shown)
            }
            Face::Version(_) => {
                let mut shown = object.clone();
                shown["apiVersion"] = json!(self.api_version());
                Cow::Owned(shown)
            }
        }
    }

    /// An object that was sent, as it is stored.
    pub(super) fn stored(self, mut object: Value) -> Value {
        let given = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        // What is of another version is left for the decoder to refuse.
        if self.face == Face::Stored || !(given.is_empty() || given == self.api_version()) || !object.is_object() {
            return object;
        }
        match self.face {
            // Projects are not written through their own group.
            Face::Stored | Face::Project => object,
            Face::GroupedEvent => event::to_core(&object),
            Face::FirstAutoscaler => scaling::from_first(object),
            Face::Version(_) => {
                object["apiVersion"] = json!(self.resource.api_version());
                object
            }
        }
    }
}
