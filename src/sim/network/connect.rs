//! Making a connection: where an address leads, whether packets get there, and the kernel's patience.
//! What a Service's address stands for is decided in `proxy`, what a policy allows in `policy`.

use super::error::NetError;
use super::namespace::{NetworkNamespace, PodNetwork};
use super::stream::{self, End, Stream};
use crate::sim::limits::{Limit, LimitKind};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// When a SYN without an answer is sent again, in seconds after the first (Linux 6.5 and later: `tcp_syn_linear_timeouts` = 4,
/// `tcp_syn_retries` = 6; measured on the recorded cluster), and when the kernel gives up.
const RETRIES: [u64; 10] = [1, 2, 3, 4, 5, 7, 11, 19, 35, 67];
const GIVE_UP: u64 = 131;
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
    /// Connects to an address, for as long as the kernel tries (131 s when nothing answers); callers set their own limit.
    ///
    /// # Errors
    /// `Refused` when nobody listens there, `TimedOut` without an answer.
    pub async fn connect(&self, to: SocketAddrV4) -> Result<Stream, NetError> {
        let begun = Instant::now();
        let local = self.local_for(*to.ip());
        let entity = format!("{}/{}", self.identity.namespace, self.identity.name);
        let random = self.network.shared.random;
        sleep(random.between(&entity, "handshake", u64::from(local.port()), FASTEST, SLOWEST)).await;
        for retry in RETRIES.iter().copied().chain([GIVE_UP]) {
            if let Answer::Reached(namespace, server) = self.send_syn(local, to) {
                let Some(backlog) = namespace.listener(server.address) else { return Err(NetError::Refused) };
                if backlog.has_room() {
                    let (mine, theirs, connection) = stream::pair(self.end(local), server);
                    let mut state = self.network.shared.lock();
                    state.last_connection += 1;
                    let id = state.last_connection;
                    if id % 256 == 0 {
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

    fn send_syn(&self, local: SocketAddrV4, to: SocketAddrV4) -> Answer {
        let ip = *to.ip();
        if ip.is_loopback() || ip.is_unspecified() || ip == self.namespace.address {
            return Answer::Reached(Arc::clone(&self.namespace), self.end(to));
        }
        let state = self.network.shared.lock();
        let Some(namespace) = state.namespaces.get(&ip).map(Arc::clone) else {
            drop(state);
            self.report_outside(ip);
            return Answer::Lost;
        };
        let server = namespace.end(to);
        if state.cuts.pass(&self.end(local), &server) { Answer::Reached(namespace, server) } else { Answer::Lost }
    }

    /// Says that the world outside the cluster is not simulated, unless the address can never answer.
    fn report_outside(&self, ip: Ipv4Addr) {
        if ip.is_private() || ip.is_documentation() || ip.is_link_local() {
            return;
        }
        self.network.shared.limits.report(Limit {
            kind: LimitKind::Program,
            uid: self.identity.uid.clone(),
            subject: format!("{}/{}", self.identity.namespace, self.identity.name),
            construct: format!("a connection to {ip}, outside the cluster"),
            position: None,
            help: "connect to pods and services of the cluster, or run this scenario on a real cluster".to_owned(),
        });
    }
}
