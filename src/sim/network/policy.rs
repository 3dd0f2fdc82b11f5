//! `NetworkPolicy`: whether a new connection is allowed. Existing connections are never looked at again (conntrack's law).
//! Packets that are not allowed are dropped without a word.

use super::dns::CLUSTER_DNS;
use super::namespace::{NetworkNamespace, PodNetwork};
use crate::json::At as _;
use crate::sim::api::ApiServer;
use crate::sim::api::resource::{NAMESPACES, NETWORK_POLICIES, PODS};
use crate::sim::controllers::selector::matches;
use crate::sim::store::Object;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Where the DNS pods are, for policies.
const DNS_NAMESPACE: &str = "kube-system";

/// One end of a connection as policies see it.
#[derive(Clone, Debug)]
struct Peer {
    address: Ipv4Addr,
    /// The pod, absent for nodes and for pods on the host's network.
    pod: Option<Object>,
}

impl Peer {
    fn text(&self, pointer: &str) -> &str {
        self.pod.as_ref().and_then(|pod| pod.at(pointer)).and_then(Value::as_str).unwrap_or_default()
    }

    fn labels(&self) -> Option<&Value> {
        self.pod.as_ref()?.at("/metadata/labels").or(Some(&Value::Null))
    }
}

/// Which way a policy looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    const fn name(self) -> &'static str {
        if matches!(self, Self::Ingress) { "Ingress" } else { "Egress" }
    }

    const fn rules(self) -> (&'static str, &'static str) {
        if matches!(self, Self::Ingress) { ("/spec/ingress", "from") } else { ("/spec/egress", "to") }
    }
}

impl PodNetwork {
    /// Whether policies let this view connect to a port of a namespace.
    pub(super) fn is_allowed(&self, server: &NetworkNamespace, pod: Option<(&str, &str)>, protocol: &str, port: u16) -> bool {
        let Some(api) = self.network.shared.api.upgrade() else { return true };
        if !any_policy(&api) {
            return true;
        }
        // A node always reaches its own pods.
        let from_node = self.identity.uid.is_empty() || self.identity.host_network;
        let ingress_matters = !(from_node && self.identity.node == server.node);
        let client = self.peer(&api);
        let server = Peer { address: server.address, pod: pod.and_then(|(space, name)| api.get(PODS, space, name).ok()) };
        decide(&api, Direction::Egress, &client, &server, protocol, port)
            && (!ingress_matters || decide(&api, Direction::Ingress, &server, &client, protocol, port))
    }

    /// Whether policies let this view ask the cluster's DNS.
    pub(super) fn may_ask_dns(&self, api: &ApiServer) -> bool {
        if !any_policy(api) {
            return true;
        }
        let pod = json!({"metadata": {"name": "coredns", "namespace": DNS_NAMESPACE, "labels": {"k8s-app": "kube-dns"}}});
        let server = Peer { address: CLUSTER_DNS, pod: Some(pod.into()) };
        let client = self.peer(api);
        decide(api, Direction::Egress, &client, &server, "UDP", 53)
            && decide(api, Direction::Ingress, &server, &client, "UDP", 53)
    }

    fn peer(&self, api: &ApiServer) -> Peer {
        let own = &self.identity;
        let pod = if own.host_network { None } else { api.get(PODS, &own.namespace, &own.name).ok() };
        Peer { address: self.address(), pod }
    }
}

fn any_policy(api: &ApiServer) -> bool {
    !api.list(NETWORK_POLICIES, None).is_empty()
}

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Whether the policies of `own` allow traffic of one direction with `other`. The port is the server's.
fn decide(api: &ApiServer, direction: Direction, own: &Peer, other: &Peer, protocol: &str, port: u16) -> bool {
    let Some(labels) = own.labels() else { return true };
    let namespace = own.text("/metadata/namespace");
    let server = if direction == Direction::Ingress { own } else { other };
    let mut isolated = false;
    for policy in api.list(NETWORK_POLICIES, Some(namespace)) {
        let types = items(&policy, "/spec/policyTypes");
        let applies = match direction {
            Direction::Ingress => types.is_empty() || types.iter().any(|kind| kind == direction.name()),
            Direction::Egress if types.is_empty() => policy.at("/spec/egress").is_some(),
            Direction::Egress => types.iter().any(|kind| kind == direction.name()),
        };
        let everybody = Value::Object(serde_json::Map::new());
        let selector = policy.at("/spec/podSelector").unwrap_or(&everybody);
        if !applies || !matches(Some(selector), Some(labels)) {
            continue;
        }
        isolated = true;
        let (rules, peers) = direction.rules();
        let allowed = items(&policy, rules).iter().any(|rule| {
            let (ports, parties) = (items(rule, "/ports"), items(rule, &format!("/{peers}")));
            (ports.is_empty() || ports.iter().any(|own| is_port(own, server, protocol, port)))
                && (parties.is_empty() || parties.iter().any(|party| is_party(api, party, namespace, other)))
        });
        if allowed {
            return true;
        }
    }
    !isolated
}

fn is_port(wanted: &Value, server: &Peer, protocol: &str, port: u16) -> bool {
    if wanted["protocol"].as_str().unwrap_or("TCP") != protocol {
        return false;
    }
    let port = u64::from(port);
    match &wanted["port"] {
        Value::Null => true,
        Value::String(name) => {
            let containers = server.pod.as_ref().map_or(&[][..], |pod| items(pod, "/spec/containers"));
            containers.iter().flat_map(|container| items(container, "/ports")).any(|own| {
                own["name"] == name.as_str()
                    && own["protocol"].as_str().unwrap_or("TCP") == protocol
                    && own["containerPort"].as_u64() == Some(port)
            })
        }
        number => {
            let first = number.as_u64().unwrap_or_default();
            (first..=wanted["endPort"].as_u64().unwrap_or(first)).contains(&port)
        }
    }
}

fn is_party(api: &ApiServer, party: &Value, namespace: &str, other: &Peer) -> bool {
    if let Some(block) = party.get("ipBlock") {
        let inside = |cidr: &Value| cidr.as_str().is_some_and(|cidr| contains(cidr, other.address));
        return inside(&block["cidr"]) && !items(block, "/except").iter().any(inside);
    }
    let Some(labels) = other.labels() else { return false };
    let space = other.text("/metadata/namespace");
    let in_namespace = match party.get("namespaceSelector").filter(|selector| selector.is_object()) {
        None => space == namespace,
        Some(selector) => {
            let known = api.get(NAMESPACES, "", space).ok();
            let labels = known.as_ref().and_then(|known| known.at("/metadata/labels"));
            matches(Some(selector), labels)
        }
    };
    let pods = party.get("podSelector").filter(|selector| selector.is_object());
    in_namespace && pods.is_none_or(|selector| matches(Some(selector), Some(labels)))
}

/// Whether a network in CIDR form has an address.
fn contains(cidr: &str, address: Ipv4Addr) -> bool {
    let (network, bits) = cidr.split_once('/').unwrap_or((cidr, "32"));
    let (Ok(network), Ok(bits)) = (network.parse::<Ipv4Addr>(), bits.parse::<u32>()) else { return false };
    let shift = 32u32.saturating_sub(bits);
    (u32::from(network).checked_shr(shift).unwrap_or(0)) == (u32::from(address).checked_shr(shift).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("10.244.0.0/16", [10, 244, 3, 4], true)]
    #[case("10.244.0.0/24", [10, 244, 3, 4], false)]
    #[case("0.0.0.0/0", [1, 2, 3, 4], true)]
    #[case("1.2.3.4/32", [1, 2, 3, 4], true)]
    #[case("1.2.3.4/32", [1, 2, 3, 5], false)]
    #[case("nonsense", [1, 2, 3, 5], false)]
    fn blocks(#[case] cidr: &str, #[case] address: [u8; 4], #[case] inside: bool) {
        assert_eq!(contains(cidr, address.into()), inside);
    }
}
