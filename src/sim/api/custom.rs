//! The kinds that are served although they are not built in: those of CustomResourceDefinitions, and those learnt from an object.
//! How a definition is read and accepted is in `custom/definition`; this is the register of what is served.

use super::face::{Face, Served};
use super::resource::{self, Resource, Service};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// One served custom kind.
#[derive(Clone, Debug)]
pub(super) struct CustomKind {
    /// The resource as its objects are stored: in the storage version.
    pub(super) resource: Resource,
    /// Singular name.
    pub(super) singular: String,
    /// Short names.
    pub(super) short_names: Vec<String>,
    /// Categories.
    pub(super) categories: Vec<String>,
    /// The served versions, the preferred one first.
    pub(super) versions: Vec<CustomVersion>,
}

/// One served version of a custom kind.
#[derive(Clone, Debug)]
pub(super) struct CustomVersion {
    /// Its name.
    pub(super) name: &'static str,
    /// The structural schema, `None` for a learnt kind.
    pub(super) schema: Option<Arc<Value>>,
    /// The printer columns as the definition has them.
    pub(super) columns: Arc<Vec<Value>>,
    /// Whether `/status` exists.
    pub(super) status: bool,
    /// The scale subresource's paths, if it has one.
    pub(super) scale: Option<Arc<Value>>,
    /// Fields that can be selected by.
    pub(super) selectable: Vec<String>,
    /// What clients are warned of.
    pub(super) warning: Option<String>,
}

/// Every custom kind, in order of group and plural.
#[derive(Debug, Default)]
pub(super) struct CustomKinds {
    kinds: Mutex<Vec<Arc<CustomKind>>>,
}

impl CustomKinds {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<CustomKind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The kind with a group and plural.
    pub(super) fn find(&self, group: &str, plural: &str) -> Option<Arc<CustomKind>> {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.iter().find(|kind| kind.resource.group == group && kind.resource.plural == plural).cloned()
    }

    /// How a path shows a custom kind.
    pub(super) fn served(&self, group: &str, version: &str, plural: &str) -> Option<Served> {
        let kind = self.find(group, plural)?;
        let version = kind.versions.iter().find(|candidate| candidate.name == version)?.name;
        let face = if version == kind.resource.version { Face::Stored } else { Face::Version(version) };
        Some(Served { resource: kind.resource, face })
    }

    /// Begins to serve a kind, in place of what had its names.
    pub(super) fn put(&self, kind: CustomKind) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let names = |kind: &CustomKind| (kind.resource.group, kind.resource.plural);
        kinds.retain(|other| names(other) != names(&kind));
        let place = kinds.partition_point(|other| names(other) < names(&kind));
        kinds.insert(place, Arc::new(kind));
    }

    /// No longer serves a kind.
    pub(super) fn remove(&self, group: &str, plural: &str) {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.retain(|kind| kind.resource.group != group || kind.resource.plural != plural);
    }
}

impl CustomKind {
    /// A kind of which only one object is known.
    pub(super) fn learnt(group: &str, version: &str, kind: &str, plural: &str, namespaced: bool) -> Self {
        let resource = Resource {
            group: resource::interned(group),
            version: resource::interned(version),
            kind: resource::interned(kind),
            plural: resource::interned(plural),
            namespaced,
            service: Service::Custom,
        };
        Self {
            resource,
            singular: kind.to_lowercase(),
            short_names: Vec::new(),
            categories: Vec::new(),
            versions: vec![CustomVersion {
                name: resource.version,
                schema: None,
                columns: Arc::default(),
                status: true,
                scale: None,
                selectable: Vec::new(),
                warning: None,
            }],
        }
    }

    /// One of its versions.
    pub(super) fn version(&self, name: &str) -> Option<&CustomVersion> {
        self.versions.iter().find(|version| version.name == name)
    }
}
