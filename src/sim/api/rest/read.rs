//! GET of an object and LIST of a collection.
//! Watches are in `watch`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::route::ObjectPath;
use crate::sim::api::event;
use crate::sim::api::list::{self, ListOptions};
use crate::sim::api::resource::Resource;
use crate::sim::api::status::ApiError;
use http::{Response, StatusCode};
use serde_json::Value;

/// The resource of a path, if it is served. The two groups of events have the same objects.
pub(super) fn known(rest: &Rest, path: &ObjectPath) -> Option<Resource> {
    let group = if path.is_grouped_event() { "" } else { path.group.as_str() };
    rest.api.resource(group, &path.version, &path.plural)
}

/// The served resource of a path.
pub(super) fn resource_of(rest: &Rest, path: &ObjectPath) -> Result<Resource, ApiError> {
    let found = known(rest, path).ok_or_else(ApiError::no_such_path)?;
    let misplaced = path.namespace.is_some() && !found.namespaced;
    let unplaced = path.namespace.is_none() && found.namespaced && path.name.is_some();
    if misplaced || unplaced { Err(ApiError::no_such_path()) } else { Ok(found) }
}

/// An object as a path's API version shows it.
pub(super) fn view(path: &ObjectPath, object: &Value) -> Value {
    if path.is_grouped_event() { event::to_group(object) } else { object.clone() }
}

/// An object that a path's API version was given, as it is stored.
pub(super) fn stored_form(path: &ObjectPath, object: Value) -> Value {
    if path.is_grouped_event() { event::to_core(&object) } else { object }
}

/// The answer with one object.
pub(super) fn shown(path: &ObjectPath, status: StatusCode, object: &Value) -> Result<Response<ResponseBody>, ApiError> {
    if path.is_grouped_event() { body::json(status, &event::to_group(object)) } else { body::json(status, object) }
}

/// GET of one object.
pub(super) fn get(rest: &Rest, path: &ObjectPath) -> Result<Response<ResponseBody>, ApiError> {
    let resource = resource_of(rest, path)?;
    shown(path, StatusCode::OK, &*rest.api.get(resource, path.namespace(), path.name())?)
}

/// LIST of a collection.
pub(super) fn list(rest: &Rest, path: &ObjectPath, query: &[(String, String)]) -> Result<Response<ResponseBody>, ApiError> {
    let resource = resource_of(rest, path)?;
    let options = ListOptions::parse(resource, query)?;
    let page = list::list(&rest.api, resource, path.namespace.as_deref(), &options)?;
    body::list(resource, &page, |object| view(path, object))
}

impl ObjectPath {
    /// Whether this is the events.k8s.io face of an event.
    pub(super) fn is_grouped_event(&self) -> bool {
        self.group == event::GROUP && self.version == "v1" && self.plural == "events"
    }

    /// The namespace, empty for cluster-scoped resources.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The name, empty for collections.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}
