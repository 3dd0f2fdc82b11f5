//! `probe.readiness`: a container runs without an end but never becomes, or no longer is, ready: port or path wrong, or a dependency.
//! Containers that restart are other rules' business.

use crate::detect::case::{Case, Sign, evidence};
use crate::detect::finding::Confidence;
use crate::observe::index::container::State;
use crate::observe::index::pod::condition_of;
use crate::observe::index::{ContainerRecord, EventRecord, text};
use crate::scenario::duration::format;
use std::time::Duration;

/// After an end, a container must have run this long (the kubelet's back-off reset) for its readiness to be a matter of its own.
const CALM: Duration = Duration::from_mins(10);

/// How long before the pod was seen not ready its last failure may have been told.
const SLACK: Duration = Duration::from_secs(5);

/// When it has been running without being ready for the threshold.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    let (age, failures) = unready(case, container)?;
    if age < case.thresholds.not_ready_for {
        return None;
    }
    let newest = failures.iter().max_by_key(|event| event.last_seen)?;
    let first_seen = failures.iter().map(|event| event.first_seen).min()?;
    let failed: u32 = failures.iter().map(|event| event.count).sum();
    let mut alternatives = Vec::new();
    if newest.message.contains("connection refused") || newest.message.contains("timeout") {
        alternatives.push("dependency");
    }
    Some(Sign {
        cause: "probe.readiness",
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen,
        last_seen: newest.last_seen,
        // One stretch without readiness is one signal, however often it was probed.
        count: 1,
        confidence: Confidence::Medium,
        evidence: vec![
            evidence(
                "pod status",
                format!(
                    "container {} runs, restarted {} times, but has not been ready for {}",
                    container.name,
                    container.restart_count,
                    format(Duration::from_secs(age.as_secs()))
                ),
            ),
            evidence("event", format!("{} (x{failed})", newest.message.trim().chars().take(200).collect::<String>())),
        ],
        alternatives,
    })
}

/// When the rule would fire.
pub fn due(case: &Case<'_>, container: &ContainerRecord) -> Option<Duration> {
    let (age, _) = unready(case, container)?;
    Some(case.index.now() + case.thresholds.not_ready_for.checked_sub(age)?)
}

fn unready<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<(Duration, Vec<&'a EventRecord>)> {
    let State::Running(started) = &container.state else { return None };
    if container.ready || container.is_init || case.pod.ready {
        return None;
    }
    let spec = case.spec(&container.name);
    spec.get("readinessProbe")?;
    // A startup probe that has not passed yet is patience.
    if spec.get("startupProbe").is_some() && !container.started {
        return None;
    }
    let now = case.index.now();
    if container.last_exit().is_some_and(|exit| now.saturating_sub(exit.at) < CALM) {
        return None;
    }
    let stamp =
        condition_of(case.pod.object(), "Ready").and_then(|condition| text(condition, "/lastTransitionTime").parse().ok());
    let running = case.began(container.since, *started).age;
    let not_ready = case.began(case.pod.ready_since, stamp).age;
    let age = running.min(not_ready);
    // Failures of an earlier stretch do not explain this one: nobody probes on a lost node.
    let since = now.saturating_sub(age).saturating_sub(SLACK);
    let mut failures = case.probe_failures(&container.name, "Readiness");
    failures.retain(|event| event.last_seen >= since);
    (!failures.is_empty()).then_some((age, failures))
}
