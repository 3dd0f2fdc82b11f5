//! The environment of a container: values, references, services, as the kubelet gathers them.
//! `$(VAR)` itself lives in `expansion`.

use super::agent::Agent;
use super::expansion::expand;
use super::pod::{State, container_named};
use super::quantity::Amount;
use crate::sim::api::resource::{CONFIG_MAPS, Resource, SECRETS, SERVICES};
use crate::sim::store::Object;
use k8s_openapi::api::core::v1::{Container, EnvVarSource, ResourceFieldSelector};
use serde_json::Value;
use std::collections::BTreeMap;

/// What every image's environment begins with.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The API server's service, where no Service object stands for it.
const API_HOST: &str = "10.96.0.1";

/// The environment of a container about to start.
///
/// # Errors
/// The text of `CreateContainerConfigError`.
pub(super) fn build(agent: &Agent, state: &State, container: &Container) -> Result<BTreeMap<String, String>, String> {
    let namespace = state.pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let services = service_variables(agent, namespace, state.spec.enable_service_links != Some(false));
    let mut known = services.clone();
    let mut result = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let (resource, name, optional) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(reference), _) => (CONFIG_MAPS, &reference.name, reference.optional),
            (None, Some(reference)) => (SECRETS, &reference.name, reference.optional),
            (None, None) => continue,
        };
        let Some(object) = find(agent, resource, namespace, name, optional == Some(true))? else { continue };
        for (key, value) in text_data(resource, &object) {
            let key = format!("{prefix}{key}");
            known.insert(key.clone(), value.clone());
            result.insert(key, value);
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value_from, &variable.value) {
            (Some(source), _) => match from_source(agent, state, container, source, namespace)? {
                Some(value) => value,
                None => continue,
            },
            (None, value) => expand(value.as_deref().unwrap_or_default(), &known),
        };
        known.insert(variable.name.clone(), value.clone());
        result.insert(variable.name.clone(), value);
    }
    for (name, value) in services {
        result.entry(name).or_insert(value);
    }
    for (name, value) in [("PATH", PATH), ("HOME", "/root"), ("HOSTNAME", hostname(state))] {
        result.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    Ok(result)
}

/// The host name of a pod's containers.
pub(super) fn hostname(state: &State) -> &str {
    let name = state.pod["metadata"]["name"].as_str().unwrap_or_default();
    let own = state.spec.hostname.as_deref().unwrap_or(name);
    let on_host = state.spec.host_network == Some(true);
    let name = if on_host { state.pod["spec"]["nodeName"].as_str().unwrap_or(own) } else { own };
    name.get(..63).unwrap_or(name)
}

fn from_source(
    agent: &Agent,
    state: &State,
    container: &Container,
    source: &EnvVarSource,
    namespace: &str,
) -> Result<Option<String>, String> {
    if let Some(field) = &source.field_ref {
        return field_value(agent, state, &field.field_path).map(Some);
    }
    if let Some(selector) = &source.resource_field_ref {
        return resource_value(agent, state, container, selector).map(Some);
    }
    let (resource, kind, name, key, optional) = match (&source.config_map_key_ref, &source.secret_key_ref) {
        (Some(reference), _) => (CONFIG_MAPS, "ConfigMap", &reference.name, &reference.key, reference.optional == Some(true)),
        (None, Some(reference)) => (SECRETS, "Secret", &reference.name, &reference.key, reference.optional == Some(true)),
        (None, None) => return Err("the environment variable's source is not supported by the embedded cluster".to_owned()),
    };
    let Some(object) = find(agent, resource, namespace, name, optional)? else { return Ok(None) };
    match text_data(resource, &object).remove(key) {
        Some(value) => Ok(Some(value)),
        None if optional => Ok(None),
        None => Err(format!("couldn't find key {key} in {kind} {namespace}/{name}")),
    }
}

fn find(agent: &Agent, resource: Resource, namespace: &str, name: &str, optional: bool) -> Result<Option<Object>, String> {
    match agent.api.get(resource, namespace, name) {
        Ok(object) => Ok(Some(object)),
        Err(_) if optional => Ok(None),
        Err(error) => Err(singular(resource, name, &error.message)),
    }
}

/// The kubelet's own wording: the kind in the singular.
pub(super) fn singular(resource: Resource, name: &str, other: &str) -> String {
    match resource.plural {
        "configmaps" => format!("configmap \"{name}\" not found"),
        "secrets" => format!("secret \"{name}\" not found"),
        _ => other.to_owned(),
    }
}

/// The data of a ConfigMap or Secret as text.
pub(super) fn text_data(resource: Resource, object: &Value) -> BTreeMap<String, String> {
    byte_data(resource, object).into_iter().map(|(key, bytes)| (key, String::from_utf8_lossy(&bytes).into_owned())).collect()
}

/// The data of a ConfigMap or Secret.
pub(super) fn byte_data(resource: Resource, object: &Value) -> BTreeMap<String, Vec<u8>> {
    let entries = |field: &str| {
        object[field].as_object().into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?)))
    };
    let plain =
        entries(if resource == SECRETS { "stringData" } else { "data" }).map(|(key, value)| (key, value.as_bytes().to_vec()));
    let encoded = entries(if resource == SECRETS { "data" } else { "binaryData" }).filter_map(|(key, value)| {
        Some((key, serde_json::from_value::<k8s_openapi::ByteString>(Value::String(value.to_owned())).ok()?.0))
    });
    encoded.chain(plain).collect()
}

/// The value of a downward API field.
///
/// # Errors
/// A path that the downward API does not have.
pub(super) fn field_value(agent: &Agent, state: &State, path: &str) -> Result<String, String> {
    let metadata = &state.pod["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(match path {
        "metadata.name" => text(&metadata["name"]),
        "metadata.namespace" => text(&metadata["namespace"]),
        "metadata.uid" => text(&metadata["uid"]),
        "metadata.labels" => map_lines(&metadata["labels"]),
        "metadata.annotations" => map_lines(&metadata["annotations"]),
        "spec.nodeName" => agent.node.name.clone(),
        "spec.serviceAccountName" => state.spec.service_account_name.clone().unwrap_or_default(),
        "status.hostIP" | "status.hostIPs" => agent.host_ip.clone(),
        "status.podIP" | "status.podIPs" => state.sandbox.as_ref().map(|sandbox| sandbox.ip.clone()).unwrap_or_default(),
        _ => match path.split_once("['").and_then(|(field, rest)| Some((field, rest.strip_suffix("']")?))) {
            Some(("metadata.labels", key)) => text(&metadata["labels"][key]),
            Some(("metadata.annotations", key)) => text(&metadata["annotations"][key]),
            _ => return Err(format!("unsupported fieldPath: {path}")),
        },
    })
}

fn map_lines(map: &Value) -> String {
    let lines: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={:?}", value.as_str().unwrap_or_default()))
        .collect();
    lines.join("\n")
}

/// The value of a container's limit or request; a missing limit is the node's capacity.
///
/// # Errors
/// A resource that the downward API does not have.
pub(super) fn resource_value(
    agent: &Agent,
    state: &State,
    own: &Container,
    selector: &ResourceFieldSelector,
) -> Result<String, String> {
    let container = match &selector.container_name {
        Some(name) => container_named(&state.spec, name).ok_or_else(|| format!("container {name} not found"))?,
        None => own,
    };
    let resources = container.resources.clone().unwrap_or_default();
    let (list, name) = match selector.resource.split_once('.') {
        Some(("limits", name)) => (resources.limits, name),
        Some(("requests", name)) => (resources.requests, name),
        _ => return Err(format!("unsupported container resource : {}", selector.resource)),
    };
    let capacity = match name {
        "cpu" => format!("{}m", agent.node.cpu_millis),
        "memory" => agent.node.memory_bytes.to_string(),
        _ => "0".to_owned(),
    };
    let missing = if selector.resource.starts_with("limits.") { capacity } else { "0".to_owned() };
    let text = list.unwrap_or_default().get(name).map_or(missing, |quantity| quantity.0.clone());
    let divisor = selector.divisor.as_ref().map_or("1", |divisor| divisor.0.as_str());
    let amount = Amount::parse(&text).unwrap_or(Amount::ZERO);
    Ok(amount.divided_by(Amount::parse(divisor).unwrap_or(Amount::ZERO)).to_string())
}

/// `KUBERNETES_SERVICE_HOST` and its like: the services of the namespace (where links are enabled) and the API server's.
fn service_variables(agent: &Agent, namespace: &str, links: bool) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let ports = vec![("https".to_owned(), "TCP".to_owned(), 443)];
    add_service(&mut variables, "kubernetes", API_HOST, &ports);
    let own = if links { agent.api.list(SERVICES, Some(namespace)) } else { Vec::new() };
    let master = agent.api.get(SERVICES, "default", "kubernetes").ok();
    for service in master.into_iter().chain(own) {
        let name = service["metadata"]["name"].as_str().unwrap_or_default();
        let Some(address) = service["spec"]["clusterIP"].as_str().filter(|ip| !ip.is_empty() && *ip != "None") else { continue };
        let ports: Vec<_> = service["spec"]["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|port| {
                let text = |key: &str, default: &str| port[key].as_str().unwrap_or(default).to_owned();
                (text("name", ""), text("protocol", "TCP"), port["port"].as_u64().unwrap_or_default())
            })
            .collect();
        add_service(&mut variables, name, address, &ports);
    }
    variables
}

fn add_service(variables: &mut BTreeMap<String, String>, name: &str, address: &str, ports: &[(String, String, u64)]) {
    let shout = |text: &str| text.to_uppercase().replace('-', "_");
    let name = shout(name);
    let mut set = |key: String, value: String| variables.insert(key, value);
    let Some((_, protocol, first)) = ports.first() else { return };
    set(format!("{name}_SERVICE_HOST"), address.to_owned());
    set(format!("{name}_SERVICE_PORT"), first.to_string());
    set(format!("{name}_PORT"), format!("{}://{address}:{first}", protocol.to_lowercase()));
    for (port_name, protocol, port) in ports {
        if !port_name.is_empty() {
            set(format!("{name}_SERVICE_PORT_{}", shout(port_name)), port.to_string());
        }
        let prefix = format!("{name}_PORT_{port}_{}", protocol.to_uppercase());
        set(prefix.clone(), format!("{}://{address}:{port}", protocol.to_lowercase()));
        set(format!("{prefix}_PROTO"), protocol.to_lowercase());
        set(format!("{prefix}_PORT"), port.to_string());
        set(format!("{prefix}_ADDR"), address.to_owned());
    }
}
