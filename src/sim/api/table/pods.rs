//! The table of pods: readiness, the status that sums a pod up, restarts.
//! Other workloads are in `workloads`.

use super::{Cell, NONE, age};
use serde_json::{Value, json};

/// The row condition of a pod that has ended.
pub(super) fn completed(pod: &Value) -> Option<Value> {
    let (reason, message) = match pod.pointer("/status/phase").and_then(Value::as_str)? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!({"type": "Completed", "status": "True", "reason": reason, "message": message}))
}

/// What the containers' statuses add up to.
#[derive(Debug, Default)]
struct Sum {
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: String,
    reason: String,
}

impl Sum {
    fn count(&mut self, status: &Value) {
        self.restarts += status["restartCount"].as_i64().unwrap_or(0);
        let ended = status.pointer("/lastState/terminated/finishedAt").and_then(Value::as_str).unwrap_or_default();
        // Moments of one form sort as texts.
        if ended > self.last_restart.as_str() {
            ended.clone_into(&mut self.last_restart);
        }
    }
}

/// The cells of a pod.
pub(super) fn cells(cell: &Cell<'_>) -> Vec<Value> {
    let sum = sum(cell);
    let restarts = if sum.restarts != 0 && !sum.last_restart.is_empty() {
        format!("{} ({} ago)", sum.restarts, age::since(&sum.last_restart, cell.now))
    } else {
        sum.restarts.to_string()
    };
    vec![
        cell.name(),
        json!(format!("{}/{}", sum.ready, sum.total)),
        json!(sum.reason),
        json!(restarts),
        cell.age(),
        cell.text_or("/status/podIPs/0/ip", NONE),
        cell.text_or("/spec/nodeName", NONE),
        cell.text_or("/status/nominatedNodeName", NONE),
        gates(cell),
    ]
}

fn sum(cell: &Cell<'_>) -> Sum {
    let phase = cell.text("/status/phase");
    let own_reason = cell.text("/status/reason");
    let mut sum = Sum { total: cell.list("/spec/containers").len(), ..Sum::default() };
    let reason = if own_reason.is_empty() { phase } else { own_reason };
    reason.clone_into(&mut sum.reason);
    let gated = |condition: &Value| condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated";
    if cell.list("/status/conditions").iter().any(gated) {
        "SchedulingGated".clone_into(&mut sum.reason);
    }
    let sidecars: Vec<&str> = cell
        .list("/spec/initContainers")
        .iter()
        .filter(|container| container["restartPolicy"] == "Always")
        .filter_map(|container| container["name"].as_str())
        .collect();
    sum.total += sidecars.len();

    let mut of_sidecars = Sum::default();
    let initializing = initializing(cell, &sidecars, &mut sum, &mut of_sidecars);
    if !initializing || cell.is("Initialized") {
        sum.restarts = of_sidecars.restarts;
        sum.last_restart = of_sidecars.last_restart;
        containers(cell, &mut sum);
    }
    if cell.is_deleted() && own_reason == "NodeLost" {
        "Unknown".clone_into(&mut sum.reason);
    } else if cell.is_deleted() && !["Succeeded", "Failed"].contains(&phase) {
        "Terminating".clone_into(&mut sum.reason);
    }
    sum
}

/// Counts init containers; whether one of them is still to end.
fn initializing(cell: &Cell<'_>, sidecars: &[&str], sum: &mut Sum, of_sidecars: &mut Sum) -> bool {
    let total = cell.list("/spec/initContainers").len();
    for (place, status) in cell.list("/status/initContainerStatuses").iter().enumerate() {
        let is_sidecar = status["name"].as_str().is_some_and(|name| sidecars.contains(&name));
        sum.count(status);
        if is_sidecar {
            of_sidecars.count(status);
        }
        let terminated = status.pointer("/state/terminated");
        if terminated.is_some_and(|terminated| terminated["exitCode"] == 0) {
            continue;
        }
        if is_sidecar && status["started"] == true {
            sum.ready += usize::from(status["ready"] == true);
            continue;
        }
        let waiting = status.pointer("/state/waiting/reason").and_then(Value::as_str).unwrap_or_default();
        sum.reason = match terminated {
            Some(terminated) => format!("Init:{}", ended(terminated)),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{place}/{total}"),
        };
        return true;
    }
    false
}

/// Why a container ended.
fn ended(terminated: &Value) -> String {
    let signal = terminated["signal"].as_i64().unwrap_or(0);
    match terminated["reason"].as_str().unwrap_or_default() {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
        reason => reason.to_owned(),
    }
}

fn containers(cell: &Cell<'_>, sum: &mut Sum) {
    let (mut running, mut failed) = (false, None);
    for status in cell.list("/status/containerStatuses").iter().rev() {
        sum.count(status);
        let waiting = status.pointer("/state/waiting/reason").and_then(Value::as_str).unwrap_or_default();
        if !waiting.is_empty() {
            waiting.clone_into(&mut sum.reason);
        } else if let Some(terminated) = status.pointer("/state/terminated") {
            sum.reason = ended(terminated);
            if terminated["exitCode"] != 0 {
                failed = Some(sum.reason.clone());
            }
        } else if status["ready"] == true && status.pointer("/state/running").is_some() {
            running = true;
            sum.ready += 1;
        }
    }
    if sum.reason == "Completed" {
        if running && cell.is("Ready") {
            "Running".clone_into(&mut sum.reason);
        } else if let Some(failed) = failed {
            sum.reason = failed;
        } else if running {
            "NotReady".clone_into(&mut sum.reason);
        }
    }
}

fn gates(cell: &Cell<'_>) -> Value {
    let gates = cell.list("/spec/readinessGates");
    if gates.is_empty() {
        return json!(NONE);
    }
    let met = gates.iter().filter(|gate| gate["conditionType"].as_str().is_some_and(|condition| cell.is(condition))).count();
    json!(format!("{met}/{}", gates.len()))
}
