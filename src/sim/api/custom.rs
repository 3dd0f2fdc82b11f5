//! The kinds that are served although they are not built in: those of `CustomResourceDefinition`s, and those learnt from an object.
//! How a definition is read and accepted is in `custom/definition`; this is the register of what is served.

pub(super) mod definition;
pub(super) mod structural;
mod validation;

use super::face::{Face, Served};
use super::field::FieldError;
use super::resource::{self, Resource, Service};
use super::server::ApiServer;
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

/// What the version that a request speaks says about its objects.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The structural schema of a defined kind.
    schema: Option<Arc<Value>>,
    /// Whether status is a face of its own, which writes of the object leave alone.
    pub(super) status: bool,
}

impl Rules {
    /// The rules for what a path serves.
    pub(super) fn of(api: &ApiServer, served: Served) -> Self {
        if served.resource.is_built_in() {
            return Self { schema: None, status: served.resource.has_status() };
        }
        let kind = api.custom.find(served.resource.group, served.resource.plural);
        let version = kind.as_ref().and_then(|kind| kind.version(served.version()));
        let schema = version.and_then(|version| version.schema.clone());
        let status = schema.is_some() && version.is_some_and(|version| version.status);
        Self { schema, status }
    }

    /// Rules without a schema: what the cluster's own parts write is trusted.
    pub(super) fn trusted(resource: Resource) -> Self {
        Self { schema: None, status: resource.has_status() }
    }

    /// Takes out what the schema does not know; the paths of it.
    pub(super) fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        if let Some(schema) = &self.schema {
            structural::prune(schema, object, &mut unknown);
        }
        unknown
    }

    /// Fills in the schema's defaults.
    pub(super) fn default(&self, object: &mut Value) {
        if let Some(schema) = &self.schema {
            structural::default(schema, object);
        }
    }

    /// What breaks the schema.
    pub(super) fn check(&self, object: &Value) -> Vec<FieldError> {
        self.schema.as_ref().map(|schema| validation::check(schema, object)).unwrap_or_default()
    }

    /// The schema, for merges that follow it.
    pub(super) fn schema(&self) -> Option<&Value> {
        self.schema.as_deref()
    }
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
