//! Trying: requests, connections, look-ups and commands on a fixed schedule, one task a tick, so that a slow answer delays none
//! after it and is not left out; an answer that is late is a failed one. What the samples mean is `evaluate`'s.

use super::Index;
use super::index::text;
use super::timeline::Sample;
use super::watch::Seen;
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::engine::labels::{FIELD_MANAGER, PROBE};
use crate::scenario::{Condition, Plan, Target};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

/// The pod from which Services are asked.
const PROBE_POD: &str = "comeback-probe";
const IMAGE: &str = "busybox:1.37";
/// How long it may take to start.
const STARTED_WITHIN: Duration = Duration::from_mins(2);
/// How much of an output is kept.
const KEPT: usize = 500;

/// Pod and container of each target.
type Places = Arc<Mutex<BTreeMap<String, Vec<(String, Option<String>)>>>>;

/// Running probes; they stop when this is dropped.
#[derive(Debug)]
pub struct Probing {
    probes: Vec<Condition>,
    places: Places,
    _tasks: JoinSet<()>,
}

/// Whether some of them are tried from a pod of our own.
#[must_use]
pub fn need_a_pod(probes: &[Condition]) -> bool {
    probes.iter().any(|probe| !matches!(probe, Condition::Exec(_)))
}

/// Creates the pod from which Services are asked, and waits until it is ready.
///
/// # Errors
/// It was refused, or did not start in time.
pub async fn create_pod(client: &kube::Client, namespace: &str) -> Result<(), RequestError> {
    let what = format!("creating pod {PROBE_POD}, from which Services are asked");
    let script = "trap 'exit 0' TERM; while :; do sleep 1; done";
    let manifest = json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": PROBE_POD, "labels": { PROBE: "true" } },
        "spec": {
            "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
            // Taints of nodes are the workload's business, not that of what measures it.
            "tolerations": [{ "operator": "Exists" }],
            "securityContext": { "runAsNonRoot": true, "runAsUser": 65534, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{ "name": "probe", "image": IMAGE, "command": ["sh", "-c", script],
                "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "cpu": "200m", "memory": "64Mi" } },
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }],
        } });
    let pod: Pod = serde_json::from_value(manifest).map_err(|error| RequestError::of(&what, error.to_string()))?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match retried(&what, REQUEST_BUDGET, || pods.create(&parameters, &pod)).await {
        Ok(_) => {}
        Err(error) if error.is_already_there() => {}
        Err(error) => return Err(error),
    }
    let kind = crate::cluster::kinds::resolve(client, None, "Pod").await?;
    let ready = |pod: Option<&kube::api::DynamicObject>| {
        let conditions = pod.and_then(|pod| pod.data.pointer("/status/conditions")?.as_array());
        conditions.into_iter().flatten().any(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True")
    };
    if wait::until(&kind.api(client, namespace), PROBE_POD, STARTED_WITHIN, ready).await? {
        return Ok(());
    }
    let message = format!("it was not ready within {} s; can image {IMAGE} be pulled?", STARTED_WITHIN.as_secs());
    Err(RequestError::of(&what, message))
}

impl Probing {
    /// Starts trying. Commands in the workload's own pods wait for [`Probing::look`] to say which these are.
    #[must_use]
    pub fn start(client: &kube::Client, namespace: &str, plan: &Plan, sink: &mpsc::UnboundedSender<Seen>) -> Self {
        let probes = plan.tried();
        let places = Places::default();
        let mut tasks = JoinSet::new();
        for probe in &probes {
            let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
            let key = probe.sample_key();
            let Some((command, rhythm)) = command_of(probe, plan).zip(probe.rhythm()) else { continue };
            let try_one = TryOne { pods, key, command, within: rhythm.timeout, places: Arc::clone(&places) };
            tasks.spawn(keep_trying(try_one, rhythm.every, sink.clone()));
            if !matches!(probe, Condition::Exec(_)) {
                let own = vec![(PROBE_POD.to_owned(), None)];
                places.lock().unwrap_or_else(PoisonError::into_inner).insert(probe.sample_key(), own);
            }
        }
        Self { probes, places, _tasks: tasks }
    }

    /// Takes note of which pods the targets mean now.
    pub fn look(&self, index: &Index) {
        for probe in &self.probes {
            let Condition::Exec(exec) = probe else { continue };
            let Some(target) = exec.target() else { continue };
            let pods = running(index, &target).map(|pod| (pod, exec.container.clone())).collect();
            self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(probe.sample_key(), pods);
        }
    }
}

fn running<'a>(index: &'a Index, target: &Target) -> impl Iterator<Item = String> + use<'a> {
    let pods = index.pods_of(target).into_iter().filter(|pod| pod.is_live() && !pod.is_finished() && pod.phase == "Running");
    pods.map(|pod| pod.reference.name.clone())
}

/// What is run to try it.
fn command_of(probe: &Condition, plan: &Plan) -> Option<Vec<String>> {
    let seconds = probe.rhythm()?.timeout.as_secs().max(1).to_string();
    let port = |service: &str, port: Option<u32>| {
        let manifest = plan
            .manifests
            .iter()
            .find(|manifest| text(&manifest.object, "/kind") == "Service" && text(&manifest.object, "/metadata/name") == service);
        let first = || manifest?.object.pointer("/spec/ports/0/port").and_then(Value::as_u64);
        port.map(u64::from).or_else(first).unwrap_or(80).to_string()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Some(match probe {
        Condition::Http(http) => {
            let url = format!("http://{}:{}{}", http.service, port(&http.service, http.port), http.path);
            words(&["wget", "-q", "-T", &seconds, "-O", "/dev/null", &url])
        }
        Condition::Tcp(tcp) => words(&["nc", "-w", &seconds, &tcp.service, &port(&tcp.service, tcp.port), "-e", "true"]),
        Condition::Dns(dns) => words(&["nslookup", &dns.name]),
        Condition::Exec(exec) => exec.command.clone(),
        _ => return None,
    })
}

/// What one tick does.
#[derive(Clone, Debug)]
struct TryOne {
    pods: Api<Pod>,
    key: String,
    command: Vec<String>,
    within: Duration,
    places: Places,
}

async fn keep_trying(what: TryOne, every: Duration, sink: mpsc::UnboundedSender<Seen>) {
    let mut ticks = interval(every);
    let mut running = JoinSet::new();
    for number in 0.. {
        while running.try_join_next().is_some() {}
        ticks.tick().await;
        let (what, sink) = (what.clone(), sink.clone());
        running.spawn(async move {
            let _ = sink.send(Seen::Sample(what.sample(number).await));
        });
    }
}

impl TryOne {
    async fn sample(&self, number: u64) -> Sample {
        let began = Instant::now();
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(&self.key).cloned().unwrap_or_default();
        let tries = places.iter().map(|(pod, container)| self.run(pod, container.as_deref()));
        let (good, text) = match timeout(self.within, join_all(tries)).await {
            Err(_) => (Some(false), format!("no answer within {} ms", self.within.as_millis())),
            Ok(results) if results.is_empty() => (None, "no pod of the target runs".to_owned()),
            Ok(results) => {
                // What failed says more than what could not be tried, and that more than what succeeded.
                let rank = |good: Option<bool>| match good {
                    Some(false) => 0,
                    None => 1,
                    Some(true) => 2,
                };
                results.into_iter().min_by_key(|(good, _)| rank(*good)).unwrap_or((None, String::new()))
            }
        };
        Sample { probe: self.key.clone(), number, good, took: began.elapsed(), text }
    }

    /// Whether the command ended with 0; `None` where it could not be run.
    async fn run(&self, pod: &str, container: Option<&str>) -> (Option<bool>, String) {
        let mut parameters = AttachParams::default().stdin(false).stdout(true).stderr(true);
        if let Some(container) = container {
            parameters = parameters.container(container);
        }
        let mut process = match self.pods.exec(pod, self.command.iter().map(String::as_str), &parameters).await {
            Ok(process) => process,
            Err(error) => return (None, format!("it could not be tried: {}", RequestError::new("exec", &error).message)),
        };
        let status = process.take_status();
        let (stdout, stderr) = (process.stdout(), process.stderr());
        let (stdout, stderr) = futures::join!(read(stdout), read(stderr));
        let output = if stderr.trim().is_empty() { stdout } else { stderr };
        let status = match status {
            Some(status) => status.await,
            None => None,
        };
        match status.and_then(|status| status.status) {
            Some(status) if status == "Success" => (Some(true), String::new()),
            Some(_) => (Some(false), output.trim().to_owned()),
            None => (None, "the connection ended without an exit code".to_owned()),
        }
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let (mut kept, mut buffer) = (Vec::new(), [0u8; 512]);
    while let Ok(n) = stream.read(&mut buffer).await {
        if n == 0 {
            break;
        }
        let room = KEPT.saturating_sub(kept.len()).min(n);
        kept.extend_from_slice(&buffer[..room]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
