//! Evidence from a server that refuses, hangs, and says more than is wanted.

use super::*;
use crate::observe::timeline::{Fact, Observation, Source};
use http::{Request, Response};
use kube::client::Body;
use serde_json::json;
use std::sync::Arc;

fn index() -> Index {
    let mut index = Index::new("test");
    let mut see = |at: u64, fact: Fact| {
        index.apply(&Observation { seq: 0, at: Duration::from_secs(at), source: Source::Watch, fact });
    };
    see(0, Fact::Watching { kinds: ["Pod", "Event", "ConfigMap", "Secret", "Service"].map(str::to_owned).to_vec() });
    see(
        0,
        Fact::Object(Arc::new(
            json!({"kind": "ConfigMap", "metadata": {"name": "pool", "namespace": "n", "uid": "c"}, "data": {"mode": "a"}}),
        )),
    );
    see(0, Fact::Object(Arc::new(json!({"kind": "ConfigMap", "metadata": {"name": "other", "namespace": "else", "uid": "d"}}))));
    let pod = |restarts: u32, state: Value, last: Value| {
        json!({"kind": "Pod", "metadata": {"name": "pool-1", "namespace": "n", "uid": "p",
            "ownerReferences": [{"kind": "ReplicaSet", "name": "pool", "uid": "r", "controller": true}]},
            "spec": {"nodeName": "worker", "containers": [{"name": "app", "image": "busybox:1.37", "resources": {"limits": {"memory": "64Mi"}},
                "livenessProbe": {"exec": {"command": ["true"]}}}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "app"}],
                "containerStatuses": [{"name": "app", "restartCount": restarts, "ready": false, "state": state, "lastState": last}]}})
    };
    let ended =
        json!({"terminated": {"exitCode": 3, "reason": "Error", "message": "no planted-token-9 here", "containerID": "c://1"}});
    see(1, Fact::Object(Arc::new(pod(0, json!({"running": {}}), json!({})))));
    see(9, Fact::Object(Arc::new(pod(1, json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}), ended))));
    see(
        9,
        Fact::Object(Arc::new(
            json!({"kind": "Event", "type": "Warning", "reason": "BackOff", "message": "Back-off restarting\n",
        "metadata": {"uid": "e", "namespace": "n"}, "involvedObject": {"kind": "Pod", "name": "pool-1", "uid": "p"}}),
        )),
    );
    index
}

/// A server with a Deployment and logs, on which `ReplicaSets` are forbidden and Jobs are never answered.
fn client() -> kube::Client {
    let service = tower::service_fn(|request: Request<Body>| async move {
        let path = request.uri().path().to_owned();
        let previous = request.uri().query().unwrap_or_default().contains("previous=true");
        let plural = path.rsplit('/').next().unwrap_or_default().to_owned();
        if plural == "jobs" {
            std::future::pending::<()>().await;
        }
        let refuse = |code: u16, reason: &str| {
            let message = format!("{plural} is {reason}");
            (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}).to_string())
        };
        let list = |items: Value| {
            (200, json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1", "continue": "more"}, "items": items}).to_string())
        };
        let (code, body) = match plural.as_str() {
            "log" if previous => (200, "2026-01-01T00:00:00Z password is planted-token-9\n".to_owned()),
            "log" => (200, "é".repeat(100) + "the end\n"),
            "deployments" => list(json!([{"metadata": {"name": "pool", "namespace": "n", "managedFields": []}}])),
            "replicasets" => refuse(403, "Forbidden"),
            _ => refuse(404, "NotFound"),
        };
        Ok::<_, std::io::Error>(Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap())
    });
    kube::Client::new(service, "n")
}

fn wanted(hidden: &Hidden) -> Wanted<'_> {
    Wanted { namespace: "n", whole_namespace: true, hidden, bounds: Bounds { text: 2_000, ..Bounds::default() } }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_said_and_the_rest_is_kept_without_secrets() {
    let hidden = Hidden::of([], ["planted-token-9".to_owned()]);
    let bundle = collect(&client(), &index(), &wanted(&hidden)).await;
    let names: Vec<&str> = bundle.files.keys().map(String::as_str).collect();
    let expected = [
        "describe.txt",
        "events.txt",
        "logs/pool-1/app-previous.log",
        "logs/pool-1/app.log",
        "missing.txt",
        "objects/configmap.json",
        "objects/deployment.json",
        "objects/pod.json",
    ];
    assert_eq!(names, expected);
    assert!(!format!("{bundle:?}").contains("planted-token-9"));
    assert!(bundle.files["logs/pool-1/app-previous.log"].contains("password is (secret)"));
    assert!(!bundle.files["objects/configmap.json"].contains("other"), "another namespace's");
    let missing = &bundle.files["missing.txt"];
    for said in [
        "objects/replicaset.json: ",
        "Forbidden",
        "objects/job.json: no answer within 10 s",
        "deployment.json: only the first 1 are kept",
    ] {
        assert!(missing.contains(said), "{said}: {missing}");
    }
    insta::assert_snapshot!("describe", bundle.files["describe.txt"]);
}

#[tokio::test(start_paused = true)]
async fn size_and_time_are_bounded() {
    let hidden = Hidden::default();
    let small = Bounds { text: 51, bytes: 150, time: Duration::ZERO, ..Bounds::default() };
    let bundle = collect(&client(), &index(), &Wanted { bounds: small, ..wanted(&hidden) }).await;
    assert!(bundle.files.iter().filter(|(name, _)| *name != "missing.txt").map(|(_, text)| text.len()).sum::<usize>() <= 150);
    assert!(bundle.missing.iter().any(|line| line.contains("not read, 0 s are enough")), "{:?}", bundle.missing);
    let bounds = Bounds { text: 51, ..Bounds::default() };
    let bundle = collect(&client(), &index(), &Wanted { bounds, ..wanted(&hidden) }).await;
    assert!(bundle.files["logs/pool-1/app.log"].ends_with("éthe end\n"), "a log keeps its end");
    assert!(bundle.missing.iter().any(|line| line == "events.txt: only 51 bytes of it are kept"), "{:?}", bundle.missing);
}

#[tokio::test(start_paused = true)]
async fn of_many_pods_those_in_trouble_are_told_of() {
    let mut index = Index::new("test");
    for n in 0..9u64 {
        let ready = if n == 7 { "False" } else { "True" };
        let pod = json!({ "kind": "Pod", "metadata": { "name": format!("pod-{n}"), "namespace": "n", "uid": n.to_string(),
            "ownerReferences": [{ "kind": "ReplicaSet", "name": "web", "uid": "r", "controller": true }] },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": ready }] } });
        index.apply(&Observation { seq: n, at: Duration::ZERO, source: Source::Watch, fact: Fact::Object(Arc::new(pod)) });
    }
    let hidden = Hidden::default();
    let bounds = Bounds { objects: 2, ..Bounds::default() };
    let bundle = collect(&client(), &index, &Wanted { bounds, ..wanted(&hidden) }).await;
    assert!(bundle.missing.iter().any(|line| line.starts_with("only 2 of 9 pods are told of")), "{:?}", bundle.missing);
    for name in ["describe.txt", "objects/pod.json"] {
        let text = &bundle.files[name];
        assert!(text.contains("pod-7") && text.contains("pod-0") && !text.contains("pod-1"), "{name}: {text}");
    }
    // All of them count.
    assert!(bundle.files["describe.txt"].contains("8 of 9 pods Ready"), "{}", bundle.files["describe.txt"]);
}

#[tokio::test(start_paused = true)]
async fn in_somebody_elses_namespace_nothing_is_listed_that_was_not_watched() {
    let hidden = Hidden::default();
    let bundle = collect(&client(), &index(), &Wanted { whole_namespace: false, ..wanted(&hidden) }).await;
    assert!(!bundle.files.contains_key("objects/deployment.json") && bundle.missing.is_empty(), "{:?}", bundle.missing);
}
