//! Decoding of built-in kinds into their types: unknown fields fall away (or are named), wrong types are refused in the server's words.
//! Kinds that are not built in are kept as they are.

use super::custom::Rules;
use super::face::Served;
use super::kinds;
use super::quantity;
use super::resource::Resource;
use super::status::ApiError;
use serde_json::{Value, json};

/// A decoded object.
#[derive(Debug)]
pub(super) struct Decoded {
    /// The object with only the fields that its kind has.
    pub(super) object: Value,
    /// Paths of fields that its kind does not have.
    pub(super) unknown: Vec<String>,
}

type Codec = fn(&Value) -> Result<Value, String>;

/// The type of a resource, as a function through it and back.
fn codec(resource: Resource) -> Option<Codec> {
    kinds::of(resource).map(|kind| kind.decode)
}

/// Decodes an object of a resource.
pub(super) fn decode(resource: Resource, mut object: Value) -> Result<Decoded, ApiError> {
    check_kind(resource, &object)?;
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind);
    let Some(codec) = codec(resource) else { return Ok(Decoded { object, unknown: Vec::new() }) };
    if !write_quantities(&mut object) {
        return Err(unhandled(resource, quantity::MALFORMED));
    }
    let mut decoded = codec(&object).map_err(|error| unhandled(resource, &explain(resource, &object, &error, codec)))?;
    let mut unknown = Vec::new();
    reconcile(&object, &mut decoded, "", &mut unknown);
    Ok(Decoded { object: decoded, unknown })
}

/// Decodes an object that a path was given, as it is stored: what its kind does not have falls away.
pub(super) fn received(served: Served, rules: &Rules, object: Value) -> Result<Decoded, ApiError> {
    let mut decoded = decode(served.resource, served.stored(object))?;
    decoded.unknown.extend(rules.prune(&mut decoded.object));
    Ok(decoded)
}

/// The 400 for an object that cannot be decoded.
pub(super) fn unhandled(resource: Resource, why: &str) -> ApiError {
    ApiError::bad_request(format!(
        "{kind} in version \"{}\" cannot be handled as a {kind}: {why}",
        resource.version,
        kind = resource.kind
    ))
}

/// The 400 of strict field validation.
pub(super) fn strict(resource: Resource, unknown: &[String]) -> ApiError {
    let list: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    unhandled(resource, &format!("strict decoding error: {}", list.join(", ")))
}

fn check_kind(resource: Resource, object: &Value) -> Result<(), ApiError> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, api_version) = (text("kind"), text("apiVersion"));
    let right = (kind.is_empty() || kind == resource.kind) && (api_version.is_empty() || api_version == resource.api_version());
    if right {
        return Ok(());
    }
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let why = if super::resource::by_kind(api_version, kind).is_some() {
        format!("converting ({version}.{kind}) to ({}): unknown conversion", resource.kind)
    } else {
        format!("no kind \"{kind}\" is registered for version \"{api_version}\" in scheme \"pkg/runtime/scheme.go:111\"")
    };
    Err(ApiError::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {}: {why}", resource.kind)))
}

/// Writes every quantity in its canonical form; false when one is malformed.
fn write_quantities(value: &mut Value) -> bool {
    const LISTS: &[&str] = &["limits", "requests", "hard", "used", "capacity", "allocatable", "default", "defaultRequest"];
    match value {
        Value::Array(items) => items.iter_mut().all(write_quantities),
        Value::Object(fields) => fields.iter_mut().all(|(name, value)| match value {
            Value::Object(quantities) if LISTS.contains(&name.as_str()) => quantities.values_mut().all(write_quantity),
            Value::String(_) | Value::Number(_) if name == "sizeLimit" => write_quantity(value),
            other => write_quantities(other),
        }),
        _ => true,
    }
}

fn write_quantity(value: &mut Value) -> bool {
    let written = match &*value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null => return true,
        _ => return false,
    };
    match quantity::canonical(&written) {
        Some(canonical) => {
            *value = json!(canonical);
            true
        }
        None => false,
    }
}

/// Collects the paths of what decoding dropped, and takes out the empty values that it made up.
fn reconcile(original: &Value, decoded: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match (original, decoded) {
        (Value::Object(before), Value::Object(after)) => {
            after.retain(|name, _| before.get(name).is_some_and(|value| !value.is_null()));
            for (name, value) in before.iter().filter(|(_, value)| !value.is_null()) {
                let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match after.get_mut(name) {
                    Some(kept) => reconcile(value, kept, &inner, unknown),
                    None => unknown.push(inner),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, (value, kept)) in before.iter().zip(after).enumerate() {
                reconcile(value, kept, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Finds the field that a decoder choked on, and says so as Go's decoder would.
fn explain(resource: Resource, object: &Value, error: &str, codec: Codec) -> String {
    let mut path: Vec<String> = Vec::new();
    while let Some(next) = culprit(object, &path, error, codec) {
        path.push(next);
    }
    if resource.kind == "Secret"
        && path.first().is_some_and(|field| field == "data")
        && pointed(object, &path).is_some_and(Value::is_string)
    {
        return "illegal base64 data at input byte 0".to_owned();
    }
    let found = pointed(object, &path).map_or("null", |value| match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::Null => "null",
    });
    let mut names: Vec<&str> = path.iter().map(String::as_str).filter(|part| part.parse::<usize>().is_err()).collect();
    if path.len() > 1 && pointed(object, &path[..path.len() - 1]).is_some_and(Value::is_object) && is_map(&names) {
        names.pop();
    }
    let owner = owner_of(resource, &names);
    format!("json: cannot unmarshal {found} into Go struct field {owner}.{} of type {}", names.join("."), expected(error, &names))
}

fn pointed<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        other => other.get(part),
    })
}

/// The child under `path` without which the decoder's complaint would be another one.
fn culprit(object: &Value, path: &[String], error: &str, codec: Codec) -> Option<String> {
    const TYPE: &[&str] = &["apiVersion", "kind"];
    let children: Vec<String> = match pointed(object, path)? {
        Value::Object(fields) => {
            fields.keys().filter(|name| !(path.is_empty() && TYPE.contains(&name.as_str()))).cloned().collect()
        }
        Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
        _ => return None,
    };
    children.into_iter().find(|child| {
        let mut changed = object.clone();
        let pointer: String =
            path.iter().chain([child]).map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
        let Some(value) = changed.pointer_mut(&pointer) else { return false };
        if value.is_null() {
            return false;
        }
        *value = Value::Null;
        codec(&changed).err().as_deref() != Some(error)
    })
}

fn is_map(names: &[&str]) -> bool {
    const MAPS: &[&str] = &["labels", "annotations", "data", "stringData", "matchLabels", "nodeSelector", "selector"];
    names.len() > 1 && MAPS.contains(&names[names.len() - 2])
}

/// The Go struct that holds the last named field.
fn owner_of(resource: Resource, names: &[&str]) -> String {
    let Some(parent) = names.len().checked_sub(2).map(|index| names[index]) else { return resource.kind.to_owned() };
    let in_template = names.len() > 2 && names[names.len() - 3] == "template";
    match parent {
        "metadata" => "ObjectMeta".to_owned(),
        "spec" if in_template => "PodSpec".to_owned(),
        "spec" => format!("{}Spec", resource.kind),
        "status" => format!("{}Status", resource.kind),
        "containers" | "initContainers" => "Container".to_owned(),
        "template" => "PodTemplateSpec".to_owned(),
        "env" => "EnvVar".to_owned(),
        "valueFrom" => "EnvVarSource".to_owned(),
        "ports" if resource.kind == "Service" => "ServicePort".to_owned(),
        "ports" => "ContainerPort".to_owned(),
        "resources" => "ResourceRequirements".to_owned(),
        "livenessProbe" | "readinessProbe" | "startupProbe" => "Probe".to_owned(),
        "exec" => "ExecAction".to_owned(),
        "httpGet" => "HTTPGetAction".to_owned(),
        "tcpSocket" => "TCPSocketAction".to_owned(),
        "selector" => "LabelSelector".to_owned(),
        "strategy" => "DeploymentStrategy".to_owned(),
        "rollingUpdate" => "RollingUpdateDeployment".to_owned(),
        other => {
            let singular = other.strip_suffix('s').unwrap_or(other);
            let mut letters = singular.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        }
    }
}

fn expected(error: &str, names: &[&str]) -> String {
    let last = names.last().copied().unwrap_or_default();
    let wanted = error.split("expected ").nth(1).unwrap_or_default();
    match wanted {
        "i32" => "int32".to_owned(),
        "i64" => "int64".to_owned(),
        "a boolean" => "bool".to_owned(),
        "a string" => "string".to_owned(),
        "a sequence" if ["command", "args", "finalizers"].contains(&last) => "[]string".to_owned(),
        "a sequence" => format!("[]v1.{}", owner_of(super::resource::PODS, &[last, ""])),
        "a map" => "map[string]string".to_owned(),
        other => {
            let name = other.strip_prefix("struct ").unwrap_or(other);
            format!("v1.{}", name.split_whitespace().next().unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::api::resource::{CONFIG_MAPS, DEPLOYMENTS, PODS, SECRETS};

    fn pod(container: Value) -> Value {
        let mut base = json!({"name": "c", "image": "busybox"});
        base.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        json!({"metadata": {"name": "x"}, "spec": {"containers": [base]}})
    }

    // The texts were taken from a real 1.36.2.
    #[rstest::rstest]
    #[case(PODS, pod(json!({"env": [{"name": "A", "value": 1}]})), "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string")]
    #[case(PODS, pod(json!({"command": "sh"})), "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string")]
    #[case(PODS, pod(json!({"args": [1]})), "json: cannot unmarshal number into Go struct field Container.spec.containers.args of type string")]
    #[case(PODS, pod(json!({"ports": [{"containerPort": "80"}]})), "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32")]
    #[case(PODS, pod(json!({"resources": "big"})), "json: cannot unmarshal string into Go struct field Container.spec.containers.resources of type v1.ResourceRequirements")]
    #[case(PODS, pod(json!({"resources": {"limits": {"cpu": true}}})), quantity::MALFORMED)]
    #[case(PODS, json!({"metadata": {"labels": {"a": 1}}}), "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string")]
    #[case(PODS, json!({"spec": {"containers": {"a": 1}}}), "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container")]
    #[case(DEPLOYMENTS, json!({"spec": {"replicas": "three"}}), "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32")]
    #[case(DEPLOYMENTS, json!({"spec": {"template": {"spec": {"containers": "x"}}}}), "json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container")]
    #[case(SECRETS, json!({"data": {"a": "%%"}}), "illegal base64 data at input byte 0")]
    #[case(CONFIG_MAPS, json!({"data": {"a": 1}}), "json: cannot unmarshal number into Go struct field ConfigMap.data of type string")]
    fn wrong_types_are_named(#[case] resource: Resource, #[case] object: Value, #[case] why: &str) {
        assert_eq!(decode(resource, object).unwrap_err(), unhandled(resource, why));
    }

    #[test]
    fn unknown_fields_fall_away_and_are_listed() {
        let mut object = pod(json!({"imag": "x", "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}}));
        object["spec"]["foo"] = json!(1);
        let decoded = decode(PODS, object).unwrap();
        assert_eq!(decoded.unknown, ["spec.containers[0].imag", "spec.foo"]);
        assert_eq!(decoded.object["spec"]["containers"][0]["resources"]["limits"], json!({"cpu": "1", "memory": "1Gi"}));
        assert_eq!(
            strict(PODS, &decoded.unknown).message,
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.containers[0].imag\", unknown field \"spec.foo\""
        );
    }
}
