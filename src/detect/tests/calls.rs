//! What a container calls, and what only looks as if that were the trouble: hand-made objects for what the recordings lack.

use super::*;
use crate::detect::replay::seen;
use serde_json::Value;

/// A front that is not ready since second 10 with this probe's message, behind a database whose Service answers since `answers`.
struct Shop {
    index: Index,
}

impl Shop {
    fn new(answers: u64) -> Self {
        let mut shop = Self { index: Index::new("test") };
        shop.index.apply(&seen(Duration::ZERO, Fact::Watching { kinds: vec!["Service".to_owned(), "EndpointSlice".to_owned()] }));
        shop.see(
            0,
            json!({"kind": "Service", "metadata": {"name": "database", "uid": "s", "namespace": "n"},
            "spec": {"selector": {"app": "database"}, "clusterIP": "10.96.0.7"}}),
        );
        shop.endpoints(1, 0);
        shop.endpoints(answers, 2);
        shop
    }

    fn see(&mut self, at: u64, object: Value) {
        self.index.apply(&seen(Duration::from_secs(at), Fact::Object(Arc::new(object))));
    }

    fn endpoints(&mut self, at: u64, ready: usize) {
        let endpoints: Vec<Value> = (0..ready).map(|_| json!({"conditions": {"ready": true}})).collect();
        self.see(
            at,
            json!({"kind": "EndpointSlice", "metadata": {"name": "database-x", "uid": "e", "namespace": "n",
            "labels": {"kubernetes.io/service-name": "database"}}, "endpoints": endpoints}),
        );
    }

    fn pod(&mut self, at: u64, status: Value) {
        self.see(
            at,
            json!({"kind": "Pod", "metadata": {"name": "front", "uid": "p", "namespace": "n", "labels": {"app": "front"}},
            "spec": {"containers": [{"name": "front", "env": [{"name": "DATABASE", "value": "http://database:8080/rows"}],
                "readinessProbe": {"exec": {"command": ["sh", "-c", "wget $DATABASE"]}}}]},
            "status": status}),
        );
    }

    fn running(&mut self, at: u64, ready: bool) {
        let ready_text = if ready { "True" } else { "False" };
        self.pod(at, json!({"conditions": [{"type": "Ready", "status": ready_text}], "containerStatuses": [{"name": "front", "ready": ready,
            "restartCount": 0, "started": true, "state": {"running": {}}}]}));
    }

    fn probe_failed(&mut self, at: u64, message: &str) {
        self.see(at, json!({"kind": "Event", "type": "Warning", "reason": "Unhealthy", "count": 1, "message": format!("Readiness probe failed: {message}"),
            "metadata": {"name": "front.1", "uid": format!("v{at}"), "namespace": "n"},
            "involvedObject": {"kind": "Pod", "name": "front", "uid": "p", "fieldPath": "spec.containers{front}"}}));
    }

    fn leading(&mut self, at: u64) -> Vec<String> {
        self.index.advance(Duration::from_secs(at));
        let findings = detect(&self.index, &Thresholds::default());
        findings.into_iter().filter(|finding| finding.leading).map(|finding| finding.cause).collect()
    }
}

#[test]
fn a_container_that_began_to_fail_after_its_dependency_was_back_fails_by_itself() {
    let crashed = |first: i64| {
        let mut shop = Shop::new(8);
        let ended = json!({"terminated": {"exitCode": 78, "reason": "Error"}});
        for (restarts, at) in (1_u32..).zip([first, first + 1]) {
            let at = u64::try_from(at).unwrap();
            let status =
                json!({"name": "front", "restartCount": restarts, "ready": false, "state": {"running": {}}, "lastState": ended});
            shop.pod(at - 1, json!({"containerStatuses": [{"name": "front", "restartCount": restarts - 1, "ready": false, "state": {"running": {}}}]}));
            shop.pod(at, json!({"containerStatuses": [status]}));
        }
        shop.leading(12)
    };
    assert_eq!(crashed(5), ["dependency"], "it failed while nobody answered");
    assert_eq!(crashed(10), ["crash.app-error"]);
}

#[test]
fn failures_of_before_do_not_make_a_pod_unready_now() {
    let mut shop = Shop::new(2);
    shop.probe_failed(3, "wget: can't connect to remote host (10.96.0.7): Connection refused");
    shop.running(5, true);
    // Its node was lost: nobody probes it.
    shop.running(60, false);
    assert_eq!(shop.leading(120), Vec::<String>::new());
    shop.probe_failed(121, "not yet");
    assert_eq!(shop.leading(122), ["probe.readiness"]);
}

#[test]
fn a_call_that_times_out_although_somebody_would_answer_is_the_networks() {
    let unready = |message: &str| {
        let mut shop = Shop::new(2);
        // What it said at its start, while nobody answered yet.
        shop.probe_failed(1, "wget: can't connect to remote host (10.96.0.7): Connection refused");
        shop.running(5, true);
        shop.probe_failed(10, message);
        shop.running(10, false);
        shop.probe_failed(40, message);
        shop.leading(41)
    };
    assert_eq!(unready("wget: download timed out"), ["network"]);
    assert_eq!(unready("command timed out: \"sh -c wget\" timed out after 2s"), ["probe.readiness"], "slow by itself, perhaps");
    assert_eq!(unready("wget: server returned error: HTTP/1.0 404 Not Found"), ["probe.readiness"]);
}
