//! Ephemeral containers: how they come into a pod that runs, what its status shows, and that nothing waits for them.

use super::{World, script};
use crate::sim::api::Subresource;
use crate::sim::api::resource::PODS;
use serde_json::{Value, json};

fn add(world: &World, debuggers: &Value) {
    let change = |pod: &mut Value| pod["spec"]["ephemeralContainers"] = debuggers.clone();
    world.api.modify(PODS, "t", "p", Subresource::EphemeralContainers, change).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_debugger_runs_beside_the_containers_once() {
    let world = World::new(1);
    world.pod(&json!({"containers": [script("sleep 100000")]}));
    world.pass(5.0).await;
    let command = ["sh", "-c", "hostname; exit 3"];
    let debuggers = json!([{"name": "debugger", "image": "busybox:1.36", "command": command, "imagePullPolicy": "IfNotPresent"}]);
    add(&world, &debuggers);
    world.pass(60.0).await;
    let pod = world.get();
    let shown = &pod["status"]["ephemeralContainerStatuses"][0];
    assert_eq!((&shown["name"], &shown["ready"], &shown["restartCount"]), (&json!("debugger"), &json!(false), &json!(0)));
    assert_eq!(shown["state"]["terminated"]["exitCode"], 3, "{shown}");
    assert_eq!(shown["started"], Value::Null);
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let lines = world.runtime.find(uid, "debugger", false).unwrap().container.log().since(0);
    assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["p"], "it has the pod's name");
    assert_eq!((&pod["status"]["phase"], &pod["status"]["containerStatuses"][0]["ready"]), (&json!("Running"), &json!(true)));
    let started = world.events().iter().filter(|event| event.starts_with("Normal Started")).count();
    assert!(started >= 1, "{:#?}", world.events());
    let events = world.api.list(crate::sim::api::resource::EVENTS, Some("t"));
    assert!(events.iter().any(|event| event["involvedObject"]["fieldPath"] == "spec.ephemeralContainers{debugger}"));
    assert_eq!(world.limits.since(0), []);
}

#[tokio::test(start_paused = true)]
async fn a_debugger_ends_with_its_pod_and_its_target_is_a_limit() {
    let world = World::new(1);
    world.pod(&json!({"containers": [script("trap 'exit 0' TERM; while :; do sleep 1; done")]}));
    world.pass(5.0).await;
    let command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"];
    let debuggers = json!([{"name": "debugger", "image": "busybox:1.36", "command": command, "targetContainerName": "app"}]);
    add(&world, &debuggers);
    world.pass(5.0).await;
    assert!(world.get()["status"]["ephemeralContainerStatuses"][0]["state"]["running"].is_object());
    let met: Vec<_> = world.limits.since(0).into_iter().map(|limit| limit.construct).collect();
    assert_eq!(met, ["targetContainerName of container debugger"]);
    world.delete(None);
    world.pass(10.0).await;
    assert_eq!(world.states().last().unwrap(), "gone");
    assert!(world.events().contains(&"Normal Killing x1 Stopping container debugger".to_owned()), "{:#?}", world.events());
}
