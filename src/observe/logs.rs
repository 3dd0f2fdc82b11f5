//! Container logs: followed where a condition asks for them, and the last lines of every instance that ended, as evidence.
//! Driven by the pod states that the engine feeds in; never polls. Logs that cannot be had are no error.

use super::index::text;
use super::timeline::LogLine;
use super::watch::Seen;
use crate::cluster::request::{REQUEST_BUDGET, retried};
use crate::json::At as _;
use crate::scenario::{Condition, Plan, Target};
use crate::selector::Selector;
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Lines of an ended instance that are kept as evidence.
const EVIDENCE_LINES: i64 = 20;
/// Bytes of one instance's log that are followed at most.
const FOLLOWED_BYTES: i64 = 4 * 1024 * 1024;

/// Logs that a condition asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    target: Target,
    container: Option<String>,
}

/// The logs that the conditions of a plan ask for.
#[must_use]
pub fn wanted_by(plan: &Plan) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for condition in plan.conditions() {
        collect(condition, &mut wanted);
    }
    wanted
}

fn collect(condition: &Condition, wanted: &mut Vec<Wanted>) {
    match condition {
        Condition::Log(log) => {
            wanted.extend(log.target().map(|target| Wanted { target, container: log.container.clone() }));
        }
        Condition::Any(inner) | Condition::All(inner) => inner.iter().for_each(|condition| collect(condition, wanted)),
        Condition::Not(inner) => collect(inner, wanted),
        _ => {}
    }
}

impl Wanted {
    fn includes(&self, pod: &Value, container: &str) -> bool {
        self.container.as_deref().is_none_or(|wanted| wanted == container) && is_of(pod, &self.target)
    }
}

/// Whether a pod is of a target, judged from the pod alone. A Deployment's `ReplicaSets` are called after it and their template's hash.
fn is_of(pod: &Value, target: &Target) -> bool {
    let labels = || -> BTreeMap<String, String> {
        let labels = pod.at("/metadata/labels").and_then(Value::as_object);
        labels.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    match target {
        Target::Pod(name) => text(pod, "/metadata/name") == name,
        Target::Selector(selector) => Selector::parse(selector).is_ok_and(|selector| selector.matches(&labels())),
        Target::StatefulSet(_) | Target::DaemonSet(_) | Target::Job(_) => super::index::controller_of(pod)
            .is_some_and(|owner| target.workload() == Some((owner.kind.as_str(), owner.name.as_str()))),
        Target::Deployment(name) => super::index::controller_of(pod).is_some_and(|owner| {
            let hash = text(pod, "/metadata/labels/pod-template-hash");
            owner.kind == "ReplicaSet" && owner.name == format!("{name}-{hash}")
        }),
    }
}

/// One instance of a container: pod uid, container, restart count.
type Instance = (String, String, u32);

/// Follows the logs of one trial's namespace; it stops when this is dropped.
#[derive(Debug)]
pub struct LogFollower {
    pods: Api<Pod>,
    wanted: Vec<Wanted>,
    sink: mpsc::UnboundedSender<Seen>,
    /// Instances whose log is being followed, or whose last lines are fetched.
    taken: BTreeSet<Instance>,
    tasks: JoinSet<()>,
}

/// What is to be read of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reading {
    pod: String,
    instance: Instance,
    follow: bool,
    previous: bool,
    tail: Option<i64>,
    /// The server's stamps of the instance's start and end (1 s resolution): other lines are another instance's.
    lived: Option<(jiff::Timestamp, jiff::Timestamp)>,
}

impl LogFollower {
    /// A follower that sends [`Seen::LogLine`]s.
    #[must_use]
    pub fn new(client: &kube::Client, namespace: &str, wanted: Vec<Wanted>, sink: mpsc::UnboundedSender<Seen>) -> Self {
        let pods = Api::namespaced(client.clone(), namespace);
        Self { pods, wanted, sink, taken: BTreeSet::new(), tasks: JoinSet::new() }
    }

    /// Takes the next state of a pod in: starts to follow instances that run, fetches what ended ones wrote last.
    pub fn pod_seen(&mut self, pod: &Arc<Value>) {
        while self.tasks.try_join_next().is_some() {}
        for reading in self.due(pod) {
            self.taken.insert(reading.instance.clone());
            self.tasks.spawn(read(self.pods.clone(), reading, self.sink.clone()));
        }
    }

    fn due(&self, pod: &Value) -> Vec<Reading> {
        let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
        let statuses = lists.iter().filter_map(|list| pod.at(list)?.as_array()).flatten();
        let mut due = Vec::new();
        for status in statuses {
            let name = text(status, "/name");
            let count =
                status.get("restartCount").and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
            let wanted = self.wanted.iter().any(|wanted| wanted.includes(pod, name));
            let mut want = |restart: u32, follow: bool, previous: bool, ended: Option<&Value>| {
                let instance = (text(pod, "/metadata/uid").to_owned(), name.to_owned(), restart);
                // An instance that never started has no log.
                let started = ended.is_none_or(|ended| text(ended, "/reason") != "StartError");
                if started && !self.taken.contains(&instance) {
                    let tail = (!wanted).then_some(EVIDENCE_LINES);
                    let stamp = |name: &str| text(ended?, name).parse().ok();
                    let lived = stamp("/startedAt").zip(stamp("/finishedAt"));
                    let pod = text(pod, "/metadata/name").to_owned();
                    due.push(Reading { pod, instance, follow, previous, tail, lived });
                }
            };
            if let Some(last) = status.at("/lastState/terminated")
                && status.at("/state/terminated").is_none_or(|state| text(state, "/containerID") != text(last, "/containerID"))
            {
                // In CrashLoopBackOff the newest instance is still the one that ended; once another runs it is the previous one.
                let runs = status.at("/state/running").is_some() || status.at("/state/terminated").is_some();
                if !runs {
                    want(count, false, false, Some(last));
                } else if count > 0 {
                    want(count - 1, false, true, Some(last));
                }
            }
            if let Some(ended) = status.at("/state/terminated") {
                want(count, false, false, Some(ended));
            } else if wanted && status.at("/state/running").is_some() {
                want(count, true, false, None);
            }
        }
        due
    }
}

async fn read(pods: Api<Pod>, reading: Reading, sink: mpsc::UnboundedSender<Seen>) {
    if reading.follow {
        follow(&pods, &reading, &sink).await;
        return;
    }
    // A restart may come before the request: then what was the present instance is the previous one.
    for previous in [reading.previous, !reading.previous] {
        let parameters = LogParams { previous, tail_lines: reading.tail, ..reading.parameters() };
        let Ok(log) = retried(&reading.what(), REQUEST_BUDGET, || pods.logs(&reading.pod, &parameters)).await else { continue };
        let own: Vec<_> = log.lines().map(stamped).filter(|(at, _)| reading.is_own(*at)).collect();
        if !own.is_empty() {
            let _ = own.into_iter().all(|(server, text)| sink.send(reading.line(server, text)).is_ok());
            return;
        }
    }
}

async fn follow(pods: &Api<Pod>, reading: &Reading, sink: &mpsc::UnboundedSender<Seen>) {
    let parameters = LogParams { follow: true, ..reading.parameters() };
    let stream = retried(&reading.what(), REQUEST_BUDGET, || pods.log_stream(&reading.pod, &parameters)).await;
    let mut lines = match stream {
        Ok(stream) => stream.lines(),
        Err(error) => {
            tracing::debug!("{error}");
            return;
        }
    };
    loop {
        match lines.try_next().await {
            Ok(Some(line)) => {
                let (server, text) = stamped(&line);
                if sink.send(reading.line(server, text)).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::debug!("{}: {error}", reading.what());
                return;
            }
        }
    }
}

impl Reading {
    fn what(&self) -> String {
        format!("reading the log of {}/{}", self.pod, self.instance.1)
    }

    fn parameters(&self) -> LogParams {
        let container = Some(self.instance.1.clone());
        LogParams { container, limit_bytes: Some(FOLLOWED_BYTES), timestamps: true, ..LogParams::default() }
    }

    /// Whether a line of this time can be the instance's.
    fn is_own(&self, at: Option<jiff::Timestamp>) -> bool {
        // Stamps were asked for: a line without one is the kubelet's excuse (`unable to retrieve container logs for ...`).
        let Some(at) = at else { return false };
        let Some((start, end)) = self.lived else { return true };
        (start.as_second()..=end.as_second()).contains(&at.as_second())
    }

    fn line(&self, server: Option<jiff::Timestamp>, text: &str) -> Seen {
        let (uid, container, restart) = self.instance.clone();
        Seen::LogLine(LogLine { pod: self.pod.clone(), uid, container, restart, server, text: text.to_owned() })
    }
}

/// The server's stamp at the beginning of a line, and the line without it.
fn stamped(line: &str) -> (Option<jiff::Timestamp>, &str) {
    let (stamp, rest) = line.split_once(' ').unwrap_or((line, ""));
    match stamp.parse() {
        Ok(at) => (Some(at), rest),
        Err(_) => (None, line),
    }
}

#[cfg(test)]
mod tests;
