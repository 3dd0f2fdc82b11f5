//! The evidence of what went wrong in a namespace: its objects, events, logs (current and previous) and a description, as texts with
//! names, for a trial, a scan and a healer alike. Who keeps them, and where, is the caller's business.
//!
//! What may not be read is said and is no failure; everything is bounded in size and time; values of Secrets are never in it.

mod describe;
mod hidden;

pub use hidden::Hidden;

use super::Index;
use super::index::{PodRecord, text};
use super::watch::{observed, plain};
use crate::cluster::kinds;
use describe::describe;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, LogParams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Kinds of a namespace that tell something of a failure. Those that were watched are taken from the index, with what is gone.
const KINDS: [&str; 19] = [
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "ControllerRevision",
    "Job",
    "CronJob",
    "Service",
    "EndpointSlice",
    "ConfigMap",
    "Secret",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "ResourceQuota",
    "LimitRange",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "ServiceAccount",
    "RoleBinding",
];

/// How much is read at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes in all; what does not fit is said.
    pub bytes: usize,
    /// Bytes of one text; a log is cut at its beginning, anything else at its end.
    pub text: usize,
    /// The newest lines of a log.
    pub log_lines: i64,
    /// Objects of one kind that are listed, and pods that are told of.
    pub objects: u32,
    /// For one request.
    pub request: Duration,
    /// For all of it.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            text: 4 << 20,
            log_lines: 2_000,
            objects: 500,
            request: Duration::from_secs(10),
            time: Duration::from_mins(1),
        }
    }
}

/// What is wanted of which namespace.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// Whether kinds that were not watched are listed: not in a namespace of others, where only what is meant may be looked at.
    pub whole_namespace: bool,
    /// Values that must not be told, wherever they stand.
    pub hidden: &'a Hidden,
    /// How much.
    pub bounds: Bounds,
}

/// The evidence: texts by name (`logs/pool-x/app.log`), and what could not be read and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The texts, by relative path; parts of a path are names of Kubernetes or of ours.
    pub files: BTreeMap<String, String>,
    /// What is missing, with the reason.
    pub missing: Vec<String>,
    bytes: usize,
}

impl Bundle {
    fn add(&mut self, name: &str, text: String, wanted: &Wanted<'_>) {
        let mut text = wanted.hidden.out_of(text);
        if text.len() > wanted.bounds.text {
            let keep_end = std::path::Path::new(name).extension().is_some_and(|extension| extension == "log");
            text = cut(&text, wanted.bounds.text, keep_end);
            self.missing.push(format!("{name}: only {} bytes of it are kept", wanted.bounds.text));
        }
        if self.bytes + text.len() > wanted.bounds.bytes {
            self.missing.push(format!("{name}: not kept, {} bytes are enough in all", wanted.bounds.bytes));
            return;
        }
        self.bytes += text.len();
        self.files.insert(name.to_owned(), text);
    }
}

fn cut(text: &str, most: usize, keep_end: bool) -> String {
    let boundary = |mut at: usize, step: fn(usize) -> usize| {
        while !text.is_char_boundary(at) {
            at = step(at);
        }
        at
    };
    if keep_end {
        text.get(boundary(text.len() - most, |at| at + 1)..).unwrap_or_default().to_owned()
    } else {
        text.get(..boundary(most, |at| at - 1)).unwrap_or_default().to_owned()
    }
}

/// Reads the evidence of a namespace. It takes no longer than the bounds say, and never fails: what could not be read is said.
pub async fn collect(client: &kube::Client, index: &Index, wanted: &Wanted<'_>) -> Bundle {
    let mut bundle = Bundle::default();
    let end = Instant::now() + wanted.bounds.time;
    let of_namespace = |pod: &&PodRecord| pod.reference.namespace == wanted.namespace;
    let all: Vec<&PodRecord> = index.all_pods().filter(of_namespace).collect();
    let pods = worst(&all, wanted.bounds.objects as usize);
    if pods.len() < all.len() {
        bundle.missing.push(format!("only {} of {} pods are told of, those in trouble first", pods.len(), all.len()));
    }
    bundle.add("describe.txt", describe(index, &all, &pods), wanted);
    bundle.add("events.txt", events(index, wanted.namespace), wanted);
    let objects: Vec<&Value> = pods.iter().map(|pod| pod.object().as_ref()).collect();
    bundle.add("objects/pod.json", pretty(&objects), wanted);
    logs(client, &pods, wanted, end, &mut bundle).await;
    for kind in KINDS {
        let name = format!("objects/{}.json", kind.to_lowercase());
        if index.is_watched(kind) {
            let known = index.records(kind).map(|(_, record)| record.object.as_ref());
            let objects: Vec<&Value> = known.filter(|object| is_of(wanted.namespace, object)).collect();
            if !objects.is_empty() {
                bundle.add(&name, pretty(&objects), wanted);
            }
        } else if wanted.whole_namespace {
            match within(end, wanted, list(client, kind, wanted)).await {
                Ok((objects, all)) => {
                    if !all {
                        bundle.missing.push(format!("{name}: only the first {} are kept", objects.len()));
                    }
                    if !objects.is_empty() {
                        bundle.add(&name, pretty(&objects), wanted);
                    }
                }
                Err(why) => bundle.missing.push(format!("{name}: {why}")),
            }
        }
    }
    if !bundle.missing.is_empty() {
        let text = bundle.missing.iter().fold(String::new(), |text, line| text + line + "\n");
        bundle.files.insert("missing.txt".to_owned(), wanted.hidden.out_of(text));
    }
    bundle
}

/// So many pods at most: where there are more, those that failed come first.
fn worst<'a>(pods: &[&'a PodRecord], most: usize) -> Vec<&'a PodRecord> {
    let mut pods = pods.to_vec();
    if pods.len() > most {
        pods.sort_by_key(|pod| trouble(pod));
        pods.truncate(most);
    }
    pods
}

/// Sorts what failed first.
fn trouble(pod: &PodRecord) -> (bool, bool, String) {
    (pod.ready, pod.containers.values().all(|one| one.restart_count == 0), pod.reference.name.clone())
}

/// The result of a request, unless it or all of them take too long.
async fn within<T>(end: Instant, wanted: &Wanted<'_>, request: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    if Instant::now() >= end {
        return Err(format!("not read, {} s are enough for all of it", wanted.bounds.time.as_secs()));
    }
    match timeout(wanted.bounds.request, request).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", wanted.bounds.request.as_secs())),
    }
}

/// Objects of a kind, and whether these are all.
async fn list(client: &kube::Client, kind: &str, wanted: &Wanted<'_>) -> Result<(Vec<Value>, bool), String> {
    let kind = kinds::resolve(client, None, kind).await.map_err(|error| error.to_string())?;
    let api = kind.api(client, wanted.namespace);
    let parameters = ListParams::default().limit(wanted.bounds.objects);
    let list = api.list(&parameters).await.map_err(|error| error.to_string())?;
    let all = list.metadata.continue_.as_deref().unwrap_or_default().is_empty();
    Ok((list.items.into_iter().map(|object| observed(plain(object, &kind.resource))).collect(), all))
}

async fn logs(client: &kube::Client, pods: &[&PodRecord], wanted: &Wanted<'_>, end: Instant, bundle: &mut Bundle) {
    let api: Api<Pod> = Api::namespaced(client.clone(), wanted.namespace);
    let mut live: Vec<&&PodRecord> = pods.iter().filter(|pod| pod.deleted.is_none()).collect();
    // What failed comes first, for the case that not everything can be read.
    live.sort_by_key(|pod| trouble(pod));
    for pod in live {
        for record in pod.containers.values() {
            let container = &record.name;
            let never_ran = record.runs.is_empty() && record.exits.is_empty();
            for previous in [false, true] {
                if never_ran || previous && record.restart_count == 0 {
                    continue;
                }
                let name = format!("logs/{}/{container}{}.log", pod.reference.name, if previous { "-previous" } else { "" });
                let parameters = LogParams {
                    container: Some(container.clone()),
                    previous,
                    tail_lines: Some(wanted.bounds.log_lines),
                    timestamps: true,
                    ..LogParams::default()
                };
                let request = async { api.logs(&pod.reference.name, &parameters).await.map_err(|error| error.to_string()) };
                match within(end, wanted, request).await {
                    Ok(log) => bundle.add(&name, log, wanted),
                    Err(why) => bundle.missing.push(format!("{name}: {why}")),
                }
            }
        }
    }
}

fn pretty<T: serde::Serialize>(objects: &[T]) -> String {
    serde_json::to_string_pretty(objects).unwrap_or_default()
}

fn is_of(namespace: &str, object: &Value) -> bool {
    text(object, "/metadata/namespace") == namespace
}

/// All events, oldest first, a line each.
fn events(index: &Index, namespace: &str) -> String {
    let mut events: Vec<_> =
        index.events().filter(|event| event.sort.namespace == namespace || event.regarding.kind == "Node").collect();
    events.sort_by(|a, b| a.last_seen.cmp(&b.last_seen).then_with(|| a.regarding.name.cmp(&b.regarding.name)));
    let mut text = String::new();
    for event in events {
        let _ = writeln!(
            text,
            "{:>10.3}s  {:<7} {:<24} x{:<4} {}/{}: {}",
            event.last_seen.as_secs_f64(),
            event.sort.type_,
            event.sort.reason,
            event.count,
            event.regarding.kind.to_lowercase(),
            event.regarding.name,
            event.message.trim_end()
        );
    }
    text
}

#[cfg(test)]
mod tests;
