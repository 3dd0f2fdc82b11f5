//! How a failed attempt is told, in the words of event and condition. Pure.
//! The reasons come from `filter` and `preemption`.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// What one node has against a pod.
pub(super) type Verdict = Vec<Cow<'static, str>>;

/// No node of `nodes` took the pod, each for its reasons; `after` tells what preemption found, empty when it clears a node.
pub(super) fn unfit<'a>(nodes: usize, reasons: impl Iterator<Item = &'a str>, after: Option<&str>) -> String {
    let told = format!("0/{nodes} nodes are available: {}.", histogram(reasons));
    match after {
        None => told,
        Some(after) => format!("{told} no new claims to deallocate, preemption: {after}"),
    }
}

/// The pod could go nowhere, whatever the nodes are. The real scheduler's text ends in the error of a plugin that never began.
pub(super) fn impossible(nodes: usize, why: &str) -> String {
    format!("0/{nodes} nodes are available: {why}. not found")
}

/// `2 this, 1 that`, sorted as texts.
pub(super) fn histogram<'a>(reasons: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut lines: Vec<_> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    lines.sort_unstable();
    lines.join(", ")
}
