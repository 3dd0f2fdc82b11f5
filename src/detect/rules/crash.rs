//! `crash.app-error`, `crash.after-rollout`, `config.bad-value`: the process ends itself. One sign with the best explanation;
//! the others are its alternatives. Ends by probe, memory, signal or a clean exit are not crashes.

use super::oom::times;
use crate::detect::case::{Case, Sign, evidence};
use crate::detect::exits::End;
use crate::detect::finding::{Confidence, Evidence};
use crate::detect::logs::{self, Topic};
use crate::detect::related::{self, ConfigSuspect};
use crate::observe::index::container::run_length;
use crate::observe::index::{ContainerRecord, ExitSeen};
use crate::scenario::duration::format;
use std::time::Duration;

/// Enough self-made ends, or enough restarts of which the newest end was self-made.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    let ends = case.ends(container);
    let (first, last) = (ends.first(End::SelfMade)?, ends.last(End::SelfMade)?);
    let count = ends.count(End::SelfMade);
    let restarts =
        container.restart_count >= case.thresholds.restarts && ends.newest().is_some_and(|(end, _)| end == End::SelfMade);
    if count < case.thresholds.exits && !restarts {
        return None;
    }
    let crash_line = logs::line_about(case, &container.name, Topic::Crash);
    let mut sign = Sign {
        cause: "crash.app-error",
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen: first.at,
        last_seen: last.at,
        count,
        confidence: if crash_line.is_some() { Confidence::High } else { Confidence::Medium },
        evidence: crash_evidence(container, count, last),
        alternatives: Vec::new(),
    };
    let suspects = related::config_suspects(case.index, case.pod, case.thresholds);
    let rollout = related::rollout_before(case.index, case.pod, first.at, case.thresholds.config_window);
    if let Some(suspect) = suspects.first() {
        blame_config(case, &mut sign, &suspects, suspect);
        if rollout.is_some() {
            sign.alternatives.push("crash.after-rollout");
        }
        sign.alternatives.push("crash.app-error");
    } else if let Some(rollout) = rollout {
        sign.cause = "crash.after-rollout";
        sign.confidence = if rollout.proven { Confidence::High } else { Confidence::Medium };
        sign.evidence.insert(0, evidence("replicaset", rollout.text()));
        sign.alternatives.push("crash.app-error");
    }
    let topics = [
        (Topic::Config, "config.bad-value"),
        (Topic::Dependency, "dependency"),
        (Topic::Memory, "oom.limit"),
        (Topic::Probe, "probe.liveness"),
        (Topic::Image, "image.notfound"),
    ];
    let before = sign.evidence.len();
    for (topic, cause) in topics {
        if let Some(line) = logs::line_about(case, &container.name, topic) {
            sign.evidence.push(log_line(&line));
            if sign.cause != cause {
                sign.alternatives.push(cause);
            }
        }
    }
    sign.evidence.extend(crash_line.as_deref().map(log_line));
    if sign.evidence.len() == before {
        sign.evidence.extend(logs::line_about(case, &container.name, Topic::Trouble).as_deref().map(log_line));
    }
    Some(sign)
}

fn log_line(line: &str) -> Evidence {
    evidence("log", format!("log: {line}"))
}

fn crash_evidence(container: &ContainerRecord, count: u32, last: &ExitSeen) -> Vec<Evidence> {
    let after = run_length(last).map_or(String::new(), |length| format!(" after {}", format(length)));
    let mut lines = vec![evidence(
        "pod status",
        format!(
            "container {} ended by itself {}, last exit code {} ({}){after}",
            container.name,
            times(count),
            last.exit_code,
            last.reason
        ),
    )];
    if let Some((_, reason, message)) = container.waits.iter().rfind(|(_, reason, _)| reason == "CrashLoopBackOff") {
        let pause = message.split(" restarting").next().unwrap_or_default();
        lines.push(evidence("pod status", format!("container {} was seen waiting: {reason} ({pause})", container.name)));
    }
    lines
}

fn blame_config(case: &Case<'_>, sign: &mut Sign, suspects: &[ConfigSuspect<'_>], best: &ConfigSuspect<'_>) {
    let container = sign.container.clone().unwrap_or_default();
    sign.cause = "config.bad-value";
    // A line that names the changed key or value speaks of it as plainly as one that says "config".
    let mut words: Vec<String> = best.keys.iter().map(|key| key.to_lowercase()).filter(|key| key.len() > 3).collect();
    words.push("config".to_owned());
    let named =
        logs::line_with(case, &container, &words).is_some() || logs::line_about(case, &container, Topic::Config).is_some();
    sign.confidence = if named { Confidence::High } else { Confidence::Medium };
    let lines = suspects.iter().map(|suspect| {
        let before = suspect.onset.saturating_sub(suspect.changed_at);
        let source = suspect.kind.to_lowercase();
        evidence(
            &source,
            format!(
                "{} {} changed {} before the first crash after it: {}",
                suspect.kind,
                suspect.name,
                whole(before),
                suspect.change()
            ),
        )
    });
    sign.evidence.splice(0..0, lines);
}

/// Rounded to seconds from one second on.
fn whole(duration: Duration) -> String {
    if duration < Duration::from_secs(1) { format(duration) } else { format(Duration::from_secs(duration.as_secs())) }
}
