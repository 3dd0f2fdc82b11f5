//! Validation of one container: name, image, ports, environment, mounts, resources, probes.
//! What spans containers (duplicate names) is in `pod`.

use super::pod::choice;
use super::{names, non_negative};
use crate::sim::api::field::FieldError;
use crate::sim::api::pod_defaults::fields;
use crate::sim::api::quantity;
use serde_json::{Value, json};

/// Checks a container at `path` of a pod with these volumes.
pub(super) fn check(container: &Value, path: &str, volumes: &[&str], init: bool, errors: &mut Vec<FieldError>) {
    let text = |name: &str| container.get(name).and_then(Value::as_str).unwrap_or_default();
    let items = |name: &str| container.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
    match text("name") {
        "" => errors.push(FieldError::required(format!("{path}.name"), "")),
        name => {
            if let Some(why) = names::label(name) {
                errors.push(FieldError::invalid(format!("{path}.name"), &json!(name), &why));
            }
        }
    }
    match text("image") {
        "" => errors.push(FieldError::required(format!("{path}.image"), "")),
        image if image.trim() != image => {
            let why = "must not have leading or trailing whitespace";
            errors.push(FieldError::invalid(format!("{path}.image"), &json!(image), why));
        }
        _ => {}
    }
    choice(container, path, "terminationMessagePolicy", &["FallbackToLogsOnError", "File"], errors);
    for (index, port) in items("ports") {
        container_port(port, &format!("{path}.ports[{index}]"), errors);
    }
    for (index, variable) in items("env") {
        environment(variable, &format!("{path}.env[{index}]"), errors);
    }
    let mut mounted: Vec<&Value> = Vec::new();
    for (index, mount) in items("volumeMounts") {
        let place = format!("{path}.volumeMounts[{index}]");
        mount_point(mount, &place, volumes, errors);
        if let Some(at) = mount.get("mountPath") {
            if mounted.contains(&at) {
                errors.push(FieldError::invalid(format!("{place}.mountPath"), at, "must be unique"));
            }
            mounted.push(at);
        }
    }
    choice(container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], errors);
    resources(container.get("resources").unwrap_or(&Value::Null), &format!("{path}.resources"), errors);
    let is_sidecar = text("restartPolicy") == "Always";
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(found) = container.get(name).filter(|probe| !probe.is_null()) else { continue };
        if init && !is_sidecar {
            let why = "may not be set for init containers without restartPolicy=Always";
            errors.push(FieldError::forbidden(format!("{path}.{name}"), why));
        } else {
            probe(found, &format!("{path}.{name}"), name == "readinessProbe", errors);
        }
    }
}

fn container_port(port: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = port.get("name").and_then(Value::as_str).unwrap_or_default();
    if let Some(why) = (!name.is_empty()).then(|| names::port_name(name)).flatten() {
        errors.push(FieldError::invalid(format!("{path}.name"), &json!(name), &why));
    }
    match port.get("containerPort").and_then(Value::as_i64) {
        None | Some(0) => errors.push(FieldError::required(format!("{path}.containerPort"), "")),
        Some(number) => port_number(&json!(number), &format!("{path}.containerPort"), errors),
    }
    protocol(port, path, errors);
}

/// A port's number.
pub(super) fn port_number(number: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if !number.as_i64().is_some_and(|number| (1..=65_535).contains(&number)) {
        errors.push(FieldError::invalid(path, number, "must be between 1 and 65535, inclusive"));
    }
}

/// A port's protocol.
pub(super) fn protocol(port: &Value, path: &str, errors: &mut Vec<FieldError>) {
    choice(port, path, "protocol", &["SCTP", "TCP", "UDP"], errors);
}

/// A port given by number or by name.
pub(super) fn port_or_name(port: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    match port {
        Some(Value::String(name)) => {
            if let Some(why) = names::port_name(name) {
                errors.push(FieldError::invalid(path, &json!(name), &why));
            }
        }
        Some(number) => port_number(number, path, errors),
        None => {}
    }
}

fn environment(variable: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else if let Some(why) = names::variable(name) {
        errors.push(FieldError::invalid(format!("{path}.name"), &json!(name), &why));
    }
    let Some(from) = variable.get("valueFrom").filter(|from| !from.is_null()) else { return };
    if variable.get("value").and_then(Value::as_str).is_some_and(|value| !value.is_empty()) {
        let why = "may not be specified when `value` is not empty";
        errors.push(FieldError::invalid(format!("{path}.valueFrom"), &json!(""), why));
    }
    for source in ["configMapKeyRef", "secretKeyRef"] {
        let Some(reference) = from.get(source).filter(|source| !source.is_null()) else { continue };
        if reference.get("key").and_then(Value::as_str).unwrap_or_default().is_empty() {
            errors.push(FieldError::required(format!("{path}.valueFrom.{source}.key"), ""));
        }
    }
}

fn mount_point(mount: &Value, path: &str, volumes: &[&str], errors: &mut Vec<FieldError>) {
    let text = |name: &str| mount.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("name").is_empty() {
        errors.push(FieldError::required(format!("{path}.name"), ""));
    } else if !volumes.contains(&text("name")) {
        errors.push(FieldError::not_found(format!("{path}.name"), &json!(text("name"))));
    }
    if text("mountPath").is_empty() {
        errors.push(FieldError::required(format!("{path}.mountPath"), ""));
    }
}

fn resources(resources: &Value, path: &str, errors: &mut Vec<FieldError>) {
    const STANDARD: &[&str] = &["cpu", "memory", "ephemeral-storage", "storage"];
    let side = |name: &str| resources.get(name).unwrap_or(&Value::Null).clone();
    let (limits, requests) = (side("limits"), side("requests"));
    for (side, amounts) in [("limits", &limits), ("requests", &requests)] {
        for (name, amount) in fields(amounts) {
            let place = format!("{path}.{side}[{name}]");
            if !STANDARD.contains(&name.as_str()) && !name.starts_with("hugepages-") && !name.contains('/') {
                errors.push(FieldError::invalid(
                    place.clone(),
                    &json!(name),
                    "must be a standard resource type or fully qualified",
                ));
                errors.push(FieldError::invalid(place.clone(), &json!(name), "must be a standard resource for containers"));
            }
            if amount.as_str().and_then(quantity::parse).is_some_and(|amount| amount < 0) {
                errors.push(FieldError::invalid(place, amount, "must be greater than or equal to 0"));
            }
        }
    }
    for (name, request) in fields(&requests) {
        let Some(limit) = limits.get(name).and_then(Value::as_str) else { continue };
        if request.as_str().and_then(quantity::parse) > quantity::parse(limit) {
            let why = format!("must be less than or equal to {name} limit of {limit}");
            errors.push(FieldError::invalid(format!("{path}.requests"), request, &why));
        }
    }
}

fn probe(probe: &Value, path: &str, readiness: bool, errors: &mut Vec<FieldError>) {
    let present = |name: &&&str| probe.get(**name).is_some_and(|handler| !handler.is_null());
    let handlers: Vec<&&str> = ["exec", "httpGet", "tcpSocket", "grpc"].iter().filter(present).collect();
    if handlers.is_empty() {
        errors.push(FieldError::required(path, "must specify a handler type"));
    }
    for extra in handlers.iter().skip(1) {
        errors.push(FieldError::forbidden(format!("{path}.{extra}"), "may not specify more than 1 handler type"));
    }
    if probe.get("exec").is_some_and(|exec| exec.get("command").and_then(Value::as_array).is_none_or(Vec::is_empty)) {
        errors.push(FieldError::required(format!("{path}.exec.command"), ""));
    }
    for handler in ["httpGet", "tcpSocket"] {
        if let Some(target) = probe.get(handler).filter(|target| !target.is_null()) {
            port_or_name(Some(target.get("port").unwrap_or(&json!(0))), &format!("{path}.{handler}.port"), errors);
        }
    }
    for name in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
        non_negative(probe, path, name, errors);
    }
    let number = |name: &str| probe.get(name).and_then(Value::as_i64);
    if let Some(grace) = number("terminationGracePeriodSeconds") {
        let why = match (readiness, grace) {
            (true, _) => "must not be set for readinessProbes",
            (false, ..=0) => "must be greater than 0",
            _ => "",
        };
        if !why.is_empty() {
            errors.push(FieldError::invalid(format!("{path}.terminationGracePeriodSeconds"), &json!(grace), why));
        }
    }
    if let Some(threshold) = number("successThreshold").filter(|threshold| !readiness && *threshold != 1) {
        errors.push(FieldError::invalid(format!("{path}.successThreshold"), &json!(threshold), "must be 1"));
    }
}
