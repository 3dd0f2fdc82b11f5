//! Configuration that is missing, and configuration that comes late.

use super::{World, script};
use crate::sim::api::resource::{CONFIG_MAPS, SECRETS};
use serde_json::json;

/// Seconds from the ConfigMap's creation to the start of the container that waits for it.
async fn start_after_creation(seed: u64) -> f64 {
    let world = World::new(seed);
    let mut app = script("sleep 100000");
    app["env"] = json!([{"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "mode"}}}]);
    world.pod(&json!({"containers": [app]}));
    world.pass(30.4).await;
    assert_eq!(world.states().last().unwrap(), "Pending app:waiting:CreateContainerConfigError:0:unready:-");
    assert!(
        world
            .events()
            .iter()
            .any(|event| event.starts_with("Warning Failed") && event.ends_with("Error: configmap \"cfg\" not found"))
    );
    world.api.create(CONFIG_MAPS, "t", json!({"metadata": {"name": "cfg"}, "data": {"mode": "good"}})).unwrap();
    world.pass(16.2).await;
    world.when(30.4, "Running app:running::0:ready:-") - 30.4
}

#[tokio::test(start_paused = true)]
async fn a_missing_config_map_is_tried_each_ten_to_fifteen_seconds() {
    let mut waits = Vec::new();
    for seed in 0..6 {
        waits.push(start_after_creation(seed).await);
    }
    assert!(waits.iter().all(|wait| *wait < 16.2), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > 3.0), "its creation wakes nobody: {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_key_has_its_own_text() {
    let world = World::new(1);
    world.api.create(SECRETS, "t", json!({"metadata": {"name": "s"}, "data": {}})).unwrap();
    let mut app = script("sleep 100000");
    app["env"] = json!([{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);
    world.pod(&json!({"containers": [app]}));
    world.pass(5.0).await;
    let waiting = world.get()["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    assert_eq!(waiting, json!({"reason": "CreateContainerConfigError", "message": "couldn't find key k in Secret t/s"}));
}

#[tokio::test(start_paused = true)]
async fn a_missing_volume_source_is_tried_at_doubling_distances() {
    let world = World::new(1);
    let mut app = script("sleep 100000");
    app["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    world.pod(&json!({"volumes": [{"name": "v", "secret": {"secretName": "nope"}}], "containers": [app]}));
    world.pass(200.0).await;
    let text = "Warning FailedMount x9 MountVolume.SetUp failed for volume \"v\" : secret \"nope\" not found";
    assert_eq!(world.events(), [text]);
    assert_eq!(world.states().last().unwrap(), "Pending app:waiting:ContainerCreating:0:unready:-");
    world.api.create(SECRETS, "t", json!({"metadata": {"name": "nope"}, "data": {"a": "MQ=="}})).unwrap();
    world.pass(60.0).await;
    let running = world.when(200.0, "running");
    assert!((249.0..252.5).contains(&running), "{running}");
}

#[tokio::test(start_paused = true)]
async fn running_as_root_is_refused_where_the_pod_says_so() {
    let world = World::new(1);
    let pod = world.pod(&json!({"securityContext": {"runAsNonRoot": true}, "containers": [script("sleep 100000")]}));
    world.pass(5.0).await;
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let text = format!("container has runAsNonRoot and image will run as root (pod: \"p_t({uid})\", container: app)");
    assert_eq!(world.get()["status"]["containerStatuses"][0]["state"]["waiting"]["message"], text);
}

#[tokio::test(start_paused = true)]
async fn a_mounted_config_map_refreshes_at_the_next_sync_of_its_pod() {
    let world = World::new(1);
    world.api.create(CONFIG_MAPS, "t", json!({"metadata": {"name": "cfg"}, "data": {"mode": "good"}})).unwrap();
    let mut app = script("while :; do m=$(cat /cfg/mode); [ \"$m\" = good ] || exit 78; sleep 1; done");
    app["volumeMounts"] = json!([{"name": "v", "mountPath": "/cfg"}]);
    world.pod(&json!({"volumes": [{"name": "v", "configMap": {"name": "cfg"}}], "containers": [app]}));
    world.pass(40.0).await;
    let set = |mode: &'static str| move |object: &mut serde_json::Value| object["data"]["mode"] = json!(mode);
    world.api.modify(CONFIG_MAPS, "t", "cfg", crate::sim::api::Subresource::Main, set("bad")).unwrap();
    world.pass(60.0).await;
    let ended = world.when(0.0, "terminated:Error:0");
    assert!((60.0..93.0).contains(&ended), "the first resync comes 60 to 90 s after the start: {ended}");
    assert_eq!(world.limits.since(0), []);
    world.api.modify(CONFIG_MAPS, "t", "cfg", crate::sim::api::Subresource::Main, set("good")).unwrap();
    world.pass(130.0).await;
    assert!(
        world.states().last().unwrap().contains("running"),
        "the next restart after the change runs: {:?}",
        world.states().last()
    );
}

#[tokio::test(start_paused = true)]
async fn a_container_over_its_memory_limit_is_oom_killed() {
    let world = World::new(1);
    let mut app = script("sleep 3; exec tail /dev/zero");
    app["resources"] = json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "32Mi"}});
    world.pod(&json!({"containers": [app]}));
    world.pass(6.0).await;
    let killed = world.states().into_iter().find(|state| state.contains("terminated")).unwrap();
    assert_eq!(killed, "Running app:terminated:OOMKilled:0:unready:-");
    assert_eq!(world.get()["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 137);
    assert!(world.events().iter().all(|event| event.starts_with("Normal")), "{:#?}", world.events());
}
