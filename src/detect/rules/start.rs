//! `start.command`: the runtime or the container's own shell could not run the command (128 `StartError`, 126, 127).
//! Or a hook after its start failed, for which the kubelet ends it. An image that cannot be had is another cause.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::exits::End;
use crate::detect::finding::Confidence;
use crate::detect::related;
use crate::observe::index::ContainerRecord;
use crate::observe::index::container::State;
use std::time::Duration;

/// An instance that has run this long was started after all.
const RUNS: Duration = Duration::from_secs(10);

/// From the first failed start on, until the container runs.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    if let Some(sign) = hook(case, container) {
        return Some(sign);
    }
    let ends = case.ends(container);
    let (end, last) = ends.newest()?;
    let first = ends.first(End::Start)?;
    if end != End::Start {
        return None;
    }
    if let State::Running(started) = &container.state
        && case.began(container.since, *started).age > RUNS
    {
        return None;
    }
    let told = match &container.state {
        State::Waiting(reason, message) if reason == "RunContainerError" => message.as_str(),
        _ => last.message.as_str(),
    };
    let why = told.rsplit("unable to start container process: ").next().unwrap_or_default().trim();
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.chars().take(200).collect::<String>()) };
    let count = ends.count(End::Start);
    let mut lines = vec![evidence(
        "pod status",
        format!(
            "container {} could not be started ({}), exit code {} ({}){why}",
            container.name,
            times(count),
            last.exit_code,
            last.reason
        ),
    )];
    let rollout = related::rollout_before(case.index, case.pod, first.at, case.thresholds.config_window);
    if let Some(rollout) = rollout {
        lines.push(evidence("replicaset", rollout.text()));
    }
    Some(Sign {
        cause: "start.command",
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen: first.at,
        last_seen: last.at,
        count,
        // 126 and 127 come from a shell, and a program may use them for something else.
        confidence: if last.exit_code == 128 { Confidence::High } else { Confidence::Medium },
        evidence: lines,
        alternatives: if last.exit_code == 128 { Vec::new() } else { vec!["crash.app-error"] },
    })
}

/// The kubelet kills a container whose postStart hook fails; what it leaves looks like a signal from outside.
fn hook<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    let failures = || case.events_of(&container.name).filter(|event| event.sort.reason == "FailedPostStartHook");
    let newest = failures().max_by_key(|event| event.last_seen)?;
    let first = failures().map(|event| event.first_seen).min()?;
    if matches!(&container.state, State::Running(started) if case.began(container.since, *started).age > RUNS) {
        return None;
    }
    let count = failures().map(|event| event.count).sum();
    let text = format!("the postStart hook of container {} failed ({}): {}", container.name, times(count), newest.message.trim());
    Some(Sign {
        cause: "start.command",
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen: first,
        last_seen: newest.last_seen,
        count,
        confidence: Confidence::High,
        evidence: vec![evidence("event", text)],
        alternatives: Vec::new(),
    })
}
