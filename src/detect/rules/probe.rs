//! `probe.liveness`, `probe.startup`: the kubelet ends a container because a probe fails. Failing probes alone are patience at work.
//! Pods that only never become ready are `readiness`' business.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::exits::End;
use crate::detect::finding::Confidence;
use crate::observe::index::container::run_length;
use crate::observe::index::{ContainerRecord, EventRecord};
use crate::scenario::duration::format;
use serde_json::Value;

/// From the first kill on; without the event of the kill (events are lossy), from restarts and failing probes.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    one(case, container, "startup").or_else(|| one(case, container, "liveness"))
}

fn one<'a>(case: &Case<'a>, container: &'a ContainerRecord, sort: &'static str) -> Option<Sign> {
    let (named, title, field) = match sort {
        "startup" => ("probe.startup", "Startup", "startupProbe"),
        _ => ("probe.liveness", "Liveness", "livenessProbe"),
    };
    let probe = case.spec(&container.name).get(field)?;
    let kills = case.probe_kills(&container.name, sort);
    let failures = case.probe_failures(&container.name, title);
    let setting = |name: &str, default: u64| probe.get(name).and_then(Value::as_u64).unwrap_or(default);
    let (threshold, period) = (setting("failureThreshold", 3), setting("periodSeconds", 10));
    let told = failures.iter().max_by_key(|event| event.last_seen).map_or("", |event| event.message.trim());
    let (first_seen, last_seen, count, confidence) = if kills.is_empty() {
        unannounced(case, container, &failures, threshold)?
    } else {
        let first = kills.iter().map(|event| event.first_seen).min()?;
        let last = kills.iter().map(|event| event.last_seen).max()?;
        // The count of events freezes when the spam filter bites; the restart count does not.
        let ended = case.ends(container).count(End::Probe);
        (first, last, kills.iter().map(|event| event.count).sum::<u32>().max(ended), Confidence::High)
    };
    let source = if kills.is_empty() { "pod status" } else { "event" };
    let mut lines = vec![evidence(
        source,
        format!(
            "container {} was stopped {} because its {sort} probe failed (failureThreshold {threshold}, periodSeconds {period})",
            container.name,
            times(count)
        ),
    )];
    if !told.is_empty() {
        lines.push(evidence("event", told.chars().take(200).collect::<String>()));
    }
    if let Some(exit) = case.ends(container).last(End::Probe) {
        let after = run_length(exit).map_or(String::new(), |length| format!(" after {}", format(length)));
        lines.push(evidence("pod status", format!("its last exit code was {}{after}", exit.exit_code)));
    }
    Some(Sign {
        cause: named,
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen,
        last_seen,
        count,
        confidence,
        evidence: lines,
        alternatives: vec!["crash.app-error"],
    })
}

type Seen = (std::time::Duration, std::time::Duration, u32, Confidence);

/// Restarts by signal (or a clean end) while the probe was failing often enough for a kill; or, where no event of the pod is left
/// at all, enough restarts by signal of a container that has the probe.
fn unannounced(case: &Case<'_>, container: &ContainerRecord, failures: &[&EventRecord], threshold: u64) -> Option<Seen> {
    let ends = case.ends(container);
    let (end, last) = ends.newest()?;
    let stopped = ends.count(End::Signal) + ends.count(End::Clean);
    if container.restart_count == 0 || !matches!(end, End::Signal | End::Clean) {
        return None;
    }
    let failed: u32 = failures.iter().map(|event| event.count).sum();
    if u64::from(failed) >= threshold {
        let first = failures.iter().map(|event| event.first_seen).min()?;
        return Some((first, last.at, stopped, Confidence::Medium));
    }
    let any_event = case.index.events_about(&case.pod.reference.uid).next().is_some();
    if !any_event && end == End::Signal && container.restart_count >= case.thresholds.restarts {
        return Some((last.at, last.at, stopped, Confidence::Low));
    }
    None
}
