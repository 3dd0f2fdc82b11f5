//! What breaks a hold beside its condition: restarts, OOM kills and self-made exits of the workload's containers, Ready or not;
//! and the longest run that ended, by which a hold is stretched (contract, "A hold").

use crate::observe::Index;
use crate::observe::index::container::{self, ExitSeen};
use crate::observe::index::{ContainerRecord, PodRecord};
use std::collections::BTreeMap;
use std::time::Duration;

/// A hold is never stretched beyond this.
pub const LONGEST_STRETCH: Duration = Duration::from_mins(10);

/// Counts what breaks holds, pod by pod, so that each new one is noticed once.
#[derive(Clone, Debug, Default)]
pub struct Breaks {
    counted: BTreeMap<String, u64>,
    /// The longest run that began after `requested` and ended without its pod being deleted.
    longest_run: Duration,
}

impl Breaks {
    /// Looks at a pod again; what broke since the last look, in words.
    pub fn look(&mut self, index: &Index, uid: &str, requested: Option<Duration>) -> Option<String> {
        let pod = index.pod(uid)?;
        let count = count(pod);
        let before = self.counted.insert(uid.to_owned(), count).unwrap_or(0);
        // What a deletion ends is no crash: not the workload's doing.
        if count <= before || pod.terminating.is_some() {
            return None;
        }
        if let Some(requested) = requested {
            for exit in pod.containers.values().filter(|container| !container.is_init).flat_map(|container| &container.exits) {
                let began_after = exit
                    .started_at
                    .and_then(|start| index.since_epoch(start))
                    .is_none_or(|start| start + Duration::from_secs(1) >= requested);
                if began_after && let Some(run) = container::run_length(exit) {
                    self.longest_run = self.longest_run.max(run);
                }
            }
        }
        Some(describe(pod))
    }

    /// A hold of `hold` as it must be now, and the run that stretches it, if one does.
    #[must_use]
    pub fn stretched(&self, hold: Duration) -> (Duration, Option<Duration>) {
        let wanted = (self.longest_run * 2).min(LONGEST_STRETCH);
        if wanted > hold { (wanted, Some(self.longest_run)) } else { (hold, None) }
    }
}

/// Whether an end is none of the workload's failures: an init container or a batch container that is done.
fn is_meant(pod: &PodRecord, container: &ContainerRecord, exit: &ExitSeen) -> bool {
    exit.exit_code == 0 && exit.reason != "OOMKilled" && (container.is_init || pod.restart_policy() != "Always")
}

fn count(pod: &PodRecord) -> u64 {
    let seen: u64 = pod
        .containers
        .values()
        .map(|container| {
            let exits = container.exits.iter().filter(|exit| !is_meant(pod, container, exit)).count();
            u64::from(container.restart_count) + u64::try_from(exits).unwrap_or(u64::MAX)
        })
        .sum();
    seen + u64::from(pod.missed_flaps)
}

fn describe(pod: &PodRecord) -> String {
    let worst = pod.containers.values().max_by_key(|container| container.exits.last().map_or(Duration::ZERO, |exit| exit.at));
    let Some(container) = worst else { return format!("pod {} restarted", pod.reference.name) };
    match container.last_exit() {
        Some(exit) => format!(
            "pod {}: container {} ended with {} ({}), restart count {}",
            pod.reference.name, container.name, exit.exit_code, exit.reason, container.restart_count
        ),
        None => format!(
            "pod {}: container {} restarted, restart count {}",
            pod.reference.name, container.name, container.restart_count
        ),
    }
}
