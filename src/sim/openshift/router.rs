//! The router: leads requests by their Host to ready endpoints of an admitted Route's Service, as that of OpenShift does.
//! TLS is not simulated: a Route with `tls` answers plain requests as its `insecureEdgeTerminationPolicy` says, and https not at all.

use crate::json::At as _;
use crate::sim::api::ApiServer;
use crate::sim::api::openshift::APPS_DOMAIN;
use crate::sim::api::resource::SERVICES;
use crate::sim::cluster::Simulation;
use crate::sim::network::http::{self, Reader, Request, Response};
use crate::sim::network::{Identity, PodNetwork, dns};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// Where it listens: an address for clients of the nodes' network.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 18, 255, 200);
/// How long it tries to connect, and how long an answer may take (the defaults of OpenShift's router).
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// Whether a name leads to the router.
pub(in crate::sim) fn serves(api: &ApiServer, name: &str) -> bool {
    name.strip_suffix(APPS_DOMAIN).is_some_and(|rest| rest.ends_with('.'))
        && api.resource("route.openshift.io", "v1", "routes").is_some()
}

/// Starts it.
pub(super) fn start(simulation: &Simulation) {
    let network = simulation.network.attach(Identity {
        uid: "router".to_owned(),
        namespace: "openshift-ingress".to_owned(),
        name: "router-default".to_owned(),
        node: simulation.profile.nodes.first().map(|node| node.name.clone()).unwrap_or_default(),
        address: ADDRESS,
        host_network: true,
        hosts: String::new(),
        resolv_conf: String::new(),
    });
    // Nobody else has this address.
    let Ok(listener) = network.listen(SocketAddrV4::new(ADDRESS, 80)) else { return };
    let router = Arc::new(Router { api: Arc::clone(&simulation.api), network, turn: AtomicUsize::new(0) });
    tokio::spawn(async move {
        http::serve(&listener, |stream| {
            let router = Arc::clone(&router);
            http::answer(stream, move |request| {
                let router = Arc::clone(&router);
                async move { router.answer(request).await }
            })
        })
        .await;
    });
}

struct Router {
    api: Arc<ApiServer>,
    network: PodNetwork,
    /// Endpoints take turns.
    turn: AtomicUsize,
}

impl Router {
    async fn answer(&self, request: Request) -> Response {
        let host = request.headers.get("Host").unwrap_or_default().split(':').next().unwrap_or_default().to_lowercase();
        let Some(route) = self.route(&host) else { return unavailable() };
        if let Some(tls) = route.at("/spec/tls").filter(|tls| tls.is_object()) {
            match tls["insecureEdgeTerminationPolicy"].as_str() {
                Some("Allow") => {}
                Some("Redirect") => {
                    let mut moved = Response::new(302, "", "");
                    moved.headers.add("Location", format!("https://{host}{}", request.target));
                    return moved;
                }
                _ => return unavailable(),
            }
        }
        let endpoints = self.endpoints(&route);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let Some(endpoint) = endpoints.get(turn.checked_rem(endpoints.len()).unwrap_or_default()) else { return unavailable() };
        let Ok(Ok(stream)) = timeout(CONNECT, self.network.connect(*endpoint)).await else { return unavailable() };
        let exchange = async {
            request.send(&stream).await?;
            Reader::new(&stream).response(&request.method).await
        };
        match timeout(ANSWER, exchange).await {
            Ok(Ok(response)) => whole(response),
            Ok(Err(_)) => Response::new(502, "text/plain", "502 Bad Gateway"),
            Err(_) => Response::new(504, "text/plain", "504 Gateway Time-out"),
        }
    }

    /// The admitted Route of a host.
    fn route(&self, host: &str) -> Option<Arc<Value>> {
        let routes = self.api.resource("route.openshift.io", "v1", "routes")?;
        let has = |route: &Value| {
            let ingresses = route.at("/status/ingress").and_then(Value::as_array);
            ingresses
                .into_iter()
                .flatten()
                .any(|ingress| ingress["host"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(host)))
        };
        self.api.list(routes, None).into_iter().find(|route| has(route))
    }

    /// The ready endpoints of its Service, at the port that it names or at the Service's first.
    fn endpoints(&self, route: &Value) -> Vec<SocketAddrV4> {
        let text = |pointer: &str| route.at(pointer).and_then(Value::as_str).unwrap_or_default();
        let (namespace, name) = (text("/metadata/namespace"), text("/spec/to/name"));
        if self.api.get(SERVICES, namespace, name).is_err() {
            return Vec::new();
        }
        let wanted = route.at("/spec/port/targetPort");
        let is_wanted = |port: &&Value| wanted.is_none_or(|wanted| port["name"] == *wanted || port["port"] == *wanted);
        let found = dns::endpoints(&self.api, namespace, name).into_iter().filter_map(|(_, address, slice)| {
            let port = slice.at("/ports").and_then(Value::as_array)?.iter().find(is_wanted)?["port"].as_u64()?;
            Some(SocketAddrV4::new(address, u16::try_from(port).ok()?))
        });
        found.collect()
    }
}

/// A response that was read whole, as it is sent on.
fn whole(mut response: Response) -> Response {
    let framing = ["Transfer-Encoding", "Content-Length", "Connection"];
    response.headers.0.retain(|(name, _)| !framing.iter().any(|own| own.eq_ignore_ascii_case(name)));
    response.headers.add("Content-Length", response.body.len().to_string());
    response
}

fn unavailable() -> Response {
    Response::new(503, "text/html", "<html><body><h1>Application is not available</h1></body></html>")
}
