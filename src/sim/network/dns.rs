//! The cluster's DNS: what `CoreDNS` answers about services and pods, and how that can be broken.
//! How a program asks, with search lists and patience, is `resolver`.

use super::Network;
use super::cut::Party;
use super::namespace::PodNetwork;
use crate::json::At as _;
use crate::sim::api::ApiServer;
use crate::sim::api::resource::{ENDPOINT_SLICES, NAMESPACES, SERVICES};
use crate::sim::limits::{Limit, LimitKind};
use crate::sim::openshift::router;
use crate::sim::store::Object;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// The address of the DNS service.
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The resolver of the nodes: that of kind's docker network.
const NODE_DNS: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);
const ZONE: &str = "cluster.local";
/// The Services that exist even where no object stands for them.
const BUILT_IN: [(&str, &str, Ipv4Addr); 2] =
    [("default", "kubernetes", Ipv4Addr::new(10, 96, 0, 1)), ("kube-system", "kube-dns", CLUSTER_DNS)];
/// How many CNAMEs are followed.
const MOST_ALIASES: usize = 8;

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An address, with the name that has it.
    A(String, Ipv4Addr),
    /// An alias: the name asked for, and the name that it stands for.
    Alias(String, String),
    /// A port of a service: the name asked for, the port, the host.
    Service(String, u16, String),
    /// The name of an address: the reverse name, the name.
    Pointer(String, String),
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses; there are none.
    Aaaa,
    /// Ports.
    Srv,
    /// The name of an address.
    Ptr,
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The records; none when the name has no record of that sort.
    Found(Vec<Record>),
    /// There is no such name.
    NoSuchName,
    /// The server cannot tell.
    Failed,
    /// No answer comes.
    Silence,
    /// Nobody serves DNS there, and that is said at once.
    Refused,
}

/// How the cluster's DNS is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsFault {
    /// Queries are lost.
    Silent,
    /// Every answer is SERVFAIL.
    ServerFailure,
    /// Every name is unknown.
    NoSuchName,
    /// Every answer takes this much longer.
    Slow(Duration),
}

/// Names a fault of DNS, to undo it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsFaultId(u64);

/// The faults in force: for whom, for names that end so, and what.
#[derive(Debug, Default)]
pub(super) struct Faults {
    in_force: BTreeMap<DnsFaultId, (Party, String, DnsFault)>,
    last: u64,
}

impl Network {
    /// Breaks DNS for one party and all names that end with `suffix` (empty: all), until it is mended.
    #[must_use]
    pub fn break_dns(&self, party: Party, suffix: &str, fault: DnsFault) -> DnsFaultId {
        let mut state = self.shared.lock();
        state.dns.last += 1;
        let id = DnsFaultId(state.dns.last);
        state.dns.in_force.insert(id, (party, suffix.trim_end_matches('.').to_lowercase(), fault));
        id
    }

    /// Undoes one breaking of DNS.
    pub fn mend_dns(&self, id: DnsFaultId) {
        self.shared.lock().dns.in_force.remove(&id);
    }
}

impl PodNetwork {
    /// Asks a DNS server for an absolute name; the answer comes at once or after the delay of a fault.
    pub async fn query(&self, server: Ipv4Addr, name: &str, question: Question) -> Answer {
        let name = name.trim_end_matches('.').to_lowercase();
        if server.is_loopback() || server == self.address() {
            return Answer::Refused;
        }
        let Some(api) = self.network.shared.api.upgrade() else { return Answer::Silence };
        if server == CLUSTER_DNS {
            if !self.reaches_dns() || !self.may_ask_dns(&api) {
                return Answer::Silence;
            }
            match self.fault(&name) {
                Some(DnsFault::Silent) => return Answer::Silence,
                Some(DnsFault::ServerFailure) => return Answer::Failed,
                Some(DnsFault::NoSuchName) => return Answer::NoSuchName,
                Some(DnsFault::Slow(time)) => tokio::time::sleep(time).await,
                None => {}
            }
            return self.answer(&api, &name, question);
        }
        if server == NODE_DNS { self.forward(&api, &name, question) } else { Answer::Silence }
    }

    /// Whether packets reach the node with the DNS pods: the first one.
    fn reaches_dns(&self) -> bool {
        let here = self.namespace.end(SocketAddrV4::new(self.address(), 0));
        let state = self.network.shared.lock();
        let first = state.namespaces.values().find(|namespace| namespace.uid.is_none());
        first.is_none_or(|first| state.cuts.pass(&here, &first.end(SocketAddrV4::new(CLUSTER_DNS, 53))))
    }

    fn fault(&self, name: &str) -> Option<DnsFault> {
        let end = self.namespace.end(SocketAddrV4::new(self.address(), 0));
        let state = self.network.shared.lock();
        let found = state.dns.in_force.values().find(|(party, suffix, _)| party.is(&end) && name.ends_with(suffix.as_str()));
        found.map(|(_, _, fault)| fault.clone())
    }

    fn answer(&self, api: &ApiServer, name: &str, question: Question) -> Answer {
        let mut records = Vec::new();
        let mut name = name.to_owned();
        for _ in 0..MOST_ALIASES {
            let answer = if let Some(reverse) = name.strip_suffix(".in-addr.arpa") {
                pointers(api, &name, reverse)
            } else if let Some(inside) = name.strip_suffix(ZONE).and_then(|rest| rest.strip_suffix('.')) {
                zone(api, &name, inside, question)
            } else if name == ZONE {
                Answer::Found(Vec::new())
            } else {
                self.forward(api, &name, question)
            };
            match answer {
                Answer::Found(found) => {
                    let target = if let [Record::Alias(_, target)] = found.as_slice() { Some(target.clone()) } else { None };
                    records.extend(found);
                    match target {
                        Some(target) => name = target,
                        None => return Answer::Found(records),
                    }
                }
                other if records.is_empty() => return other,
                _ => return Answer::Found(records),
            }
        }
        Answer::Failed
    }

    /// A name outside the cluster's zone: but for the hosts of Routes the world is not simulated. What cannot exist there is denied;
    /// the rest is a limit.
    fn forward(&self, api: &ApiServer, name: &str, question: Question) -> Answer {
        const WORLD: [&str; 9] = ["com", "org", "net", "io", "edu", "gov", "mil", "info", "biz"];
        if router::serves(api, name) {
            let record = Record::A(name.to_owned(), router::ADDRESS);
            return Answer::Found(if question == Question::A { vec![record] } else { Vec::new() });
        }
        let top = name.rsplit('.').next().unwrap_or_default();
        let known = WORLD.contains(&top) || top.len() == 2;
        if name.contains('.') && known && api.get(NAMESPACES, "", top).is_err() {
            self.network.shared.limits.report(Limit {
                kind: LimitKind::Program,
                uid: self.identity.uid.clone(),
                subject: format!("{}/{}", self.identity.namespace, self.identity.name),
                construct: format!("the name {name}, outside the cluster"),
                position: None,
                help: "use names of services of the cluster, or run this scenario on a real cluster".to_owned(),
            });
        }
        Answer::NoSuchName
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.at(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Ready endpoints of a Service: name, address, ports.
pub(in crate::sim) fn endpoints(api: &ApiServer, namespace: &str, service: &str) -> Vec<(String, Ipv4Addr, Object)> {
    let mut found = Vec::new();
    for slice in api.list(ENDPOINT_SLICES, Some(namespace)) {
        if text(&slice, "/metadata/labels/kubernetes.io~1service-name") != service {
            continue;
        }
        for endpoint in items(&slice, "/endpoints").iter().filter(|endpoint| endpoint["conditions"]["ready"] != false) {
            for address in items(endpoint, "/addresses").iter().filter_map(Value::as_str) {
                let hostname = endpoint["hostname"].as_str().map_or_else(|| address.replace('.', "-"), ToOwned::to_owned);
                if let Ok(address) = address.parse() {
                    found.push((hostname, address, std::sync::Arc::clone(&slice)));
                }
            }
        }
    }
    found
}

/// What the zone says about a name without `.cluster.local`.
fn zone(api: &ApiServer, full: &str, inside: &str, question: Question) -> Answer {
    let labels: Vec<&str> = inside.split('.').rev().collect();
    let known_namespace = |namespace: &str| api.get(NAMESPACES, "", namespace).is_ok();
    match labels.as_slice() {
        ["svc" | "pod"] => Answer::Found(Vec::new()),
        ["svc" | "pod", namespace] if known_namespace(namespace) => Answer::Found(Vec::new()),
        ["pod", namespace, dashed] if known_namespace(namespace) => match dashed.replace('-', ".").parse() {
            Ok(address) if question == Question::A => Answer::Found(vec![Record::A(full.to_owned(), address)]),
            Ok(_) => Answer::Found(Vec::new()),
            Err(_) => Answer::NoSuchName,
        },
        ["svc", namespace, service, rest @ ..] => {
            let Ok(object) = api.get(SERVICES, namespace, service) else {
                let built_in = BUILT_IN.iter().find(|(space, name, _)| space == namespace && name == service);
                return match built_in {
                    Some((_, _, address)) if rest.is_empty() && question == Question::A => {
                        Answer::Found(vec![Record::A(full.to_owned(), *address)])
                    }
                    Some(_) if rest.is_empty() => Answer::Found(Vec::new()),
                    _ => Answer::NoSuchName,
                };
            };
            of_service(api, full, &object, rest, question)
        }
        _ => Answer::NoSuchName,
    }
}

/// What the zone says about a Service (or, with `rest`, about something below its name).
fn of_service(api: &ApiServer, full: &str, service: &Object, rest: &[&str], question: Question) -> Answer {
    let (namespace, name) = (text(service, "/metadata/namespace"), text(service, "/metadata/name"));
    if text(service, "/spec/type") == "ExternalName" {
        if !rest.is_empty() {
            return Answer::NoSuchName;
        }
        let target = text(service, "/spec/externalName").trim_end_matches('.').to_lowercase();
        return Answer::Found(vec![Record::Alias(full.to_owned(), target)]);
    }
    let headless = text(service, "/spec/clusterIP") == "None";
    let own = format!("{name}.{namespace}.svc.{ZONE}");
    let address = text(service, "/spec/clusterIP").parse::<Ipv4Addr>();
    let address_record = |name: &str, address| Record::A(name.to_owned(), address);
    let only_addresses = |records: Vec<Record>| if question == Question::A { records } else { Vec::new() };
    match rest {
        [] if !headless => {
            Answer::Found(only_addresses(address.into_iter().map(|address| address_record(full, address)).collect()))
        }
        [] => {
            let all = endpoints(api, namespace, name);
            if all.is_empty() {
                return Answer::NoSuchName;
            }
            Answer::Found(only_addresses(all.into_iter().map(|(_, address, _)| address_record(full, address)).collect()))
        }
        [protocol, port] if protocol.starts_with('_') && port.starts_with('_') => {
            let (protocol, port) = (&protocol[1..], &port[1..]);
            let matches = |own: &Value| {
                own["name"].as_str().unwrap_or_default() == port
                    && own["protocol"].as_str().unwrap_or("TCP").eq_ignore_ascii_case(protocol)
            };
            let number = |own: &Value| own["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
            let found: Vec<Record> = if headless {
                let of = |(host, _, slice): (String, Ipv4Addr, Object)| {
                    let own_port = items(&slice, "/ports").iter().find(|own| matches(own)).map(number)?;
                    Some(Record::Service(full.to_owned(), own_port, format!("{host}.{own}")))
                };
                endpoints(api, namespace, name).into_iter().filter_map(of).collect()
            } else {
                let ports = items(service, "/spec/ports").iter().filter(|own| matches(own));
                ports.map(|port| Record::Service(full.to_owned(), number(port), own.clone())).collect()
            };
            if found.is_empty() {
                return Answer::NoSuchName;
            }
            Answer::Found(if question == Question::Srv { found } else { Vec::new() })
        }
        [host] => {
            let all = endpoints(api, namespace, name);
            let found: Vec<_> = all.into_iter().filter(|(known, ..)| known == host).collect();
            if found.is_empty() {
                return Answer::NoSuchName;
            }
            Answer::Found(only_addresses(found.into_iter().map(|(_, address, _)| address_record(full, address)).collect()))
        }
        _ => Answer::NoSuchName,
    }
}

/// The names of an address: Services' own, or endpoints' below their Services' names.
fn pointers(api: &ApiServer, full: &str, reverse: &str) -> Answer {
    let address = reverse.split('.').rev().collect::<Vec<_>>().join(".");
    let mut names: Vec<String> = Vec::new();
    for service in api.list(SERVICES, None) {
        let (namespace, name) = (text(&service, "/metadata/namespace"), text(&service, "/metadata/name"));
        if text(&service, "/spec/clusterIP") == address {
            names.push(format!("{name}.{namespace}.svc.{ZONE}"));
        }
        let own = endpoints(api, namespace, name).into_iter().filter(|(_, known, _)| known.to_string() == address);
        names.extend(own.map(|(host, ..)| format!("{host}.{name}.{namespace}.svc.{ZONE}")));
    }
    let built_in = BUILT_IN.iter().filter(|(_, _, known)| known.to_string() == address);
    names.extend(built_in.map(|(namespace, name, _)| format!("{name}.{namespace}.svc.{ZONE}")));
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Answer::NoSuchName;
    }
    Answer::Found(names.into_iter().map(|name| Record::Pointer(full.to_owned(), name)).collect())
}
