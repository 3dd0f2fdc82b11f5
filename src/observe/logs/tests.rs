//! Tests of what a pod's states ask to be read.

use super::*;
use serde_json::json;

fn follower(wanted: Vec<Wanted>) -> (LogFollower, mpsc::UnboundedReceiver<Seen>) {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
        Err::<http::Response<kube::client::Body>, std::io::Error>(std::io::Error::other("no server"))
    });
    let (sink, seen) = mpsc::unbounded_channel();
    (LogFollower::new(&kube::Client::new(service, "n"), "n", wanted, sink), seen)
}

fn pod(state: &Value, last: &Value, count: u32) -> Arc<Value> {
    Arc::new(json!({
        "metadata": { "name": "api-7f-x", "uid": "u", "labels": { "app": "api", "pod-template-hash": "7f" },
            "ownerReferences": [{ "kind": "ReplicaSet", "name": "api-7f", "controller": true }] },
        "status": { "containerStatuses": [{ "name": "app", "restartCount": count, "state": state, "lastState": last }] },
    }))
}

fn ended(id: u32) -> Value {
    json!({ "terminated": { "exitCode": 1, "containerID": format!("c://{id}"), "finishedAt": "2026-01-01T00:00:05Z" } })
}

fn running() -> Value {
    json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } })
}

fn waiting() -> Value {
    json!({ "waiting": { "reason": "CrashLoopBackOff" } })
}

/// `restart`, `follow`, `previous`, `tail` of what is due.
fn shown(follower: &LogFollower, pod: &Value) -> Vec<(u32, bool, bool, Option<i64>)> {
    follower.due(pod).into_iter().map(|due| (due.instance.2, due.follow, due.previous, due.tail)).collect()
}

#[tokio::test]
async fn every_ended_instance_leaves_evidence_once() {
    let (mut follower, _seen) = follower(Vec::new());
    assert_eq!(shown(&follower, &pod(&running(), &json!({}), 0)), []);
    let first = pod(&ended(1), &json!({}), 0);
    assert_eq!(shown(&follower, &first), [(0, false, false, Some(20))]);
    follower.pod_seen(&first);
    assert_eq!(shown(&follower, &first), []);
    // Restarted at once, then ended unseen, seen first in its back-off.
    assert_eq!(shown(&follower, &pod(&running(), &ended(1), 1)), []);
    assert_eq!(shown(&follower, &pod(&waiting(), &ended(2), 1)), [(1, false, false, Some(20))]);
    // Seen only when the next one runs.
    assert_eq!(shown(&follower, &pod(&running(), &ended(2), 2)), [(1, false, true, Some(20))]);
    assert_eq!(shown(&follower, &pod(&ended(3), &ended(2), 2)), [(1, false, true, Some(20)), (2, false, false, Some(20))]);
}

#[tokio::test]
async fn what_a_condition_asks_for_is_followed_whole() {
    let target = Target::Deployment("api".to_owned());
    let (mut follower, _seen) = follower(vec![Wanted { target, container: None }]);
    let runs = pod(&running(), &json!({}), 0);
    assert_eq!(shown(&follower, &runs), [(0, true, false, None)]);
    follower.pod_seen(&runs);
    assert_eq!(shown(&follower, &pod(&ended(1), &json!({}), 0)), []);
    assert_eq!(shown(&follower, &pod(&running(), &ended(1), 1)), [(1, true, false, None)]);
}

#[test]
fn targets_are_told_from_the_pod_alone() {
    let pod = pod(&running(), &json!({}), 0);
    let wanted = |target: Target, container: Option<&str>| Wanted { target, container: container.map(ToOwned::to_owned) };
    assert!(wanted(Target::Deployment("api".to_owned()), Some("app")).includes(&pod, "app"));
    assert!(!wanted(Target::Deployment("ap".to_owned()), None).includes(&pod, "app"));
    assert!(!wanted(Target::Pod("api-7f-x".to_owned()), Some("side")).includes(&pod, "app"));
    assert!(wanted(Target::Selector("app in (api, web)".to_owned()), None).includes(&pod, "app"));
}

#[test]
fn stamps_are_taken_off() {
    let (at, text) = stamped("2026-01-01T00:00:05.123456789Z two  words");
    assert_eq!((at.unwrap().as_second() % 60, text), (5, "two  words"));
    assert_eq!(stamped("no stamp"), (None, "no stamp"));
    assert_eq!(stamped("2026-01-01T00:00:05Z"), (Some("2026-01-01T00:00:05Z".parse().unwrap()), ""));
}
