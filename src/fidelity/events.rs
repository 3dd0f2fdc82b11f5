//! Events as totals: what was said about which kind of object how often, compared with the range over all seeds.
//! Objects' states are compared in `compare`.

use super::normal::{Names, text};
use super::recording::Fact;
use super::report::Report;
use super::tolerances::Tolerances;
use std::collections::{BTreeMap, BTreeSet};

/// `kind type reason: message`, normalised, to the total count over all objects.
pub type Totals = BTreeMap<String, u32>;

/// Events that a watcher gets within so many seconds of the first action may be older than it.
const BEGUN: f64 = 0.5;

/// The highest count of each Event object, summed over objects that say the same.
#[must_use]
pub fn totals(facts: &[Fact]) -> Totals {
    let names = Names::of(facts);
    let mut counts: BTreeMap<&str, (String, u32)> = BTreeMap::new();
    let mut before: BTreeMap<&str, u32> = BTreeMap::new();
    let is_event = |fact: &&Fact| ["events", "node_events"].contains(&fact.kind.as_str()) && fact.change != "DELETED";
    for fact in facts.iter().filter(is_event) {
        let event = &fact.object;
        let count = ["/count", "/series/count"].iter().find_map(|pointer| event.pointer(pointer)?.as_u64()).unwrap_or(1);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let key = || {
            format!(
                "{} {} {}: {}",
                text(event, "/involvedObject/kind"),
                text(event, "/type"),
                text(event, "/reason"),
                names.normal(text(event, "/message"))
            )
        };
        let uid = text(event, "/metadata/uid");
        let entry = counts.entry(uid).or_insert_with(|| (key(), 0));
        entry.1 = entry.1.max(count);
        // Nodes are older than the recording: what was said of them before it does not count.
        if fact.kind == "node_events" {
            let said = if fact.change == "ADDED" && fact.at > BEGUN { 0 } else { count - u32::from(fact.change != "ADDED") };
            before.entry(uid).or_insert(said);
        }
    }
    for (uid, (_, count)) in &mut counts {
        *count -= before.get(uid).copied().unwrap_or(0).min(*count);
    }
    counts.retain(|_, (_, count)| *count > 0);
    let mut totals = Totals::new();
    for (key, count) in counts.into_values() {
        *totals.entry(key).or_default() += count;
    }
    totals
}

/// Compares the totals with the range over all seeds.
pub fn compare(tolerances: &Tolerances, name: &str, recorded: &Totals, simulated: &[Totals], report: &mut Report) {
    report.events += recorded.len();
    let keys: BTreeSet<_> = recorded.keys().chain(simulated.iter().flat_map(|totals| totals.keys())).collect();
    for key in keys {
        let optional = tolerances.is_optional_event(name, key);
        let count = recorded.get(key).copied().unwrap_or(0);
        let counts = simulated.iter().map(|totals| totals.get(key).copied().unwrap_or(0));
        let (low, high) = counts.fold((u32::MAX, 0), |(low, high), count| (low.min(count), high.max(count)));
        let slack = f64::from(tolerances.events.slack) + tolerances.events.share * f64::from(count);
        let missing = (count > 0 && high == 0 || count == 0 && low > 0) && !optional;
        let outside = f64::from(count) < f64::from(low) - slack || f64::from(count) > f64::from(high) + slack;
        if missing || outside {
            report.diverges("events", None, format!("x{count} recorded, x{low} to x{high} simulated: {key}"));
        }
    }
}
