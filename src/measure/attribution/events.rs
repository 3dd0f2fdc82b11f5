//! What Events tell of who healed. Anybody may tell anything: they name whom nothing else names, and never outweigh what was written.

use crate::measure::judge::Judge;
use crate::observe::index::PodRecord;
use crate::observe::index::event::EventRecord;
use crate::report::{format as plain, layout};
use crate::scenario::duration::format;
use std::time::Duration;

/// Those that tell of Kubernetes' own doing, and of networks, disks and images of pods; whoever ends in `-controller` and is not named
/// here may be anybody's.
const KUBERNETES: [&str; 30] = [
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "default-scheduler",
    "controllermanager",
    "kube-controller-manager",
    "deployment-controller",
    "replicaset-controller",
    "replication-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "cronjob-controller",
    "node-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpoint-slice-controller",
    "endpoints-controller",
    "service-controller",
    "horizontal-pod-autoscaler",
    "persistentvolume-controller",
    "attachdetach-controller",
    "resourcequota-controller",
    "ttl-after-finished-controller",
    "garbage-collector-controller",
    "cluster-autoscaler",
    "kernel-monitor",
    "multus",
];
/// The kinds of the objects by which a workload is healed.
const KINDS: [&str; 9] = ["Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "ConfigMap", "Secret", "Node"];
/// Who deletes a pod says so about then.
const BEFORE: Duration = Duration::from_mins(1);
const AFTER: Duration = Duration::from_secs(10);
/// The longest message that is repeated, in characters.
const LONGEST: usize = 120;
/// The most events that are repeated.
const MOST: usize = 3;

/// Who told of a pod, or of what it belongs to, about when it was deleted.
pub(super) fn named(judge: &Judge, pod: &PodRecord, deleted: Duration) -> Option<(String, String)> {
    let workload = judge.index.workload_of(pod);
    let near = |event: &&EventRecord| event.last_seen + BEFORE >= deleted && event.first_seen <= deleted + AFTER;
    let about = |event: &&EventRecord| {
        let about = &event.regarding;
        about.uid == pod.reference.uid || (about.kind == workload.kind && about.name == workload.name)
    };
    let mut told: Vec<&EventRecord> = foreign(judge).filter(near).filter(about).collect();
    // Of the pod itself before of its workload, the nearest first.
    told.sort_by_key(|event| (event.regarding.uid != pod.reference.uid, event.last_seen.abs_diff(deleted)));
    told.first().map(|event| (event.sort.component.clone(), said(event)))
}

/// What others told of the workload in a time, in words.
pub(super) fn told(judge: &Judge, since: Duration, until: Duration) -> Vec<String> {
    let within = |event: &&EventRecord| event.last_seen >= since && event.first_seen <= until;
    let mut told: Vec<&EventRecord> = foreign(judge).filter(within).collect();
    told.sort_by_key(|event| (event.first_seen, event.sort.component.as_str(), event.message.as_str()));
    told.into_iter().map(said).take(MOST).collect()
}

fn foreign(judge: &Judge) -> impl Iterator<Item = &EventRecord> {
    judge.index.events().filter(|event| {
        let who = event.sort.component.as_str();
        !who.is_empty()
            && !KUBERNETES.contains(&who)
            && !who.starts_with("comeback")
            && KINDS.contains(&event.regarding.kind.as_str())
    })
}

fn said(event: &EventRecord) -> String {
    let message = layout::cut(&plain::plain(&event.message), LONGEST);
    let (who, about) = (plain::plain(&event.sort.component), &event.regarding);
    format!(
        "{who} told of {} {} at {}: {}: {message}",
        about.kind,
        about.name,
        format(event.last_seen),
        plain::plain(&event.sort.reason)
    )
}
