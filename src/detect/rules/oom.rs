//! `oom.*`: the kernel killed a container, or a process in it, for memory. Kubernetes writes no event for it; the status is all there is.
//! A leak is only told apart from a limit that is too low once a raise has been tried.

use crate::detect::case::{Case, Sign, evidence};
use crate::detect::exits::End;
use crate::detect::finding::{Confidence, Evidence};
use crate::detect::logs::{Topic, line_about};
use crate::observe::index::container::run_length;
use crate::observe::index::pod::condition_of;
use crate::observe::index::{ContainerRecord, ExitSeen, text};
use crate::scenario::duration::format;
use crate::scenario::memory;
use std::collections::BTreeMap;
use std::time::Duration;

/// From the first `OOMKilled` on.
pub fn sign<'a>(case: &Case<'a>, container: &'a ContainerRecord) -> Option<Sign> {
    let ends = case.ends(container);
    let (first, last) = (ends.first(End::OutOfMemory)?, ends.last(End::OutOfMemory)?);
    let limit = text(case.spec(&container.name), "/resources/limits/memory");
    let count = ends.count(End::OutOfMemory);
    let (cause, confidence, lines, alternatives) = if limit.is_empty() {
        of_the_node(case, container, count, last)
    } else if let Some(growth) = growth(case, container) {
        ("oom.leak", Confidence::High, vec![killed(container, count, last, limit), growth], vec!["oom.limit"])
    } else if last.exit_code == 137 {
        ("oom.limit", Confidence::High, vec![killed(container, count, last, limit)], vec!["oom.leak"])
    } else {
        // The kernel took another process of the container, and the main one ended in its own way.
        ("oom.child", Confidence::Medium, vec![killed(container, count, last, limit)], vec!["oom.limit"])
    };
    let mut lines = lines;
    if let Some(line) = line_about(case, &container.name, Topic::Memory) {
        lines.push(evidence("log", format!("log: {line}")));
    }
    Some(Sign {
        cause,
        about: case.about(),
        container: Some(container.name.clone()),
        first_seen: first.at,
        last_seen: last.at,
        count,
        confidence,
        evidence: lines,
        alternatives,
    })
}

fn killed(container: &ContainerRecord, count: u32, last: &ExitSeen, limit: &str) -> Evidence {
    let after = run_length(last).map_or(String::new(), |length| format!(", {} after its start", format(length)));
    evidence(
        "pod status",
        format!(
            "container {} was OOMKilled {} (exit code {}) at its memory limit of {limit}{after}",
            container.name,
            times(count),
            last.exit_code
        ),
    )
}

type Told = (&'static str, Confidence, Vec<Evidence>, Vec<&'static str>);

/// A kill without a limit of its own: the node ran out, or a limit of the whole pod was hit.
fn of_the_node(case: &Case<'_>, container: &ContainerRecord, count: u32, last: &ExitSeen) -> Told {
    let text_of = format!(
        "container {} was OOMKilled {} (exit code {}) without a memory limit of its own",
        container.name,
        times(count),
        last.exit_code
    );
    let mut lines = vec![evidence("pod status", text_of)];
    let whole = text(case.pod.object(), "/spec/resources/limits/memory");
    if !whole.is_empty() {
        lines.push(evidence("pod status", format!("the pod as a whole has a memory limit of {whole}")));
        return ("oom.limit", Confidence::Medium, lines, vec!["oom.node"]);
    }
    let node = case.pod.node.as_str();
    let pressed = case.index.get("Node", node).and_then(|node| condition_of(node, "MemoryPressure"));
    if pressed.is_some_and(|condition| text(condition, "/status") == "True") {
        lines.push(evidence("node", format!("node {node} is under memory pressure")));
        return ("oom.node", Confidence::High, lines, vec!["oom.leak"]);
    }
    ("oom.node", Confidence::Medium, lines, vec!["oom.leak"])
}

/// The shortest run to a kill of a higher limit must be this much longer than that of a lower one for the memory to grow with time.
const LONGER: f64 = 1.2;

/// That it was killed again after the limit was raised, later than before: the memory grows at a rate, whatever the limit.
/// A demand that is only higher than the limit is met by some raise, or kills as early as before.
fn growth(case: &Case<'_>, container: &ContainerRecord) -> Option<Evidence> {
    let workload = case.index.workload_of(case.pod);
    let mut shortest: BTreeMap<u64, Duration> = BTreeMap::new();
    for pod in case.index.all_pods().filter(|pod| case.index.workload_of(pod) == workload) {
        let Some(limit) =
            pod.container_spec(&container.name).and_then(|spec| memory::parse(text(spec, "/resources/limits/memory")))
        else {
            continue;
        };
        let Some(of_pod) = pod.containers.get(&container.name) else { continue };
        for length in of_pod.exits.iter().filter(|exit| exit.reason == "OOMKilled").filter_map(run_length) {
            let known = shortest.entry(limit).or_insert(length);
            *known = length.min(*known);
        }
    }
    let ((low, early), (high, late)) = (shortest.first_key_value()?, shortest.last_key_value()?);
    // Stamps have a resolution of a second.
    let apart = late.saturating_sub(*early) > Duration::from_secs(2) && late.as_secs_f64() > early.as_secs_f64() * LONGER;
    if low == high || !apart {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "memory limits are far below 2^53 bytes")]
    let rate = (high - low) as f64 / late.saturating_sub(*early).as_secs_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive rate of bytes")]
    let rate = (rate * 60.0) as u64;
    Some(evidence(
        "pod status",
        format!(
            "with a limit of {} it was killed after {}, with {} after {}: its memory grows by about {} a minute",
            memory::format(*low),
            format(*early),
            memory::format(*high),
            format(*late),
            memory::format((rate >> 20).max(1) << 20)
        ),
    ))
}

/// `once`, `3 times`
pub fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
