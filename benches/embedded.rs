//! How fast the embedded cluster is: `cargo bench`. The figures of the README come from here.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot run has no figure")]

use comeback::cluster::select::{self, ClusterChoice, ClusterOptions};
use comeback::engine::{self, RunRequest};
use comeback::scenario::{self, Verdict};
use comeback::sim::api::resource::{DEPLOYMENTS, PODS};
use comeback::sim::cluster::Simulation;
use comeback::sim::profile::{NodeShape, Profile};
use divan::Bencher;
use divan::counter::ItemsCount;
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const TRIALS: u32 = 200;

/// The crash-loop scenario, so many times, so many at once: from the file to the verdict, with all that is written.
fn trials(directory: &Path, trials: u32, concurrency: usize) {
    let options = scenario::LoadOptions { trials: Some(trials), ..Default::default() };
    let loaded = scenario::load(&["builtin:crashy-app".to_owned()], &options).expect("the scenario is valid");
    let request = RunRequest {
        plans: loaded.plans,
        skipped: Vec::new(),
        shard: None,
        gate: None,
        cluster: select::connect(&ClusterChoice::Embedded, &ClusterOptions::default()).expect("a cluster"),
        id: "bench".to_owned(),
        seed: 1,
        concurrency,
        directory: directory.to_owned(),
        command: Vec::new(),
        fail_fast: false,
        keep_on_failure: false,
        safety: engine::safety::Safety::default(),
        inventory: std::sync::Arc::default(),
        known: std::collections::BTreeMap::new(),
    };
    let (_keep, stop) = tokio::sync::watch::channel(None);
    let result = engine::run(&request, &stop, &mut |_| {});
    assert!(result.scenarios[0].trials.iter().all(|trial| trial.verdict == Verdict::Recovered));
}

#[divan::bench(sample_count = 20)]
fn crash_loop_trial(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| tempfile::tempdir().expect("a directory")).bench_values(|directory| trials(directory.path(), 1, 1));
}

#[divan::bench(sample_count = 3)]
fn trials_on_two_cores(bencher: Bencher<'_, '_>) {
    let bencher = bencher.counter(ItemsCount::new(TRIALS)).with_inputs(|| tempfile::tempdir().expect("a directory"));
    bencher.bench_values(|directory| trials(directory.path(), TRIALS, 2));
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

fn simulation(profile: Profile) -> Simulation {
    Simulation::start(1, "2026-01-01T00:00:00Z".parse().expect("a time"), profile)
}

fn deployment(name: &str, replicas: usize, command: &str) -> Value {
    let container = json!({"name": "app", "image": "busybox", "command": ["sh", "-c", command]});
    let template = json!({"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}});
    let spec = json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template});
    json!({"metadata": {"name": name}, "spec": spec})
}

/// Items are seconds of simulated time: items per second are its speed.
#[divan::bench(sample_count = 5)]
fn virtual_seconds_of_the_crashy_app(bencher: Bencher<'_, '_>) {
    const SECONDS: u64 = 24 * 3600;
    bencher.counter(ItemsCount::new(SECONDS)).bench(|| {
        runtime().block_on(async {
            let cluster = simulation(Profile::default());
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.api.create(DEPLOYMENTS, "default", deployment("crashy", 1, "sleep 30; exit 1")).expect("it is valid");
            tokio::time::sleep(Duration::from_secs(SECONDS)).await;
        });
    });
}

/// A cluster with this many running pods on nodes of twenty, once all are available.
async fn with_pods(pods: usize) -> Simulation {
    let first = Profile::default().nodes.remove(0);
    let nodes = (0..pods.div_ceil(20)).map(|n| NodeShape { name: format!("node-{n:03}"), ..first.clone() }).collect();
    let cluster = simulation(Profile { nodes, ..Profile::default() });
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.api.create(DEPLOYMENTS, "default", deployment("app", pods, "sleep 1000000")).expect("it is valid");
    available(&cluster, pods).await;
    cluster
}

async fn available(cluster: &Simulation, pods: usize) {
    for _ in 0..3600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let found = cluster.api.get(DEPLOYMENTS, "default", "app").expect("it is there");
        if found.pointer("/status/availableReplicas").and_then(Value::as_u64) == Some(pods as u64) {
            return;
        }
    }
    panic!("{pods} pods did not become available within an hour");
}

/// The cluster starts its pods, loses a node without a word, evicts and replaces what ran there.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 1, sample_size = 1)]
fn pods_started_and_a_node_lost(bencher: Bencher<'_, '_>, pods: usize) {
    bencher.counter(ItemsCount::new(pods)).bench(|| {
        runtime().block_on(async {
            let cluster = with_pods(pods).await;
            let (lost, control) = cluster.nodes.iter().nth(1).expect("there are several nodes");
            control.power_off().expect("it runs");
            // 50 s until it is noticed, 300 s of toleration, and the replacements.
            tokio::time::sleep(Duration::from_mins(6)).await;
            available(&cluster, pods).await;
            let running = cluster.api.list(PODS, Some("default"));
            let left = running
                .iter()
                .filter(|pod| pod["spec"]["nodeName"] == lost.as_str() && pod.pointer("/metadata/deletionTimestamp").is_none());
            assert_eq!(left.count(), 0);
        });
    });
}

/// Requests through the client, as the harness sends them: HTTP in process, JSON both ways.
async fn request(client: &kube::Client, method: &str, path: &str, kind: &str, body: &str) -> usize {
    let request = http::Request::builder().method(method).uri(path).header("content-type", kind);
    let response = client.send(request.body(Body::from(body.as_bytes().to_vec())).expect("a request")).await.expect("an answer");
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.into_body().collect().await.expect("a body").to_bytes().len()
}

fn requests(
    bencher: Bencher<'_, '_>,
    count: usize,
    method: &'static str,
    path: &'static str,
    kind: &'static str,
    body: &'static str,
) {
    let runtime = runtime();
    let (client, _cluster) = runtime.block_on(async {
        let cluster = with_pods(1_000).await;
        let service = comeback::sim::api::client(cluster.api.clone(), cluster.runtime.clone(), &Profile::default());
        (service.expect("a client"), cluster)
    });
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        runtime.block_on(async {
            for _ in 0..count {
                request(&client, method, path, kind, body).await;
            }
        });
    });
}

#[divan::bench(sample_count = 5)]
fn api_get(bencher: Bencher<'_, '_>) {
    requests(bencher, 1_000, "GET", "/apis/apps/v1/namespaces/default/deployments/app", "application/json", "");
}

#[divan::bench(sample_count = 5)]
fn api_list_of_1000_pods(bencher: Bencher<'_, '_>) {
    requests(bencher, 20, "GET", "/api/v1/namespaces/default/pods", "application/json", "");
}

#[divan::bench(sample_count = 5)]
fn api_patch(bencher: Bencher<'_, '_>) {
    let body = r#"{"metadata":{"annotations":{"a":"b"}}}"#;
    requests(bencher, 1_000, "PATCH", "/apis/apps/v1/namespaces/default/deployments/app", "application/merge-patch+json", body);
}

/// One change delivered to so many watchers: items are deliveries.
#[divan::bench(args = [100, 1_000, 10_000], sample_count = 3)]
fn watchers(bencher: Bencher<'_, '_>, count: usize) {
    const CHANGES: usize = 10;
    bencher.counter(ItemsCount::new(count * CHANGES)).bench(|| {
        runtime().block_on(async {
            let cluster = simulation(Profile::default());
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut watches: Vec<_> = (0..count).map(|_| cluster.api.watch(DEPLOYMENTS, Some("default"))).collect();
            for n in 0..CHANGES {
                cluster.api.create(DEPLOYMENTS, "default", deployment(&format!("d{n}"), 0, "true")).expect("it is valid");
            }
            for watch in &mut watches {
                for _ in 0..CHANGES {
                    watch.next().await.expect("every change comes");
                }
            }
        });
    });
}
