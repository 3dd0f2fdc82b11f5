//! Whether a workload is well by now, so that nothing more is done to it. The verdict of the trial is not made here.

use crate::detect::related::group_of;
use crate::observe::index::container::{State, run_length};
use crate::observe::index::{ContainerRecord, Index, PodRecord};
use std::time::Duration;

/// A container that ended must have run this long since, at least, to count as well again.
const LEAST: Duration = Duration::from_mins(1);

/// Whether all live pods of the group's current revision are Ready and have been running for longer than they lived when they failed:
/// a crash loop is Ready in every short run.
#[must_use]
pub fn is_well(index: &Index, group: &str) -> bool {
    let mut pods = live_pods(index, group).peekable();
    pods.peek().is_some() && pods.all(|pod| pod.ready && pod.containers.values().all(|container| runs_well(index, container)))
}

/// The live pods of a group's current revision.
pub fn live_pods<'a>(index: &'a Index, group: &'a str) -> impl Iterator<Item = &'a PodRecord> {
    index.pods().filter(move |pod| pod.is_live() && group_of(index, pod) == group && index.is_current(pod))
}

fn runs_well(index: &Index, container: &ContainerRecord) -> bool {
    if container.is_init {
        return true;
    }
    let State::Running(started) = &container.state else { return false };
    if container.exits.is_empty() && container.restart_count == 0 {
        return true;
    }
    let seen = index.now().saturating_sub(container.since);
    let stamped =
        started.and_then(|start| Duration::try_from(index.server_now()?.duration_since(start)).ok()).unwrap_or_default();
    let longest = container.exits.iter().filter_map(run_length).max().unwrap_or_default();
    seen.max(stamped) > LEAST.max(longest * 2)
}
