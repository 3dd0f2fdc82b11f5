//! The endpoints controller: the older Endpoints objects of Services, which slices have replaced for most readers.
//! Slices are kept in `endpoint_slice`.

use super::context::Context;
use super::endpoint_slice::{concerned, has_endpoint, last_change, ports};
use super::object::{annotation, is_deleting, is_pod_ready, key, list, name, namespace, text, uid};
use super::queue::Key;
use crate::json::At as _;
use crate::sim::api::resource::{ENDPOINTS, PODS, SERVICES};
use crate::sim::api::{ApiError, DeleteOptions, Subresource};
use crate::sim::store::ChangeKind;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// When the change happened that the object tells of.
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// The most addresses of an object; one that would have more is marked as cut.
const MOST: usize = 1_000;

/// Starts the controller.
pub(super) fn start(context: &Arc<Context>) {
    context.inform(SERVICES, |_, item| vec![key(&item.object)]);
    context.inform(PODS, concerned);
    context.inform(ENDPOINTS, |_, item| if item.kind == ChangeKind::Deleted { vec![key(&item.object)] } else { Vec::new() });
    context.serve(|context, key| Box::pin(sync(context, key)));
}

async fn sync(context: &Context, key: &Key) -> Result<(), ApiError> {
    let known = context.api.get(ENDPOINTS, &key.0, &key.1).ok();
    let Ok(service) = context.api.get(SERVICES, &key.0, &key.1) else {
        if known.is_some() {
            context.before_write(key).await;
            // Gone already is as good.
            let _ = context.api.delete(ENDPOINTS, &key.0, &key.1, &DeleteOptions::default());
        }
        return Ok(());
    };
    let has_selector = service.at("/spec/selector").and_then(Value::as_object).is_some_and(|wanted| !wanted.is_empty());
    if !has_selector || is_deleting(&service) || text(&service, "/spec/type") == "ExternalName" {
        return Ok(());
    }
    let always = service.at("/spec/publishNotReadyAddresses") == Some(&json!(true));
    let mut pods: Vec<_> = context.api.list(PODS, Some(&key.0)).into_iter().filter(|pod| has_endpoint(&service, pod)).collect();
    pods.retain(|pod| always || !is_deleting(pod));
    pods.sort_by_key(|pod| address_order(text(pod, "/status/podIP")));
    let (ready, waiting): (Vec<_>, Vec<_>) = pods.iter().take(MOST).partition(|pod| always || is_pod_ready(pod));
    let subsets = match pods.first() {
        None => Value::Null,
        Some(first) => {
            let mut subset = Map::new();
            for (field, pods) in [("addresses", ready), ("notReadyAddresses", waiting)] {
                if !pods.is_empty() {
                    subset.insert(field.to_owned(), pods.into_iter().map(|pod| address(pod)).collect());
                }
            }
            subset.insert("ports".to_owned(), served(&service, first));
            json!([subset])
        }
    };
    let mut labels = service.at("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.insert("endpoints.kubernetes.io/managed-by".to_owned(), json!("endpoint-controller"));
    if text(&service, "/spec/clusterIP") == "None" {
        labels.insert("service.kubernetes.io/headless".to_owned(), json!(""));
    }
    let trigger = last_change(&pods);
    let annotations = |known: Option<&Value>| {
        let mut annotations = known.and_then(|known| known.at("/metadata/annotations")).and_then(Value::as_object).cloned();
        let annotations = annotations.get_or_insert_default();
        match &trigger {
            Some(trigger) => annotations.insert(TRIGGERED.to_owned(), json!(trigger)),
            None => annotations.remove(TRIGGERED),
        };
        if pods.len() > MOST {
            annotations.insert("endpoints.kubernetes.io/over-capacity".to_owned(), json!("truncated"));
        } else {
            annotations.remove("endpoints.kubernetes.io/over-capacity");
        }
        Value::Object(annotations.clone())
    };
    match known {
        Some(known)
            if known.get("subsets").unwrap_or(&Value::Null) == &subsets
                && known["metadata"]["labels"] == Value::Object(labels.clone()) =>
        {
            Ok(())
        }
        Some(known) => {
            context.before_write(key).await;
            let annotations = annotations(Some(&known));
            let change = |object: &mut Value| {
                set(object, "subsets", subsets);
                object["metadata"]["labels"] = Value::Object(labels);
                set(&mut object["metadata"], "annotations", annotations);
            };
            context.api.modify(ENDPOINTS, &key.0, &key.1, Subresource::Main, change).map(|_| ())
        }
        None => {
            context.before_write(key).await;
            let mut object = json!({"metadata": {"name": key.1, "labels": labels}});
            let mut annotations = annotations(None);
            if annotation(&json!({"metadata": {"annotations": annotations}}), TRIGGERED).is_none() {
                annotations[TRIGGERED] = service["metadata"]["creationTimestamp"].clone();
            }
            object["metadata"]["annotations"] = annotations;
            set(&mut object, "subsets", subsets);
            context.api.create(ENDPOINTS, &key.0, object).map(|_| ())
        }
    }
}

/// Sets a field, or removes it when there is nothing to set.
fn set(object: &mut Value, field: &str, value: Value) {
    let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
    if let Some(fields) = object.as_object_mut() {
        if empty {
            fields.remove(field);
        } else {
            fields.insert(field.to_owned(), value);
        }
    }
}

/// Addresses are sorted by their bytes.
fn address_order(ip: &str) -> Vec<u8> {
    ip.split('.').filter_map(|part| part.parse().ok()).collect()
}

fn address(pod: &Value) -> Value {
    json!({
        "ip": text(pod, "/status/podIP"), "nodeName": text(pod, "/spec/nodeName"),
        "targetRef": {"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)},
    })
}

/// The ports, without empty names.
fn served(service: &Value, pod: &Value) -> Value {
    let mut ports = ports(service, pod);
    for port in ports.as_array_mut().into_iter().flatten() {
        if let Some(port) = port.as_object_mut()
            && port.get("name").is_some_and(|name| name == "")
        {
            port.remove("name");
        }
    }
    if text(service, "/spec/clusterIP") == "None" && list(service, "/spec/ports").is_empty() { json!([]) } else { ports }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Cluster, deployment, set_ready};
    use super::*;
    use crate::sim::api::resource::DEPLOYMENTS;

    #[tokio::test(start_paused = true)]
    async fn addresses_follow_readiness_and_the_object_its_service() {
        let cluster = Cluster::start();
        let ports = json!([{"port": 80, "targetPort": 8080}]);
        cluster.create(SERVICES, json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "app"}, "ports": ports}}));
        cluster.pass(0.1).await;
        let empty = cluster.get(ENDPOINTS, "web");
        assert_eq!(empty["metadata"]["labels"], json!({"endpoints.kubernetes.io/managed-by": "endpoint-controller"}));
        assert!(empty.get("subsets").is_none());
        cluster.create(DEPLOYMENTS, deployment(1, "v1"));
        cluster.pass(1.0).await;
        let pod = cluster.all(PODS).remove(0);
        let address = json!({"ip": "10.244.0.7", "nodeName": "n1",
            "targetRef": {"kind": "Pod", "namespace": "shop", "name": name(&pod), "uid": uid(&pod)}});
        let ports = json!([{"port": 8080, "protocol": "TCP"}]);
        assert_eq!(cluster.get(ENDPOINTS, "web")["subsets"], json!([{"addresses": [address], "ports": ports}]));
        set_ready(&cluster.api, "shop", name(&pod), false);
        cluster.pass(0.1).await;
        assert_eq!(cluster.get(ENDPOINTS, "web")["subsets"], json!([{"notReadyAddresses": [address], "ports": ports}]));
        cluster.api.delete(SERVICES, "shop", "web", &DeleteOptions::default()).unwrap();
        cluster.pass(0.5).await;
        assert!(cluster.api.get(ENDPOINTS, "shop", "web").is_err());
    }
}
