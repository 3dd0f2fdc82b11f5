//! Endpoints that are not ready, or about to go, or on another node; pods on the host's network and with a resolver of their own.
//! Services that simply work are tried in `whole`.

use super::{World, pod_of, service};
use crate::sim::api::DeleteOptions;
use crate::sim::api::resource::{PODS, SERVICES};
use crate::sim::cluster::Simulation;
use crate::sim::profile::{NodeShape, Profile};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

const SERVE: &str = "mkdir /www; echo ok >/www/health; exec httpd -f -p 8080 -h /www";

/// A cluster of two nodes with a client on the first.
async fn two_nodes() -> World {
    let shape = Profile::default().nodes[0].clone();
    let node = |name: &str| NodeShape { name: name.to_owned(), control_plane: false, ..shape.clone() };
    let profile = Profile { nodes: vec![node("first"), node("second")], ..Profile::default() };
    let cluster = Simulation::start(1, "2026-01-01T00:00:00Z".parse().unwrap(), profile);
    cluster.api.create(crate::sim::api::resource::NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
    sleep(Duration::from_secs(1)).await;
    let world = World { cluster };
    world.create(PODS, placed("client", "first", "sleep 100000"));
    world
}

/// A pod of an app on a node.
fn placed(name: &str, node: &str, script: &str) -> Value {
    let mut pod = pod_of(name, script);
    pod["metadata"]["name"] = json!(name);
    pod["spec"]["nodeName"] = json!(node);
    pod
}

async fn settle() {
    sleep(Duration::from_secs(6)).await;
}

const ASK: &str = "wget -q -T 2 -O - http://backend/health";

#[tokio::test(start_paused = true)]
async fn addresses_that_are_not_ready_are_published_only_where_that_is_asked_for() {
    let world = two_nodes().await;
    let mut backend = placed("backend", "second", SERVE);
    backend["spec"]["containers"][0]["readinessProbe"] = json!({"exec": {"command": ["false"]}, "periodSeconds": 1});
    world.create(PODS, backend);
    world.create(SERVICES, service("backend", &json!({})));
    world.create(SERVICES, service("early", &json!({"publishNotReadyAddresses": true})));
    world.create(SERVICES, service("heads", &json!({"clusterIP": "None"})));
    world.create(SERVICES, service("earlyheads", &json!({"clusterIP": "None", "publishNotReadyAddresses": true})));
    settle().await;
    assert!(world.run("client", "wget -O - http://backend/health").await.0.ends_with("Connection refused"));
    assert_eq!(world.run("client", "wget -q -O - http://early/health").await.0, "ok");
    assert_eq!(world.run("client", "wget -q -O - http://heads:8080/health").await.0, "wget: bad address 'heads'");
    assert_eq!(world.run("client", "wget -q -O - http://earlyheads:8080/health").await.0, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_local_service_reaches_pods_of_the_clients_own_node_alone() {
    let world = two_nodes().await;
    world.create(PODS, placed("backend", "second", SERVE));
    world.create(SERVICES, service("backend", &json!({"internalTrafficPolicy": "Local"})));
    settle().await;
    // What is elsewhere is dropped, not refused.
    let (said, code, took) = world.run("client", ASK).await;
    assert_eq!((said.as_str(), code, took), ("wget: download timed out", 1, 2));
    let mut near = placed("backend", "first", SERVE);
    near["metadata"]["name"] = json!("near");
    world.create(PODS, near);
    settle().await;
    for _ in 0..5 {
        assert_eq!(world.run("client", ASK).await.0, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_about_to_go_serves_while_there_is_nothing_else() {
    let world = two_nodes().await;
    let lingering = |name: &str| {
        let mut pod = placed("backend", "second", SERVE);
        pod["metadata"]["name"] = json!(name);
        pod["spec"]["terminationGracePeriodSeconds"] = json!(60);
        pod["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"exec": {"command": ["sleep", "30"]}}});
        pod["spec"]["containers"][0]["command"] =
            json!(["sh", "-c", format!("mkdir /www; echo {name} >/www/health; exec httpd -f -p 8080 -h /www")]);
        pod
    };
    world.create(PODS, lingering("old"));
    world.create(SERVICES, service("backend", &json!({})));
    world.create(SERVICES, service("heads", &json!({"clusterIP": "None"})));
    settle().await;
    world.cluster.api.delete(PODS, "shop", "old", &DeleteOptions::default()).unwrap();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(world.run("client", ASK).await.0, "old");
    // Names have ready addresses alone.
    assert_eq!(world.run("client", "wget -q -O - http://heads:8080/health").await.0, "wget: bad address 'heads'");
    world.create(PODS, lingering("new"));
    settle().await;
    for _ in 0..5 {
        assert_eq!(world.run("client", ASK).await.0, "new");
    }
    world.cluster.api.delete(PODS, "shop", "new", &DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() }).unwrap();
    sleep(Duration::from_mins(1)).await;
    assert!(world.run("client", "wget -O - http://backend/health").await.0.ends_with("Connection refused"));
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_the_hosts_network_has_its_nodes_address() {
    let world = two_nodes().await;
    let mut host = placed("backend", "second", SERVE);
    host["spec"]["hostNetwork"] = json!(true);
    world.create(PODS, host);
    world.create(SERVICES, service("backend", &json!({})));
    settle().await;
    let pod = world.pods("backend").remove(0);
    let address = pod["status"]["podIP"].as_str().unwrap().to_owned();
    assert_eq!(pod["status"]["hostIP"], json!(address));
    assert_eq!(world.run("client", &format!("wget -q -O - http://{address}:8080/health")).await.0, "ok");
    assert_eq!(world.run("client", ASK).await.0, "ok");
    assert_eq!(world.run("backend", "hostname").await.0, "second");
    // Without ClusterFirstWithHostNet it asks its node's resolver, which knows no Services.
    assert_eq!(world.run("backend", "wget -q -O - http://backend.shop.svc.cluster.local/health").await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_may_bring_its_own_resolver() {
    let world = two_nodes().await;
    world.create(PODS, placed("backend", "second", SERVE));
    world.create(SERVICES, service("backend", &json!({})));
    let config = json!({"nameservers": ["10.96.0.10"], "searches": ["svc.cluster.local"], "options": [{"name": "ndots", "value": "1"}, {"name": "edns0"}]});
    for (name, policy) in [("own", "None"), ("mixed", "ClusterFirst")] {
        let mut pod = placed(name, "first", "sleep 100000");
        pod["spec"]["dnsPolicy"] = json!(policy);
        pod["spec"]["dnsConfig"] = config.clone();
        world.create(PODS, pod);
    }
    settle().await;
    let (file, ..) = world.run("own", "cat /etc/resolv.conf").await;
    assert_eq!(file, "search svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:1 edns0");
    assert_eq!(world.run("own", "wget -q -O - http://backend.shop/health").await.0, "ok");
    assert_eq!(world.run("own", "wget -q -O - http://backend/health").await.0, "wget: bad address 'backend'");
    let (file, ..) = world.run("mixed", "cat /etc/resolv.conf").await;
    assert_eq!(
        file,
        "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:1 edns0"
    );
    assert_eq!(world.run("mixed", ASK).await.0, "ok");
}
