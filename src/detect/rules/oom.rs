//! `oom.limit`: a container was killed at its own memory limit. Kubernetes writes no event for it; the status is all there is.
//! A kill without a limit (the node ran out) is another cause.

use crate::detect::case::{Case, Sign, evidence};
use crate::detect::exits::End;
use crate::detect::finding::Confidence;
use crate::detect::logs::{Topic, line_about};
use crate::observe::index::container::run_length;
use crate::observe::index::{ContainerRecord, text};
use crate::scenario::duration::format;

/// From the first `OOMKilled` on.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign<'a>> {
    let ends = case.ends(container);
    let (first, last) = (ends.first(End::OutOfMemory)?, ends.last(End::OutOfMemory)?);
    let limit = text(case.spec(&container.name), "/resources/limits/memory");
    if limit.is_empty() {
        return None;
    }
    let count = ends.count(End::OutOfMemory);
    let after = run_length(last).map_or(String::new(), |length| format!(", {} after its start", format(length)));
    let mut lines = vec![evidence(
        "pod status",
        format!(
            "container {} was OOMKilled {} (exit code {}) at its memory limit of {limit}{after}",
            container.name,
            times(count),
            last.exit_code
        ),
    )];
    if let Some(line) = line_about(case, &container.name, Topic::Memory) {
        lines.push(evidence("log", format!("log: {line}")));
    }
    Some(Sign {
        cause: "oom.limit",
        pod: case.pod,
        container: Some(container.name.clone()),
        first_seen: first.at,
        last_seen: last.at,
        count,
        // Another exit code: the kernel took a child, and the main process ended in its own way.
        confidence: if last.exit_code == 137 { Confidence::High } else { Confidence::Medium },
        evidence: lines,
        alternatives: vec!["oom.leak"],
    })
}

/// `once`, `3 times`
pub fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
