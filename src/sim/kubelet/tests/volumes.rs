//! Volumes that end with their pod, that outlive it, that live in memory, and those that nobody can know.

use super::{World, script};
use crate::sim::api::Subresource;
use crate::sim::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES};
use rstest::rstest;
use serde_json::{Value, json};

/// A container that appends a word to a file and prints the file.
fn appender(path: &str) -> Value {
    let mut app = script(&format!("echo word >> {path}; cat {path}; sleep 1000"));
    app["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    app
}

async fn lines_of_two_pods(world: &World, spec: &Value) -> Vec<usize> {
    let mut counts = Vec::new();
    for _ in 0..2 {
        let pod = world.pod(spec);
        world.pass(5.0).await;
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        counts.push(world.runtime.find(uid, "app", false).map_or(0, |found| found.container.log().since(0).len()));
        world.delete(Some(0));
        world.pass(5.0).await;
    }
    counts
}

#[rstest]
#[case::empty(json!({"emptyDir": {}}), [1, 1])]
#[case::host(json!({"hostPath": {"path": "/data"}}), [1, 2])]
#[case::claim(json!({"persistentVolumeClaim": {"claimName": "data"}}), [1, 2])]
#[tokio::test(start_paused = true)]
async fn some_volumes_outlive_their_pods(#[case] mut volume: Value, #[case] expected: [usize; 2]) {
    let world = World::new(1);
    let disk = json!({"metadata": {"name": "disk"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": "d", "volumeHandle": "h"}}});
    world.api.create(PERSISTENT_VOLUMES, "", disk).unwrap();
    let claim = json!({"metadata": {"name": "data"}, "spec": {"volumeName": "disk", "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    world.api.create(PERSISTENT_VOLUME_CLAIMS, "t", claim).unwrap();
    let bound = |claim: &mut Value| claim["status"]["phase"] = json!("Bound");
    world.api.modify(PERSISTENT_VOLUME_CLAIMS, "t", "data", Subresource::Status, bound).unwrap();
    volume["name"] = json!("v");
    let spec = json!({"containers": [appender("/v/x")], "volumes": [volume]});
    assert_eq!(lines_of_two_pods(&world, &spec).await, expected);
    assert_eq!(world.limits.since(0), []);
}

#[tokio::test(start_paused = true)]
async fn a_volume_in_memory_counts_and_is_full_at_its_size() {
    let world = World::new(1);
    let mut app = script("head -c 8m /dev/zero > /v/x; head -c 8m /dev/zero > /v/y; sleep 1000");
    app["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    world.pod(&json!({"containers": [app], "volumes": [{"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "12Mi"}}]}));
    world.pass(5.0).await;
    let uid = world.get()["metadata"]["uid"].as_str().unwrap().to_owned();
    let used = world.runtime.usage(&uid)[0].memory / 1024 / 1024;
    assert!((8..=13).contains(&used), "{used}");
    let log = world.runtime.find(&uid, "app", false).unwrap().container.log().since(0);
    assert!(log.iter().any(|line| line.text.contains("No space left on device")), "{log:?}");
    assert_eq!(world.limits.since(0), []);
}

#[tokio::test(start_paused = true)]
async fn what_the_node_keeps_for_itself_is_a_limit() {
    let world = World::new(1);
    let spec = json!({"containers": [appender("/v/x")], "volumes": [{"name": "v", "hostPath": {"path": "/var/log"}}]});
    world.pod(&spec);
    world.pass(5.0).await;
    assert_eq!(world.limits.since(0)[0].construct, "volume v (hostPath in the node's system)");
}
