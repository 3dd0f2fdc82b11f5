//! Nodes that are paused, lose power, their kubelet or the API server, as in the recordings `multinode` and `partition`.

use super::{World, script};
use crate::sim::api::Subresource;
use crate::sim::api::resource::{CONFIG_MAPS, EVENTS, LEASES, NODES};
use crate::sim::kubelet::control::NodeControl;
use crate::sim::profile::{Cgroup, Profile};
use serde_json::{Value, json};

const WORKER: &str = "embedded-worker";

fn world() -> World {
    World::with_profile(1, &Profile::default().with_nodes(3))
}

fn worker(world: &World) -> &NodeControl {
    &world.nodes[WORKER]
}

/// A pod on the worker that prints a line each second and ends with 0 on TERM.
fn pod(world: &World) {
    let app = script("trap 'exit 0' TERM; while :; do date; sleep 1; done");
    world.pod(&json!({"nodeName": WORKER, "containers": [app]}));
}

fn lines(world: &World, uid: &str) -> usize {
    world.runtime.find(uid, "app", false).unwrap().container.log().since(0).len()
}

fn uid(world: &World) -> String {
    world.get()["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Reason of the node's condition Ready.
fn ready(world: &World) -> String {
    let node = world.api.get(NODES, "", WORKER).unwrap();
    let conditions = node["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|c| c["type"] == "Ready").unwrap()["reason"].as_str().unwrap().to_owned()
}

/// What the node lifecycle controller does to a node that it does not hear of.
fn give_up(world: &World) {
    let unknown = |object: &mut Value, kinds: &[&str], status: &str| {
        for condition in object["status"]["conditions"].as_array_mut().unwrap() {
            if kinds.iter().any(|kind| condition["type"] == *kind) {
                condition["status"] = json!(status);
                condition["reason"] = json!("NodeStatusUnknown");
            }
        }
    };
    let kinds = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
    world.api.modify(NODES, "", WORKER, Subresource::Status, |node| unknown(node, &kinds, "Unknown")).unwrap();
    let pods = crate::sim::api::resource::PODS;
    world.api.modify(pods, "t", "p", Subresource::Status, |pod| unknown(pod, &["Ready"], "False")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_paused_node_freezes_whole_and_wakes_not_ready() {
    let world = world();
    pod(&world);
    world.pass(5.0).await;
    worker(&world).pause().unwrap();
    assert!(worker(&world).pause().unwrap_err().to_string().contains("is paused: unpause it first"));
    let before = lines(&world, &uid(&world));
    let renewed = world.api.heartbeats.last_renewal(WORKER).unwrap();
    world.pass(100.0).await;
    assert_eq!(lines(&world, &uid(&world)), before);
    assert_eq!(world.api.heartbeats.last_renewal(WORKER), Some(renewed));
    give_up(&world);
    world.delete(None);
    world.pass(300.0).await;
    assert_eq!(lines(&world, &uid(&world)), before);
    worker(&world).unpause().unwrap();
    world.pass(1.0).await;
    assert_eq!(ready(&world), "KubeletNotReady");
    assert!(world.get()["status"]["conditions"].as_array().unwrap().iter().all(|c| c["status"] == "True"), "{}", world.get());
    world.pass(4.0).await;
    assert_eq!(world.states().last().unwrap(), "gone");
    world.pass(7.0).await;
    assert_eq!(ready(&world), "KubeletReady");
    let gone = world.when(0.0, "gone") - 405.0;
    assert!((2.0..4.0).contains(&gone), "{gone}");
}

#[tokio::test(start_paused = true)]
async fn power_takes_everything_and_gives_a_new_sandbox() {
    let world = world();
    pod(&world);
    world.pass(5.0).await;
    let (address, uid) = (world.get()["status"]["podIP"].clone(), uid(&world));
    worker(&world).power_off().unwrap();
    let before = lines(&world, &uid);
    world.pass(100.0).await;
    assert_eq!(lines(&world, &uid), before);
    assert!(world.states().last().unwrap().contains("app:running"), "the API hears nothing");
    give_up(&world);
    worker(&world).power_on().unwrap();
    world.pass(1.5).await;
    assert_eq!(ready(&world), "KubeletReady");
    world.pass(5.0).await;
    let states = world.states();
    assert_eq!(
        states[states.len() - 2..],
        ["Running app:terminated:Unknown:0:unready:-", "Running app:running::1:ready:Unknown"],
        "{states:#?}"
    );
    let status = world.get()["status"].clone();
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 255);
    assert_eq!(status["podIP"], address, "addresses begin anew with the machine");
    let events = world.events();
    assert!(events.iter().any(|e| e.ends_with("SandboxChanged x1 Pod sandbox changed, it will be killed and re-created.")));
    let spoken = world.node_events(WORKER);
    assert!(spoken.iter().any(|reason| reason == "Rebooted"), "{spoken:?}");
    let proxy = world.api.list(EVENTS, Some("default")).into_iter().find(|event| event["action"] == "StartKubeProxy");
    let proxy = proxy.unwrap_or_else(|| panic!("kube-proxy says nothing: {spoken:?}"));
    assert_eq!((&proxy["reportingComponent"], &proxy["involvedObject"]["name"]), (&json!("kube-proxy"), &json!(WORKER)));
}

#[tokio::test(start_paused = true)]
async fn a_new_kubelet_asks_again_whether_what_is_called_not_ready_is() {
    let world = world();
    let app = json!({
        "name": "app", "image": "busybox:1.36", "command": ["sleep", "1000"],
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 5},
    });
    world.pod(&json!({"nodeName": WORKER, "containers": [app]}));
    world.pass(10.0).await;
    worker(&world).stop_kubelet().unwrap();
    world.pass(60.0).await;
    give_up(&world);
    let states = world.states().len();
    worker(&world).start_kubelet().unwrap();
    world.pass(20.0).await;
    let seen = world.states()[states..].to_vec();
    assert_eq!(seen, ["Running app:running::0:unready:-", "Running app:running::0:ready:-"], "{:#?}", world.states());
}

#[tokio::test(start_paused = true)]
async fn a_new_kubelet_cannot_mount_what_it_is_only_told_to_end() {
    let world = world();
    world.api.create(CONFIG_MAPS, "t", json!({"metadata": {"name": "cfg"}, "data": {"mode": "good"}})).unwrap();
    let app = script("trap 'exit 0' TERM; while :; do sleep 1; done");
    let volumes = json!([{"name": "v", "configMap": {"name": "cfg"}}, {"name": "w", "emptyDir": {}}]);
    world.pod(&json!({"nodeName": WORKER, "containers": [app], "volumes": volumes}));
    world.pass(10.0).await;
    worker(&world).stop_kubelet().unwrap();
    world.delete(None);
    world.pass(20.0).await;
    worker(&world).start_kubelet().unwrap();
    world.pass(10.0).await;
    assert_eq!(world.states().last().unwrap(), "gone");
    let failed: Vec<_> = world.events().into_iter().filter(|event| event.contains("FailedMount")).collect();
    let why = "MountVolume.SetUp failed for volume \"v\" : object \"t\"/\"cfg\" not registered";
    assert!(
        failed.iter().any(|event| event.ends_with(why)) && failed.iter().all(|event| event.ends_with(" not registered")),
        "{failed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn cgroup_v1_shows_a_limit_that_nobody_set_at_the_next_sync() {
    for (cgroup, limit) in [(Cgroup::V1, json!("9007199254740988Ki")), (Cgroup::V2, Value::Null)] {
        let world = World::with_profile(1, &Profile { cgroup, ..Profile::default() });
        world.pod(&json!({"containers": [script("sleep 1000")]}));
        world.pass(50.0).await;
        let shown = || world.get().pointer("/status/resources/limits/memory").cloned().unwrap_or_default();
        assert_eq!(shown(), Value::Null);
        world.pass(50.0).await;
        assert_eq!(shown(), limit, "{cgroup:?}");
    }
}

/// A pod on the worker, 10 s old: how many states of it were seen, and its uid.
async fn one_that_writes_and_one_that_ends(world: &World) -> (usize, String) {
    let app = json!({
        "name": "app", "image": "busybox:1.36", "command": ["sh", "-c", "while :; do date; sleep 1; done"],
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 5},
    });
    world.pod(&json!({"nodeName": WORKER, "containers": [app, {
        "name": "short", "image": "busybox:1.36", "command": ["sleep", "30"],
    }]}));
    world.pass(10.0).await;
    (world.states().len(), uid(world))
}

#[tokio::test(start_paused = true)]
async fn a_new_kubelet_takes_running_containers_over() {
    let world = world();
    let (states, uid) = one_that_writes_and_one_that_ends(&world).await;
    worker(&world).stop_kubelet().unwrap();
    let before = lines(&world, &uid);
    world.pass(60.0).await;
    assert!(lines(&world, &uid) > before + 50, "containers go on");
    assert_eq!(world.states().len(), states, "nobody reports");
    worker(&world).start_kubelet().unwrap();
    world.pass(10.0).await;
    let status = world.get()["status"].clone();
    assert_eq!(status["containerStatuses"][0]["restartCount"], 0);
    assert_eq!(status["containerStatuses"][1]["restartCount"], 1);
    assert!(world.states()[states..].iter().all(|state| state.contains("app:running::0:ready")), "{:#?}", world.states());
    let ended = status["containerStatuses"][1]["lastState"]["terminated"]["finishedAt"].as_str().unwrap().to_owned();
    assert!(ended.as_str() < "2026-01-01T00:00:35Z", "it ended while no kubelet looked: {ended}");
    worker(&world).stop_kubelet().unwrap();
    world.delete(Some(0));
    world.pass(60.0).await;
    assert!(world.runtime.find(&uid, "app", false).unwrap().container.exit().get().is_none());
    worker(&world).start_kubelet().unwrap();
    world.pass(10.0).await;
    assert!(world.runtime.find(&uid, "app", false).is_none(), "nothing is left of a pod that is gone");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_the_api_server_goes_on_alone() {
    let world = world();
    let app = script("trap 'exit 0' TERM; sleep 20 & wait; exit 1");
    world.pod(&json!({"nodeName": WORKER, "containers": [app]}));
    world.pass(5.0).await;
    worker(&world).cut_from_api_server().unwrap();
    let states = world.states().len();
    world.pass(60.0).await;
    assert_eq!(world.states().len(), states);
    let newest = world.runtime.find(&uid(&world), "app", false).unwrap();
    assert!(newest.restart > 0, "the kubelet restarts what ends");
    give_up(&world);
    worker(&world).mend().unwrap();
    world.pass(11.0).await;
    assert_eq!(ready(&world), "KubeletReady");
    assert!(world.get()["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(0));
    assert!(world.events().iter().any(|event| event.contains("Started x")), "{:?}", world.events());
    worker(&world).cut_from_api_server().unwrap();
    world.delete(None);
    world.pass(60.0).await;
    assert!(world.states().last().unwrap().contains("deleting"));
    worker(&world).mend().unwrap();
    world.pass(6.0).await;
    assert_eq!(world.states().last().unwrap(), "gone");
}

#[tokio::test(start_paused = true)]
async fn leases_are_written_for_those_who_watch() {
    let world = world();
    world.pass(100.0).await;
    let renewed = || world.api.get(LEASES, "kube-node-lease", WORKER).unwrap()["spec"]["renewTime"].as_str().unwrap().to_owned();
    let first = renewed();
    assert!(first.starts_with("2026-01-01T00:00:00"), "nobody looked: {first}");
    world.api.heartbeats.read(LEASES);
    let second = renewed();
    assert!(second.as_str() > "2026-01-01T00:01:29", "{second}");
    let before = world.api.store.revision();
    let witness = world.api.heartbeats.watch(LEASES);
    world.pass(100.0).await;
    assert!(world.api.store.revision() - before > 26, "three nodes renew ten times");
    drop(witness);
    let before = world.api.store.revision();
    world.pass(100.0).await;
    assert_eq!(world.api.store.revision(), before);
}

#[tokio::test(start_paused = true)]
async fn without_its_runtime_a_node_calls_itself_not_ready_and_its_containers_go_on() {
    let world = world();
    let (states, uid) = one_that_writes_and_one_that_ends(&world).await;
    let runtime = || {
        let node = world.api.get(NODES, "", WORKER).unwrap();
        node["status"]["nodeInfo"]["containerRuntimeVersion"].as_str().unwrap().to_owned()
    };
    worker(&world).stop_container_runtime().unwrap();
    assert!(worker(&world).stop_container_runtime().is_err(), "it is stopped already");
    let before = lines(&world, &uid);
    world.pass(24.0).await;
    assert_eq!((ready(&world).as_str(), runtime().as_str()), ("KubeletReady", "containerd://Unknown"));
    world.pass(20.0).await;
    assert_eq!(ready(&world), "KubeletNotReady");
    assert!(lines(&world, &uid) > before + 40, "containers go on");
    assert_eq!(world.states().len(), states, "what ended is neither told nor started again, and nobody calls the pod not ready");
    let told = world.events();
    let errored = "Readiness probe errored and resulted in unknown state: rpc error: code = Unavailable desc = connection error";
    assert!(told.iter().any(|event| event.contains(errored)), "{told:?}");
    worker(&world).start_container_runtime().unwrap();
    world.pass(25.0).await;
    assert_eq!((ready(&world).as_str(), runtime().as_str()), ("KubeletReady", "containerd://2.3.7"));
    let status = world.get()["status"].clone();
    let restarts = |place: usize| status["containerStatuses"][place]["restartCount"].as_u64();
    assert_eq!((restarts(0), restarts(1)), (Some(0), Some(1)), "{status}");
    // A short stop is nobody's business, and a pod that is deleted meanwhile ends when the runtime is back.
    worker(&world).stop_container_runtime().unwrap();
    world.delete(None);
    world.pass(15.0).await;
    assert!(world.states().last().unwrap().contains("deleting"));
    worker(&world).start_container_runtime().unwrap();
    world.pass(40.0).await;
    assert_eq!((ready(&world).as_str(), world.states().last().unwrap().as_str()), ("KubeletReady", "gone"));
}
