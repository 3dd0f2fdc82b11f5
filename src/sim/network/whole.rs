//! Services, names and policies between containers of a whole cluster on a paused clock: what a client's busybox says of them.
//! The expected texts were printed by a real pod.

mod endings;
mod routes;

use super::{DnsFault, Party};
use crate::sim::api::resource::{DEPLOYMENTS, NAMESPACES, NETWORK_POLICIES, PODS, SERVICES};
use crate::sim::cluster::Simulation;
use crate::sim::profile::Profile;
use rstest::rstest;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A cluster with a backend of two pods behind several Services, and a client.
struct World {
    cluster: Simulation,
}

fn pod_of(name: &str, script: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "app", "image": "busybox:1.36", "command": ["sh", "-c", script],
                "ports": [{"name": "http", "containerPort": 8080}]}],
        },
    })
}

fn deployment(name: &str, replicas: u32, template: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}})
}

fn service(name: &str, spec: &Value) -> Value {
    let mut full = json!({"selector": {"app": "backend"}, "ports": [{"name": "web", "port": 80, "targetPort": "http"}]});
    for (key, value) in spec.as_object().unwrap() {
        full[key] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": full})
}

impl World {
    async fn new(seed: u64) -> Self {
        Self::of(seed, Profile::default()).await
    }

    async fn of(seed: u64, profile: Profile) -> Self {
        let cluster = Simulation::start(seed, "2026-01-01T00:00:00Z".parse().unwrap(), profile);
        cluster.api.create(NAMESPACES, "", json!({"metadata": {"name": "shop"}})).unwrap();
        sleep(Duration::from_secs(1)).await;
        let world = Self { cluster };
        let serve = "mkdir /tmp/www; hostname >/tmp/www/name; echo ok >/tmp/www/health; httpd -f -p 8080 -h /tmp/www";
        let mut backend = pod_of("backend", serve);
        backend["spec"]["containers"][0]["readinessProbe"] =
            json!({"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 2});
        world.create(DEPLOYMENTS, deployment("backend", 2, backend));
        world.create(DEPLOYMENTS, deployment("client", 1, pod_of("client", "sleep 100000")));
        world.create(SERVICES, service("backend", &json!({})));
        world.create(SERVICES, service("sticky", &json!({"sessionAffinity": "ClientIP"})));
        world.create(SERVICES, service("heads", &json!({"clusterIP": "None"})));
        world.create(SERVICES, service("empty", &json!({"selector": {"app": "nobody"}})));
        world.create(SERVICES, service("emptyheads", &json!({"clusterIP": "None", "selector": {"app": "nobody"}})));
        world.create(
            SERVICES,
            json!({"metadata": {"name": "ext"},
            "spec": {"type": "ExternalName", "externalName": "backend.shop.svc.cluster.local"}}),
        );
        world.create(
            SERVICES,
            service(
                "np",
                &json!({"type": "NodePort",
            "ports": [{"name": "web", "port": 80, "targetPort": "http", "nodePort": 30080}]}),
            ),
        );
        sleep(Duration::from_secs(8)).await;
        world
    }

    fn create(&self, resource: crate::sim::api::Resource, object: Value) {
        self.cluster.api.create(resource, "shop", object).unwrap();
    }

    fn pods(&self, app: &str) -> Vec<crate::sim::store::Object> {
        let pods = self.cluster.api.list(PODS, Some("shop"));
        pods.into_iter().filter(|pod| pod["metadata"]["labels"]["app"] == app).collect()
    }

    /// Runs a command in the first pod of an app: what it prints, its status, how long it took.
    async fn run(&self, app: &str, command: &str) -> (String, i32, u64) {
        let pod = self.pods(app).remove(0);
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let container = self.cluster.runtime.find(uid, "app", false).unwrap().container;
        let begun = Instant::now();
        let argv = ["sh", "-c", command].map(str::to_owned);
        let result = container.exec(&argv, b"", None).await.unwrap().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&result.stdout), String::from_utf8_lossy(&result.stderr));
        (text.trim_end().to_owned(), result.code, begun.elapsed().as_secs())
    }

    fn limits(&self) -> Vec<String> {
        self.cluster.limits.since(0).into_iter().map(|limit| limit.construct).collect()
    }
}

#[rstest]
#[case::by_name("wget -q -O - http://backend/health", "ok", 0)]
#[case::with_namespace("wget -q -O - http://backend.shop:80/health", "ok", 0)]
#[case::absolute("wget -q -O - http://backend.shop.svc.cluster.local./health", "ok", 0)]
#[case::headless("wget -q -O - http://heads:8080/health", "ok", 0)]
#[case::alias("wget -q -O - http://ext/health", "ok", 0)]
#[case::node_port("wget -q -O - http://172.18.0.2:30080/health", "ok", 0)]
#[case::from_the_environment("wget -q -O - http://$BACKEND_SERVICE_HOST/health", "ok", 0)]
#[case::not_found("wget -q -O - http://backend/none", "wget: server returned error: HTTP/1.1 404 Not Found", 1)]
#[case::unknown("wget -q -O - http://nosuch/", "wget: bad address 'nosuch'", 1)]
#[case::headless_without_endpoints("wget -q -O - http://emptyheads/", "wget: bad address 'emptyheads'", 1)]
#[case::other_netcats("nc -z backend 80 2>&1 | head -n 1", "nc: invalid option -- 'z'", 0)]
#[case::netcat("printf 'GET /health HTTP/1.0\\r\\n\\r\\n' | nc backend 80 | tail -n 1", "ok", 0)]
#[case::own_address("hostname -i | cut -d. -f1-2", "10.244", 0)]
#[case::ports(
    "nslookup -type=srv _web._tcp.backend.shop.svc.cluster.local | grep service",
    "_web._tcp.backend.shop.svc.cluster.local\tservice = 0 100 80 backend.shop.svc.cluster.local",
    0
)]
#[case::api_server("nslookup kubernetes.default.svc.cluster.local | grep ^Address: | tail -n 1", "Address: 10.96.0.1", 0)]
#[case::ping(
    "ping -c 1 $(nslookup heads.shop.svc.cluster.local | grep Address: | tail -n 1 | cut -d' ' -f2) | grep packets",
    "1 packets transmitted, 1 packets received, 0% packet loss",
    0
)]
#[case::services_are_not_pinged(
    "ping -c 1 -W 1 backend | grep packets",
    "1 packets transmitted, 0 packets received, 100% packet loss",
    0
)]
#[tokio::test(start_paused = true)]
async fn clients_reach_services(#[case] command: &str, #[case] text: &str, #[case] code: i32) {
    let world = World::new(1).await;
    let (said, ended, _) = world.run("client", command).await;
    assert_eq!((said.as_str(), ended), (text, code));
    assert_eq!(world.limits(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_service_without_endpoints_refuses_at_once_and_a_lost_pod_is_a_timeout() {
    let world = World::new(1).await;
    let (said, code, took) = world.run("client", "wget -O - http://empty/").await;
    assert!(said.ends_with("Connection refused") && said.contains("wget: can't connect to remote host (10."), "{said}");
    assert_eq!((code, took), (1, 0));
    let (said, _, took) = world.run("client", "wget -q -T 2 -O - http://10.244.0.250/").await;
    assert_eq!((said.as_str(), took), ("wget: download timed out", 2));
    assert_eq!(world.run("client", "nc 10.244.0.250 80").await.2, 134);
}

#[tokio::test(start_paused = true)]
async fn both_endpoints_are_chosen_and_a_sticky_client_keeps_one() {
    let world = World::new(1).await;
    let many =
        |host: &str| format!("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do wget -q -O - http://{host}/name; done | sort -u | wc -l");
    assert_eq!(world.run("client", &many("backend")).await.0, "2");
    assert_eq!(world.run("client", &many("sticky")).await.0, "1");
}

#[tokio::test(start_paused = true)]
async fn an_unready_backend_leaves_the_service_and_comes_back() {
    let world = World::new(1).await;
    for pod in world.pods("backend") {
        let container = world.cluster.runtime.find(pod["metadata"]["uid"].as_str().unwrap(), "app", false).unwrap().container;
        container.exec(&["rm", "/tmp/www/health"].map(str::to_owned), b"", None).await.unwrap();
    }
    sleep(Duration::from_secs(8)).await;
    let (said, ..) = world.run("client", "wget -q -O - http://backend/name").await;
    assert!(said.ends_with("Connection refused"), "{said}");
    let events = world.cluster.api.list(crate::sim::api::resource::EVENTS, Some("shop"));
    let failed = "Readiness probe failed: HTTP probe failed with statuscode: 404";
    assert!(events.iter().any(|event| event["message"] == failed));
}

#[rstest]
#[case::everything(json!({"podSelector": {"matchLabels": {"app": "backend"}}, "policyTypes": ["Ingress"]}), false)]
#[case::from_the_client(json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}]}), true)]
#[case::from_another(json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "other"}}}]}]}), false)]
#[case::from_its_namespace(json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}]}]}), true)]
#[case::named_port(json!({"podSelector": {}, "ingress": [{"ports": [{"port": "http"}]}]}), true)]
#[case::other_port(json!({"podSelector": {}, "ingress": [{"ports": [{"port": 80, "endPort": 90}]}]}), false)]
#[case::block(json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.244.0.0/16"}}]}]}), true)]
#[case::except(json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.244.0.0/16"]}}]}]}), false)]
#[tokio::test(start_paused = true)]
async fn policies_drop_what_they_do_not_allow(#[case] spec: Value, #[case] allowed: bool) {
    let world = World::new(1).await;
    world.create(NETWORK_POLICIES, json!({"metadata": {"name": "policy"}, "spec": spec}));
    sleep(Duration::from_secs(10)).await;
    let (said, ..) = world.run("client", "wget -q -T 3 -O - http://backend/health").await;
    assert_eq!(said, if allowed { "ok" } else { "wget: download timed out" });
    // The kubelet's probes always pass.
    assert!(world.pods("backend").iter().all(|pod| {
        pod["status"]["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    }));
}

#[tokio::test(start_paused = true)]
async fn without_dns_names_take_their_time_to_fail() {
    let world = World::new(1).await;
    let fault = world.cluster.network.break_dns(Party::Everyone, "", DnsFault::Silent);
    let (said, _, took) = world.run("client", "wget -q -T 2 -O - http://backend/health").await;
    assert_eq!((said.as_str(), took), ("wget: bad address 'backend'", 20));
    let (said, code, took) = world.run("client", "nslookup backend").await;
    assert_eq!((said.as_str(), code, took), (";; connection timed out; no servers could be reached", 1, 5));
    world.cluster.network.mend_dns(fault);
    assert_eq!(world.run("client", "wget -q -O - http://backend/health").await.0, "ok");
    let egress = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {}}]}]});
    world.create(NETWORK_POLICIES, json!({"metadata": {"name": "no-dns"}, "spec": egress}));
    assert_eq!(world.run("client", "wget -q -O - http://backend/health").await.0, "wget: bad address 'backend'");
    assert_eq!(world.run("client", "wget -q -O - http://$BACKEND_SERVICE_HOST/health").await.0, "ok");
}

#[tokio::test(start_paused = true)]
async fn what_is_outside_the_cluster_is_a_limit() {
    let world = World::new(1).await;
    let (said, ..) = world.run("client", "wget -q -O - http://example.com/").await;
    assert_eq!(said, "wget: bad address 'example.com'");
    assert_eq!(world.limits(), ["the name example.com, outside the cluster"]);
}

/// A client that gives up when its backend is gone: restarts of the client until 4 minutes, and how often its pod was ready then.
async fn cascade(seed: u64) -> (i64, i64, Vec<String>) {
    let world = World::new(seed).await;
    let script = "while wget -q -T 2 -O - http://backend:80/health; do sleep 1; done; echo lost; exit 1";
    world.create(DEPLOYMENTS, deployment("dependent", 1, pod_of("dependent", script)));
    sleep(Duration::from_secs(30)).await;
    let restarts = || world.pods("dependent")[0]["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap();
    let before = restarts();
    world
        .cluster
        .api
        .modify(DEPLOYMENTS, "shop", "backend", crate::sim::api::Subresource::Main, |backend| {
            backend["spec"]["replicas"] = json!(0);
        })
        .unwrap();
    sleep(Duration::from_mins(1)).await;
    let events = world.cluster.api.list(crate::sim::api::resource::EVENTS, Some("shop"));
    let mut said: Vec<String> = events.iter().map(|event| format!("{} {}", event["reason"], event["metadata"]["name"])).collect();
    said.sort();
    let broken = restarts();
    assert!(said.iter().any(|line| line.starts_with("\"BackOff\"")), "{said:?}");
    assert_eq!(world.limits(), Vec::<String>::new());
    (before, broken, said)
}

#[test]
fn a_lost_backend_makes_its_client_crash_loop_the_same_way_each_time() {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(cascade(3))
    };
    let first = run();
    assert_eq!(first.0, 0);
    assert!((2..=4).contains(&first.1), "{}", first.1);
    assert_eq!(first, run());
}
