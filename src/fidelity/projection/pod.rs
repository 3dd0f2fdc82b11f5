//! A pod's state: phase, conditions with their texts, containers of all sorts, deletion.
//! Names, uids and addresses in it are made equal by `normal`.

use super::{SEPARATOR, conditions};
use crate::fidelity::normal::text;
use serde_json::Value;
use std::fmt::Write as _;

/// One line that holds everything that a client may act upon.
pub(super) fn state(pod: &Value) -> String {
    let mut words = vec![text(pod, "/status/phase").to_owned()];
    for (pointer, label) in [("/status/reason", "reason"), ("/status/message", "message")] {
        if !text(pod, pointer).is_empty() {
            words.push(format!("{label}={}", text(pod, pointer)));
        }
    }
    words.extend(conditions(pod));
    for (pointer, mark) in [("/status/initContainerStatuses", "init "), ("/status/containerStatuses", "")] {
        for container in pod.pointer(pointer).and_then(Value::as_array).into_iter().flatten() {
            let last = container.pointer("/lastState").map(container_state).unwrap_or_default();
            let resources = resources(container);
            words.push(format!(
                "[{mark}{} {} last={last} ready={} started={} restarts={}{resources}]",
                text(container, "/name"),
                container.pointer("/state").map(container_state).unwrap_or_default(),
                container["ready"],
                container["started"],
                container["restartCount"]
            ));
        }
    }
    if let Some(grace) = pod.pointer("/metadata/deletionGracePeriodSeconds") {
        words.push(format!("deleting({grace})"));
    }
    words.join(SEPARATOR)
}

/// What the container was given: ` limits.memory=64Mi`. Amounts near 2^63 are what cgroup v1 says of no limit at all.
fn resources(container: &Value) -> String {
    let mut out = String::new();
    for list in ["limits", "requests"] {
        for (name, amount) in container.pointer(&format!("/resources/{list}")).and_then(Value::as_object).into_iter().flatten() {
            let amount = amount.as_str().unwrap_or_default();
            if amount.len() < 18 {
                let _ = write!(out, " {list}.{name}={amount}");
            }
        }
    }
    out
}

fn container_state(state: &Value) -> String {
    let Some((kind, detail)) = state.as_object().and_then(|state| state.iter().next()) else { return String::new() };
    let mut words = vec![kind.clone()];
    words.extend(
        ["/reason", "/message"].map(|pointer| text(detail, pointer).to_owned()).into_iter().filter(|word| !word.is_empty()),
    );
    if let Some(code) = detail.get("exitCode") {
        words.push(code.to_string());
    }
    words.join(":")
}
