//! How container instances ended: by themselves, by memory, by a probe, by a signal from outside, or never having started.
//! What that means for a workload is the rules' business.

use super::case::Case;
use crate::observe::index::container::{State, run_length};
use crate::observe::index::{ContainerRecord, EventRecord, ExitSeen};
use std::time::Duration;

/// A run this short before exit 126 or 127 means that the command itself could not be run.
const FAILED_START: Duration = Duration::from_secs(10);

/// How one instance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process ended itself with a failure.
    SelfMade,
    /// The process ended with 0.
    Clean,
    /// The kernel killed it over its memory limit.
    OutOfMemory,
    /// It could not be started.
    Start,
    /// The kubelet stopped it after a probe failed.
    Probe,
    /// A signal from outside: 137 or 143 with nothing that explains it.
    Signal,
    /// The runtime or the node lost it.
    Lost,
}

/// The ends of one container's instances, oldest first.
pub struct Ends<'a> {
    ends: Vec<(End, &'a ExitSeen, u32)>,
}

impl<'a> Ends<'a> {
    /// Classifies every end. Ends that were never seen themselves (only the restart count tells of them) count with the oldest one.
    pub fn of(case: &Case<'a>, container: &'a ContainerRecord) -> Self {
        let kills: Vec<_> = ["liveness", "startup"].iter().flat_map(|sort| case.probe_kills(&container.name, sort)).collect();
        let grace = case.grace();
        let mut ends: Vec<_> = container.exits.iter().map(|exit| (classify(exit, &kills, grace), exit, 1)).collect();
        let down = !matches!(container.state, State::Running(_)) && !ends.is_empty();
        let total = container.restart_count + u32::from(down);
        let missing = total.saturating_sub(u32::try_from(ends.len()).unwrap_or(u32::MAX));
        if let Some((_, _, weight)) = ends.first_mut() {
            *weight += missing;
        }
        Self { ends }
    }

    /// How many of one sort.
    pub fn count(&self, sort: End) -> u32 {
        self.ends.iter().filter(|(end, _, _)| *end == sort).map(|(_, _, weight)| *weight).sum()
    }

    /// The first of one sort.
    pub fn first(&self, sort: End) -> Option<&'a ExitSeen> {
        self.ends.iter().find(|(end, _, _)| *end == sort).map(|(_, exit, _)| *exit)
    }

    /// The last of one sort.
    pub fn last(&self, sort: End) -> Option<&'a ExitSeen> {
        self.ends.iter().rfind(|(end, _, _)| *end == sort).map(|(_, exit, _)| *exit)
    }

    /// How the newest instance that ended did so.
    pub fn newest(&self) -> Option<(End, &'a ExitSeen)> {
        self.ends.last().map(|(end, exit, _)| (*end, *exit))
    }
}

/// Whether an end is the process' own failure as far as its own record tells, without events.
pub fn looks_self_made(exit: &ExitSeen) -> bool {
    classify(exit, &[], Duration::ZERO) == End::SelfMade
}

fn classify(exit: &ExitSeen, kills: &[&EventRecord], grace: Duration) -> End {
    match (exit.reason.as_str(), exit.exit_code) {
        ("OOMKilled", _) => return End::OutOfMemory,
        ("ContainerStatusUnknown", _) | ("Unknown", 255) => return End::Lost,
        ("StartError" | "ContainerCannotRun", _) => return End::Start,
        _ => {}
    }
    // The kill is announced before the end; both watches may lag by a little, and an end can take the whole grace.
    let slack = Duration::from_secs(5);
    let by_probe = kills.iter().any(|kill| exit.at + slack >= kill.first_seen && exit.at <= kill.last_seen + grace + slack);
    match exit.exit_code {
        0 | 137 | 143 if !kills.is_empty() => End::Probe,
        _ if by_probe => End::Probe,
        0 => End::Clean,
        137 | 143 => End::Signal,
        126 | 127 if run_length(exit).is_none_or(|length| length <= FAILED_START) => End::Start,
        _ => End::SelfMade,
    }
}
