//! Replacing a stored object: identity, conflict, what each subresource may change, validation, ownership of fields.
//! How a patch becomes the new object is in `patch` and `apply`.

use super::custom::Rules;
use super::fields::{self, Writer};
use super::pipeline::{self, text};
use super::resource::{self, Resource};
use super::schema::Place;
use super::server::{ApiServer, Subresource};
use super::status::ApiError;
use super::{defaults, validate};
use crate::sim::store::Object;
use serde_json::{Value, json};

/// Metadata that a write never changes.
const KEPT: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
    "generateName",
];

/// A write of a whole object over a stored one.
#[derive(Debug)]
pub(super) struct Update<'a> {
    /// Its resource.
    pub(super) resource: Resource,
    /// What is stored.
    pub(super) stored: &'a Object,
    /// Which face is written.
    pub(super) subresource: Subresource,
    /// What its version says about it.
    pub(super) rules: &'a Rules,
    /// Whether nothing is to be stored.
    pub(super) dry_run: bool,
}

impl Update<'_> {
    /// Checks and stores the new object, and notes which fields the writer now owns.
    pub(super) fn write(&self, api: &ApiServer, object: Value, writer: &Writer) -> Result<Object, ApiError> {
        let mut object = self.prepare(object)?;
        let subresource = self.subresource.path();
        let root = Place::root(self.resource, self.rules.schema());
        fields::after_write(Some(&**self.stored), &mut object, &root, &writer.api_version(self.resource), writer, subresource);
        Ok(self.store(api, object))
    }

    /// Stores what was prepared, or shows what would be stored.
    pub(super) fn store(&self, api: &ApiServer, object: Value) -> Object {
        if self.dry_run {
            return Object::new(pipeline::counted(self.resource, self.stored, object, self.subresource));
        }
        pipeline::store_update(api, self.resource, self.stored, object, self.subresource)
    }

    /// The object that would be stored: checked, with everything that this write may not change as it was.
    pub(super) fn prepare(&self, mut object: Value) -> Result<Value, ApiError> {
        self.check_identity(&object)?;
        self.keep(&mut object);
        if self.subresource == Subresource::Main {
            defaults::apply(self.resource, &mut object);
            defaults::follow(self.resource, self.stored, &mut object);
            let mut errors = validate::update(self.resource, self.stored, &object);
            errors.extend(validate::object(self.resource, &object));
            errors.extend(self.rules.check(&object));
            if !errors.is_empty() {
                return Err(ApiError::invalid(self.resource, text(self.stored, "/metadata/name"), &errors));
            }
        } else {
            let mut errors = self.rules.check(&object);
            if self.subresource.is_of_spec() {
                defaults::apply(self.resource, &mut object);
                errors.extend(validate::pod_face(self.subresource, self.stored, &object));
                errors.extend(validate::object(self.resource, &object));
            }
            if !errors.is_empty() {
                return Err(ApiError::invalid(self.resource, text(self.stored, "/metadata/name"), &errors));
            }
        }
        Ok(object)
    }

    fn check_identity(&self, object: &Value) -> Result<(), ApiError> {
        let (name, namespace) = (text(self.stored, "/metadata/name"), text(self.stored, "/metadata/namespace"));
        let given = text(object, "/metadata/name");
        if !given.is_empty() && given != name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        let given = text(object, "/metadata/namespace");
        if !given.is_empty() && given != namespace {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(ApiError::bad_request(why));
        }
        let (given, uid) = (text(object, "/metadata/uid"), text(self.stored, "/metadata/uid"));
        if !given.is_empty() && given != uid {
            return Err(ApiError::conflict(
                self.resource,
                name,
                &format!(
                    "StorageError: invalid object, Code: 4, Key: /registry/{}/{namespace}/{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {uid}",
                    self.resource.plural
                ),
            ));
        }
        let given = text(object, "/metadata/resourceVersion");
        if !given.is_empty() && given != "0" && given != text(self.stored, "/metadata/resourceVersion") {
            return Err(ApiError::modified(self.resource, name));
        }
        Ok(())
    }

    fn keep(&self, object: &mut Value) {
        let stored = &**self.stored;
        match self.subresource {
            Subresource::Resize => return *object = resized(stored, object),
            Subresource::EphemeralContainers => {
                let given = object.pointer("/spec/ephemeralContainers").cloned();
                *object = stored.clone();
                return restore(&mut object["spec"], "ephemeralContainers", given.as_ref());
            }
            Subresource::Approval => {
                let given = object.pointer("/status/conditions").cloned();
                *object = stored.clone();
                return restore(&mut object["status"], "conditions", given.as_ref());
            }
            Subresource::Main | Subresource::Status => {}
        }
        if self.subresource == Subresource::Status {
            let status = object.get("status").cloned();
            let given = object.get("metadata").cloned().unwrap_or_default();
            *object = stored.clone();
            restore(object, "status", status.as_ref());
            if [resource::PODS, resource::NODES, resource::NAMESPACES].contains(&self.resource) {
                for field in ["labels", "annotations", "finalizers"] {
                    restore(&mut object["metadata"], field, given.get(field));
                }
            }
            return;
        }
        if self.rules.status {
            restore(object, "status", stored.get("status"));
        }
        for field in KEPT {
            restore(&mut object["metadata"], field, stored.pointer(&format!("/metadata/{field}")));
        }
        if !fields::are_given(object) {
            restore(&mut object["metadata"], "managedFields", stored.pointer("/metadata/managedFields"));
        }
        if self.resource == resource::SERVICES {
            keep_addresses(object, stored);
        }
        if self.resource == resource::NAMESPACES {
            restore(&mut object["spec"], "finalizers", stored.pointer("/spec/finalizers"));
        }
    }
}

/// A stored pod with the resources that another one asks for.
fn resized(stored: &Value, given: &Value) -> Value {
    let mut pod = stored.clone();
    for list in ["containers", "initContainers"] {
        let wanted = given.pointer(&format!("/spec/{list}")).and_then(Value::as_array).cloned().unwrap_or_default();
        for container in pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(wanted) = wanted.iter().find(|wanted| wanted["name"] == container["name"]) {
                restore(container, "resources", wanted.get("resources"));
            }
        }
    }
    pod
}

/// Addresses that the server gave stay when an update does not name them.
fn keep_addresses(object: &mut Value, stored: &Value) {
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let absent = object.pointer(&format!("/spec/{field}")).is_none_or(|value| value.is_null() || *value == "");
        if absent {
            restore(&mut object["spec"], field, stored.pointer(&format!("/spec/{field}")));
        }
    }
    let before = stored.pointer("/spec/ports").and_then(Value::as_array).cloned().unwrap_or_default();
    for port in object.pointer_mut("/spec/ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let same = before.iter().find(|other| other["port"] == port["port"]);
        if port.get("nodePort").is_none()
            && let Some(number) = same.and_then(|other| other.get("nodePort"))
        {
            port["nodePort"] = number.clone();
        }
    }
}

fn restore(parent: &mut Value, field: &str, value: Option<&Value>) {
    if parent.is_null() {
        *parent = json!({});
    }
    let Some(fields) = parent.as_object_mut() else { return };
    match value {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.remove(field),
    };
}
