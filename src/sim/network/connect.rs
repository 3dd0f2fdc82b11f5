//! Making a connection: where an address leads, whether packets get there, and the kernel's patience.
//! What a Service's address stands for is decided in `proxy`, what a policy allows in `policy`.

use super::error::NetError;
use super::namespace::{NetworkNamespace, PodNetwork};
use super::proxy::Translation;
use super::stream::{self, End, Stream};
use crate::sim::limits::{Limit, LimitKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// When a SYN without an answer is sent again, in seconds after the first (Linux 6.5 and later: `tcp_syn_linear_timeouts` = 4,
/// `tcp_syn_retries` = 6), and when the kernel gives up (measured on the recorded cluster: 133 to 135 s).
const RETRIES: [u64; 10] = [1, 2, 3, 4, 5, 7, 11, 19, 35, 67];
const GIVE_UP: u64 = 134;
/// The least and most that a handshake takes. tokio's timers count whole milliseconds.
const FASTEST: Duration = Duration::from_micros(200);
const SLOWEST: Duration = Duration::from_micros(900);

/// What happens to the first packet of a connection.
enum Answer {
    /// Somebody's kernel answers for this namespace.
    Reached(Arc<NetworkNamespace>, End),
    /// The packet is lost.
    Lost,
}

impl PodNetwork {
    /// Connects to an address, for as long as the kernel tries (134 s when nothing answers); callers set their own limit.
    ///
    /// # Errors
    /// `Refused` when nobody listens there, `TimedOut` without an answer.
    pub async fn connect(&self, to: SocketAddrV4) -> Result<Stream, NetError> {
        let begun = Instant::now();
        let local = self.local_for(*to.ip());
        let entity = format!("{}/{}", self.identity.namespace, self.identity.name);
        let random = self.network.shared.random;
        sleep(random.between(&entity, "handshake", u64::from(local.port()), FASTEST, SLOWEST)).await;
        let Some(to) = self.translate(to, local)? else {
            sleep_until(begun + Duration::from_secs(GIVE_UP)).await;
            return Err(NetError::TimedOut);
        };
        for (attempt, retry) in (0_u64..).zip(RETRIES.iter().copied().chain([GIVE_UP])) {
            if let Answer::Reached(namespace, server) = self.send_syn(local, to)
                && self.shake_hands(local, &server, attempt).await
            {
                let Some(backlog) = namespace.listener(server.address) else { return Err(NetError::Refused) };
                if backlog.has_room() {
                    let (mine, theirs, connection) = stream::pair(self.end(local), server, random);
                    let mut state = self.network.shared.lock();
                    connection.hinder(state.hindrances_of(&connection));
                    state.last_connection += 1;
                    let id = state.last_connection;
                    if id.is_multiple_of(256) {
                        state.connections.retain(|_, connection| connection.strong_count() > 0);
                    }
                    state.connections.insert(id, Arc::downgrade(&connection));
                    drop(state);
                    backlog.push(theirs);
                    return Ok(mine);
                }
            }
            sleep_until(begun + Duration::from_secs(retry)).await;
        }
        Err(NetError::TimedOut)
    }

    /// What the first packet's address is turned into; `None` when it is lost.
    fn translate(&self, to: SocketAddrV4, local: SocketAddrV4) -> Result<Option<SocketAddrV4>, NetError> {
        if to.ip().is_loopback() || to.ip().is_unspecified() {
            return Ok(Some(to));
        }
        let shared = &self.network.shared;
        let entity = format!("{}/{}", self.identity.namespace, self.identity.name);
        let draw = shared.random.bits(&entity, "endpoint", u64::from(local.port()));
        let mut state = shared.lock();
        let is_node = state.namespaces.get(to.ip()).is_some_and(|namespace| namespace.uid.is_none());
        let translation = state.proxy.translate(self, to, is_node, draw);
        drop(state);
        match translation {
            Translation::To(endpoint) => Ok(Some(endpoint)),
            Translation::Refused => Err(NetError::Refused),
            Translation::Lost => Ok(None),
            Translation::ApiServer => {
                self.report("a connection to the API server from a container", "use what does not talk to the API server");
                Ok(None)
            }
        }
    }

    /// The way of the first two packets, where it is hindered: false when one of them is lost.
    async fn shake_hands(&self, local: SocketAddrV4, server: &End, attempt: u64) -> bool {
        let client = self.end(local);
        if client.address.ip() == server.address.ip() {
            return true;
        }
        let (there, back) = {
            let state = self.network.shared.lock();
            (state.hindrances.between(&client, server), state.hindrances.between(server, &client))
        };
        if there.is_none() && back.is_none() {
            return true;
        }
        let random = self.network.shared.random;
        let ways = [(there, format!("{local} calls {}", server.address)), (back, format!("{} answers {local}", server.address))];
        if ways.iter().any(|(way, entity)| way.loses(random, entity, attempt)) {
            return false;
        }
        sleep(ways.iter().map(|(way, entity)| way.delay(random, entity, attempt)).sum()).await;
        true
    }

    fn send_syn(&self, local: SocketAddrV4, to: SocketAddrV4) -> Answer {
        self.reach(local, to, "TCP")
    }

    /// Whose kernel gets a packet.
    fn reach(&self, local: SocketAddrV4, to: SocketAddrV4, protocol: &str) -> Answer {
        let ip = *to.ip();
        if ip.is_loopback() || ip.is_unspecified() || ip == self.namespace.address {
            return Answer::Reached(Arc::clone(&self.namespace), self.end(to));
        }
        let (found, passes, pod) = {
            let state = self.network.shared.lock();
            let found = state.namespaces.get(&ip).map(Arc::clone);
            let passes = found.as_ref().is_some_and(|found| state.cuts.pass(&self.end(local), &found.end(to)));
            let uid = found.as_ref().and_then(|found| found.uid.clone());
            (found, passes, uid.and_then(|uid| state.pods.get(&uid).map(|(identity, _)| Arc::clone(identity))))
        };
        let Some(namespace) = found else {
            self.report_outside(ip);
            return Answer::Lost;
        };
        let pod = pod.as_ref().map(|pod| (pod.namespace.as_str(), pod.name.as_str()));
        if !passes || !self.is_allowed(&namespace, pod, protocol, to.port()) {
            return Answer::Lost;
        }
        let server = namespace.end(to);
        Answer::Reached(namespace, server)
    }

    /// Whether an address answers echo requests: pods and nodes do, Services do not.
    #[must_use]
    pub fn is_echoed(&self, address: Ipv4Addr) -> bool {
        let to = SocketAddrV4::new(address, 0);
        match self.reach(to, to, "ICMP") {
            Answer::Reached(_, server) => {
                let hindered = {
                    let (state, own) = (self.network.shared.lock(), self.end(to));
                    !(state.hindrances.between(&own, &server).is_none() && state.hindrances.between(&server, &own).is_none())
                };
                if hindered {
                    self.report("an echo request where packets are slow or lost", "use connections");
                }
                true
            }
            Answer::Lost => false,
        }
    }

    /// Says that the world outside the cluster is not simulated, unless the address can never answer.
    fn report_outside(&self, ip: Ipv4Addr) {
        if ip.is_private() || ip.is_documentation() || ip.is_link_local() {
            return;
        }
        let what = format!("a connection to {ip}, outside the cluster");
        self.report(&what, "connect to pods and services of the cluster");
    }

    fn report(&self, construct: &str, help: &str) {
        self.network.shared.limits.report(Limit {
            kind: LimitKind::Program,
            uid: self.identity.uid.clone(),
            subject: format!("{}/{}", self.identity.namespace, self.identity.name),
            construct: construct.to_owned(),
            position: None,
            help: format!("{help}, or run this scenario on a real cluster"),
        });
    }
}
