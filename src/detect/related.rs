//! What belongs to a pod: its workload, the configuration it reads, what of that changed or is missing, the revision before.
//! Used by the rules and by the healer; pure.

mod configuration;
mod revision;
mod services;

pub use configuration::{ConfigRead, ConfigSuspect, Missing, config_reads, config_suspects, content_keys, missing_in};
pub use revision::{Rollout, last_good_replica_set, rollout_before, same_template};
pub use services::{answers_since, ready_endpoints, selector_of, selects};

use crate::observe::Index;
use crate::observe::index::PodRecord;

/// The group of a pod's findings: its workload as `deployment/pool`, or `pod/NAME` for a pod of its own.
#[must_use]
pub fn group_of(index: &Index, pod: &PodRecord) -> String {
    let workload = index.workload_of(pod);
    format!("{}/{}", workload.kind.to_lowercase(), workload.name)
}

/// The pods of the same revision of the same workload, gone ones too.
pub fn siblings<'a>(index: &'a Index, pod: &'a PodRecord) -> impl Iterator<Item = &'a PodRecord> {
    index.all_pods().filter(move |other| match &pod.owner {
        Some(owner) => other.owner.as_ref() == Some(owner),
        None => other.reference.uid == pod.reference.uid,
    })
}
