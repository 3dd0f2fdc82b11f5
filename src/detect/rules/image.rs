//! `image.notfound`: the registry answered that it does not have the image. Refused logins, dead registries and bad names
//! are other causes, told apart by the message.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::related;
use crate::observe::index::container::State;
use crate::observe::index::{ContainerRecord, text};

/// From the first pull that was answered with "not found", while the container waits for its image.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign<'a>> {
    let State::Waiting(reason, message) = &container.state else { return None };
    let pulling = matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff");
    // The event is written before the status, which lags by one sync of the kubelet.
    if !pulling && !matches!(reason.as_str(), "ContainerCreating" | "PodInitializing") {
        return None;
    }
    let event = case
        .events_of(&container.name)
        .filter(|event| {
            event.reason == "Failed" && event.message.starts_with("Failed to pull image") && says_not_found(&event.message)
        })
        .max_by_key(|event| event.last_seen);
    let told = pulling && says_not_found(message);
    if event.is_none() && !told {
        return None;
    }
    let image = text(case.spec(&container.name), "/image");
    if event.is_some_and(|event| !event.message.contains(image)) && !told {
        return None;
    }
    let wait = container.waits.iter().find(|(_, reason, _)| matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff"));
    let seen = [event.map(|event| event.first_seen), wait.map(|(at, _, _)| *at)];
    let first_seen = seen.iter().flatten().min().copied().unwrap_or(case.pod.first_seen);
    let last_seen = event.map_or(container.since, |event| event.last_seen.max(if told { container.since } else { first_seen }));
    let count = event.map_or(1, |event| event.count);
    let mut lines = vec![evidence(
        if told { "pod status" } else { "event" },
        format!("image {image} of container {} was not found by its registry (asked {})", container.name, times(count)),
    )];
    if let Some(rollout) = related::rollout_before(case.index, case.pod, first_seen, case.thresholds.config_window) {
        lines.push(evidence("replicaset", rollout.text()));
    }
    Some(Sign {
        cause: "image.notfound",
        pod: case.pod,
        container: Some(container.name.clone()),
        first_seen,
        last_seen,
        count,
        confidence: Confidence::High,
        evidence: lines,
        alternatives: Vec::new(),
    })
}

fn says_not_found(message: &str) -> bool {
    let message = message.to_lowercase();
    let refused = ["unauthorized", "denied", "forbidden", "authorization failed"].iter().any(|word| message.contains(word));
    let found_nothing = ["not found", "manifest unknown", "notfound", "name unknown"].iter().any(|word| message.contains(word));
    found_nothing && !refused
}
