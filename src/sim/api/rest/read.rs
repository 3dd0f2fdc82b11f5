//! GET of an object and LIST of a collection.
//! Watches are in `watch`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::route::ObjectPath;
use crate::sim::api::list::{self, ListOptions};
use crate::sim::api::resource::{self, Resource};
use crate::sim::api::status::ApiError;
use http::{Response, StatusCode};
use serde_json::Value;

/// The served resource of a path.
pub(super) fn resource_of(rest: &Rest, path: &ObjectPath) -> Result<Resource, ApiError> {
    let found = rest.api.resource(&path.group, &path.version, &path.plural).ok_or_else(ApiError::no_such_path)?;
    let misplaced = path.namespace.is_some() && !found.namespaced;
    let unplaced = path.namespace.is_none() && found.namespaced && path.name.is_some();
    if misplaced || unplaced { Err(ApiError::no_such_path()) } else { Ok(found) }
}

/// An object as a path's API version shows it.
pub(super) fn view(_path: &ObjectPath, object: &Value) -> Value {
    object.clone()
}

/// GET of one object.
pub(super) fn get(rest: &Rest, path: &ObjectPath) -> Result<Response<ResponseBody>, ApiError> {
    let resource = resource_of(rest, path)?;
    let object = rest.api.get(resource, path.namespace(), path.name())?;
    if resource == resource::EVENTS {
        body::json(StatusCode::OK, &view(path, &object))
    } else {
        body::json(StatusCode::OK, &*object)
    }
}

/// LIST of a collection.
pub(super) fn list(rest: &Rest, path: &ObjectPath, query: &[(String, String)]) -> Result<Response<ResponseBody>, ApiError> {
    let resource = resource_of(rest, path)?;
    let options = ListOptions::parse(resource, query)?;
    let page = list::list(&rest.api, resource, path.namespace.as_deref(), &options)?;
    body::list(resource, &page, |object| view(path, object))
}

impl ObjectPath {
    /// The namespace, empty for cluster-scoped resources.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The name, empty for collections.
    pub(super) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}
