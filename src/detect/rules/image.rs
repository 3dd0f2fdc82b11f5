//! `image.*`: a container has no image. What the registry answered, or that it did not, is told apart by the message;
//! a name that can be nobody's, and a policy that forbids to pull, by the reason for waiting.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::detect::related;
use crate::observe::index::container::State;
use crate::observe::index::{ContainerRecord, text};
use crate::scenario::duration::format;
use std::time::Duration;

/// The registry does not answer, but may again soon: that is a finding once it has lasted for so long.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(30);

/// From the first pull that was refused, while the container waits for its image.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    let State::Waiting(reason, message) = &container.state else { return None };
    let image = text(case.spec(&container.name), "/image");
    if matches!(reason.as_str(), "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError") {
        let text = format!("image {image} of container {} cannot be used ({reason}): {}", container.name, short(message));
        return Some(signed(
            case,
            container,
            "image.name",
            (container.since, container.since, 1),
            Confidence::High,
            vec![evidence("pod status", text)],
        ));
    }
    let pulling = matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable");
    // The event is written before the status, which lags by one sync of the kubelet.
    if !pulling && !matches!(reason.as_str(), "ContainerCreating" | "PodInitializing") {
        return None;
    }
    let event = case
        .events_of(&container.name)
        .filter(|event| {
            event.sort.reason == "Failed"
                && event.message.starts_with("Failed to pull image")
                && event.message.contains(image)
                && classify(&event.message).is_some()
        })
        .max_by_key(|event| event.last_seen);
    let told = pulling.then(|| classify(message)).flatten();
    // The newest answer counts; the status of a back-off repeats the last error.
    let cause = told.or_else(|| event.and_then(|event| classify(&event.message)))?;
    let wait = container.waits.iter().find(|(_, reason, _)| matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff"));
    let seen = [event.map(|event| event.first_seen), wait.map(|(at, _, _)| *at)];
    let first_seen = seen.iter().flatten().min().copied().unwrap_or(case.pod.first_seen);
    let last_seen =
        event.map_or(container.since, |event| event.last_seen.max(if told.is_some() { container.since } else { first_seen }));
    let count = event.map_or(1, |event| event.count);
    let source = if told.is_some() { "pod status" } else { "event" };
    let answer = match cause {
        "image.notfound" => format!("was not found by its registry (asked {})", times(count)),
        "image.auth" => format!(
            "was refused by its registry (asked {}): {}",
            times(count),
            reason_in(told.map_or_else(|| event.map_or("", |event| &event.message), |_| message))
        ),
        _ => {
            let waiting = waiting(case, container, first_seen);
            if waiting < REGISTRY_PATIENCE {
                return None;
            }
            format!(
                "could not be had from its registry for {}: {}",
                format(Duration::from_secs(waiting.as_secs())),
                reason_in(message)
            )
        }
    };
    let mut lines = vec![evidence(source, format!("image {image} of container {} {answer}", container.name))];
    if let Some(rollout) = related::rollout_before(case.index, case.pod, first_seen, case.thresholds.config_window) {
        lines.push(evidence("replicaset", rollout.text()));
    }
    let confidence = if cause == "image.auth" { Confidence::Medium } else { Confidence::High };
    Some(signed(case, container, cause, (first_seen, last_seen, count), confidence, lines))
}

/// When the rule about a silent registry would fire.
pub fn due(case: &Case<'_>, container: &ContainerRecord) -> Option<Duration> {
    let State::Waiting(reason, message) = &container.state else { return None };
    let pulling = matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable");
    if !pulling || classify(message) != Some("image.registry") {
        return None;
    }
    let wait = container.waits.iter().find(|(_, reason, _)| matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff"));
    let first = wait.map_or(container.since, |(at, _, _)| *at);
    Some(case.index.now() + REGISTRY_PATIENCE.checked_sub(waiting(case, container, first))?)
}

fn waiting(case: &Case<'_>, container: &ContainerRecord, first_seen: Duration) -> Duration {
    // A LIST shows an old pod for the first time; its own stamp tells its age.
    let stamp = text(case.pod.object(), "/status/startTime")
        .parse()
        .ok()
        .filter(|_| container.restart_count == 0 && container.exits.is_empty());
    case.began(first_seen, stamp).age
}

fn signed(
    case: &Case<'_>,
    container: &ContainerRecord,
    cause: &'static str,
    seen: (Duration, Duration, u32),
    confidence: Confidence,
    lines: Vec<crate::detect::Evidence>,
) -> Sign {
    let (first_seen, last_seen, count) = seen;
    // Registries do not tell those who may not look whether an image is there.
    let alternatives = if cause == "image.auth" { vec!["image.notfound"] } else { Vec::new() };
    Sign {
        cause,
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen,
        last_seen,
        count,
        confidence,
        evidence: lines,
        alternatives,
    }
}

fn short(message: &str) -> String {
    message.chars().take(200).collect()
}

/// The registry's own words: what follows the reference in the runtime's chain of errors.
fn reason_in(message: &str) -> String {
    let tail =
        message.rsplit_once("failed to do request: ").or_else(|| message.rsplit_once("\": ")).map_or(message, |(_, tail)| tail);
    short(tail)
}

/// What a failed pull tells.
fn classify(message: &str) -> Option<&'static str> {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if says(&["unauthorized", "denied", "forbidden", "authorization failed", "no basic auth", "authentication required"]) {
        Some("image.auth")
    } else if says(&[
        "dial tcp",
        "no such host",
        "i/o timeout",
        "connection refused",
        "x509:",
        "tls handshake",
        "too many requests",
        "toomanyrequests",
        "service unavailable",
        "bad gateway",
        "gateway timeout",
        "deadline exceeded",
        "connection reset",
        "server misbehaving",
        "unexpected eof",
    ]) {
        Some("image.registry")
    } else if says(&["not found", "manifest unknown", "notfound", "name unknown"]) {
        Some("image.notfound")
    } else {
        None
    }
}
