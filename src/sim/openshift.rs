//! OpenShift on the simulated cluster: its kinds, the objects that every such cluster has, and a router that admits Routes.
//! What admission does is `api::openshift`'s. Routes carry the traffic of pods; nothing outside of the simulation has their addresses.

mod objects;
pub mod router;

use super::api::openshift::APPS_DOMAIN;
use super::api::server::Subresource;
use super::cluster::Simulation;
use super::store::ChangeKind;
use crate::json::At as _;
use serde_json::{Value, json};
use std::time::Duration;

/// Group, version, kind, plural, whether namespaced.
const KINDS: [(&str, &str, &str, &str, bool); 9] = [
    ("config.openshift.io", "v1", "ClusterOperator", "clusteroperators", false),
    ("config.openshift.io", "v1", "ClusterVersion", "clusterversions", false),
    ("config.openshift.io", "v1", "Ingress", "ingresses", false),
    ("image.openshift.io", "v1", "ImageStream", "imagestreams", true),
    ("machineconfiguration.openshift.io", "v1", "MachineConfigPool", "machineconfigpools", false),
    // Served by a handler of their own; here for discovery.
    ("project.openshift.io", "v1", "Project", "projects", false),
    ("project.openshift.io", "v1", "ProjectRequest", "projectrequests", false),
    ("route.openshift.io", "v1", "Route", "routes", true),
    ("security.openshift.io", "v1", "SecurityContextConstraints", "securitycontextconstraints", false),
];
/// From a Route to its admission by the router.
const ADMITTED_AFTER: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(120));

/// Serves the kinds, makes the objects and starts the router.
pub(super) fn start(simulation: &Simulation) {
    for (group, version, kind, plural, namespaced) in KINDS {
        simulation.api.learn(group, version, kind, plural, namespaced);
    }
    for (api_version, plural, namespace, object) in objects::all(simulation) {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if let Some(resource) = simulation.api.resource(group, version, plural) {
            // Refused by nothing: none of them is there yet.
            let _ = simulation.api.create(resource, namespace, object);
        }
    }
    router::start(simulation);
    let simulation = simulation.clone();
    simulation.api.gate.control_plane.clone().spawn(async move {
        let Some(routes) = simulation.api.resource("route.openshift.io", "v1", "routes") else { return };
        loop {
            let mut watch = simulation.api.watch(routes, None);
            while let Some(item) = watch.next().await {
                if item.kind == ChangeKind::Deleted || is_admitted(&item.object) {
                    continue;
                }
                let text = |pointer: &str| item.object.at(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
                let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
                let (low, high) = ADMITTED_AFTER;
                tokio::time::sleep(simulation.random.between(&text("/metadata/uid"), "admission", 0, low, high)).await;
                let now = super::clock::format_seconds(simulation.api.clock.now());
                let _ = simulation.api.modify(routes, &namespace, &name, Subresource::Status, |route| {
                    let host = route.at("/spec/host").cloned().unwrap_or_default();
                    route["status"]["ingress"] = json!([{
                        "host": host, "routerName": "default", "routerCanonicalHostname": format!("router-default.{APPS_DOMAIN}"),
                        "wildcardPolicy": "None",
                        "conditions": [{ "type": "Admitted", "status": "True", "lastTransitionTime": now }],
                    }]);
                });
            }
        }
    });
}

/// Whether the router has admitted a Route under its present host.
fn is_admitted(route: &Value) -> bool {
    let host = route.at("/spec/host");
    let mut ingresses = route.at("/status/ingress").and_then(Value::as_array).into_iter().flatten();
    ingresses.any(|ingress| ingress.get("host") == host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::profile::Profile;

    #[tokio::test(start_paused = true)]
    async fn a_route_gets_a_host_and_is_admitted_under_it() {
        let profile = Profile { openshift: true, ..Profile::default() };
        let cluster = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), profile);
        let routes = cluster.api.resource("route.openshift.io", "v1", "routes").unwrap();
        let spec = json!({ "to": { "name": "web" } });
        cluster.api.create(routes, "default", json!({ "metadata": { "name": "web" }, "spec": spec })).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let route = cluster.api.get(routes, "default", "web").unwrap();
        assert_eq!(route["spec"]["host"], "web-default.apps.embedded.test");
        assert_eq!(route["spec"]["to"], json!({ "kind": "Service", "name": "web", "weight": 100 }));
        assert_eq!(route["status"]["ingress"][0]["host"], "web-default.apps.embedded.test");
        assert_eq!(route["status"]["ingress"][0]["conditions"][0]["type"], "Admitted");
    }

    #[tokio::test(start_paused = true)]
    async fn the_groups_and_the_clusters_own_objects_are_there_only_where_asked_for() {
        let plain = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), Profile::default());
        assert!(plain.api.resource("config.openshift.io", "v1", "clusterversions").is_none());
        let profile = Profile { openshift: true, ..Profile::default() };
        let cluster = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), profile);
        let get = |plural: &str, name: &str| {
            let resource = cluster.api.resource("config.openshift.io", "v1", plural).unwrap();
            cluster.api.get(resource, "", name).unwrap()
        };
        assert_eq!(get("clusterversions", "version")["status"]["history"][0]["version"], "4.23.0");
        assert_eq!(get("clusteroperators", "ingress")["status"]["conditions"][0]["type"], "Available");
        let pools = cluster.api.resource("machineconfiguration.openshift.io", "v1", "machineconfigpools").unwrap();
        assert_eq!(cluster.api.get(pools, "", "master").unwrap()["status"]["machineCount"], 1);
    }
}
