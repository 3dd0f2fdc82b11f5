//! The steps between a request and the store: names, defaulting, admission, validation, quota, stamps.
//! Each step's rules are in a module of its own; their order is here.

use super::custom::{Rules, definition};
use super::fields::{self, Writer};
use super::resource::{self, Resource, Service};
use super::schema::Place;
use super::server::{ApiServer, Subresource};
use super::status::ApiError;
use super::{defaults, limit_range, namespace, openshift, pod_defaults, priority, quota, validate};
use crate::json::At as _;
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::store::Object;
use serde_json::{Map, Value, json};

/// An object that passed every step and waits to be stored.
#[derive(Debug)]
pub(super) struct Admitted {
    namespace: String,
    name: String,
    object: Value,
}

impl Admitted {
    /// What would be stored: the answer to a dry run.
    pub(super) fn into_object(self) -> Value {
        self.object
    }
}

/// Metadata that only the server writes.
const SERVER_SET: &[&str] =
    &["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

/// Takes a new object through all steps but the store.
/// A client's new object belongs to its `writer`; the simulation's own objects keep no record of who set what.
pub(super) fn admit(
    api: &ApiServer,
    resource: Resource,
    namespace: &str,
    mut object: Value,
    writer: Option<&Writer>,
    rules: &Rules,
) -> Result<Admitted, ApiError> {
    let metadata = metadata_of(&mut object)?;
    for field in SERVER_SET {
        metadata.remove(*field);
    }
    if resource.namespaced {
        metadata.insert("namespace".to_owned(), json!(namespace));
    } else {
        metadata.remove("namespace");
    }
    let name = name_of(api, resource, namespace, metadata);
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind);
    namespace::check(api, resource, namespace, &name)?;
    if !resource.is_built_in() {
        definition::check_creation(api, resource)?;
        if rules.status
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
    }
    defaults::apply(resource, &mut object);
    if let Some(writer) = writer {
        fields::after_write(
            None,
            &mut object,
            &Place::root(resource, rules.schema()),
            &writer.api_version(resource),
            writer,
            None,
        );
    }
    if resource == resource::PODS {
        pod_defaults::admit(api, &mut object)?;
    }
    if api.is_openshift() {
        openshift::admit(api, resource, &name, &mut object)?;
    }
    defaults::begin(api, resource, &mut object);
    let mut errors = validate::object(resource, &object);
    errors.extend(rules.check(&object));
    if !errors.is_empty() {
        return Err(ApiError::invalid(resource, &name, &errors));
    }
    if resource == resource::SERVICES {
        defaults::allocate(api, &mut object)?;
    }
    limit_range::check(api, resource, namespace, &object)?;
    if resource == resource::PRIORITY_CLASSES {
        priority::admit_class(api, &object)?;
    }
    quota::check(api, resource, namespace, &object)?;
    if api.store.get(resource, namespace, &name).is_some() {
        return Err(ApiError::already_exists(resource, &name));
    }
    let key = format!("{}/{namespace}/{name}", resource.plural);
    object["metadata"]["uid"] = json!(api.random.uid(&key, api.ordinal(&key)));
    object["metadata"]["creationTimestamp"] = json!(api.clock.seconds());
    defaults::identify(resource, &mut object);
    if resource.has_generation() {
        object["metadata"]["generation"] = json!(1);
    }
    Ok(Admitted { namespace: namespace.to_owned(), name, object })
}

/// Stores an admitted object, and says so when nothing will act on it although Kubernetes would.
pub(super) fn store_new(api: &ApiServer, resource: Resource, new: Admitted) -> Object {
    quota::charge(api, resource, &new.namespace, &new.object);
    let object = api.store.put(resource, &new.namespace, &new.name, new.object);
    if resource == resource::CUSTOM_RESOURCE_DEFINITIONS {
        definition::stored(api, &object);
    }
    if resource.service == Service::Unsimulated {
        api.limits.report(Limit {
            kind: LimitKind::Kind,
            uid: text(&object, "/metadata/uid").to_owned(),
            subject: format!("{} {}/{}", resource.kind, new.namespace, new.name),
            construct: format!("{} {}", resource.api_version(), resource.kind),
            position: None,
            help: format!("the embedded cluster has no controller for {}; run this on a real cluster", resource.plural),
        });
    }
    object
}

/// Stores a changed object: counts the generation, and removes what was waiting for its last finalizer.
pub(super) fn store_update(
    api: &ApiServer,
    resource: Resource,
    stored: &Object,
    object: Value,
    subresource: Subresource,
) -> Object {
    let mut object = counted(resource, stored, object, subresource);
    if resource == resource::SERVICES && subresource == Subresource::Main {
        // A Service that has become reachable from outside gets its ports; what it names itself was validated.
        let _ = defaults::allocate(api, &mut object);
    }
    let (namespace, name) = (text(stored, "/metadata/namespace").to_owned(), text(stored, "/metadata/name").to_owned());
    if is_done_deleting(resource, &object) {
        api.store.remove(resource, &namespace, &name);
        removed(api, resource, &object);
        return Object::new(object);
    }
    let object = api.store.put(resource, &namespace, &name, object);
    if resource == resource::CUSTOM_RESOURCE_DEFINITIONS && subresource == Subresource::Main {
        definition::stored(api, &object);
    }
    object
}

/// After an object is gone: what the register of custom kinds makes of it.
pub(super) fn removed(api: &ApiServer, resource: Resource, object: &Value) {
    if resource == resource::CUSTOM_RESOURCE_DEFINITIONS {
        definition::removed(api, object);
    } else if !resource.is_built_in() {
        definition::object_removed(api, resource);
    }
}

/// The changed object with the generation that it will have.
pub(super) fn counted(resource: Resource, stored: &Value, mut object: Value, subresource: Subresource) -> Value {
    if subresource.is_of_spec() && resource.has_generation() && !same_but_for_metadata_and_status(stored, &object) {
        let generation = stored.at("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
        object["metadata"]["generation"] = json!(generation + 1);
    }
    object
}

/// `spec.nodeName` and PodScheduled in one write.
pub(super) fn bind(api: &ApiServer, namespace: &str, name: &str, node: &str) -> Result<Object, ApiError> {
    let pod = api.get(resource::PODS, namespace, name)?;
    let refused = |why: String| {
        let message = format!("Operation cannot be fulfilled on pods/binding \"{name}\": {why}");
        let details = json!({"name": name, "kind": "pods/binding"});
        Err(ApiError { code: 409, reason: "Conflict", message, details: Some(details) })
    };
    if pod.at("/metadata/deletionTimestamp").is_some() {
        return refused(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    let present = text(&pod, "/spec/nodeName");
    if !present.is_empty() {
        return refused(format!("pod {name} is already assigned to node \"{present}\""));
    }
    if pod.at("/spec/schedulingGates").and_then(Value::as_array).is_some_and(|gates| !gates.is_empty()) {
        return refused(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    let now = api.clock.seconds();
    api.modify(resource::PODS, namespace, name, Subresource::Status, |pod| {
        pod["spec"]["nodeName"] = json!(node);
        if let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) {
            status.remove("nominatedNodeName");
        }
        // Without observedGeneration, as recorded; the kubelet adds it with its first write.
        let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
        let mut conditions = pod.at("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        match conditions.iter_mut().find(|condition| condition["type"] == "PodScheduled") {
            Some(condition) => *condition = scheduled,
            None => conditions.push(scheduled),
        }
        pod["status"]["conditions"] = Value::Array(conditions);
    })
}

/// The metadata of an object that is about to be created.
pub(super) fn metadata_of(object: &mut Value) -> Result<&mut Map<String, Value>, ApiError> {
    let fields = object.as_object_mut().ok_or_else(|| ApiError::bad_request("the object provided is not a JSON object"))?;
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    if metadata.is_null() {
        *metadata = json!({});
    }
    metadata.as_object_mut().ok_or_else(|| ApiError::bad_request("metadata must be an object"))
}

/// The text at a JSON pointer, empty when there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn name_of(api: &ApiServer, resource: Resource, namespace: &str, metadata: &mut Map<String, Value>) -> String {
    /// Names end 5 characters after a prefix of at most this length.
    const LONGEST_PREFIX: usize = 58;
    let given = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or_default();
    if !given.is_empty() || prefix.is_empty() {
        return given.to_owned();
    }
    let prefix: String = prefix.chars().take(LONGEST_PREFIX).collect();
    let entity = format!("{}/{namespace}/{prefix}", resource.plural);
    let mut name = String::new();
    for _ in 0..8 {
        name = format!("{prefix}{}", api.random.suffix(&entity, "generateName", api.ordinal(&entity), 5));
        if api.store.get(resource, namespace, &name).is_none() {
            break;
        }
    }
    metadata.insert("name".to_owned(), json!(name));
    name
}

fn same_but_for_metadata_and_status(left: &Value, right: &Value) -> bool {
    let (Some(left), Some(right)) = (left.as_object(), right.as_object()) else { return left == right };
    let rest = |name: &&String| *name != "metadata" && *name != "status";
    left.keys().filter(rest).count() == right.keys().filter(rest).count()
        && left.iter().filter(|(name, _)| rest(name)).all(|(name, value)| right.get(name) == Some(value))
}

fn is_done_deleting(resource: Resource, object: &Value) -> bool {
    let empty = |pointer: &str| object.at(pointer).and_then(Value::as_array).is_none_or(Vec::is_empty);
    object.at("/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
        && object.at("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) == 0
        && empty("/metadata/finalizers")
        && (resource != resource::NAMESPACES || empty("/spec/finalizers"))
}
