//! `cert.permission`: something may not be read, written or trusted: by the kubelet's own words, or by the last words of a
//! process that ended itself. What a log says is the weakest evidence.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::exits::End;
use crate::detect::finding::Confidence;
use crate::detect::logs::{Topic, line_about};
use crate::observe::index::ContainerRecord;
use crate::observe::index::container::State;

/// From the first refusal by the kubelet; from logs only together with a crash loop.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    if let State::Waiting(reason, message) = &container.state
        && matches!(reason.as_str(), "CreateContainerConfigError" | "CreateContainerError")
        && (message.contains("runAsNonRoot") || message.contains("permission denied") || message.contains("forbidden"))
    {
        let text = format!("container {} may not be made: {}", container.name, message.chars().take(200).collect::<String>());
        return Some(Sign {
            cause: "cert.permission",
            about: case.about(),
            container: Some(container.name.clone()),
            first_seen: container.since,
            last_seen: container.since,
            count: 1,
            confidence: Confidence::High,
            evidence: vec![evidence("pod status", text)],
            alternatives: Vec::new(),
        });
    }
    let ends = case.ends(container);
    let (first, last) = (ends.first(End::SelfMade)?, ends.last(End::SelfMade)?);
    let count = ends.count(End::SelfMade);
    if count < case.thresholds.exits && container.restart_count < case.thresholds.restarts {
        return None;
    }
    let line = line_about(case, &container.name, Topic::Permission)?;
    let ended = format!("container {} ended by itself {}, last exit code {}", container.name, times(count), last.exit_code);
    Some(Sign {
        cause: "cert.permission",
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen: first.at,
        last_seen: last.at,
        count,
        confidence: Confidence::Low,
        evidence: vec![evidence("pod status", ended), evidence("log", format!("log: {line}"))],
        alternatives: vec!["crash.app-error"],
    })
}
