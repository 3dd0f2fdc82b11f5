//! Slow and lossy ways: who reaches whom late or only sometimes, as `netem` does to what leaves a network card.
//! What never arrives at all is a cut. How connections and names bear it is `stream`'s, `connect`'s and `resolver`'s.

use super::cut::Party;
use super::stream::{Connection, End};
use super::{Network, State};
use crate::sim::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The payload of one packet of a connection (bytes): Ethernet's 1500 without its headers.
const PACKET: usize = 1_448;
/// The first retransmission of what nobody has acknowledged, each later one after the double (`TCP_RTO_MIN`).
const FIRST_RETRANSMISSION: Duration = Duration::from_millis(200);
/// So often a packet is sent again before the connection ends (`tcp_retries2`).
const RETRANSMISSIONS: u32 = 15;
/// After so many later packets a lost one is missed, and sent again at once.
const MISSED_AFTER: usize = 3;

/// What happens to packets on one way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hindrance {
    /// They take so much longer.
    pub latency: Duration,
    /// That may be so much more or less, each evenly likely.
    pub jitter: Duration,
    /// The share of them that is lost (0 to 1).
    pub loss: f64,
}

/// Names a hindrance, to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HindranceId(u64);

/// The hindrances in force, each from one party to another.
#[derive(Debug, Default)]
pub(super) struct Hindrances {
    in_force: BTreeMap<HindranceId, (Party, Party, Hindrance)>,
    last: u64,
}

impl Hindrance {
    /// Whether packets pass as ever.
    pub(super) fn is_none(&self) -> bool {
        self.latency.is_zero() && self.jitter.is_zero() && self.loss <= 0.0
    }

    /// One after the other.
    fn and(self, other: Self) -> Self {
        Self {
            latency: self.latency + other.latency,
            jitter: self.jitter + other.jitter,
            loss: 1.0 - (1.0 - self.loss) * (1.0 - other.loss),
        }
    }

    /// How late one packet is.
    pub(super) fn delay(&self, random: Random, entity: &str, n: u64) -> Duration {
        if self.jitter.is_zero() {
            return self.latency;
        }
        random.between(entity, "jitter", n, self.latency.saturating_sub(self.jitter), self.latency + self.jitter)
    }

    /// Whether one packet is lost.
    pub(super) fn loses(&self, random: Random, entity: &str, n: u64) -> bool {
        self.loss > 0.0 && random.unit(entity, "packet-loss", n) < self.loss
    }

    /// How late so many bytes of a connection have all arrived: those that are lost are sent again when that is noticed.
    pub(super) fn delay_of(&self, random: Random, entity: &str, n: u64, bytes: usize) -> Duration {
        let delay = self.delay(random, entity, n);
        if self.loss <= 0.0 {
            return delay;
        }
        let packets = bytes.div_ceil(PACKET).max(1);
        let of_packet = |packet: usize| {
            let draw = |again: u32| {
                let place = u64::try_from(packet).unwrap_or_default() * 16 + u64::from(again);
                self.loses(random, entity, n.wrapping_mul(4_096).wrapping_add(place))
            };
            let lost = (0..RETRANSMISSIONS).take_while(|again| draw(*again)).count();
            let lost = u32::try_from(lost).unwrap_or(RETRANSMISSIONS);
            // Those that others follow are missed by the receiver, which says so.
            let waits = if packet + MISSED_AFTER < packets { lost.saturating_sub(1) } else { lost };
            (0..waits).map(|again| FIRST_RETRANSMISSION * 2_u32.saturating_pow(again)).sum::<Duration>()
        };
        delay + (0..packets).map(of_packet).max().unwrap_or_default()
    }
}

impl Hindrances {
    /// What happens to packets from one end to another.
    pub(super) fn between(&self, from: &End, to: &End) -> Hindrance {
        // What a pod says to itself never leaves it.
        if (&from.node, &from.uid) == (&to.node, &to.uid) {
            return Hindrance::default();
        }
        let met = self.in_force.values().filter(|(one, other, _)| one.is(from) && other.is(to));
        met.fold(Hindrance::default(), |all, (.., one)| all.and(*one))
    }

    /// What happens to everything that leaves an end, wherever it goes.
    pub(super) fn of_all(&self, from: &End) -> Hindrance {
        let met = self.in_force.values().filter(|(one, other, _)| one.is(from) && *other == Party::Everyone);
        met.fold(Hindrance::default(), |all, (.., one)| all.and(*one))
    }
}

impl State {
    /// Both ways of a connection: of what its first end sends, and of what its second does.
    pub(super) fn hindrances_of(&self, connection: &Connection) -> [Hindrance; 2] {
        let (one, other) = (connection.end(0), connection.end(1));
        [self.hindrances.between(one, other), self.hindrances.between(other, one)]
    }
}

impl Network {
    /// Hinders every packet from one party to another until it is ended; connections that exist, too.
    #[must_use]
    pub fn hinder(&self, from: Party, to: Party, hindrance: Hindrance) -> HindranceId {
        let id = {
            let mut state = self.shared.lock();
            state.hindrances.last += 1;
            let id = HindranceId(state.hindrances.last);
            state.hindrances.in_force.insert(id, (from, to, hindrance));
            id
        };
        self.review_hindrances();
        id
    }

    /// Ends a hindrance. What is on its way arrives when it would have.
    pub fn unhinder(&self, id: HindranceId) {
        self.shared.lock().hindrances.in_force.remove(&id);
        self.review_hindrances();
    }

    fn review_hindrances(&self) {
        let connections: Vec<Arc<Connection>> = self.shared.lock().living();
        for connection in connections {
            let hindrances = self.shared.lock().hindrances_of(&connection);
            connection.hinder(hindrances);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOSSY: Hindrance = Hindrance { latency: Duration::ZERO, jitter: Duration::ZERO, loss: 0.25 };

    #[test]
    fn the_share_that_is_lost_is_the_one_that_is_asked_for() {
        let lost = (0..4_000).filter(|n| LOSSY.loses(Random::new(3), "a", *n)).count();
        assert!((900..1_100).contains(&lost), "{lost}");
        let late = (0..4_000).filter(|n| !LOSSY.delay_of(Random::new(3), "a", *n, 100).is_zero()).count();
        assert!((900..1_100).contains(&late), "{late}");
    }

    #[test]
    fn what_is_lost_is_sent_again_after_200_400_800_ms() {
        let delays: std::collections::BTreeSet<u128> =
            (0..2_000).map(|n| LOSSY.delay_of(Random::new(3), "a", n, 100).as_millis()).collect();
        assert!([0, 200, 600, 1_400].iter().all(|delay| delays.contains(delay)), "{delays:?}");
    }

    #[test]
    fn hindrances_follow_one_another() {
        let slow = Hindrance { latency: Duration::from_millis(100), jitter: Duration::from_millis(20), loss: 0.5 };
        let both = slow.and(LOSSY);
        assert_eq!((both.latency, both.loss), (Duration::from_millis(100), 0.625));
        for n in 0..100 {
            let delay = slow.delay(Random::new(1), "a", n).as_millis();
            assert!((80..=120).contains(&delay), "{delay}");
        }
    }
}
