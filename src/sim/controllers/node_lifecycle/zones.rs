//! Zones: how fast nodes may be tainted for eviction where many are lost at once, and when not at all. Pure but for the clock.
//! Which nodes are lost is found by the monitor.

use super::super::object::name;
use crate::json::At as _;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// One node per this long (`--node-eviction-rate` 0.1/s).
const NORMAL: Duration = Duration::from_secs(10);
/// The same in a large zone that is mostly lost (`--secondary-node-eviction-rate` 0.01/s).
const REDUCED: Duration = Duration::from_secs(100);
/// Zones up to this size are not evicted at all when they are mostly lost.
const LARGE: usize = 50;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Initial,
    Normal,
    Partial,
    Full,
}

#[derive(Debug, Default)]
struct Zone {
    state: State,
    /// The time between two taints; none stops them.
    pace: Option<Duration>,
    allowed: Option<Instant>,
    queue: VecDeque<(String, Instant)>,
}

/// What the last look changed for the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    None,
    /// No node is left.
    AllLost,
    /// A node is back.
    Recovered,
}

/// All zones.
#[derive(Debug, Default)]
pub(super) struct Zones {
    zones: BTreeMap<String, Zone>,
}

/// The zone of a node: region and zone labels.
pub(super) fn zone_of(node: &Value) -> String {
    let label = |key: &str| node.at("/metadata/labels").and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let region = label("topology.kubernetes.io/region").unwrap_or_default();
    format!("{region}:{}", label("topology.kubernetes.io/zone").unwrap_or_default())
}

impl Zone {
    fn turn(&mut self, size: usize, state: State) {
        self.state = state;
        self.pace = match state {
            State::Partial if size > LARGE => Some(REDUCED),
            State::Partial => None,
            State::Initial | State::Normal | State::Full => Some(NORMAL),
        };
    }

    fn next(&self) -> Option<Instant> {
        self.pace?;
        let first = self.queue.front()?.1;
        Some(self.allowed.map_or(first, |allowed| allowed.max(first)))
    }
}

impl Zones {
    /// Queues a node to be tainted, once, not before `from`.
    pub(super) fn enqueue(&mut self, node: &Value, from: Instant) {
        let zone = self.zones.entry(zone_of(node)).or_insert_with(|| Zone { pace: Some(NORMAL), ..Zone::default() });
        if !zone.queue.iter().any(|(queued, _)| queued == name(node)) {
            zone.queue.push_back((name(node).to_owned(), from));
        }
    }

    /// Takes a node from its queue.
    pub(super) fn forget(&mut self, node: &Value) {
        if let Some(zone) = self.zones.get_mut(&zone_of(node)) {
            zone.queue.retain(|(queued, _)| queued != name(node));
        }
    }

    /// When the next node may be tainted.
    pub(super) fn next(&self) -> Option<Instant> {
        self.zones.values().filter_map(Zone::next).min()
    }

    /// A node whose turn has come.
    pub(super) fn take(&mut self, now: Instant) -> Option<String> {
        let zone = self.zones.values_mut().find(|zone| zone.next().is_some_and(|next| next <= now))?;
        zone.allowed = zone.pace.map(|pace| now + pace);
        zone.queue.pop_front().map(|(node, _)| node)
    }

    /// Whether no zone has a ready node.
    pub(super) fn all_lost(&self) -> bool {
        !self.zones.is_empty() && self.zones.values().all(|zone| zone.state == State::Full)
    }

    /// Whether the zone of a node was never judged.
    pub(super) fn is_unsettled(&self, node: &Value) -> bool {
        self.zones.get(&zone_of(node)).is_none_or(|zone| zone.state == State::Initial)
    }

    /// Judges the zones by which of their nodes are ready.
    pub(super) fn judge(&mut self, conditions: &BTreeMap<String, Vec<bool>>) -> Turn {
        let state = |ready: &[bool]| {
            let lost = ready.iter().filter(|ready| !**ready).count();
            if lost == ready.len() {
                State::Full
            } else if lost > 2 && lost * 100 >= ready.len() * 55 {
                State::Partial
            } else {
                State::Normal
            }
        };
        self.zones.retain(|zone, _| conditions.contains_key(zone));
        for zone in conditions.keys() {
            self.zones.entry(zone.clone()).or_insert_with(|| Zone { pace: Some(NORMAL), ..Zone::default() });
        }
        let before = self.all_lost();
        let now = !conditions.is_empty() && conditions.values().all(|ready| state(ready) == State::Full);
        if before && now {
            return Turn::None;
        }
        for (zone, ready) in conditions {
            let Some(zone) = self.zones.get_mut(zone) else { continue };
            if now {
                (zone.state, zone.pace) = (State::Full, None);
            } else if before || zone.state != state(ready) {
                zone.turn(ready.len(), state(ready));
            }
        }
        match (before, now) {
            (false, true) => Turn::AllLost,
            (true, false) => Turn::Recovered,
            _ => Turn::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "a"}}})
    }

    #[tokio::test(start_paused = true)]
    async fn one_node_in_ten_seconds_is_tainted_and_none_when_all_are_lost() {
        let mut zones = Zones::default();
        let look = |lost: usize, of: usize| BTreeMap::from([(":a".to_owned(), (0..of).map(|n| n >= lost).collect())]);
        assert_eq!(zones.judge(&look(2, 10)), Turn::None);
        let now = Instant::now();
        for name in ["n1", "n2", "n1"] {
            zones.enqueue(&node(name), now);
        }
        assert_eq!((zones.take(now).as_deref(), zones.take(now)), (Some("n1"), None));
        assert_eq!(zones.next(), Some(now + NORMAL));
        assert_eq!(zones.judge(&look(6, 10)), Turn::None);
        assert_eq!(zones.next(), None, "a small zone that is mostly lost is left alone");
        assert_eq!(zones.judge(&look(60, 100)), Turn::None);
        assert_eq!(zones.judge(&look(10, 10)), Turn::AllLost);
        assert!(zones.all_lost() && zones.next().is_none());
        assert_eq!(zones.judge(&look(9, 10)), Turn::Recovered);
        assert_eq!(zones.judge(&look(1, 10)), Turn::None);
        assert_eq!(zones.take(now + NORMAL).as_deref(), Some("n2"));
    }
}
