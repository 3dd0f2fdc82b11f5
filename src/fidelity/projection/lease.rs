//! A lease's life: renewing, or silent. The single renewal is no state; that renewals stop and come back is one.

use super::Track;
use crate::fidelity::normal::text;
use crate::fidelity::recording::Fact;
use std::collections::BTreeMap;

/// A lease is renewed every 10 s; later than this a renewal has been missed.
const LATE: f64 = 15.0;
/// When a silence is known to begin: at the renewal that did not come.
const PERIOD: f64 = 10.0;

/// The leases' lives; `until` is the end of what was seen.
pub(super) fn tracks(facts: &[Fact]) -> Vec<Track> {
    let until = facts.iter().map(|fact| fact.at).fold(0.0, f64::max);
    let mut renewals: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.kind == "leases" && fact.change != "DELETED") {
        renewals.entry(text(&fact.object, "/metadata/name")).or_default().push(fact.at);
    }
    renewals.into_iter().map(|(name, times)| track(name, &times, until)).collect()
}

fn track(name: &str, times: &[f64], until: f64) -> Track {
    let born = times.first().copied().unwrap_or_default();
    let mut states = vec![(born, "renewing".to_owned())];
    for pair in times.windows(2).chain([[times.last().copied().unwrap_or_default(), until].as_slice()]) {
        if let [before, after] = pair
            && after - before > LATE
        {
            states.push((before + PERIOD, "silent".to_owned()));
            states.push((*after, "renewing".to_owned()));
        }
    }
    if times.last().is_some_and(|last| until - last > LATE) {
        states.pop();
    }
    Track { kind: "leases".to_owned(), name: name.to_owned(), born, states }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_missed_renewals_are_states() {
        let shown = |times: &[f64], until: f64| {
            track("n", times, until).states.iter().map(|(at, state)| format!("{state}@{at}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&[1.0, 11.0, 21.2], 25.0), "renewing@1");
        assert_eq!(shown(&[1.0, 11.0, 61.0, 71.0], 75.0), "renewing@1 silent@21 renewing@61");
        assert_eq!(shown(&[1.0, 11.0], 60.0), "renewing@1 silent@21");
    }
}
