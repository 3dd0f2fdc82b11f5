//! Answers in the form that the client accepts: objects, lists, and the events of watches.
//! Which form that is says `accept`; cells and columns are `table`'s.

use super::Rest;
use super::accept::Form;
use super::body::{self, ResponseBody};
use super::route::ObjectPath;
use crate::sim::api::custom::CustomKind;
use crate::sim::api::face::Served;
use crate::sim::api::list::Page;
use crate::sim::api::server::ApiServer;
use crate::sim::api::status::ApiError;
use crate::sim::api::table::{self, IncludeObject, Tabled};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// The answer with one object.
pub(super) fn object(
    rest: &Rest,
    path: &ObjectPath,
    served: Served,
    status: StatusCode,
    object: &Value,
) -> Result<Response<ResponseBody>, ApiError> {
    match path.form {
        Form::Objects => body::json(status, &served.show(object)),
        Form::Metadata => body::json(status, &table::metadata_only(object)),
        Form::Table(include) => {
            let kind = custom_kind(&rest.api, served);
            let tabled = tabled(&rest.api, served, kind.as_deref());
            let version = object.pointer("/metadata/resourceVersion");
            let row = tabled.row(object, &served.show(object), include);
            body::json(status, &table::table(tabled.columns(), vec![row], json!({"resourceVersion": version})))
        }
    }
}

/// The answer with a page of a collection.
pub(super) fn list(rest: &Rest, path: &ObjectPath, served: Served, page: &Page) -> Result<Response<ResponseBody>, ApiError> {
    match path.form {
        Form::Objects => Ok(body::list(&rest.api.store, served, page)),
        Form::Metadata => {
            let items: Vec<Value> = page.objects.iter().map(|object| table::metadata_only(object)).collect();
            let kind = "PartialObjectMetadataList";
            let list =
                json!({"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": body::list_metadata(page), "items": items});
            body::json(StatusCode::OK, &list)
        }
        Form::Table(include) => {
            let kind = custom_kind(&rest.api, served);
            let tabled = tabled(&rest.api, served, kind.as_deref());
            let rows = page.objects.iter().map(|object| tabled.row(object, &served.show(object), include)).collect();
            body::json(StatusCode::OK, &table::table(tabled.columns(), rows, body::list_metadata(page)))
        }
    }
}

fn custom_kind(api: &ApiServer, served: Served) -> Option<Arc<CustomKind>> {
    if served.resource.is_built_in() { None } else { api.custom.find(served.resource.group, served.resource.plural) }
}

fn tabled<'a>(api: &ApiServer, served: Served, kind: Option<&'a CustomKind>) -> Tabled<'a> {
    let custom = kind.and_then(|kind| kind.version(served.version()));
    Tabled { resource: served.resource, custom, now: api.clock.now() }
}

/// Writes the objects of a watch's events.
#[derive(Debug)]
pub(super) struct EventWriter {
    form: Form,
    served: Served,
    kind: Option<Arc<CustomKind>>,
    /// A table's columns go with its first event only.
    headed: bool,
}

impl EventWriter {
    /// For a watch of a served resource.
    pub(super) fn new(api: &ApiServer, form: Form, served: Served) -> Self {
        Self { form, served, kind: custom_kind(api, served), headed: false }
    }

    /// Whether events carry objects exactly as they are stored, so that all such watches can share one encoding.
    pub(super) fn shares_encoding(&self) -> bool {
        self.form == Form::Objects && self.served.face == crate::sim::api::face::Face::Stored
    }

    /// The event's object.
    pub(super) fn write(&mut self, api: &ApiServer, object: &Value) -> Value {
        self.in_form(api, object, &self.served.show(object))
    }

    /// A bookmark at a revision; the one after the initial events says so.
    pub(super) fn bookmark(&mut self, api: &ApiServer, revision: u64, initial_events_end: bool) -> Value {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({
            "kind": self.served.kind(), "apiVersion": self.served.api_version(), "metadata": metadata,
        });
        self.in_form(api, &object, &object)
    }

    fn in_form(&mut self, api: &ApiServer, object: &Value, shown: &Value) -> Value {
        let include = match self.form {
            Form::Objects => return shown.clone(),
            Form::Metadata => return table::metadata_only(object),
            Form::Table(include) => include,
        };
        let kind = self.kind.clone();
        let tabled = tabled(api, self.served, kind.as_deref());
        // Whoever watches a table needs the objects' metadata to tell its rows apart.
        let row = tabled.row(object, shown, if include == IncludeObject::None { IncludeObject::Metadata } else { include });
        let metadata = json!({"resourceVersion": object.pointer("/metadata/resourceVersion")});
        let mut table = table::table(tabled.columns(), vec![row], metadata);
        if self.headed {
            table["columnDefinitions"] = Value::Null;
        }
        self.headed = true;
        table
    }
}
