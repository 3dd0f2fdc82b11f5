//! What is compared: every object as a sequence of projected states. Which fields make a state of a kind is in its own file.
//! Events are totals, and live in `events`.

mod lease;
mod object;
mod pod;

use super::normal::{Names, text};
use super::recording::Fact;
use serde_json::Value;
use std::collections::BTreeMap;

/// One object's life.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// The plural of its resource.
    pub kind: String,
    /// Its name, generated parts replaced.
    pub name: String,
    /// When it was first seen, in seconds.
    pub born: f64,
    /// Distinct states in order, with the time at which each was first seen.
    pub states: Vec<(f64, String)>,
}

/// What stands between the parts of a state.
pub const SEPARATOR: &str = " · ";

/// How the state of a kind is written.
fn state_of(kind: &str) -> Option<fn(&Value) -> String> {
    match kind {
        "pods" => Some(pod::state),
        "services" => Some(object::service),
        "endpointslices" => Some(object::endpoint_slice),
        "nodes" => Some(object::node),
        "events" | "node_events" | "leases" => None,
        _ => Some(object::state),
    }
}

/// Every compared object's life, in order of kind and birth.
#[must_use]
pub fn tracks(facts: &[Fact]) -> Vec<Track> {
    let names = Names::of(facts);
    let mut tracks: BTreeMap<(&str, &str), Track> = BTreeMap::new();
    for fact in facts {
        let Some(state_of) = state_of(&fact.kind) else { continue };
        let track = tracks.entry((&fact.kind, text(&fact.object, "/metadata/uid"))).or_insert_with(|| Track {
            kind: fact.kind.clone(),
            name: names.normal(text(&fact.object, "/metadata/name")),
            born: fact.at,
            states: Vec::new(),
        });
        let state = if fact.change == "DELETED" { "DELETED".to_owned() } else { names.normal(&state_of(&fact.object)) };
        if track.states.last().is_none_or(|(_, last)| *last != state) {
            track.states.push((fact.at, state));
        }
    }
    let mut tracks: Vec<_> = tracks.into_values().chain(lease::tracks(facts)).collect();
    // A recording need not have begun with the present nodes and leases: one that never changed may be missing.
    tracks.retain(|track| !["nodes", "leases"].contains(&track.kind.as_str()) || track.states.len() > 1);
    tracks.iter_mut().filter(|track| track.kind == "nodes" || track.kind == "leases").for_each(begin);
    tracks.sort_by(|a, b| a.kind.cmp(&b.kind).then(a.born.total_cmp(&b.born)));
    tracks
}

/// Nodes and leases are older than the recording: when they were first seen in it says nothing.
fn begin(track: &mut Track) {
    track.born = 0.0;
    if let Some((at, _)) = track.states.first_mut() {
        *at = 0.0;
    }
}

/// `Type=Status(Reason: message)`, each.
fn conditions(object: &Value) -> Vec<String> {
    let all = object.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter().flatten().map(condition).collect()
}

fn condition(condition: &Value) -> String {
    let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
    let (reason, message) = (text(condition, "/reason"), text(condition, "/message"));
    if reason.is_empty() { format!("{kind}={status}") } else { format!("{kind}={status}({reason}: {message})") }
}
