//! A pod's state: phase, conditions with their texts, containers of all sorts, deletion.
//! Names, uids and addresses in it are made equal by `normal`.

use super::conditions;
use crate::fidelity::normal::text;
use serde_json::Value;

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
            words.push(format!(
                "[{mark}{} {} last={last} ready={} started={} restarts={}]",
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
    words.join(" ")
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
