//! PUT and PATCH of objects, their status and their scale.
//! What a change may do is in `update`, how patches merge in `patch` and `apply`.

use super::Rest;
use super::body::{self, ResponseBody};
use super::read;
use super::route::{ObjectPath, parameter};
use super::show;
use super::write::{Strictness, is_dry_run, learn, parse_object, read_object, writer, yaml};
use crate::sim::api::apply::{self, Application};
use crate::sim::api::custom::Rules;
use crate::sim::api::decode;
use crate::sim::api::face::{Face, Served};
use crate::sim::api::field::FieldError;
use crate::sim::api::fields::{self, Entry, Writer};
use crate::sim::api::list::is_true;
use crate::sim::api::patch::PatchKind;
use crate::sim::api::pipeline;
use crate::sim::api::resource::{self, Resource};
use crate::sim::api::scale;
use crate::sim::api::schema::Place;
use crate::sim::api::server::Subresource;
use crate::sim::api::status::ApiError;
use crate::sim::api::update::Update;
use crate::sim::store::Object;
use http::{Request, Response, StatusCode, header};
use kube::client::Body;
use serde_json::{Value, json};

type Query = [(String, String)];

fn subresource_of(served: Served, rules: &Rules, path: &ObjectPath) -> Result<Subresource, ApiError> {
    let is_learnt = !served.resource.is_built_in() && rules.schema().is_none();
    match path.subresource.as_deref() {
        Some("status") if rules.status || is_learnt => Ok(Subresource::Status),
        Some("resize") if served.resource == resource::PODS => Ok(Subresource::Resize),
        Some("ephemeralcontainers") if served.resource == resource::PODS => Ok(Subresource::EphemeralContainers),
        Some("approval") if served.resource == resource::CERTIFICATE_SIGNING_REQUESTS => Ok(Subresource::Approval),
        Some(_) => Err(ApiError::no_such_path()),
        None => Ok(Subresource::Main),
    }
}

/// PUT of an object or its status.
pub(super) async fn put(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let served = read::served(rest, path)?;
    let resource = served.resource;
    let rules = Rules::of(&rest.api, served);
    let subresource = subresource_of(served, &rules, path)?;
    let dry_run = is_dry_run(query, "UpdateOptions")?;
    let strictness = Strictness::parse(query, "UpdateOptions")?;
    let writer = writer(rest, query, request.headers());
    let mut decoded = decode::received(served, &rules, read_object(request, resource.kind).await?)?;
    strictness.check(resource, &decoded.unknown)?;
    rules.default(&mut decoded.object);
    let stored = rest.api.get(resource, path.namespace(), path.name())?;
    let given = decoded.object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if given.is_empty() {
        let why = format!("the name of the object ({given}) does not match the name on the URL ({})", path.name());
        return Err(ApiError::bad_request(why));
    }
    let update = Update { resource, stored: &stored, subresource, rules: &rules, dry_run };
    let object = update.write(&rest.api, decoded.object, &writer.speaking(served))?;
    let mut response = show::object(rest, path, served, StatusCode::OK, &object)?;
    strictness.warn(&mut response, &decoded.unknown);
    Ok(response)
}

/// PATCH of an object or its status.
pub(super) async fn patch(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let (kind, writer) = patch_kind(rest, query, &request)?;
    let dry_run = is_dry_run(query, "PatchOptions")?;
    let strictness = Strictness::parse(query, "PatchOptions")?;
    let bytes = body::read(request).await?;
    if kind == PatchKind::Apply {
        let force = parameter(query, "force").is_some_and(is_true);
        return apply(rest, path, &bytes, writer, force, dry_run);
    }
    let served = read::served(rest, path)?;
    let resource = served.resource;
    let rules = Rules::of(&rest.api, served);
    let subresource = subresource_of(served, &rules, path)?;
    let stored = rest.api.get(resource, path.namespace(), path.name())?;
    let patched = kind.patched(resource, &served.show(&stored), &bytes)?;
    check_uid(resource, &stored, &patched)?;
    let mut decoded = decode::received(served, &rules, patched).map_err(|error| unpatchable(&bytes, &error))?;
    strictness.check(resource, &decoded.unknown)?;
    rules.default(&mut decoded.object);
    let update = Update { resource, stored: &stored, subresource, rules: &rules, dry_run };
    let object = update.write(&rest.api, decoded.object, &writer.speaking(served))?;
    let mut response = show::object(rest, path, served, StatusCode::OK, &object)?;
    strictness.warn(&mut response, &decoded.unknown);
    Ok(response)
}

fn patch_kind(rest: &Rest, query: &Query, request: &Request<Body>) -> Result<(PatchKind, Writer), ApiError> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = PatchKind::parse(media_type)?;
    let refused = |error: FieldError| Err(ApiError::invalid_kind("meta.k8s.io", "PatchOptions", "", &[error]));
    if kind == PatchKind::Apply && parameter(query, "fieldManager").unwrap_or_default().is_empty() {
        return refused(FieldError::required("fieldManager", "is required for apply patch"));
    }
    if kind != PatchKind::Apply && parameter(query, "force").is_some() {
        return refused(FieldError::forbidden("force", "may not be specified for non-apply patch"));
    }
    Ok((kind, writer(rest, query, request.headers())))
}

fn check_uid(resource: Resource, stored: &Value, patched: &Value) -> Result<(), ApiError> {
    let uid = |object: &Value| object.pointer("/metadata/uid").cloned().unwrap_or_default();
    if uid(stored) == uid(patched) {
        return Ok(());
    }
    let name = stored.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    Err(ApiError::invalid(resource, name, &[FieldError::invalid("metadata.uid", &uid(patched), "field is immutable")]))
}

/// A patch whose result is no object of the kind: 422 with the patch and the decoder's words.
fn unpatchable(patch: &[u8], error: &ApiError) -> ApiError {
    let why = error.message.split_once(": ").map_or(error.message.as_str(), |(_, why)| why);
    let shown = json!(String::from_utf8_lossy(patch));
    ApiError::invalid_kind("", "", "", &[FieldError::invalid("patch", &shown, why)])
}

/// Server-side apply: creates the object, or merges into it.
fn apply(
    rest: &Rest,
    path: &ObjectPath,
    body: &[u8],
    writer: Writer,
    force: bool,
    dry_run: bool,
) -> Result<Response<ResponseBody>, ApiError> {
    let given: Value = serde_json::from_slice(body).or_else(|_| yaml(body))?;
    let served = match read::known(rest, path) {
        Some(_) => read::served(rest, path)?,
        None => learn(rest, path, &given)?,
    };
    if served.face == Face::GroupedEvent {
        return Err(ApiError::method_not_allowed("apply", resource::EVENTS));
    }
    let resource = served.resource;
    let rules = Rules::of(&rest.api, served);
    let subresource = subresource_of(served, &rules, path)?;
    let writer = writer.speaking(served);
    let given = apply::wanted(resource, path.name(), served.stored(given))?;
    let mut decoded = decode::decode(resource, given)?;
    decoded.unknown.extend(rules.prune(&mut decoded.object));
    if let Some(unknown) = decoded.unknown.first() {
        let kind = format!("{}/{}, Kind={}", resource.group, resource.version, resource.kind);
        let object = format!("{}/{}; {kind}", path.namespace(), path.name());
        let why = format!("failed to create typed patch object ({object}): .{unknown}: field not declared in schema");
        return Err(ApiError::unclassified(why));
    }
    let application = Application {
        resource,
        wanted: &decoded.object,
        writer: &writer,
        subresource: path.subresource.as_deref(),
        force,
        root: Place::root(resource, rules.schema()),
    };
    match rest.api.store.get(resource, path.namespace(), path.name()) {
        Some(stored) => {
            let mut merged = application.onto(&stored)?;
            rules.default(&mut merged);
            let owners = fields::entries(&merged);
            let update = Update { resource, stored: &stored, subresource, rules: &rules, dry_run };
            if let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("managedFields");
            }
            let mut object = update.prepare(merged)?;
            fields::set_entries(&mut object, &owners);
            show::object(rest, path, served, StatusCode::OK, &update.store(&rest.api, object))
        }
        None if subresource == Subresource::Status => Err(ApiError::not_found(resource, path.name())),
        None => create_applied(rest, path, served, &application, dry_run),
    }
}

fn create_applied(
    rest: &Rest,
    path: &ObjectPath,
    served: Served,
    application: &Application<'_>,
    dry_run: bool,
) -> Result<Response<ResponseBody>, ApiError> {
    let resource = application.resource;
    let rules = Rules::of(&rest.api, served);
    let mut object = application.wanted.clone();
    let mut owners: Vec<Entry> = Vec::new();
    let wanted = fields::leaves(&application.root, &object).into_keys().collect();
    application.own(&mut owners, wanted, &application.writer.api_version(resource));
    fields::set_entries(&mut object, &owners);
    rules.default(&mut object);
    let admitted = pipeline::admit(&rest.api, resource, path.namespace(), object, None, &rules)?;
    if dry_run {
        return show::object(rest, path, served, StatusCode::CREATED, &admitted.into_object());
    }
    show::object(rest, path, served, StatusCode::CREATED, &pipeline::store_new(&rest.api, resource, admitted))
}

/// PUT of a namespace's finalizers: the namespace controller's last step.
pub(super) async fn finalize(rest: &Rest, path: &ObjectPath, request: Request<Body>) -> Result<Response<ResponseBody>, ApiError> {
    let resource = read::resource_of(rest, path)?;
    if resource != resource::NAMESPACES {
        return Err(ApiError::no_such_path());
    }
    let bytes = body::read(request).await?;
    let given = parse_object(&bytes, resource.kind)?;
    let finalizers = given.pointer("/spec/finalizers").cloned().unwrap_or(json!([]));
    let changed = rest.api.modify(resource, "", path.name(), Subresource::Main, |namespace| {
        namespace["spec"]["finalizers"] = finalizers;
    })?;
    body::json(StatusCode::OK, &*changed)
}

fn scalable(rest: &Rest, path: &ObjectPath) -> Result<(Served, scale::Paths, Object), ApiError> {
    let served = read::served(rest, path)?;
    let resource = served.resource;
    let kind = rest.api.custom.find(resource.group, resource.plural).filter(|_| !resource.is_built_in());
    let own = kind.as_ref().and_then(|kind| kind.version(served.version())?.scale.clone());
    let paths = match own {
        Some(scale) => scale::Paths::of(&scale),
        None if resource.has_scale() => scale::Paths::default(),
        None => return Err(ApiError::no_such_path()),
    };
    Ok((served, paths, rest.api.get(resource, path.namespace(), path.name())?))
}

/// GET of a scale.
pub(super) fn get_scale(rest: &Rest, path: &ObjectPath) -> Result<Response<ResponseBody>, ApiError> {
    let (_, paths, object) = scalable(rest, path)?;
    body::json(StatusCode::OK, &paths.scale(&object))
}

/// PUT or PATCH of a scale.
pub(super) async fn set_scale(
    rest: &Rest,
    path: &ObjectPath,
    query: &Query,
    request: Request<Body>,
) -> Result<Response<ResponseBody>, ApiError> {
    let dry_run = is_dry_run(query, "UpdateOptions")?;
    let is_put = request.method() == http::Method::PUT;
    let (kind, writer) =
        if is_put { (PatchKind::Merge, writer(rest, query, request.headers())) } else { patch_kind(rest, query, &request)? };
    let bytes = body::read(request).await?;
    let (served, paths, stored) = scalable(rest, path)?;
    let resource = served.resource;
    let wanted = match kind {
        _ if is_put => parse_object(&bytes, "Scale")?,
        PatchKind::Apply => {
            let mut merged = paths.scale(&stored);
            let given: Value = serde_json::from_slice(&bytes).or_else(|_| yaml(&bytes))?;
            merged["spec"] = given.get("spec").cloned().unwrap_or_default();
            merged
        }
        other => other.patched(resource, &paths.scale(&stored), &bytes)?,
    };
    let replicas = scale::replicas(&wanted, path.name())?;
    let mut object = (*stored).clone();
    if let Some(version) = wanted.pointer("/metadata/resourceVersion") {
        object["metadata"]["resourceVersion"] = version.clone();
    }
    paths.set(&mut object, replicas);
    let rules = Rules::of(&rest.api, served);
    let update = Update { resource, stored: &stored, subresource: Subresource::Main, rules: &rules, dry_run };
    body::json(StatusCode::OK, &paths.scale(&*update.write(&rest.api, object, &writer)?))
}
