//! OpenShift's Routes: the address under which a router serves one. When it is asked, and from where, is `probe`'s.

use crate::json::At as _;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;

/// The kind.
pub(super) fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("route.openshift.io", "v1", "Route"), "routes")
}

/// Where clients find a Route; `None` until a router has admitted it. (The API's `RouteIngress`: each router has an entry, and a
/// condition `Admitted` in it.)
pub(super) fn url(route: &Value, path: &str) -> Option<String> {
    let ingresses = route.at("/status/ingress").and_then(Value::as_array)?;
    let admitted = ingresses.iter().find(|ingress| {
        let conditions = ingress.at("/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|one| one["type"] == "Admitted" && one["status"] == "True")
    })?;
    let host = admitted["host"].as_str().filter(|host| !host.is_empty())?;
    let scheme = if route.at("/spec/tls").is_some_and(Value::is_object) { "https" } else { "http" };
    Some(format!("{scheme}://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_route_is_found_where_a_router_has_admitted_it() {
        let ingress =
            |host: &str, status: &str| json!({ "host": host, "conditions": [{ "type": "Admitted", "status": status }] });
        let route = |spec: Value, ingresses: &[Value]| json!({ "spec": spec, "status": { "ingress": ingresses } });
        let both = [ingress("taken.example", "False"), ingress("shop.example", "True")];
        assert_eq!(url(&route(json!({}), &both), "/health").as_deref(), Some("http://shop.example/health"));
        assert_eq!(
            url(&route(json!({ "tls": { "termination": "edge" } }), &both), "/").as_deref(),
            Some("https://shop.example/")
        );
        assert_eq!(url(&route(json!({}), &both[..1]), "/"), None);
        assert_eq!(url(&json!({ "spec": { "host": "shop.example" } }), "/"), None);
    }
}
