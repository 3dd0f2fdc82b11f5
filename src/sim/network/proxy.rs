//! kube-proxy as a law: which endpoint a Service's address leads to, as the tables of the client's node had it by now.
//! The endpoints themselves are the endpoint slice controller's.

use super::namespace::PodNetwork;
use crate::json::At as _;
use crate::sim::api::resource::{ENDPOINT_SLICES, SERVICES};
use crate::sim::api::{ApiServer, Resource, WatchItem};
use crate::sim::store::{ChangeKind, Object};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// From a change in the API to the proxy that has seen it.
const INFORMER: Duration = Duration::from_millis(5);
/// What one sync of the tables takes (measured: 20 to 60 ms on a small cluster).
const SYNC: Duration = Duration::from_millis(30);
/// The least pause between two syncs (`minSyncPeriod`).
const BETWEEN_SYNCS: Duration = Duration::from_secs(1);
/// Changes older than this are in force everywhere.
const SETTLED: Duration = Duration::from_secs(5);
/// The API server's Service, which always exists.
const API_SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

type Key = (String, String);

/// Where a connection leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// To this address: that of an endpoint, or the one that was asked for.
    To(SocketAddrV4),
    /// To a Service without endpoints: rejected at once.
    Refused,
    /// To nobody.
    Lost,
    /// To the API server.
    ApiServer,
}

/// An object as it became with a change; `None` for a deletion.
#[derive(Debug)]
struct Version {
    change: u64,
    at: Instant,
    object: Option<Object>,
}

/// How far a node's tables follow the changes.
#[derive(Debug, Default)]
struct Tables {
    seen: u64,
    through: u64,
    pending: VecDeque<(u64, Instant)>,
    last_run: Option<Instant>,
}

/// Services and endpoints with their recent past.
#[derive(Debug, Default)]
pub(super) struct Proxy {
    services: BTreeMap<Key, VecDeque<Version>>,
    slices: BTreeMap<Key, BTreeMap<String, VecDeque<Version>>>,
    addresses: BTreeMap<Ipv4Addr, Key>,
    node_ports: BTreeMap<u16, Key>,
    changes: VecDeque<(u64, Instant)>,
    last_change: u64,
    nodes: BTreeMap<String, Tables>,
    /// Sticky clients: service, its port, client; the endpoint and when it was last used.
    affinities: BTreeMap<(Key, u16, Ipv4Addr), (SocketAddrV4, Instant)>,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn port_of(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok())
}

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Follows Services and their slices of endpoints for as long as the cluster runs.
pub(super) fn start(network: &super::Network, api: &Arc<ApiServer>) {
    for resource in [SERVICES, ENDPOINT_SLICES] {
        let (network, api) = (network.clone(), Arc::clone(api));
        tokio::spawn(async move {
            loop {
                let mut watch = api.watch(resource, None);
                while let Some(item) = watch.next().await {
                    network.shared.lock().proxy.observe(resource, &item);
                }
            }
        });
    }
}

impl Proxy {
    fn observe(&mut self, resource: Resource, item: &WatchItem) {
        let (object, now) = (&item.object, Instant::now());
        let namespace = text(object, "/metadata/namespace").to_owned();
        let name = text(object, "/metadata/name").to_owned();
        let versions = if resource == SERVICES {
            let key = (namespace, name);
            let balancers = items(object, "/status/loadBalancer/ingress").iter().map(|ingress| &ingress["ip"]);
            let own = items(object, "/spec/clusterIPs").iter().chain(items(object, "/spec/externalIPs")).chain(balancers);
            for address in own.filter_map(Value::as_str).filter_map(|address| address.parse().ok()) {
                self.addresses.insert(address, key.clone());
            }
            for port in items(object, "/spec/ports").iter().filter_map(|port| port_of(&port["nodePort"])) {
                self.node_ports.insert(port, key.clone());
            }
            self.services.entry(key).or_default()
        } else {
            let service = text(object, "/metadata/labels/kubernetes.io~1service-name").to_owned();
            self.slices.entry((namespace, service)).or_default().entry(name).or_default()
        };
        self.last_change += 1;
        let object = (item.kind != ChangeKind::Deleted).then(|| Arc::clone(object));
        while versions.get(1).is_some_and(|next| next.at + SETTLED < now) {
            versions.pop_front();
        }
        versions.push_back(Version { change: self.last_change, at: now, object });
        while self.changes.front().is_some_and(|(_, at)| *at + SETTLED < now) {
            self.changes.pop_front();
        }
        self.changes.push_back((self.last_change, now));
    }

    /// The last change that the tables of a node show now.
    fn through(&mut self, node: &str) -> u64 {
        let now = Instant::now();
        let tables = self.nodes.entry(node.to_owned()).or_default();
        if let Some((first, _)) = self.changes.front() {
            tables.through = tables.through.max(first - 1);
        }
        let seen = tables.seen;
        for (change, at) in self.changes.iter().filter(|(change, _)| *change > seen) {
            let arrives = *at + INFORMER;
            let run = match tables.last_run {
                Some(run) if run >= arrives => run,
                Some(run) => arrives.max(run + SYNC + BETWEEN_SYNCS),
                None => arrives,
            };
            tables.last_run = Some(run);
            tables.pending.push_back((*change, run + SYNC));
            tables.seen = *change;
        }
        while let Some((change, _)) = tables.pending.front().copied().filter(|(_, at)| *at <= now) {
            tables.through = tables.through.max(change);
            tables.pending.pop_front();
        }
        // Nothing of a settled change is kept.
        if self.changes.back().is_none_or(|(_, at)| *at + SETTLED < now) {
            tables.through = tables.through.max(self.last_change);
        }
        tables.through
    }
}

/// The newest version that is not later than a change.
fn at(versions: &VecDeque<Version>, through: u64) -> Option<&Object> {
    versions.iter().rev().find(|version| version.change <= through).and_then(|version| version.object.as_ref())
}

/// One endpoint of a Service's port.
struct Endpoint {
    address: SocketAddrV4,
    node: String,
    ready: bool,
    leaving: bool,
}

impl Proxy {
    /// What the tables of the client's node make of an address.
    pub(super) fn translate(&mut self, client: &PodNetwork, to: SocketAddrV4, is_node: bool, draw: u64) -> Translation {
        let node = &client.identity.node;
        let through = self.through(node);
        let by_port = || self.node_ports.get(&to.port()).filter(|_| is_node);
        let Some(key) = self.addresses.get(to.ip()).or_else(by_port).cloned() else {
            return if *to.ip() == API_SERVER { Translation::ApiServer } else { Translation::To(to) };
        };
        let Some(service) = self.services.get(&key).and_then(|versions| at(versions, through)) else {
            return if is_node { Translation::To(to) } else { Translation::Lost };
        };
        let wanted = if is_node { "nodePort" } else { "port" };
        let port = items(service, "/spec/ports")
            .iter()
            .find(|port| port_of(&port[wanted]) == Some(to.port()) && port["protocol"].as_str().unwrap_or("TCP") == "TCP");
        let Some(port) = port else {
            return if is_node { Translation::To(to) } else { Translation::Lost };
        };
        let local = !is_node && text(service, "/spec/internalTrafficPolicy") == "Local";
        let sticky = text(service, "/spec/sessionAffinity") == "ClientIP";
        let patience = service.at("/spec/sessionAffinityConfig/clientIP/timeoutSeconds").and_then(Value::as_u64);
        let mut all = self.endpoints(&key, port["name"].as_str().unwrap_or_default(), through);
        let elsewhere = !all.is_empty();
        all.retain(|endpoint| !local || endpoint.node == *node);
        // When all that is left is about to go, it is still better than nothing.
        let mut usable: Vec<_> = all.iter().filter(|endpoint| endpoint.ready).map(|endpoint| endpoint.address).collect();
        if usable.is_empty() {
            usable = all.iter().filter(|endpoint| endpoint.leaving).map(|endpoint| endpoint.address).collect();
        }
        if usable.is_empty() {
            return if local && elsewhere { Translation::Lost } else { Translation::Refused };
        }
        let now = Instant::now();
        let entry = (key, to.port(), client.address());
        if sticky
            && let Some((endpoint, used)) = self.affinities.get_mut(&entry)
            && usable.contains(endpoint)
            && *used + Duration::from_secs(patience.unwrap_or(10_800)) > now
        {
            *used = now;
            return Translation::To(*endpoint);
        }
        let chosen = usable[usize::try_from(draw % usable.len() as u64).unwrap_or_default()];
        if sticky {
            self.affinities.insert(entry, (chosen, now));
        }
        Translation::To(chosen)
    }

    fn endpoints(&self, service: &Key, port: &str, through: u64) -> Vec<Endpoint> {
        let mut found = Vec::new();
        for slice in self.slices.get(service).into_iter().flat_map(BTreeMap::values).filter_map(|slice| at(slice, through)) {
            let number = items(slice, "/ports").iter().find(|own| own["name"].as_str().unwrap_or_default() == port);
            let Some(number) = number.and_then(|own| port_of(&own["port"])) else { continue };
            for endpoint in items(slice, "/endpoints") {
                let is = |condition: &str, default: bool| endpoint["conditions"][condition].as_bool().unwrap_or(default);
                let Some(address) = text(endpoint, "/addresses/0").parse().ok() else { continue };
                found.push(Endpoint {
                    address: SocketAddrV4::new(address, number),
                    node: text(endpoint, "/nodeName").to_owned(),
                    ready: is("ready", true),
                    leaving: is("serving", true) && is("terminating", false),
                });
            }
        }
        found
    }
}
