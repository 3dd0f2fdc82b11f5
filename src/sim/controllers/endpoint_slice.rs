//! The endpoint slice controller: the addresses of a Service's pods and whether they serve (`kubernetes-behaviour.md` 2.6).
//! One slice per Service, of at most 100 endpoints; the older Endpoints objects are not kept.

#[cfg(test)]
mod tests;

use super::context::Context;
use super::object::{
    annotation, condition, integer, is_controlled_by, is_deleting, is_pod_finished, is_pod_ready, key, list, name, namespace,
    owner_reference, text, uid,
};
use super::queue::Key;
use super::selector;
use crate::json::At as _;
use crate::sim::api::resource::{ENDPOINT_SLICES, PODS, SERVICES};
use crate::sim::api::{ApiError, Subresource, WatchItem};
use crate::sim::store::{ChangeKind, Object};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The most endpoints of a slice (`--max-endpoints-per-slice`).
const MOST: usize = 100;
/// When the change happened that a slice tells of.
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(SERVICES, |_, item| vec![key(&item.object)]);
    context.inform(PODS, concerned);
    context.inform(ENDPOINT_SLICES, |_, item| {
        let service = item.object.at("/metadata/labels/kubernetes.io~1service-name").and_then(Value::as_str);
        let lost = item.kind == ChangeKind::Deleted;
        service.filter(|_| lost).map(|service| (namespace(&item.object).to_owned(), service.to_owned())).into_iter().collect()
    });
    context.serve(|context, key| Box::pin(sync(context, key)));
}

/// The Services that select a pod, when something changed that a slice shows.
pub(super) fn concerned(context: &Context, item: &WatchItem) -> Vec<Key> {
    let shown = |pod: &Value| {
        let ip = text(pod, "/status/podIP").to_owned();
        (ip, is_pod_ready(pod), is_deleting(pod), is_pod_finished(pod), pod.at("/metadata/labels").cloned())
    };
    let before = item.previous.as_deref();
    if item.kind == ChangeKind::Modified && before.is_some_and(|before| shown(before) == shown(&item.object)) {
        return Vec::new();
    }
    let pods = [Some(&*item.object), before];
    let selected = |service: &Value| pods.into_iter().flatten().any(|pod| selects(service, pod));
    let services = context.api.list(SERVICES, Some(namespace(&item.object)));
    services.iter().filter(|service| selected(service)).map(|service| key(service)).collect()
}

fn selects(service: &Value, pod: &Value) -> bool {
    let wanted = service.at("/spec/selector").filter(|wanted| wanted.as_object().is_some_and(|wanted| !wanted.is_empty()));
    wanted.is_some() && selector::matches_map(wanted, pod.at("/metadata/labels"))
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let Ok(service) = context.api.get(SERVICES, &key.0, &key.1) else { return Ok(()) };
    let has_selector = service.at("/spec/selector").and_then(Value::as_object).is_some_and(|wanted| !wanted.is_empty());
    if !has_selector || is_deleting(&service) || text(&service, "/spec/type") == "ExternalName" {
        return Ok(());
    }
    let mut pods: Vec<_> = context.api.list(PODS, Some(&key.0)).into_iter().filter(|pod| has_endpoint(&service, pod)).collect();
    // In the order in which they came, as slices grow.
    pods.sort_by(|a, b| {
        (text(a, "/metadata/creationTimestamp"), name(a)).cmp(&(text(b, "/metadata/creationTimestamp"), name(b)))
    });
    let endpoints: Vec<_> = pods.iter().take(MOST).map(|pod| endpoint(&service, pod)).collect();
    let ports = if pods.is_empty() { Value::Null } else { ports(&service, &pods[0]) };
    let endpoints = if endpoints.is_empty() { Value::Null } else { Value::Array(endpoints) };
    let slices = context.api.list(ENDPOINT_SLICES, Some(&key.0));
    match slices.iter().find(|slice| is_controlled_by(slice, &service)) {
        Some(slice) if slice["endpoints"] == endpoints && slice["ports"] == ports => Ok(()),
        Some(slice) => {
            let trigger = last_change(&pods).filter(|trigger| annotation(slice, TRIGGERED) != Some(trigger));
            context.before_write(key).await;
            let change = |slice: &mut Value| {
                slice["endpoints"] = endpoints;
                slice["ports"] = ports;
                write_trigger(slice, trigger);
            };
            context.api.modify(ENDPOINT_SLICES, &key.0, name(slice), Subresource::Main, change).map(|_| ())
        }
        None => {
            context.before_write(key).await;
            let mut labels = service.at("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
            labels["kubernetes.io/service-name"] = json!(key.1);
            labels["endpointslice.kubernetes.io/managed-by"] = json!("endpointslice-controller.k8s.io");
            if text(&service, "/spec/clusterIP") == "None" {
                labels["service.kubernetes.io/headless"] = json!("");
            }
            let mut slice = json!({
                "metadata": {
                    "generateName": format!("{}-", key.1), "labels": labels, "ownerReferences": [owner_reference(&service)],
                },
                "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
            });
            let created = text(&service, "/metadata/creationTimestamp").to_owned();
            write_trigger(&mut slice, Some(last_change(&pods).unwrap_or(created)));
            context.api.create(ENDPOINT_SLICES, &key.0, slice).map(|_| ())
        }
    }
}

fn write_trigger(slice: &mut Value, trigger: Option<String>) {
    let annotations = slice["metadata"]["annotations"].take();
    let mut annotations = annotations.as_object().cloned().unwrap_or_else(Map::new);
    match trigger {
        Some(trigger) => annotations.insert(TRIGGERED.to_owned(), json!(trigger)),
        None => annotations.remove(TRIGGERED),
    };
    if let Some(metadata) = slice["metadata"].as_object_mut() {
        if annotations.is_empty() {
            metadata.remove("annotations");
        } else {
            metadata.insert("annotations".to_owned(), Value::Object(annotations));
        }
    }
}

/// The newest change of readiness among the pods.
pub(super) fn last_change(pods: &[Object]) -> Option<String> {
    let ready = pods.iter().filter(|pod| is_pod_ready(pod)).filter_map(|pod| condition(&pod["status"], "Ready"));
    ready.map(|ready| text(ready, "/lastTransitionTime").to_owned()).max()
}

pub(super) fn has_endpoint(service: &Value, pod: &Value) -> bool {
    selects(service, pod) && !text(pod, "/status/podIP").is_empty() && !is_pod_finished(pod)
}

fn endpoint(service: &Value, pod: &Value) -> Value {
    let (serving, terminating) = (is_pod_ready(pod), is_deleting(pod));
    let always = service.at("/spec/publishNotReadyAddresses") == Some(&json!(true));
    let mut endpoint = json!({
        "addresses": [text(pod, "/status/podIP")],
        "conditions": {"ready": always || serving && !terminating, "serving": serving || always, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)},
        "nodeName": text(pod, "/spec/nodeName"),
    });
    // The name that DNS gives the pod below its headless Service.
    let hostname = text(pod, "/spec/hostname");
    if !hostname.is_empty() && text(pod, "/spec/subdomain") == name(service) {
        endpoint["hostname"] = json!(hostname);
    }
    endpoint
}

/// The Service's ports as the pod serves them.
pub(super) fn ports(service: &Value, pod: &Value) -> Value {
    let of = |port: &Value| {
        let target = &port["targetPort"];
        let number = match target.as_str() {
            Some(named) => list(pod, "/spec/containers")
                .iter()
                .flat_map(|container| list(container, "/ports"))
                .find(|candidate| text(candidate, "/name") == named)
                .map(|found| integer(found, "/containerPort"))?,
            None => target.as_i64().filter(|number| *number != 0).unwrap_or_else(|| integer(port, "/port")),
        };
        Some(json!({"name": text(port, "/name"), "protocol": port["protocol"].as_str().unwrap_or("TCP"), "port": number}))
    };
    Value::Array(list(service, "/spec/ports").iter().filter_map(of).collect())
}
