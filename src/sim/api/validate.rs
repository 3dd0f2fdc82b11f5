//! Validation of whole objects, with the server's texts: what may be created, and what an update may change.
//! Metadata, pods and names are in files of their own.

mod apps;
mod autoscaling;
mod batch;
mod container;
mod metadata;
mod names;
mod pod;
mod policy;
mod update;

use super::field::FieldError;
use super::pod_defaults::fields;
use super::quantity;
use super::resource::Resource;
use super::select::LabelSelector;
use serde_json::{Value, json};

pub(super) use update::{pod_face, update};

/// Bytes of all values of a ConfigMap or Secret together.
const CONFIG_LIMIT: usize = 1024 * 1024;

/// What is wrong with an object, new or changed.
pub(super) fn object(resource: Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    metadata::check(resource, object, &mut errors);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    match (resource.group, resource.kind) {
        ("", "Pod") => pod::spec(spec, "spec", &mut errors),
        ("", "ConfigMap") => config_keys(object, &["data", "binaryData"], "[]", &mut errors),
        ("", "Secret") => config_keys(object, &["data"], "data", &mut errors),
        ("", "Service") => service(spec, &mut errors),
        ("", "ResourceQuota") => quota(spec, &mut errors),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => errors.extend(super::custom::definition::check(object)),
        ("apps", "Deployment") => {
            workload(spec, "deployment", &mut errors);
            strategy(spec, &mut errors);
        }
        ("apps", "ReplicaSet") => workload(spec, "replica set", &mut errors),
        ("apps", "StatefulSet") => apps::stateful_set(spec, &mut errors),
        ("apps", "DaemonSet") => apps::daemon_set(spec, &mut errors),
        ("apps", "ControllerRevision") => apps::controller_revision(object, &mut errors),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaling::autoscaler(spec, &mut errors),
        ("batch", "Job") => batch::job(spec, &mut errors),
        ("batch", "CronJob") => batch::cron_job(spec, &mut errors),
        ("", "ReplicationController") => apps::replication_controller(spec, &mut errors),
        _ => {}
    }
    errors
}

/// A count that may not be negative.
fn non_negative(parent: &Value, path: &str, name: &str, errors: &mut Vec<FieldError>) {
    if let Some(value) = parent.get(name).filter(|value| value.as_i64().is_some_and(|number| number < 0)) {
        errors.push(FieldError::invalid(format!("{path}.{name}"), value, "must be greater than or equal to 0"));
    }
}

fn workload(spec: &Value, what: &str, errors: &mut Vec<FieldError>) {
    non_negative(spec, "spec", "replicas", errors);
    non_negative(spec, "spec", "minReadySeconds", errors);
    let selector = spec.get("selector").filter(|selector| !selector.is_null());
    let parsed = selector.and_then(LabelSelector::from_object);
    match (selector, &parsed) {
        (None, _) => errors.push(FieldError::required("spec.selector", "")),
        (Some(selector), None) => errors.push(FieldError::invalid("spec.selector", selector, "invalid label selector")),
        (Some(selector), Some(parsed)) if parsed.is_empty() => {
            errors.push(FieldError::invalid("spec.selector", selector, &format!("empty selector is invalid for {what}")));
        }
        _ => {}
    }
    let labels = spec.pointer("/template/metadata/labels").unwrap_or(&Value::Null);
    if !parsed.is_some_and(|selector| selector.matches_labels(labels)) {
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid("spec.template.metadata.labels", labels, why));
    }
    metadata::labels(labels, "spec.template.labels", errors);
    let template = spec.pointer("/template/spec").unwrap_or(&Value::Null);
    pod::spec(template, "spec.template.spec", errors);
    if let Some(policy) = template.get("restartPolicy").filter(|policy| *policy == "Never" || *policy == "OnFailure") {
        errors.push(FieldError::not_supported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
}

fn strategy(spec: &Value, errors: &mut Vec<FieldError>) {
    let strategy = spec.get("strategy").unwrap_or(&Value::Null);
    let rolling = strategy.get("rollingUpdate").filter(|rolling| !rolling.is_null());
    match (strategy.get("type").and_then(Value::as_str).unwrap_or_default(), rolling) {
        ("Recreate", Some(_)) => errors.push(FieldError::forbidden(
            "spec.strategy.rollingUpdate",
            "may not be specified when strategy `type` is 'Recreate'",
        )),
        ("Recreate", None) => {}
        ("RollingUpdate", _) => rolling_update(rolling.unwrap_or(&Value::Null), errors),
        (other, _) => {
            let shown = json!({"Type": other, "RollingUpdate": null});
            errors.push(FieldError::not_supported("spec.strategy", &shown, &["Recreate", "RollingUpdate"]));
        }
    }
    non_negative(spec, "spec", "revisionHistoryLimit", errors);
    non_negative(spec, "spec", "progressDeadlineSeconds", errors);
    let seconds = |name: &str| spec.get(name).and_then(Value::as_i64).unwrap_or(0);
    if let Some(deadline) =
        spec.get("progressDeadlineSeconds").filter(|_| seconds("progressDeadlineSeconds") <= seconds("minReadySeconds"))
    {
        errors.push(FieldError::invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"));
    }
}

fn rolling_update(rolling: &Value, errors: &mut Vec<FieldError>) {
    const PATH: &str = "spec.strategy.rollingUpdate";
    percent_or_count(rolling, PATH, &["maxUnavailable", "maxSurge"], errors);
    let zero = |name: &str| rolling.get(name).is_some_and(|value| *value == 0 || *value == "0%");
    if zero("maxUnavailable") && zero("maxSurge") {
        let value = rolling.get("maxUnavailable").unwrap_or(&Value::Null);
        errors.push(FieldError::invalid(format!("{PATH}.maxUnavailable"), value, "may not be 0 when `maxSurge` is 0"));
    }
}

/// Counts of pods, or percentages of them: not negative, and `maxUnavailable` at most 100%.
fn percent_or_count(parent: &Value, path: &str, fields: &[&str], errors: &mut Vec<FieldError>) {
    const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    for &name in fields {
        let Some(value) = parent.get(name) else { continue };
        let digits = value.as_str().map(|text| text.strip_suffix('%').unwrap_or("no percent"));
        if digits.is_some_and(|digits| digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())) {
            errors.push(FieldError::invalid(format!("{path}.{name}"), value, PERCENT));
        }
        if name == "maxUnavailable" && digits.and_then(|digits| digits.parse::<u32>().ok()).is_some_and(|percent| percent > 100) {
            errors.push(FieldError::invalid(format!("{path}.{name}"), value, "must not be greater than 100%"));
        }
    }
    for name in fields {
        non_negative(parent, path, name, errors);
    }
}

/// Keys, and the size of all values together, which is complained of at `whole`.
fn config_keys(object: &Value, maps: &[&str], whole: &str, errors: &mut Vec<FieldError>) {
    let mut size = 0;
    for map in maps {
        let is_encoded = *map == "binaryData" || object["kind"] == "Secret";
        for (key, value) in fields(object.get(*map).unwrap_or(&Value::Null)) {
            if let Some(why) = names::config_key(key) {
                errors.push(FieldError::invalid(format!("{map}[{key}]"), &json!(key), &why));
            }
            let text = value.as_str().unwrap_or_default();
            // Four characters of base64 are three bytes.
            size += if is_encoded { text.trim_end_matches('=').len() * 3 / 4 } else { text.len() };
        }
    }
    if size > CONFIG_LIMIT {
        let message = format!("Too long: may not be more than {CONFIG_LIMIT} bytes");
        errors.push(FieldError { reason: "FieldValueTooLong", field: whole.to_owned(), message });
    }
}

fn service(spec: &Value, errors: &mut Vec<FieldError>) {
    const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default();
    let headless = spec.get("clusterIP").is_some_and(|address| address == "None");
    let ports: Vec<&Value> = spec.get("ports").and_then(Value::as_array).into_iter().flatten().collect();
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    if !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported("spec.type", &json!(kind), TYPES));
    }
    if kind == "ExternalName" && spec.get("externalName").and_then(Value::as_str).unwrap_or_default().is_empty() {
        errors.push(FieldError::required("spec.externalName", ""));
    }
    let address = spec.get("clusterIP").and_then(Value::as_str).unwrap_or_default();
    if !address.is_empty() && !headless && address.parse::<std::net::IpAddr>().is_err() {
        let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        errors.push(FieldError::invalid("spec.clusterIPs[0]", &json!(address), why));
    }
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let name = port.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(format!("{path}.name"), ""));
        }
        if !name.is_empty() && ports[..index].iter().any(|other| other.get("name") == port.get("name")) {
            errors.push(FieldError::duplicate(format!("{path}.name"), &json!(name)));
        }
        if let Some(why) = (!name.is_empty()).then(|| names::label(name)).flatten() {
            errors.push(FieldError::invalid(format!("{path}.name"), &json!(name), &why));
        }
        container::port_number(port.get("port").unwrap_or(&json!(0)), &format!("{path}.port"), errors);
        container::protocol(port, &path, errors);
        container::port_or_name(port.get("targetPort"), &format!("{path}.targetPort"), errors);
    }
}

fn quota(spec: &Value, errors: &mut Vec<FieldError>) {
    for (name, amount) in fields(spec.get("hard").unwrap_or(&Value::Null)) {
        let path = format!("spec.hard[{name}]");
        if amount.as_str().and_then(quantity::parse).is_some_and(|amount| amount < 0) {
            errors.push(FieldError::invalid(path.clone(), amount, "must be greater than or equal to 0"));
        }
        if !super::quota::is_known(name) {
            errors.push(FieldError::invalid(path.clone(), &json!(name), "must be a standard resource type or fully qualified"));
            errors.push(FieldError::invalid(path, &json!(name), "must be a standard resource for quota"));
        }
    }
}
