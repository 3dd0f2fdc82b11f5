//! Phase and conditions of a pod, computed from its containers' statuses.
//! The statuses themselves are made in `status`.

use crate::json::At as _;
use serde_json::{Value, json};

/// The conditions that the kubelet owns, in the order in which it writes them.
pub(super) const OWNED: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// What the phase and conditions are computed from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Statuses of the init containers, in order, each with whether it is a sidecar.
    pub(super) init: &'a [(Value, bool)],
    /// Statuses of the containers, in order.
    pub(super) containers: &'a [Value],
    /// The pod's restart policy.
    pub(super) restart_policy: &'a str,
    /// Whether no container may run any more.
    pub(super) terminal: bool,
}

fn exit_code(status: &Value, pointer: &str) -> Option<i64> {
    status.at(pointer)?.get("exitCode")?.as_i64()
}

fn ready(status: &Value) -> bool {
    status["ready"] == true
}

/// The names of the elements for which `test` fails.
fn failing<'a>(statuses: impl Iterator<Item = &'a Value>, test: impl Fn(&Value) -> bool) -> Vec<&'a str> {
    statuses.filter(|status| !test(status)).filter_map(|status| status["name"].as_str()).collect()
}

impl Facts<'_> {
    /// The pod's phase, as it would be if nothing ran unseen.
    pub(super) fn phase(&self) -> &'static str {
        let (mut pending_init, mut failed_init) = (0, 0);
        for (status, sidecar) in self.init {
            if *sidecar {
                continue;
            }
            let code = exit_code(status, "/state/terminated");
            let last = exit_code(status, "/lastState/terminated");
            match (code, status["state"].get("waiting").is_some(), last) {
                (Some(0), ..) => {}
                (Some(_), ..) | (None, true, Some(1..)) => failed_init += 1,
                _ => pending_init += 1,
            }
        }
        let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
        for status in self.containers {
            if status["state"].get("running").is_some() {
                running += 1;
            } else if let Some(code) = exit_code(status, "/state/terminated") {
                stopped += 1;
                succeeded += usize::from(code == 0);
            } else if status["lastState"].get("terminated").is_some() {
                stopped += 1;
            } else {
                waiting += 1;
            }
        }
        if failed_init > 0 && (self.restart_policy == "Never" || self.terminal) {
            return "Failed";
        }
        if pending_init > 0 || waiting > 0 {
            return "Pending";
        }
        if running > 0 {
            return "Running";
        }
        let all_succeeded = stopped == succeeded;
        match self.restart_policy {
            _ if self.terminal => {
                if all_succeeded {
                    "Succeeded"
                } else {
                    "Failed"
                }
            }
            "Always" => "Running",
            _ if all_succeeded => "Succeeded",
            "Never" => "Failed",
            _ => "Running",
        }
    }

    /// Status, reason and message of `Initialized`.
    pub(super) fn initialized(&self, phase: &str) -> Verdict {
        let incomplete = failing(self.init.iter().map(|(status, _)| status), |status| {
            let sidecar = self.init.iter().any(|(other, sidecar)| *sidecar && other["name"] == status["name"]);
            if sidecar { status["started"] == true } else { ready(status) }
        });
        let passed = self.containers.iter().any(|status| {
            status["state"].get("running").is_some()
                || status["state"].get("terminated").is_some()
                || status["lastState"].get("terminated").is_some()
        });
        if incomplete.is_empty() || passed {
            let reason = if phase == "Succeeded" { "PodCompleted" } else { "" };
            return Verdict { status: true, reason, message: String::new() };
        }
        let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
        Verdict { status: false, reason: "ContainersNotInitialized", message }
    }

    /// Status, reason and message of `ContainersReady`.
    pub(super) fn containers_ready(&self, phase: &str) -> Verdict {
        match phase {
            "Succeeded" => return Verdict { status: false, reason: "PodCompleted", message: String::new() },
            "Failed" => return Verdict { status: false, reason: "PodFailed", message: String::new() },
            _ => {}
        }
        let sidecars = self.init.iter().filter(|(_, sidecar)| *sidecar).map(|(status, _)| status);
        let unready = failing(sidecars.chain(self.containers), ready);
        if unready.is_empty() {
            return Verdict { status: true, reason: "", message: String::new() };
        }
        let message = format!("containers with unready status: [{}]", unready.join(" "));
        Verdict { status: false, reason: "ContainersNotReady", message }
    }
}

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Verdict {
    /// A condition without a reason.
    pub(super) const fn plain(status: bool) -> Self {
        Self { status, reason: "", message: String::new() }
    }

    /// The condition object. Its transition time moves only when the status flips.
    pub(super) fn condition(&self, kind: &str, generation: &Value, previous: &Value, now: &str) -> Value {
        let status = if self.status { "True" } else { "False" };
        let old = condition_of(previous, kind);
        let since = old
            .filter(|old| old["status"] == status)
            .and_then(|old| old.get("lastTransitionTime").cloned())
            .unwrap_or_else(|| json!(now));
        let mut condition = json!({
            "type": kind, "observedGeneration": generation, "status": status,
            "lastProbeTime": null, "lastTransitionTime": since,
        });
        if !self.reason.is_empty() {
            condition["reason"] = json!(self.reason);
        }
        if !self.message.is_empty() {
            condition["message"] = json!(self.message);
        }
        condition
    }
}

/// A condition of a status, by type.
pub(super) fn condition_of<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status.get("conditions")?.as_array()?.iter().find(|condition| condition["type"] == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn status(state: &str) -> Value {
        match state {
            "run" => json!({"name": "a", "state": {"running": {}}, "lastState": {}, "ready": true, "started": true}),
            "ok" => json!({"name": "a", "state": {"terminated": {"exitCode": 0}}, "lastState": {}, "ready": false}),
            "bad" => json!({"name": "a", "state": {"terminated": {"exitCode": 1}}, "lastState": {}, "ready": false}),
            "loop" => {
                json!({"name": "a", "state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": 1}}, "ready": false})
            }
            _ => json!({"name": "a", "state": {"waiting": {}}, "lastState": {}, "ready": false}),
        }
    }

    #[rstest]
    #[case(&["new"], "Always", false, "Pending")]
    #[case(&["run"], "Always", false, "Running")]
    #[case(&["run", "new"], "Always", false, "Pending")]
    #[case(&["bad"], "Always", false, "Running")]
    #[case(&["loop"], "Always", false, "Running")]
    #[case(&["ok"], "Always", false, "Running")]
    #[case(&["ok"], "OnFailure", false, "Succeeded")]
    #[case(&["bad"], "OnFailure", false, "Running")]
    #[case(&["bad"], "Never", false, "Failed")]
    #[case(&["ok", "bad"], "Never", false, "Failed")]
    #[case(&["ok"], "Always", true, "Succeeded")]
    #[case(&["bad"], "Always", true, "Failed")]
    fn phases(#[case] states: &[&str], #[case] policy: &str, #[case] terminal: bool, #[case] phase: &str) {
        let containers: Vec<_> = states.iter().map(|state| status(state)).collect();
        let facts = Facts { init: &[], containers: &containers, restart_policy: policy, terminal };
        assert_eq!(facts.phase(), phase);
    }

    #[test]
    fn failing_init_containers_keep_the_pod_pending_unless_never_restarted() {
        let init = [(status("loop"), false)];
        let containers = [status("new")];
        let facts = Facts { init: &init, containers: &containers, restart_policy: "Always", terminal: false };
        assert_eq!(facts.phase(), "Pending");
        assert_eq!(facts.initialized("Pending").message, "containers with incomplete status: [a]");
        assert_eq!(Facts { restart_policy: "Never", ..facts }.phase(), "Failed");
    }

    #[test]
    fn transition_times_move_only_with_the_status() {
        let first = Verdict::plain(true).condition("Ready", &json!(1), &json!({}), "t0");
        let status = json!({"conditions": [first]});
        let same = Verdict::plain(true).condition("Ready", &json!(2), &status, "t1");
        assert_eq!((&same["lastTransitionTime"], &same["observedGeneration"]), (&json!("t0"), &json!(2)));
        assert_eq!(Verdict::plain(false).condition("Ready", &json!(1), &status, "t1")["lastTransitionTime"], "t1");
    }
}
