//! GET of an object and LIST of a collection.
//! Watches are in `watch`.

use super::Rest;
use super::accept::Form;
use super::body::{self, ResponseBody};
use super::route::ObjectPath;
use super::show;
use crate::sim::api::face::{Face, Served};
use crate::sim::api::list::{self, ListOptions};
use crate::sim::api::resource::Resource;
use crate::sim::api::status::ApiError;
use crate::sim::store::encoding;
use http::{Response, StatusCode};

/// How a path's resource is served, if it is.
pub(super) fn known(rest: &Rest, path: &ObjectPath) -> Option<Served> {
    rest.api.served(&path.group, &path.version, &path.plural)
}

/// How a path's resource is served.
pub(super) fn served(rest: &Rest, path: &ObjectPath) -> Result<Served, ApiError> {
    let found = known(rest, path).ok_or_else(ApiError::no_such_path)?;
    let namespaced = found.resource.namespaced;
    let misplaced = path.namespace.is_some() && !namespaced;
    let unplaced = path.namespace.is_none() && namespaced && path.name.is_some();
    if misplaced || unplaced { Err(ApiError::no_such_path()) } else { Ok(found) }
}

/// The stored resource of a path.
pub(super) fn resource_of(rest: &Rest, path: &ObjectPath) -> Result<Resource, ApiError> {
    served(rest, path).map(|served| served.resource)
}

/// GET of one object.
pub(super) fn get(rest: &Rest, path: &ObjectPath) -> Result<Response<ResponseBody>, ApiError> {
    let served = served(rest, path)?;
    rest.api.heartbeats.read(served.resource);
    let object = rest.api.get(served.resource, path.namespace(), path.name())?;
    if path.form == Form::Objects && served.face == Face::Stored {
        let encoded = rest.api.store.encoded(served.resource, std::slice::from_ref(&object));
        let bytes = encoded.first().map(|bare| encoding::whole(&object, bare)).unwrap_or_default();
        return Ok(body::encoded(bytes.into()));
    }
    show::object(rest, path, served, StatusCode::OK, &object)
}

/// The options of a LIST or WATCH of what a path serves.
pub(super) fn options(rest: &Rest, served: Served, query: &[(String, String)]) -> Result<ListOptions, ApiError> {
    let own = !served.resource.is_built_in();
    let kind = if own { rest.api.custom.find(served.resource.group, served.resource.plural) } else { None };
    let version = kind.as_ref().and_then(|kind| kind.version(served.version()));
    let selectable = version.map(|version| version.selectable.as_slice()).unwrap_or_default();
    ListOptions::parse(served.resource, selectable, query)
}

/// LIST of a collection.
pub(super) fn list(rest: &Rest, path: &ObjectPath, query: &[(String, String)]) -> Result<Response<ResponseBody>, ApiError> {
    let served = served(rest, path)?;
    let options = options(rest, served, query)?;
    rest.api.heartbeats.read(served.resource);
    let page = list::list(&rest.api, served.resource, path.namespace.as_deref(), &options)?;
    show::list(rest, path, served, &page)
}

impl ObjectPath {
    /// Whether this is the collection of bindings, which only takes new ones.
    pub(super) fn is_bindings(&self) -> bool {
        self.group.is_empty() && self.plural == "bindings"
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
