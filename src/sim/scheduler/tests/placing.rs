//! What single rules make of a pod and a handful of nodes, without a running cluster.
//! The order of attempts and their writes are tested beside.

use super::super::info::PodInfo;
use super::super::{Outcome, State, bind, cache::Cache, waiting::Waiting};
use crate::sim::api::ApiServer;
use crate::sim::api::resource::{PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES};
use crate::sim::clock::Clock;
use crate::sim::random::Random;
use crate::sim::store::Object;
use rstest::rstest;
use serde_json::{Value, json};

/// Three nodes, two in zone a and one in zone b.
fn nodes() -> State {
    let api = ApiServer::new(Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), Random::new(7));
    let mut state = State { cache: Cache::new(&api), waiting: Waiting::default(), first: 0, budget: bind::Budget::default() };
    for (name, zone) in [("n1", "a"), ("n2", "a"), ("n3", "b")] {
        let labels = json!({"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone, "disk": "ssd", "cores": "5"});
        let node = json!({
            "metadata": {"name": name, "labels": labels}, "spec": {},
            "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "10"}},
        });
        state.cache.set_node(name, &Object::new(node));
    }
    state
}

fn change(state: &mut State, name: &str, pointer: &str, value: Value) {
    let id = state.cache.known(name).unwrap();
    let mut node = (**state.cache.nodes[id].object.as_ref().unwrap()).clone();
    *node.pointer_mut(pointer).unwrap() = value;
    state.cache.set_node(name, &Object::new(node));
}

fn pod(name: &str, labels: &Value, spec: &Value) -> Object {
    Object::new(
        json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "labels": labels}, "spec": spec, "status": {}}),
    )
}

fn place(state: &mut State, node: &str, pod: Object) {
    let mut pod = (*pod).clone();
    pod["spec"]["nodeName"] = json!(node);
    state.cache.place(&PodInfo::new(&Object::new(pod)), node, false);
}

/// The node, or the message.
fn look(state: &mut State, pod: &Object) -> String {
    match state.look(pod) {
        Outcome::Found { node, .. } => node,
        Outcome::Refused { message, .. } => message,
    }
}

fn requesting(cpu: &str) -> Value {
    json!({"containers": [{"resources": {"requests": {"cpu": cpu}}}]})
}

#[test]
fn taints_cordons_and_resources_are_told_in_one_message() {
    let mut state = nodes();
    change(&mut state, "n1", "/spec", json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]}));
    for (n, node) in ["n2", "n3"].into_iter().enumerate() {
        place(&mut state, node, pod(&format!("p{n}"), &json!({}), &requesting("2")));
    }
    insta::assert_snapshot!(look(&mut state, &pod("x", &json!({}), &requesting("1"))), @"0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.");
    change(&mut state, "n2", "/spec", json!({"unschedulable": true}));
    insta::assert_snapshot!(look(&mut state, &pod("x", &json!({}), &requesting("3"))), @"0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.");
    let mut tolerant = requesting("1");
    tolerant["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
    assert_eq!(look(&mut state, &pod("x", &json!({}), &tolerant)), "n1");
}

#[rstest]
#[case(json!({"nodeSelector": {"disk": "ssd", "kubernetes.io/hostname": "n1"}}), "n1")]
#[case(json!({"nodeSelector": {"disk": "hdd"}}), "3 node(s) didn't match Pod's node affinity/selector")]
#[case(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["5"]}]}]}}}}), "3 node(s) didn't match Pod's node affinity/selector")]
#[case(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}]}}}}), "n2")]
#[case(json!({"containers": [{"resources": {"requests": {"cpu": "9"}}}], "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
    {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}]}}}}),
    "1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]")]
#[case(json!({"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
    {"weight": 1, "preference": {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"]}]}}]}}}), "n3")]
#[case(json!({"containers": [{"resources": {"requests": {"example.com/fpga": "1"}}}]}), "3 Insufficient example.com/fpga")]
fn node_affinity_requires_and_prefers(#[case] spec: Value, #[case] expected: &str) {
    let mut state = nodes();
    let told = look(&mut state, &pod("x", &json!({}), &spec));
    let told = told.split(". no new claims").next().unwrap_or_default().trim_start_matches("0/3 nodes are available: ");
    assert_eq!(told, expected);
}

#[test]
fn ports_and_pod_counts_run_out() {
    let mut state = nodes();
    let port = json!({"containers": [{"ports": [{"hostPort": 80, "containerPort": 80}]}]});
    for node in ["n1", "n2", "n3"] {
        place(&mut state, node, pod(node, &json!({}), &port));
    }
    let told = look(&mut state, &pod("x", &json!({}), &port));
    assert!(
        told.starts_with("0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports. "),
        "{told}"
    );
    for node in ["n1", "n2", "n3"] {
        for n in 0..9 {
            place(&mut state, node, pod(&format!("{node}-{n}"), &json!({}), &json!({})));
        }
    }
    let told = look(&mut state, &pod("x", &json!({}), &json!({})));
    assert!(told.starts_with("0/3 nodes are available: 3 Too many pods. "), "{told}");
}

fn neighbours(kind: &str, app: &str, key: &str) -> Value {
    json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}]}}})
}

#[test]
fn pods_seek_and_avoid_each_other() {
    let mut state = nodes();
    let (web, db) = (json!({"app": "web"}), json!({"app": "db"}));
    let zone = "topology.kubernetes.io/zone";
    let seeks = neighbours("podAffinity", "db", zone);
    let told = look(&mut state, &pod("x", &web, &seeks));
    assert!(told.starts_with("0/3 nodes are available: 3 node(s) didn't match pod affinity rules. "), "{told}");
    place(&mut state, "n3", pod("db", &db, &json!({})));
    assert_eq!(look(&mut state, &pod("x", &web, &seeks)), "n3");
    // The first of its kind may go anywhere.
    assert_eq!(look(&mut state, &pod("y", &json!({"app": "new"}), &neighbours("podAffinity", "new", zone))).len(), 2);
    // Nobody who is avoided, and nobody who avoids.
    let avoids = neighbours("podAntiAffinity", "lonely", "kubernetes.io/hostname");
    for node in ["n1", "n2"] {
        place(&mut state, node, pod(&format!("lonely-{node}"), &json!({"app": "lonely"}), &avoids));
    }
    assert_eq!(look(&mut state, &pod("z", &json!({"app": "lonely"}), &avoids)), "n3");
    place(&mut state, "n3", pod("lonely-n3", &json!({"app": "lonely"}), &avoids));
    let told = look(&mut state, &pod("w", &json!({"app": "lonely"}), &avoids));
    assert!(told.starts_with("0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. "), "{told}");
    let told = look(&mut state, &pod("v", &json!({"app": "lonely"}), &json!({})));
    assert!(told.starts_with("0/3 nodes are available: 3 node(s) didn't satisfy existing pods anti-affinity rules. "), "{told}");
    state.cache.displace("lonely-n2");
    assert_eq!(look(&mut state, &pod("u", &json!({"app": "lonely"}), &avoids)), "n2");
}

#[test]
fn pods_are_spread_as_they_ask() {
    let mut state = nodes();
    let web = json!({"app": "web"});
    let spread = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": {"app": "web"}}}]});
    place(&mut state, "n1", pod("p1", &web, &json!({})));
    assert_eq!(look(&mut state, &pod("p2", &web, &spread)), "n3");
    place(&mut state, "n3", pod("p2", &web, &spread));
    place(&mut state, "n2", pod("p3", &web, &spread));
    change(&mut state, "n3", "/spec", json!({"unschedulable": true}));
    let told = look(&mut state, &pod("p4", &web, &spread));
    insta::assert_snapshot!(told, @"0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints. no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.");
}

#[test]
fn the_least_important_and_fewest_pods_are_preempted() {
    let mut state = nodes();
    for (name, node, cpu, priority) in
        [("a", "n1", "2", 5), ("b", "n2", "1", 1), ("c", "n2", "1", 2), ("d", "n3", "1", 1), ("e", "n3", "1", 9)]
    {
        let mut spec = requesting(cpu);
        spec["priority"] = json!(priority);
        place(&mut state, node, pod(name, &json!({}), &spec));
    }
    let mut important = requesting("1");
    important["priority"] = json!(10);
    let Outcome::Refused { preempt: Some(preempt), message, .. } = state.look(&pod("x", &json!({}), &important)) else {
        panic!("no plan")
    };
    assert_eq!(message, "0/3 nodes are available: 3 Insufficient cpu.");
    // b alone or d alone would do; both have priority 1 and neither has started.
    let names: Vec<_> = preempt.victims.iter().map(|victim| victim["metadata"]["name"].as_str().unwrap()).collect();
    assert!(names == ["b"] || names == ["d"], "{names:?}");
}

#[test]
fn claims_decide_where_a_pod_may_go() {
    let mut state = nodes();
    let spec = json!({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]});
    let user = pod("x", &json!({}), &spec);
    insta::assert_snapshot!(look(&mut state, &user), @r#"0/3 nodes are available: persistentvolumeclaim "data" not found. not found"#);
    let api = state.cache.api().clone();
    let claim = json!({"metadata": {"name": "data"}, "spec": {"storageClassName": "slow", "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    api.create(PERSISTENT_VOLUME_CLAIMS, "shop", claim).unwrap();
    insta::assert_snapshot!(look(&mut state, &user), @"0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found");
    let class = json!({"metadata": {"name": "slow"}, "provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"});
    api.create(STORAGE_CLASSES, "", class).unwrap();
    let told = look(&mut state, &user);
    assert!(told.starts_with("0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind. "), "{told}");
    let required = json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n2"]}]}]});
    let volume = json!({"metadata": {"name": "disk"}, "spec": {"capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": "slow", "local": {"path": "/d"}, "nodeAffinity": {"required": required}}});
    api.create(PERSISTENT_VOLUMES, "", volume).unwrap();
    let available = |volume: &mut Value| volume["status"] = json!({"phase": "Available"});
    api.modify(PERSISTENT_VOLUMES, "", "disk", crate::sim::api::Subresource::Status, available).unwrap();
    assert_eq!(look(&mut state, &user), "n2");
}
