//! Connecting pods and nodes to the network: their addresses, `/etc/hosts` and `/etc/resolv.conf`.
//! What happens on the network lives in `sim::network`.

use super::environment;
use super::pod::{PodRecord, State};
use crate::sim::network::{Identity, Network, PodNetwork};
use std::net::Ipv4Addr;

/// The address of the cluster's DNS service.
const CLUSTER_DNS: &str = "10.96.0.10";
/// The node's own resolver: that of kind's docker network.
const NODE_DNS: &str = "172.18.0.1";
const LOCALHOST: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";

/// A node's own view.
pub(super) fn of_node(network: &Network, node: &str, address: Ipv4Addr) -> PodNetwork {
    network.attach(Identity {
        uid: String::new(),
        namespace: String::new(),
        name: node.to_owned(),
        node: node.to_owned(),
        address,
        host_network: true,
        hosts: host_hosts(node, address),
        resolv_conf: format!("nameserver {NODE_DNS}\n"),
    })
}

/// Connects a pod whose sandbox is made now.
pub(super) fn of_pod(record: &PodRecord, address: Ipv4Addr) -> PodNetwork {
    let agent = &record.agent;
    let state = record.state();
    let host_network = state.spec.host_network == Some(true);
    let address = if host_network { agent.network.address() } else { address };
    let identity = Identity {
        uid: record.uid.clone(),
        namespace: record.namespace.clone(),
        name: record.name.clone(),
        node: agent.node.name.clone(),
        address,
        host_network,
        hosts: hosts(&state, &record.namespace, &agent.node.name, address),
        resolv_conf: resolv_conf(&state, &record.namespace),
    };
    agent.network.network().attach(identity)
}

fn host_hosts(node: &str, address: Ipv4Addr) -> String {
    format!("{LOCALHOST}{address}\t{node}\n")
}

fn hosts(state: &State, namespace: &str, node: &str, address: Ipv4Addr) -> String {
    let mut text = if state.spec.host_network == Some(true) {
        format!("# Kubernetes-managed hosts file (host network).\n{}", host_hosts(node, address))
    } else {
        let hostname = environment::hostname(state);
        let full = state.spec.subdomain.as_deref().filter(|subdomain| !subdomain.is_empty());
        let full = full.map_or_else(String::new, |subdomain| format!("{hostname}.{subdomain}.{namespace}.svc.cluster.local\t"));
        format!("# Kubernetes-managed hosts file.\n{LOCALHOST}{address}\t{full}{hostname}\n")
    };
    let aliases: Vec<_> = state.spec.host_aliases.iter().flatten().collect();
    if !aliases.is_empty() {
        text.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in aliases {
        text.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.iter().flatten().cloned().collect::<Vec<_>>().join("\t")));
    }
    text
}

fn resolv_conf(state: &State, namespace: &str) -> String {
    let policy = state.spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let on_cluster = match policy {
        "ClusterFirstWithHostNet" => true,
        "ClusterFirst" => state.spec.host_network != Some(true),
        _ => false,
    };
    let (mut search, mut servers, mut options) = (Vec::new(), Vec::new(), Vec::new());
    if on_cluster {
        search = vec![format!("{namespace}.svc.cluster.local"), "svc.cluster.local".to_owned(), "cluster.local".to_owned()];
        servers.push(CLUSTER_DNS.to_owned());
        options.push("ndots:5".to_owned());
    } else if policy != "None" {
        servers.push(NODE_DNS.to_owned());
    }
    if let Some(own) = &state.spec.dns_config {
        let add = |list: &mut Vec<String>, more: &Option<Vec<String>>| {
            for word in more.iter().flatten() {
                if !list.contains(word) {
                    list.push(word.clone());
                }
            }
        };
        add(&mut servers, &own.nameservers);
        add(&mut search, &own.searches);
        for option in own.options.iter().flatten() {
            let name = option.name.clone().unwrap_or_default();
            options.retain(|known| known.split(':').next() != Some(&name));
            options.push(option.value.as_ref().map_or(name.clone(), |value| format!("{name}:{value}")));
        }
    }
    let mut text = String::new();
    if !search.is_empty() {
        text.push_str(&format!("search {}\n", search.join(" ")));
    }
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    if !options.is_empty() {
        text.push_str(&format!("options {}\n", options.join(" ")));
    }
    text
}
