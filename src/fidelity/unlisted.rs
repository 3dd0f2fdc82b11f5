//! Nodes that a recording tells of only from their first change on, because its watcher began without a list.
//! What the simulation shows of them before that is left out of the comparison; other kinds are born while watched.

use super::projection::Track;
use super::recording::Fact;
use std::collections::BTreeSet;

/// Lets the simulated tracks begin with the state that is the first in the recording, where the recording has no earlier one.
/// A track without such a state stays whole, and so diverges.
pub(super) fn begin_alike(recorded: &[Fact], real: &[Track], simulated: &mut [Track]) {
    let listed: BTreeSet<&str> =
        recorded.iter().filter(|fact| fact.kind == "nodes" && fact.change == "ADDED").filter_map(name).collect();
    for track in simulated.iter_mut().filter(|track| track.kind == "nodes" && !listed.contains(track.name.as_str())) {
        let own = real.iter().find(|real| real.kind == track.kind && real.name == track.name);
        let Some((_, first)) = own.and_then(|own| own.states.first()) else { continue };
        if let Some(place) = track.states.iter().position(|(_, state)| state == first) {
            track.states.drain(..place);
            track.states[0].0 = 0.0;
        }
    }
}

fn name(fact: &Fact) -> Option<&str> {
    fact.object.pointer("/metadata/name")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn track(states: &[(f64, &str)]) -> Track {
        let states = states.iter().map(|(at, state)| (*at, (*state).to_owned())).collect();
        Track { kind: "nodes".to_owned(), name: "worker".to_owned(), born: 0.0, states }
    }

    fn begun(change: &str, recorded: &[(f64, &str)]) -> Vec<(f64, String)> {
        let object = Arc::new(json!({"metadata": {"name": "worker"}}));
        let fact = Fact { at: 70.0, kind: "nodes".to_owned(), change: change.to_owned(), object };
        let mut simulated = [track(&[(0.0, "ready"), (75.0, "unknown"), (90.0, "ready")])];
        begin_alike(&[fact], &[track(recorded)], &mut simulated);
        simulated[0].states.clone()
    }

    #[test]
    fn only_what_a_recording_cannot_know_is_left_out() {
        let unknown = [(0.0, "unknown"), (85.0, "ready")];
        assert_eq!(begun("MODIFIED", &unknown), track(&[(0.0, "unknown"), (90.0, "ready")]).states);
        let whole = track(&[(0.0, "ready"), (75.0, "unknown"), (90.0, "ready")]).states;
        assert_eq!(begun("ADDED", &unknown), whole);
        assert_eq!(begun("MODIFIED", &[(0.0, "cordoned")]), whole);
    }
}
