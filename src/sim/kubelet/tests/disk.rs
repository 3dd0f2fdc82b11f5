//! A node whose disk fills up: its conditions, whom its kubelet evicts, image garbage, and what programs meet on a full disk.

use super::{World, script};
use crate::sim::api::resource::{NODES, PODS};
use crate::sim::profile::Profile;
use serde_json::{Value, json};

const GIBIBYTE: u64 = 1024 * 1024 * 1024;
const NODE: &str = "embedded-control-plane";

/// A node with a disk of 20 GiB, of which its system takes two.
fn small() -> World {
    let mut profile = Profile::default();
    profile.nodes[0].disk_bytes = 20 * GIBIBYTE;
    profile.pullable.insert("shop/large:1".to_owned(), 3 * GIBIBYTE);
    profile.pullable.insert("shop/larger:1".to_owned(), 30 * GIBIBYTE);
    World::with_profile(1, &profile)
}

fn condition(world: &World, kind: &str) -> Value {
    let node = world.api.get(NODES, "", NODE).unwrap();
    node["status"]["conditions"].as_array().unwrap().iter().find(|found| found["type"] == kind).unwrap()["status"].clone()
}

fn said(world: &World, reason: &str) -> bool {
    world.node_events(NODE).iter().any(|said| said == reason)
}

#[tokio::test(start_paused = true)]
async fn a_node_short_of_disk_evicts_who_uses_most() {
    let world = small();
    let node = world.api.get(NODES, "", NODE).unwrap();
    assert_eq!(node["status"]["capacity"]["ephemeral-storage"], "20971520Ki");
    assert_eq!(node["status"]["allocatable"]["ephemeral-storage"], "19327352800");
    let modest = json!({"metadata": {"name": "modest"}, "spec": {"nodeName": NODE, "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30, "containers": [script("dd if=/dev/urandom of=/f bs=1M count=10; sleep 10000")]},
        "status": {"phase": "Pending", "qosClass": "BestEffort"}});
    world.api.create(PODS, "t", modest).unwrap();
    world.pod(&json!({"containers": [script("sleep 3; dd if=/dev/zero of=/tmp/x bs=1M count=16000; df -m / | tail -n 1; sleep 10000")]}));
    world.pass(60.0).await;
    let status = world.get()["status"].clone();
    assert_eq!((status["phase"].as_str(), status["reason"].as_str()), (Some("Failed"), Some("Evicted")), "{status}");
    let message = status["message"].as_str().unwrap();
    let start = "The node was low on resource: ephemeral-storage. Threshold quantity: 3221225600, available: ";
    assert!(message.starts_with(start), "{message}");
    assert!(
        message.contains("Ki. Container app was using 16384")
            && message.ends_with("Ki, request is 0, has larger consumption of ephemeral-storage. "),
        "{message}"
    );
    assert!(status["conditions"].as_array().unwrap().iter().any(|found| found["reason"] == "TerminationByKubelet"));
    for reason in ["EvictionThresholdMet", "NodeHasDiskPressure"] {
        assert!(said(&world, reason), "{reason}: {:?}", world.node_events(NODE));
    }
    assert_eq!(condition(&world, "DiskPressure"), "True");
    assert_eq!(world.api.get(PODS, "t", "modest").unwrap()["status"]["phase"], "Running");
    // While that lasts, nobody is taken, whatever he asked for.
    let late = json!({"metadata": {"name": "late"}, "spec": {"nodeName": NODE, "containers": [script("sleep 1")]},
        "status": {"phase": "Pending", "qosClass": "Guaranteed"}});
    world.api.create(PODS, "t", late).unwrap();
    world.pass(11.0).await;
    let late = world.api.get(PODS, "t", "late").unwrap()["status"].clone();
    assert_eq!(
        (&late["reason"], &late["message"]),
        (&json!("Evicted"), &json!("Pod was rejected: The node had condition: [DiskPressure]. "))
    );
    world.pass(330.0).await;
    assert_eq!(condition(&world, "DiskPressure"), "False");
    assert!(said(&world, "NodeHasNoDiskPressure"));
    let revision = world.api.store.revision();
    world.pass(900.0).await;
    assert_eq!(world.api.store.revision(), revision, "a node that is well rests");
}

#[tokio::test(start_paused = true)]
async fn images_that_nobody_uses_go_first_and_are_pulled_again() {
    let world = small();
    let mut large = script("exit 0");
    large["image"] = json!("shop/large:1");
    let once = json!({"metadata": {"name": "once"}, "spec": {"nodeName": NODE, "restartPolicy": "Never", "containers": [large]},
        "status": {"phase": "Pending", "qosClass": "BestEffort"}});
    world.api.create(PODS, "t", once.clone()).unwrap();
    world.pass(400.0).await;
    let gone = crate::sim::api::DeleteOptions { grace_seconds: Some(0), ..Default::default() };
    world.api.delete(PODS, "t", "once", &gone).unwrap();
    world.pod(&json!({"containers": [script("dd if=/dev/zero of=/x bs=1M count=12500; sleep 10000")]}));
    world.pass(60.0).await;
    assert!(said(&world, "EvictionThresholdMet"), "{:?}", world.node_events(NODE));
    assert_eq!(world.get()["status"]["phase"], "Running", "what the image took is enough");
    world.pass(330.0).await;
    assert_eq!(condition(&world, "DiskPressure"), "False");
    let pulls = |world: &World| world.events().iter().filter(|event| event.starts_with("Normal Pulling")).count();
    let before = pulls(&world);
    let mut again = once;
    again["metadata"]["name"] = json!("again");
    world.api.create(PODS, "t", again).unwrap();
    world.pass(5.0).await;
    assert_eq!(pulls(&world), before + 1, "{:#?}", world.events());
}

#[tokio::test(start_paused = true)]
async fn the_collector_says_when_it_finds_too_little() {
    let world = small();
    // 15.5 % are left: too little for the collector, enough for the eviction manager.
    world.pod(&json!({"containers": [script("fallocate -l 15980000000 /x; sleep 10000")]}));
    for _ in 0..310 {
        if !said(&world, "FreeDiskSpaceFailed") {
            world.pass(1.0).await;
        }
    }
    assert!(said(&world, "FreeDiskSpaceFailed"), "{:?}", world.node_events(NODE));
    assert!(!said(&world, "ImageGCFailed") && !said(&world, "EvictionThresholdMet"), "{:?}", world.node_events(NODE));
    world.pass(300.0).await;
    assert!(said(&world, "ImageGCFailed"));
    assert_eq!(world.get()["status"]["phase"], "Running");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_refused() {
    let world = small();
    let mut app = script("sleep 1000");
    app["image"] = json!("shop/larger:1");
    world.pod(&json!({"containers": [app]}));
    world.pass(5.0).await;
    let waiting = world.get()["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    assert_eq!(waiting["reason"], "ErrImagePull", "{waiting}");
    assert!(waiting["message"].as_str().unwrap().ends_with(": no space left on device"), "{waiting}");
}
