use super::*;
use crate::cluster::embedded::Embedded;
use crate::cluster::machine::Runtime;
use crate::cluster::machine::anywhere::Anywhere;
use crate::cluster::{Cluster as _, Session, TrialContext};
use crate::engine::namespace::{self, Identity};
use crate::scenario::{LoadOptions, load};
use rstest::rstest;

fn host() -> Machine {
    Machine::Host { node: "worker-1.example".to_owned(), id: "0af3".to_owned(), container_runtime: "containerd".to_owned() }
}

fn limit(mark: &str) -> Limit {
    Limit { mark: mark.to_owned(), seconds: 90 }
}

const MARK: &str = "comeback 20260101-000000-abcde cb-x-0-abcde 0";

/// A record that an earlier version wrote has no limit; one of now is read again as it was.
#[test]
fn records_are_read_again() {
    let written = serde_json::to_value(host()).unwrap();
    assert_eq!(written, json!({ "host": { "node": "worker-1.example", "id": "0af3", "containerRuntime": "containerd" } }));
    assert_eq!(serde_json::from_value::<Machine>(written).unwrap(), host());
    assert_eq!(host().to_string(), "the machine of node worker-1.example");
    let old = json!({ "machine": { "container": { "runtime": "docker", "id": "0a", "name": "n" } }, "act": "stopKubelet" });
    let old: crate::fault::machine::Done = serde_json::from_value(old).unwrap();
    assert_eq!((old.limit, &old.act), (Limit::default(), &Act::StopKubelet));
}

/// Nothing that a record says becomes a word of a command or of a path that it is not meant to be.
#[rstest]
#[case("worker/../x", "0af3", MARK)]
#[case("", "0af3", MARK)]
#[case("worker", "$(reboot)", MARK)]
#[case("worker", "", MARK)]
#[case("worker", "0af3", "kubelet")]
#[case("worker", "0af3", "comeback ../../etc")]
#[case("worker", "0af3", "")]
fn records_are_not_believed(#[case] node: &str, #[case] id: &str, #[case] mark: &str) {
    let machine = Machine::Host { node: node.to_owned(), id: id.to_owned(), container_runtime: "containerd".to_owned() };
    assert!(parts("mending", &machine).is_err() || unit("mending", &limit(mark)).is_err());
}

#[test]
fn what_nobody_could_take_back_is_refused() {
    for act in [Act::Pause, Act::PowerOff] {
        assert!(work("breaking", &host(), &act, &limit(MARK)).unwrap_err().message.contains("could take this back"), "{act:?}");
    }
    let unknown = Machine::Host { node: "n".to_owned(), id: "0a".to_owned(), container_runtime: "docker".to_owned() };
    assert!(work("breaking", &unknown, &Act::StopContainerRuntime, &limit(MARK)).unwrap_err().message.contains("docker"));
    assert_eq!(work("breaking", &unknown, &Act::StopKubelet, &limit(MARK)).unwrap().word, "kubelet");
    let container = Machine::Container { runtime: Runtime::Docker, id: "0a".to_owned(), name: "n".to_owned() };
    assert!(work("breaking", &container, &Act::StopKubelet, &limit(MARK)).is_err());
}

#[rstest]
#[case("builtin:node-kubelet-stopped", None)]
#[case("builtin:node-partitioned", None)]
#[case("builtin:node-paused", Some("pauseNode"))]
#[case("builtin:node-kubelet-dead-rebooted", Some("rebootNode"))]
fn plans_that_pods_cannot_carry_out_say_why(#[case] scenario: &str, #[case] refused: Option<&str>) {
    let loaded = load(&[scenario.to_owned()], &LoadOptions::default()).unwrap();
    let why = cannot(&loaded.plans[0]);
    assert_eq!(why.is_some(), refused.is_some(), "{why:?}");
    assert!(refused.is_none_or(|key| why.unwrap().contains(key)));
}

#[test]
fn the_pod_is_short_lived_on_its_node_and_of_no_account() {
    let pod = pod("busybox:1.37", "n-act", "worker", &["true", "sh", "x"]);
    let spec = &pod["spec"];
    assert_eq!((&spec["nodeName"], &spec["hostPID"], &spec["restartPolicy"]), (&json!("worker"), &json!(true), &json!("Never")));
    assert_eq!((&spec["automountServiceAccountToken"], &spec["activeDeadlineSeconds"]), (&json!(false), &json!(RUNS_FOR)));
    assert_eq!(spec["tolerations"], json!([{ "operator": "Exists" }]));
    assert_eq!(spec["containers"][0]["securityContext"]["privileged"], true);
    assert_eq!(spec["containers"][0]["command"], json!(["sh", "-c", ENTER, "sh", "true", "sh", "x"]));
    assert!(spec.get("volumes").is_none());
}

#[test]
fn names_differ_by_mark_node_and_verb_and_fit() {
    let long = "a-node-with-a-very-long-name.of-a-cloud.example.internal";
    let all = [
        name_of(long, &limit(MARK), "act"),
        name_of(long, &limit(MARK), "mend"),
        name_of(long, &limit("comeback x"), "act"),
        name_of("other", &limit(MARK), "act"),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert!(distinct.len() == 4 && all.iter().all(|name| name.len() <= 63), "{all:?}");
    assert_eq!(unit("x", &limit(MARK)).unwrap(), "comeback-20260101-000000-abcde-cb-x-0-abcde-0");
}

/// How a pod ended: as the kubelet of Kubernetes 1.36 tells it.
#[rstest]
#[case(json!({ "phase": "Succeeded", "containerStatuses": [{ "state": { "terminated": { "exitCode": 0, "message": "acting" } } }] }), true, Ok("acting"))]
#[case(json!({ "phase": "Failed", "containerStatuses": [{ "state": { "terminated": { "exitCode": 1, "reason": "Error",
    "message": "nsenter: x\nthe node has no systemd-run, by which it would mend itself\n" } } }] }), true,
    Err("the node has no systemd-run, by which it would mend itself"))]
#[case(json!({ "phase": "Failed", "reason": "OutOfpods", "message": "Node didn't have enough resource: pods" }), true,
    Err("pod p failed: OutOfpods Node didn't have enough resource: pods"))]
#[case(json!({ "phase": "Pending", "containerStatuses": [{ "state": { "waiting": { "reason": "ImagePullBackOff", "message": "Back-off" } } }] }), false,
    Err("pod p did not end within 60 s: ImagePullBackOff: Back-off"))]
#[case(json!({ "phase": "Pending" }), false, Err("pod p did not end within 60 s: the node's kubelet has not told that it ran"))]
#[case(Value::Null, true, Err("pod p was deleted by somebody before it ended"))]
fn an_end_is_told(#[case] status: Value, #[case] ended: bool, #[case] is: Result<&str, &str>) {
    let told = judged(&json!({ "status": status }), ended, "p", Duration::from_mins(1));
    assert_eq!(told.as_deref().map_err(String::as_str), is);
}

async fn session() -> Session {
    let trial = TrialContext { seed: 5, nodes: 1, ..TrialContext::default() };
    Embedded::default().open(&trial).await.unwrap()
}

/// The embedded cluster's nodes have no namespaces that busybox could enter: the pod runs and fails there, as on a node without what it
/// needs. So it is the way of the pod that is tried here: named error, and nothing left.
#[tokio::test(start_paused = true)]
async fn a_pod_that_cannot_act_is_an_error_and_is_gone() {
    let session = session().await;
    let nodes = kinds::resolve(&session.client, None, "Node").await.unwrap().api(&session.client, "");
    let node = nodes.list(&kube::api::ListParams::default()).await.unwrap().items.remove(0);
    let name = node.metadata.name.clone().unwrap();
    let identity = Identity { run: "r", scenario: "s", trial: 0, seed: 1 };
    let namespace = namespace::create(&session.client, &identity).await.unwrap().name;
    let hosts = Hosts { client: session.client.clone(), namespace: namespace.clone(), image: "busybox:1.37".to_owned() };
    let machine = Machine::Host { node: name, id: "0af3".to_owned(), container_runtime: "containerd".to_owned() };
    let error = Machines::carry_out(&hosts, &machine, &Act::StopKubelet, &limit(MARK)).await.unwrap_err();
    assert_eq!((error.what, error.code), (format!("breaking {machine}"), 0), "{}", error.message);
    let pods = kinds::resolve(&session.client, None, "Pod").await.unwrap().api(&session.client, &namespace);
    assert_eq!(pods.list(&kube::api::ListParams::default()).await.unwrap().items.len(), 0);
    // Without an end of its own nothing is begun.
    let endless = Limit { seconds: 0, ..limit(MARK) };
    let error = Machines::carry_out(&hosts, &machine, &Act::StopKubelet, &endless).await.unwrap_err();
    assert!(error.message.contains("mends itself"), "{error}");
    // An act that was given up while its pod waited does not come after it was taken back.
    let id = node.data.pointer("/status/nodeInfo/machineID").unwrap().as_str().unwrap().to_owned();
    let name = node.metadata.name.unwrap();
    let waiting = pod("busybox:1.37", &name_of(&name, &limit(MARK), "act"), "", &["true"]);
    let waiting: DynamicObject = serde_json::from_value(waiting).unwrap();
    pods.create(&PostParams::default(), &waiting).await.unwrap();
    let there = Machine::Host { node: name, id, container_runtime: "containerd".to_owned() };
    assert!(Machines::take_back(&hosts, &there, &Act::StopKubelet, &limit(MARK)).await.is_err());
    assert_eq!(pods.list(&kube::api::ListParams::default()).await.unwrap().items.len(), 0);
    // Another machine has its name now: there is nothing to mend.
    let gone = Machines::take_back(&hosts, &machine, &Act::StopKubelet, &limit(MARK)).await.unwrap();
    assert_eq!(gone, TakenBack::Gone);
    let nowhere = Anywhere { hosts: None };
    assert!(nowhere.take_back(&machine, &Act::StopKubelet, &limit(MARK)).await.is_err());
}
