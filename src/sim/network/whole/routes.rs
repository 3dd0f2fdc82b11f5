//! Requests of pods to the hosts of OpenShift's Routes.

use super::World;
use crate::sim::profile::Profile;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

async fn world() -> World {
    World::of(1, Profile { openshift: true, ..Profile::default() }).await
}

impl World {
    async fn route(&self, name: &str, spec: &Value) {
        let routes = self.cluster.api.resource("route.openshift.io", "v1", "routes").unwrap();
        self.create(routes, json!({ "metadata": { "name": name }, "spec": spec }));
        sleep(Duration::from_secs(1)).await;
    }

    async fn ask(&self, host: &str) -> (String, i32) {
        let (text, code, _) = self.run("client", &format!("wget -q -O - http://{host}.apps.embedded.test/health")).await;
        (text, code)
    }
}

const UNAVAILABLE: &str = "wget: server returned error: HTTP/1.1 503 Service Unavailable";

#[tokio::test(start_paused = true)]
async fn a_routes_host_leads_to_its_service() {
    let world = world().await;
    world.route("web", &json!({ "to": { "name": "backend" } })).await;
    world.route("named", &json!({ "to": { "name": "backend" }, "port": { "targetPort": "web" } })).await;
    world.route("headless", &json!({ "to": { "name": "heads" } })).await;
    world.route("nobody", &json!({ "to": { "name": "empty" } })).await;
    world.route("nowhere", &json!({ "to": { "name": "nosuch" } })).await;
    for host in ["web-shop", "WEB-shop", "named-shop", "headless-shop"] {
        assert_eq!(world.ask(host).await, ("ok".to_owned(), 0), "{host}");
    }
    for host in ["nobody-shop", "nowhere-shop", "nosuch-shop"] {
        assert_eq!(world.ask(host).await, (UNAVAILABLE.to_owned(), 1), "{host}");
    }
    assert_eq!(world.limits(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_route_with_tls_answers_plain_requests_as_it_says() {
    let world = world().await;
    for (name, policy) in [("closed", None), ("open", Some("Allow")), ("moved", Some("Redirect"))] {
        let tls = json!({ "termination": "edge", "insecureEdgeTerminationPolicy": policy });
        world.route(name, &json!({ "to": { "name": "backend" }, "tls": tls })).await;
    }
    assert_eq!(world.ask("closed-shop").await, (UNAVAILABLE.to_owned(), 1));
    assert_eq!(world.ask("open-shop").await, ("ok".to_owned(), 0));
    let (_, code) = world.ask("moved-shop").await;
    assert_ne!(code, 0);
    assert_eq!(world.limits(), ["wget of a https URL"]);
}

#[tokio::test(start_paused = true)]
async fn without_openshift_there_is_no_such_name() {
    let world = World::new(1).await;
    assert_eq!(world.ask("web-shop").await, ("wget: bad address 'web-shop.apps.embedded.test'".to_owned(), 1));
}
