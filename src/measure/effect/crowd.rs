//! Several faults in one scenario: which failure shows which of them. What one fault takes away must not prove another.

use super::{is_failure, restarted, sick_pod};
use crate::detect::related::group_of;
use crate::measure::judge::FaultState;
use crate::measure::relation::Concern;
use crate::observe::Index;
use crate::observe::index::PodRecord;
use crate::scenario::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What each fault that was requested so far could have done.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    faults: BTreeMap<usize, Reach>,
}

#[derive(Clone, Debug, Default)]
struct Reach {
    /// The workloads that it acts on.
    own: Concern,
    /// The pods that it acts on by uid.
    pods: BTreeSet<String>,
    /// All workloads that may fail because of it, but for failures that only its own pods can show.
    all: Concern,
}

impl Crowd {
    /// The faults of a trial so far; `expected` are the plan's, by position.
    pub(in crate::measure) fn of(faults: &[FaultState], expected: &[Fault], index: &Index) -> Self {
        let reach = |state: &FaultState| {
            let fault = expected.get(state.record.fault);
            let own = Concern::of_fault(fault, &state.record, index);
            let pods =
                state.record.targets.iter().filter(|target| target.kind == "Pod").map(|target| target.uid.clone()).collect();
            let all = own.clone().with_dependents(index);
            // Deleted and killed pods have successors: that these fail is no work of what ended their predecessors.
            let ends_pods = fault.is_some_and(|fault| {
                matches!(fault, Fault::DeletePods(_) | Fault::EvictPods(_) | Fault::KillContainer(_) | Fault::DrainNode(_))
            });
            let all = if ends_pods { all.without(&own) } else { all };
            Reach { own, pods, all }
        };
        Self { faults: faults.iter().map(|state| (state.record.fault, reach(state))).collect() }
    }

    /// A failure since the fault's acceptance, of a pod that the fault concerns and that no other fault explains.
    pub(super) fn sign(&self, fault: usize, accepted: Duration, index: &Index) -> Option<String> {
        let meant = self.faults.get(&fault)?;
        index.pods().filter(|pod| pod.is_live()).find_map(|pod| {
            let group = group_of(index, pod);
            let told_apart = meant.own.covers(&group)
                && self
                    .faults
                    .iter()
                    .filter(|(other, _)| **other != fault)
                    .all(|(_, other)| !other.pods.contains(&pod.reference.uid) && !other.all.covers(&group));
            if told_apart { failed_since(pod, accepted) } else { None }
        })
    }
}

fn failed_since(pod: &PodRecord, accepted: Duration) -> Option<String> {
    if pod.first_seen >= accepted {
        return sick_pod(pod, accepted);
    }
    let name = &pod.reference.name;
    let waits = pod.containers.values().find_map(|container| {
        let wait = container.waits.iter().find(|(at, reason, _)| *at > accepted && is_failure(reason))?;
        Some(format!("pod {name}: container {} waits for {}", container.name, wait.1))
    });
    let lost = (!pod.ready && pod.ready_since > accepted).then(|| format!("pod {name} is no longer ready"));
    restarted(pod, accepted).or(waits).or(lost)
}
