//! `evicted`: the kubelet ended a pod, because its node ran short or because the pod took more of the disk than it may.
//! Evictions through the API (a drain) and preemptions are somebody's will, not a failure.

use crate::detect::case::{About, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::objects::Objects;
use crate::detect::related;
use crate::observe::index::text;

/// Each pod that failed as `Evicted` and still lies there.
pub fn signs(objects: &Objects<'_>, signs: &mut Vec<Sign>) {
    for pod in objects.index.pods() {
        if pod.phase != "Failed" || text(pod.object(), "/status/reason") != "Evicted" {
            continue;
        }
        let message = text(pod.object(), "/status/message").trim();
        let own = message.contains("exceeds the") && message.contains("limit");
        let group = related::group_of(objects.index, pod);
        signs.push(Sign {
            cause: "evicted",
            about: About { object: pod.reference.clone(), group },
            container: None,
            first_seen: pod.last_seen,
            last_seen: pod.last_seen,
            count: 1,
            confidence: Confidence::High,
            evidence: vec![evidence(
                "pod status",
                format!(
                    "pod {} was evicted from node {}: {}",
                    pod.reference.name,
                    pod.node.as_str(),
                    message.chars().take(240).collect::<String>()
                ),
            )],
            alternatives: if own { Vec::new() } else { vec!["node.pressure"] },
        });
    }
}
