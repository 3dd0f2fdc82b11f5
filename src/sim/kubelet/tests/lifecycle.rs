//! From binding to removal: the recorded statuses, graceful and forced deletion, pods that end by themselves.

use super::{World, script};
use rstest::rstest;
use serde_json::{Value, json};

const TRAPS: &str = "trap \"exit 0\" TERM; while :; do sleep 1; done";

fn conditions(pod: &Value) -> Vec<String> {
    let list = pod["status"]["conditions"].as_array().unwrap();
    let show = |c: &Value| {
        format!(
            "{}={}{}",
            c["type"].as_str().unwrap(),
            c["status"].as_str().unwrap(),
            c["reason"].as_str().map_or(String::new(), |r| format!(" {r}"))
        )
    };
    list.iter().map(show).collect()
}

#[tokio::test(start_paused = true)]
async fn a_healthy_pod_starts_in_three_writes() {
    let world = World::new(1);
    let mut app = script(TRAPS);
    app["resources"] = json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "32Mi"}});
    world.pod(&json!({"containers": [app]}));
    world.pass(3.0).await;
    let pod = world.get();
    let status = &pod["status"];
    let ready = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(|kind| format!("{kind}=True"));
    assert_eq!(conditions(&pod), ready);
    assert_eq!(status["conditions"][0]["lastProbeTime"], Value::Null);
    assert_eq!(
        (&status["observedGeneration"], &status["phase"], &status["hostIPs"]),
        (&json!(1), &json!("Running"), &json!([{"ip": "172.18.0.2"}]))
    );
    assert_eq!(status["podIPs"], json!([{"ip": status["podIP"]}]));
    assert_eq!(status["allocatedResources"], json!({"memory": "32Mi"}));
    let container = &status["containerStatuses"][0];
    assert_eq!(container["lastState"], json!({}));
    assert_eq!(
        container["imageID"],
        "docker.io/library/busybox@sha256:0c79956338c49cfb3a64be3e8123f33c5c284b67df639ea403158db29ef5ce8b"
    );
    assert_eq!(container["containerID"].as_str().unwrap().len(), "containerd://".len() + 64);
    assert_eq!(container["resources"], json!({"limits": {"memory": "32Mi"}, "requests": {"memory": "32Mi"}}));
    assert_eq!(container["user"], json!({"linux": {"uid": 0, "gid": 0, "supplementalGroups": [0]}}));
    insta::assert_snapshot!(world.states().join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Running app:running::0:ready:-
    ");
    insta::assert_snapshot!(world.events().join("\n"), @r#"
    Normal Pulled x1 Container image "docker.io/library/busybox:1.36" already present on machine and can be accessed by the pod
    Normal Created x1 Container created
    Normal Started x1 Container started
    "#);
    let running = world.when(0.0, "running");
    assert!((0.3..1.2).contains(&running), "{running}");
}

#[rstest]
#[case(TRAPS, None, "Succeeded deleting app:terminated:Completed:0", 0.0, 1.2)]
#[case("trap \"exit 143\" TERM; while :; do sleep 1; done", None, "Failed deleting app:terminated:Error:0", 0.0, 1.2)]
#[case("sleep 100000", None, "Failed deleting app:terminated:Error:0", 30.0, 30.3)]
#[case("sleep 100000", Some(1), "Failed deleting app:terminated:Error:0", 2.0, 2.3)]
#[tokio::test(start_paused = true)]
async fn deletion_ends_in_a_final_phase(
    #[case] program: &str,
    #[case] grace: Option<i64>,
    #[case] state: &str,
    #[case] from: f64,
    #[case] to: f64,
) {
    let world = World::new(2);
    world.pod(&json!({"containers": [script(program)]}));
    world.pass(10.0).await;
    world.delete(grace);
    world.pass(40.0).await;
    let ended = world.when(10.0, state);
    assert!((10.0 + from..10.0 + to).contains(&ended), "{ended}");
    let gone = world.when(10.0, "gone");
    assert!((0.1..1.3).contains(&(gone - ended)), "removed {} s after the end", gone - ended);
    assert!(world.events().contains(&"Normal Killing x1 Stopping container app".to_owned()));
    assert!(world.runtime.find("any", "app", false).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pre_stop_hook_spends_the_grace_first() {
    let world = World::new(2);
    let mut app = script(TRAPS);
    app["lifecycle"] = json!({"preStop": {"exec": {"command": ["sleep", "5"]}}});
    world.pod(&json!({"containers": [app]}));
    world.pass(10.0).await;
    world.delete(None);
    world.pass(20.0).await;
    let ended = world.when(10.0, "Succeeded");
    assert!((15.0..16.3).contains(&ended), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_forced_deletion_leaves_the_container_to_be_killed_later() {
    let world = World::new(2);
    let pod = world.pod(&json!({"containers": [script("sleep 100000")]}));
    world.pass(10.0).await;
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let container = world.runtime.find(uid, "app", false).unwrap().container;
    world.delete(Some(0));
    world.pass(1.0).await;
    assert!(world.when(10.0, "gone") < 10.1);
    assert!(container.exit().get().is_none(), "still running after the object is gone");
    world.pass(3.0).await;
    assert_eq!(container.exit().get().unwrap().code, 137);
    world.pass(2.0).await;
    assert!(world.runtime.find(uid, "app", false).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_never_restarts_fails_in_two_steps() {
    let world = World::new(3);
    world.pod(&json!({"restartPolicy": "Never", "containers": [script("sleep 2; exit 7")]}));
    world.pass(10.0).await;
    insta::assert_snapshot!(world.states().join("\n"), @r"
    Pending
    Pending app:waiting:ContainerCreating:0:unready:-
    Running app:running::0:ready:-
    Running app:terminated:Error:0:unready:-
    Failed app:terminated:Error:0:unready:-
    ");
    assert_eq!(conditions(&world.get())[0], "PodReadyToStartContainers=False");
    assert_eq!(conditions(&world.get())[2], "Ready=False PodFailed");
    let step = world.when(0.0, "Failed") - world.when(0.0, "terminated");
    assert!((0.3..2.0).contains(&step), "{step}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_deleted_while_its_image_is_missing_has_unknown_containers() {
    let world = World::new(2);
    let mut app = script("x");
    app["image"] = json!("example.invalid/nope:1");
    world.pod(&json!({"containers": [app]}));
    world.pass(20.0).await;
    world.delete(None);
    world.pass(3.0).await;
    let states = world.states();
    assert_eq!(
        states[states.len() - 4..],
        [
            "Pending deleting app:waiting:ImagePullBackOff:0:unready:-",
            "Pending deleting app:waiting:ContainerCreating:0:unready:-",
            "Failed deleting app:terminated:ContainerStatusUnknown:0:unready:-",
            "gone",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_idle_pod_costs_nothing() {
    let world = World::new(2);
    world.pod(&json!({"containers": [script("sleep 100000000")]}));
    world.pass(5.0).await;
    let (revision, before) = (world.api.store.revision(), tokio::runtime::Handle::current().metrics().num_alive_tasks());
    world.pass(86_400.0).await;
    assert_eq!(world.api.store.revision(), revision);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
}
