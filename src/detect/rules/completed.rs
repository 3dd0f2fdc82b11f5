//! `crash.exit0`: a process ends with 0 again and again although it is meant to run for ever. Ends that a probe made are not meant.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::exits::End;
use crate::detect::finding::Confidence;
use crate::observe::index::ContainerRecord;
use crate::observe::index::container::run_length;
use crate::scenario::duration::format;

/// Enough clean ends of a container that is always started again.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    if container.is_init || case.pod.restart_policy() != "Always" {
        return None;
    }
    let ends = case.ends(container);
    let (first, last) = (ends.first(End::Clean)?, ends.last(End::Clean)?);
    let (newest, _) = ends.newest()?;
    let count = ends.count(End::Clean);
    if newest != End::Clean || (count < case.thresholds.exits && container.restart_count < case.thresholds.restarts) {
        return None;
    }
    let after = run_length(last).map_or(String::new(), |length| format!(" after {}", format(length)));
    Some(Sign {
        cause: "crash.exit0",
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen: first.at,
        last_seen: last.at,
        count,
        confidence: Confidence::High,
        evidence: vec![evidence(
            "pod status",
            format!(
                "container {} completed {} (exit code 0{after}), and its restartPolicy Always starts it again: a Job, or another command",
                container.name,
                times(count)
            ),
        )],
        alternatives: Vec::new(),
    })
}
