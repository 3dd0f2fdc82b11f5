//! Trying: requests, connections, look-ups and commands on a fixed schedule, one task a tick, so that a slow answer delays none
//! after it and is not left out; an answer that is late is a failed one. What the samples mean is `evaluate`'s.

mod metric;
pub mod monitoring;
pub mod pod;
mod route;
pub mod web;

use super::Index;
use super::index::text;
use super::timeline::{AlertPhase, AlertSeen, Sample};
use super::watch::Seen;
use crate::cluster::exec::{self, Ended};
use crate::cluster::request::RequestError;
use crate::scenario::condition::{Alert, AlertState};
use crate::scenario::{Condition, Plan, Target};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, DynamicObject};
use monitoring::Monitoring;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

/// How much later than its own limit an answer of our own pod may reach us: the way there and back through the API server.
/// Whether the answer was late is decided in the pod; no answer at all says that the pod itself was hit.
const WAY: Duration = Duration::from_secs(2);

/// What conditions on pods mean now, by sample key.
#[derive(Debug, Default)]
struct Meant {
    /// Pod and container of commands.
    places: BTreeMap<String, Vec<(String, Option<String>)>>,
    /// What containers may use.
    bounds: BTreeMap<String, metric::Bounds>,
}

/// Running probes; they stop when this is dropped.
#[derive(Debug)]
pub struct Probing {
    probes: Vec<Condition>,
    meant: Arc<Mutex<Meant>>,
    _tasks: JoinSet<()>,
}

impl Probing {
    /// Starts trying. Commands in the workload's own pods wait for [`Probing::look`] to say which these are.
    #[must_use]
    pub fn start(
        (client, monitoring): (&kube::Client, &Monitoring),
        namespace: &str,
        plan: &Plan,
        sink: &mpsc::UnboundedSender<Seen>,
    ) -> Self {
        let probes = plan.tried();
        let meant = Arc::default();
        let mut tasks = JoinSet::new();
        for probe in &probes {
            let Some(rhythm) = probe.rhythm() else { continue };
            let try_one = TryOne {
                client: client.clone(),
                namespace: namespace.to_owned(),
                key: probe.sample_key(),
                command: command_of(probe, plan),
                within: rhythm.timeout,
                probe: probe.clone(),
                meant: Arc::clone(&meant),
                has_fired: Arc::default(),
                taken: pod::Taken::of(plan),
                monitoring: monitoring.clone(),
            };
            tasks.spawn(keep_trying(try_one, rhythm.every, sink.clone()));
        }
        Self { probes, meant, _tasks: tasks }
    }

    /// Takes note of which pods the targets mean now.
    pub fn look(&self, index: &Index) {
        for probe in &self.probes {
            match probe {
                Condition::Exec(exec) => {
                    let Some(target) = exec.target() else { continue };
                    let pods = running(index, &target).map(|pod| (pod, exec.container.clone())).collect();
                    lock(&self.meant).places.insert(probe.sample_key(), pods);
                }
                Condition::Metric(metric) => {
                    let bounds = metric::bounds(metric, index);
                    lock(&self.meant).bounds.insert(probe.sample_key(), bounds);
                }
                _ => {}
            }
        }
    }
}

fn lock(meant: &Mutex<Meant>) -> MutexGuard<'_, Meant> {
    meant.lock().unwrap_or_else(PoisonError::into_inner)
}

fn running<'a>(index: &'a Index, target: &Target) -> impl Iterator<Item = String> + use<'a> {
    let pods = index.pods_of(target).into_iter().filter(|pod| pod.is_live() && !pod.is_finished() && pod.phase == "Running");
    pods.map(|pod| pod.reference.name.clone())
}

/// What is run to try it. What is run in our own pod ends there when its time is over, so that a late answer is known from none.
fn command_of(probe: &Condition, plan: &Plan) -> Vec<String> {
    let limit = probe.rhythm().map(|rhythm| rhythm.timeout).unwrap_or_default();
    let (limit, seconds) = (limit.as_secs_f64().to_string(), limit.as_secs_f64().ceil().to_string());
    let port = |service: &str, port: Option<u32>| {
        let manifest = plan
            .manifests
            .iter()
            .find(|manifest| text(&manifest.object, "/kind") == "Service" && text(&manifest.object, "/metadata/name") == service);
        let first = || manifest?.object.pointer("/spec/ports/0/port").and_then(Value::as_u64);
        port.map(u64::from).or_else(first).unwrap_or(80).to_string()
    };
    let limited = |words: &[&str]| {
        let all = ["timeout", &limit].into_iter().chain(words.iter().copied());
        all.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    match probe {
        Condition::Http(http) => {
            // The place of a Route is known when it is asked.
            let url = http.service.as_ref().map(|service| format!("http://{service}:{}{}", port(service, http.port), http.path));
            limited(&["wget", "-q", "-T", &seconds, "-O", "/dev/null", url.as_deref().unwrap_or_default()])
        }
        Condition::Tcp(tcp) => limited(&["nc", "-w", &seconds, &tcp.service, &port(&tcp.service, tcp.port), "-e", "true"]),
        Condition::Dns(dns) => limited(&["nslookup", &dns.name]),
        Condition::Exec(exec) => exec.command.clone(),
        _ => Vec::new(),
    }
}

/// What one tick does.
#[derive(Clone)]
struct TryOne {
    client: kube::Client,
    namespace: String,
    probe: Condition,
    key: String,
    command: Vec<String>,
    within: Duration,
    meant: Arc<Mutex<Meant>>,
    /// Whether the alert has fired in this trial.
    has_fired: Arc<AtomicBool>,
    /// Where the pod that asks takes its image from.
    taken: pod::Taken,
    /// The cluster's own Prometheus.
    monitoring: Monitoring,
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
        let mut alert = None;
        let (good, text) = match &self.probe {
            Condition::Exec(_) => self.in_its_pods().await,
            Condition::Prometheus(one) => {
                let query = one.query.replace("$namespace", &self.namespace);
                match self.monitoring.server(one.url.as_deref()) {
                    Ok(server) => web::query(&server, &query, self.within).await,
                    Err(error) => (None, error),
                }
            }
            Condition::Alert(one) => match self.alert(one).await {
                Ok(seen) => {
                    let told = self.told(one, &seen);
                    alert = Some(seen);
                    told
                }
                Err(error) => (None, error),
            },
            Condition::Metric(one) => {
                let bounds = lock(&self.meant).bounds.get(&self.key).cloned().unwrap_or_default();
                match timeout(self.within, metric::measure(&self.client, &self.namespace, one, &bounds)).await {
                    Ok(measured) => measured,
                    Err(_) => (None, "the metrics gave no answer in time".to_owned()),
                }
            }
            Condition::Http(http) if let Some(route) = &http.route => match self.url_of(route, &http.path).await {
                Ok(url) => {
                    let mut asking = self.clone();
                    if let Some(last) = asking.command.last_mut() {
                        *last = url;
                    }
                    asking.in_our_pod().await
                }
                Err(told) => told,
            },
            _ => self.in_our_pod().await,
        };
        Sample { probe: self.key.clone(), number, good, took: began.elapsed(), text, alert }
    }

    /// Where a Route leads a client; or what is known without asking it.
    async fn url_of(&self, route: &str, path: &str) -> Result<String, (Option<bool>, String)> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &route::resource());
        match timeout(self.within + WAY, api.get(route)).await {
            Err(_) => Err((None, format!("the Route {route} could not be read in time"))),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err((Some(false), format!("there is no Route {route}"))),
            Ok(Err(error)) => {
                let why = RequestError::new("get", &error).message;
                Err((None, format!("the Route {route} could not be read: {why}")))
            }
            Ok(Ok(object)) => route::url(&object.data, path).ok_or_else(|| (Some(false), "no router has admitted it".to_owned())),
        }
    }

    /// Whether an alert is where it is wanted.
    fn told(&self, alert: &Alert, seen: &AlertSeen) -> (Option<bool>, String) {
        let fired = self.has_fired.fetch_or(seen.phase == AlertPhase::Firing, Ordering::Relaxed);
        let (holds, text) = match seen.phase {
            AlertPhase::Inactive if fired => (alert.is == AlertState::Resolved, "it is resolved"),
            AlertPhase::Inactive => (false, "it is neither pending nor firing"),
            AlertPhase::Pending => (alert.is == AlertState::Pending, "it is pending"),
            AlertPhase::Firing => (alert.is != AlertState::Resolved, "it fires"),
        };
        (Some(holds), text.to_owned())
    }

    async fn alert(&self, alert: &Alert) -> Result<AlertSeen, String> {
        let server = self.monitoring.server(alert.url.as_deref())?;
        web::alert(&server, alert, &self.namespace, self.within).await
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// From the pod of our own: what it says is true of what it asked; when it says nothing, nothing is known.
    async fn in_our_pod(&self) -> (Option<bool>, String) {
        match timeout(self.within + WAY, self.run(pod::NAME, None)).await {
            Err(_) => (None, format!("the pod {} from which it is asked gave no answer", pod::NAME)),
            Ok(Err(error)) => {
                if exec::is_without_pod(&error) {
                    // Somebody removed it: what it would have seen is unknown, what its successor will see is not.
                    drop(timeout(WAY, pod::create(&self.pods(), &self.taken)).await);
                }
                let why = RequestError::new("exec", &error).message;
                (None, format!("it could not be asked from the pod {}: {why}", pod::NAME))
            }
            Ok(Ok(Ended { code, stdout, stderr, .. })) => {
                let late = || format!("no answer within {} ms", self.within.as_millis());
                match (&self.probe, code) {
                    // Its exit code tells of the whole search list, not of the name.
                    (Condition::Dns(_), _) if stdout.lines().any(|line| line.starts_with("Name:")) => (Some(true), String::new()),
                    (Condition::Dns(_), Some(0)) => (Some(false), "it has no address".to_owned()),
                    (_, Some(0)) => (Some(true), String::new()),
                    // The program that asks was killed, or could not be started at all.
                    (_, Some(137 | 126..=128) | None) => (None, format!("asking failed: {}", first_line(&stderr, &stdout))),
                    (_, Some(143)) => (Some(false), late()),
                    _ => (Some(false), first_line(&stderr, &stdout)),
                }
            }
        }
    }

    /// In all running pods of the target.
    async fn in_its_pods(&self) -> (Option<bool>, String) {
        let places = lock(&self.meant).places.get(&self.key).cloned().unwrap_or_default();
        let tries = places.iter().map(|(pod, container)| async move {
            match self.run(pod, container.as_deref()).await {
                Err(error) => (None, format!("{pod}: it could not be tried: {}", RequestError::new("exec", &error).message)),
                Ok(Ended { code: Some(0), .. }) => (Some(true), String::new()),
                Ok(Ended { code: Some(code), stdout, stderr, .. }) => {
                    (Some(false), format!("{pod}: exit code {code}: {}", first_line(&stderr, &stdout)))
                }
                // A program that is not there, say.
                Ok(Ended { message: Some(message), .. }) => (Some(false), format!("{pod}: {message}")),
                Ok(_) => (None, format!("{pod}: the connection ended without an exit code")),
            }
        });
        match timeout(self.within, join_all(tries)).await {
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
        }
    }
}

impl TryOne {
    async fn run(&self, pod: &str, container: Option<&str>) -> Result<Ended, kube::Error> {
        let mut parameters = AttachParams::default().stdin(false).stdout(true).stderr(true);
        if let Some(container) = container {
            parameters = parameters.container(container);
        }
        let mut process = self.pods().exec(pod, self.command.iter().map(String::as_str), &parameters).await?;
        Ok(exec::finish(&mut process).await)
    }
}

/// The first line that says something.
fn first_line(stderr: &str, stdout: &str) -> String {
    stderr.lines().chain(stdout.lines()).map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}
