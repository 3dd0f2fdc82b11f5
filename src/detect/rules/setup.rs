//! `mount`, `sandbox.network`: a pod's volumes or its network cannot be set up. Single failures are usual and pass;
//! a ConfigMap or Secret that does not exist is `config`'s business.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::related;
use crate::observe::index::container::State;
use crate::observe::index::{EventRecord, text};
use crate::scenario::duration::format;
use std::time::Duration;

/// When a pod has been waiting for its setup for the threshold and the kubelet says why.
pub fn sign(case: &Case<'_>) -> Option<Sign> {
    let (age, cause, events) = stuck(case)?;
    if age < case.thresholds.stuck_for {
        return None;
    }
    let newest = events.iter().max_by_key(|event| event.last_seen)?;
    let first = events.iter().map(|event| event.first_seen).min()?;
    let count = events.iter().map(|event| event.count).sum();
    let told = newest.message.trim().chars().take(240).collect::<String>();
    Some(Sign {
        cause,
        about: case.about(),
        container: None,
        first_seen: first,
        last_seen: newest.last_seen,
        count,
        confidence: Confidence::High,
        evidence: vec![
            evidence(
                "pod status",
                format!(
                    "pod {} has been set up for {} and runs nothing yet",
                    case.pod.reference.name,
                    format(Duration::from_secs(age.as_secs()))
                ),
            ),
            evidence("event", format!("{} (told {}): {told}", newest.sort.reason, times(count))),
        ],
        alternatives: Vec::new(),
    })
}

/// When the rule would fire.
pub fn due(case: &Case<'_>) -> Option<Duration> {
    let (age, _, _) = stuck(case)?;
    Some(case.index.now() + case.thresholds.stuck_for.checked_sub(age)?)
}

type Stuck<'a> = (Duration, &'static str, Vec<&'a EventRecord>);

fn stuck<'a>(case: &Case<'a>) -> Option<Stuck<'a>> {
    let waits = |reason: &str| matches!(reason, "ContainerCreating" | "PodInitializing");
    let idle =
        case.pod.containers.values().all(|container| {
            container.exits.is_empty() && matches!(&container.state, State::Waiting(reason, _) if waits(reason))
        });
    if !idle || case.pod.containers.is_empty() || case.pod.is_finished() {
        return None;
    }
    let told = |event: &&&EventRecord, reasons: &[&str]| reasons.contains(&event.sort.reason.as_str());
    let network: Vec<_> = case
        .events
        .iter()
        .filter(|event| told(event, &["FailedCreatePodSandBox", "FailedCreatePodSandbox", "NetworkNotReady"]))
        .copied()
        .collect();
    let mounts: Vec<_> = case
        .events
        .iter()
        .filter(|event| told(event, &["FailedMount", "FailedAttachVolume", "FailedMapVolume"]))
        .filter(|event| related::missing_in(&event.message).is_none())
        .copied()
        .collect();
    // Without a network there is no sandbox; without its volumes there is not even an attempt.
    let (cause, events) = if mounts.is_empty() { ("sandbox.network", network) } else { ("mount", mounts) };
    let first = events.iter().map(|event| event.first_seen).min()?;
    let stamp = text(case.pod.object(), "/status/startTime").parse().ok();
    Some((case.began(first, stamp).age, cause, events))
}
