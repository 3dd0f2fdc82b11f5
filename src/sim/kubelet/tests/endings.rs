//! Pods that their node turns away, evicts, resizes, or ends at their deadline; texts and times as a real 1.36.2 showed them.

use super::{World, script};
use crate::sim::api::Subresource;
use crate::sim::api::resource::PODS;
use crate::sim::profile::Profile;
use rstest::rstest;
use serde_json::{Value, json};

const GIBIBYTE: u64 = 1024 * 1024 * 1024;

/// A container that ends with 0 on TERM.
fn polite() -> Value {
    script("trap 'exit 0' TERM; while :; do sleep 1; done")
}

#[rstest]
#[case(json!({"nodeSelector": {"nope": "yes"}}), json!({}), "NodeAffinity")]
#[case(json!({}), json!({"requests": {"cpu": "500"}}), "OutOfcpu")]
#[case(json!({}), json!({"requests": {"memory": "5000Gi"}}), "OutOfmemory")]
#[tokio::test(start_paused = true)]
async fn a_node_turns_away_what_it_cannot_take(#[case] mut spec: Value, #[case] resources: Value, #[case] reason: &str) {
    let world = World::new(1);
    let mut app = polite();
    app["resources"] = resources;
    spec["containers"] = json!([app]);
    world.pod(&spec);
    world.pass(11.0).await;
    let status = world.get()["status"].clone();
    assert_eq!((status["phase"].as_str(), status["reason"].as_str()), (Some("Failed"), Some(reason)));
    let message = status["message"].as_str().unwrap().strip_prefix("Pod was rejected: ").unwrap().to_owned();
    assert_eq!(world.events(), [format!("Warning {reason} x1 {message}")]);
    assert_eq!(world.limits.since(0), []);
    world.delete(None);
    world.pass(5.0).await;
    assert_eq!(world.states().last().unwrap(), "gone");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_pod_as_failed_whatever_its_code() {
    let world = World::new(1);
    world.pod(&json!({"activeDeadlineSeconds": 8, "containers": [polite()]}));
    world.pass(15.0).await;
    let status = world.get()["status"].clone();
    assert_eq!((status["phase"].as_str(), status["reason"].as_str()), (Some("Failed"), Some("DeadlineExceeded")));
    assert_eq!(status["message"], "Pod was active on the node longer than the specified deadline");
    assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    let ended = world.when(0.0, "Failed");
    assert!((8.0..11.0).contains(&ended), "{ended}");
    let last = "Normal DeadlineExceeded x4 Pod was active on the node longer than the specified deadline".to_owned();
    assert!(world.events().contains(&last), "{:#?}", world.events());
}

#[rstest]
#[case::volume(json!({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]}), json!({}), "/v/x",
    "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ")]
#[case::layer(json!({}), json!({"limits": {"ephemeral-storage": "1Mi"}}), "/x",
    "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ")]
#[tokio::test(start_paused = true)]
async fn who_fills_the_disk_is_evicted(
    #[case] mut spec: Value,
    #[case] resources: Value,
    #[case] file: &str,
    #[case] message: &str,
) {
    let world = World::new(1);
    let mut app = script(&format!("sleep 5; head -c 5000000 /dev/zero > {file}; sleep 1000"));
    app["resources"] = resources;
    if spec.get("volumes").is_some() {
        app["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    }
    spec["containers"] = json!([app]);
    world.pod(&spec);
    world.pass(90.0).await;
    let status = world.get()["status"].clone();
    assert_eq!((status["phase"].as_str(), status["reason"].as_str()), (Some("Failed"), Some("Evicted")), "{status}");
    assert_eq!(status["message"], message);
    assert!(world.events().contains(&format!("Warning Evicted x1 {message}")));
    assert!(status["conditions"].as_array().unwrap().iter().all(|condition| condition["type"] != "DisruptionTarget"));
}

/// A node of 2 GiB, of which containers can take 1.5.
fn small() -> World {
    let mut profile = Profile::default();
    profile.nodes[0].memory_bytes = 2 * GIBIBYTE;
    World::with_profile(1, &profile)
}

#[tokio::test(start_paused = true)]
async fn a_node_short_of_memory_evicts_before_the_kernel_kills() {
    let world = small();
    // 1460 MiB are held: 76 MiB are left of 1536.
    world.pod(&json!({"containers": [script("sleep 3; { head -c 1460m /dev/zero; sleep 1000; } | tail")]}));
    world.pass(150.0).await;
    let status = world.get()["status"].clone();
    assert_eq!((status["phase"].as_str(), status["reason"].as_str()), (Some("Failed"), Some("Evicted")), "{status}");
    let message = status["message"].as_str().unwrap();
    assert!(message.starts_with("The node was low on resource: memory. Threshold quantity: 100Mi, available: "), "{message}");
    assert!(
        message.contains("Container app was using ") && message.ends_with(", request is 0, has larger consumption of memory. ")
    );
    let disrupted = status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "DisruptionTarget").unwrap().clone();
    assert_eq!(disrupted["reason"], "TerminationByKubelet");
    let spoken = world.node_events("embedded-control-plane");
    for reason in ["EvictionThresholdMet", "NodeHasInsufficientMemory"] {
        assert!(spoken.iter().any(|said| said == reason), "{reason}: {spoken:?}");
    }
    world.pass(500.0).await;
    let count = |reason: &str| world.node_events("embedded-control-plane").iter().filter(|said| *said == reason).count();
    assert_eq!(count("NodeHasSufficientMemory"), 1, "one object that counts");
    let revision = world.api.store.revision();
    world.pass(600.0).await;
    assert_eq!(world.api.store.revision(), revision, "a node that is well rests");
}

#[tokio::test(start_paused = true)]
async fn the_kernel_kills_where_memory_goes_fast() {
    let world = small();
    world.pod(&json!({"containers": [script("sleep 3; tail /dev/zero")]}));
    world.pass(9.0).await;
    let last = world.get()["status"]["containerStatuses"][0].clone();
    let ended = [&last["state"], &last["lastState"]].into_iter().find_map(|state| state["terminated"]["reason"].as_str());
    assert_eq!(ended, Some("OOMKilled"), "{last}");
    assert!(world.node_events("embedded-control-plane").iter().any(|said| said == "SystemOOM"));
    assert_eq!(world.limits.since(0), []);
}

fn resize(world: &World, resources: &Value) {
    world
        .api
        .modify(PODS, "t", "p", Subresource::Main, |pod| {
            pod["spec"]["containers"][0]["resources"] = resources.clone();
            pod["metadata"]["generation"] = json!(2);
        })
        .unwrap();
}

#[rstest]
#[case::in_place(json!([]), 0)]
#[case::by_restart(json!([{"resourceName": "memory", "restartPolicy": "RestartContainer"}]), 1)]
#[tokio::test(start_paused = true)]
async fn a_resize_is_put_into_force(#[case] policy: Value, #[case] restarts: u64) {
    let world = World::new(1);
    let mut app = polite();
    app["resources"] = json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "32Mi"}});
    app["resizePolicy"] = policy;
    world.pod(&json!({"containers": [app]}));
    world.pass(5.0).await;
    let wanted = json!({"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}});
    resize(&world, &wanted);
    world.pass(5.0).await;
    let status = world.get()["status"].clone();
    let app = &status["containerStatuses"][0];
    assert_eq!((&app["resources"], &app["allocatedResources"]), (&wanted, &wanted["requests"]));
    assert_eq!(app["restartCount"], restarts);
    let uid = world.get()["metadata"]["uid"].as_str().unwrap().to_owned();
    assert_eq!(world.runtime.usage(&uid)[0].memory_limit, 64 * 1024 * 1024);
    assert!(status["conditions"].as_array().unwrap().iter().all(|condition| condition["type"] != "PodResizeInProgress"));
    let text = r#"{"containers":[{"name":"app","resources":{"limits":{"memory":"64Mi"},"requests":{"cpu":"10m","memory":"64Mi"}}}],"generation":2}"#;
    let events = world.events();
    for (reason, what) in [("ResizeStarted", "started"), ("ResizeCompleted", "completed")] {
        assert!(events.contains(&format!("Normal {reason} x1 Pod resize {what}: {text}")), "{events:#?}");
    }
    let killed = events.iter().any(|event| event == "Normal Killing x1 Container app resize requires restart");
    assert_eq!(killed, restarts > 0);
}

#[tokio::test(start_paused = true)]
async fn a_resize_waits_for_room() {
    let world = World::new(1);
    let mut app = polite();
    app["resources"] = json!({"requests": {"cpu": "10m"}});
    world.pod(&json!({"containers": [app]}));
    world.pass(5.0).await;
    resize(&world, &json!({"requests": {"cpu": "9"}}));
    world.pass(5.0).await;
    let status = world.get()["status"].clone();
    assert_eq!(status["containerStatuses"][0]["allocatedResources"]["cpu"], "10m");
    let pending = status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "PodResizePending").unwrap().clone();
    assert_eq!(
        (pending["reason"].as_str(), pending["message"].as_str()),
        (Some("Deferred"), Some("Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 4000"))
    );
    resize(&world, &json!({"requests": {"cpu": "10m"}}));
    world.pass(5.0).await;
    let conditions = world.get()["status"]["conditions"].clone();
    assert!(conditions.as_array().unwrap().iter().all(|condition| condition["type"] != "PodResizePending"));
}
