//! `schedule.resources`: no node has the room that a pod requests; `schedule.constraints`: taints, affinities, volumes keep it away.
//! A pod that waits shorter than the threshold is only waiting, a gated one is held on purpose.

use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::observe::index::pod::condition_of;
use crate::observe::index::text;
use crate::scenario::duration::format;
use std::time::Duration;

/// When the scheduler has said for the threshold that something is insufficient.
pub fn sign(case: &Case<'_>) -> Option<Sign> {
    let (age, message) = stuck(case)?;
    if age < patience(case, message) {
        return None;
    }
    let event = case.events.iter().filter(|event| event.sort.reason == "FailedScheduling").max_by_key(|event| event.last_seen);
    let short = message.split(" preemption:").next().unwrap_or(message).trim_end_matches(',');
    let room = message.contains("Insufficient") || message.contains("Too many pods");
    let others = [
        "taint",
        "affinity",
        "selector",
        "PersistentVolumeClaim",
        "persistentvolumeclaim",
        "unschedulable",
        "spread",
        "free ports",
    ];
    let others = others.iter().any(|word| short.contains(word));
    Some(Sign {
        cause: if room { "schedule.resources" } else { "schedule.constraints" },
        about: case.about(),
        container: None,
        first_seen: event.map_or(case.pod.first_seen, |event| event.first_seen),
        last_seen: event.map_or(case.pod.last_seen, |event| event.last_seen),
        // One pod that waits is one signal, however often the scheduler looked at it.
        count: 1,
        confidence: if room && others { Confidence::Medium } else { Confidence::High },
        evidence: vec![evidence(
            "pod status",
            format!("pod {} unscheduled for {}: {short}", case.pod.reference.name, format(Duration::from_secs(age.as_secs()))),
        )],
        alternatives: if room && others { vec!["schedule.constraints"] } else { Vec::new() },
    })
}

/// When the rule would fire.
pub fn due(case: &Case<'_>) -> Option<Duration> {
    let (age, message) = stuck(case)?;
    Some(case.index.now() + patience(case, message).checked_sub(age)?)
}

/// A volume is made for its pod, which may take a while.
fn patience(case: &Case<'_>, message: &str) -> Duration {
    if message.contains("unbound immediate PersistentVolumeClaims") {
        case.thresholds.stuck_for
    } else {
        case.thresholds.unschedulable_for
    }
}

fn stuck<'a>(case: &Case<'a>) -> Option<(Duration, &'a str)> {
    let condition = condition_of(case.pod.object(), "PodScheduled")?;
    let message = text(condition, "/message");
    if text(condition, "/status") != "False" || text(condition, "/reason") != "Unschedulable" {
        return None;
    }
    let stamp = text(condition, "/lastTransitionTime").parse().ok();
    Some((case.began(case.pod.first_seen, stamp).age, message))
}
