//! Follows the Job of a submitted run by watches, until it has ended or cannot go on. What is told and when it ends follows from what is
//! seen alone (`Following`); fetching results is `store`'s.

mod pod;
mod watches;

pub use watches::Seen;

use super::Summary;
use crate::cluster::request::RequestError;
use crate::engine::Stop;
use crate::engine::home::Home;
use crate::observe::index::text;
use futures::StreamExt;
use pod::PodSeen;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How long a pod may wait for a node: a cluster that scales itself needs some minutes.
const SCHEDULED_WITHIN: Duration = Duration::from_mins(10);

/// How following ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The Job is over.
    Over,
    /// It cannot go on, with the reason and what to do.
    Stuck(String),
    /// A signal, or the time limit.
    Stopped,
}

/// One pod of the Job, as it was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The pod's name.
    pub pod: String,
    /// Which shard, from 1 on.
    pub shard: u32,
    /// Whether it was seen running.
    pub ran: bool,
    /// How it ended, in words; absent while it runs.
    pub ended: Option<String>,
    /// What it said when it ended.
    pub message: Option<String>,
}

impl Attempt {
    /// What came of the shard, if this attempt ended it.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        serde_json::from_str(self.message.as_deref()?).ok()
    }
}

/// What is known of a submitted run.
#[derive(Debug)]
pub struct Following {
    image: String,
    /// Trials of each shard.
    expected: BTreeMap<u32, usize>,
    /// Trials of each shard that are stored, by the names of their objects.
    stored: BTreeMap<u32, BTreeSet<String>>,
    /// Pods, by uid, in the order in which they were seen.
    pods: Vec<(String, Attempt)>,
    /// What was told of a shard last.
    told: BTreeMap<u32, String>,
    /// Pods that wait for a node, by uid, since when and why.
    unplaced: BTreeMap<String, (Instant, u32, String)>,
    failed: Vec<String>,
    ended: Option<Ended>,
    /// Pods that began to run, whose logs are to be read, with their shards.
    speaking: Vec<(String, u32)>,
    /// Whether each line of the pods' logs is told.
    verbose: bool,
}

impl Following {
    /// Nothing has been seen. `expected` has the number of trials of each shard; `verbose`: what the pods write is told, too.
    #[must_use]
    pub const fn new(image: String, expected: BTreeMap<u32, usize>, verbose: bool) -> Self {
        Self {
            image,
            expected,
            stored: BTreeMap::new(),
            pods: Vec::new(),
            told: BTreeMap::new(),
            unplaced: BTreeMap::new(),
            failed: Vec::new(),
            ended: None,
            speaking: Vec::new(),
            verbose,
        }
    }

    /// The attempts at all shards, in the order in which they were seen.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.pods.iter().map(|(_, attempt)| attempt)
    }

    /// Why shards failed, as the Job says it.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failed
    }

    /// Takes in what was seen; what is new is told, a line each.
    pub fn take(&mut self, seen: &Seen, now: Instant, tell: &mut dyn FnMut(&str)) {
        match seen {
            Seen::Pod(pod) => self.pod(pod, now, tell),
            Seen::PodGone { uid } => self.pod_gone(uid, tell),
            Seen::Job(job) => self.job(job),
            Seen::JobGone => self.end(Ended::Stuck("its Job is gone: somebody has removed it (`comeback cleanup`?)".to_owned())),
            Seen::Stored { shard, name } => {
                let stored = self.stored.entry(*shard).or_default();
                if stored.insert(name.clone()) && !name.ends_with("-end") {
                    let count = stored.iter().filter(|name| !name.ends_with("-end")).count();
                    let of = self.expected.get(shard).copied().unwrap_or_default();
                    self.tell(*shard, &format!("{count} of {of} trials"), tell);
                }
            }
            Seen::Event(event) => self.event(event, tell),
            Seen::Said { shard, line } => tell(&format!("shard {shard}/{}: {line}", self.expected.len())),
        }
    }

    fn tell(&mut self, shard: u32, what: &str, tell: &mut dyn FnMut(&str)) {
        if self.told.get(&shard).map(String::as_str) != Some(what) {
            self.told.insert(shard, what.to_owned());
            tell(&format!("shard {shard}/{}: {what}", self.expected.len()));
        }
    }

    fn end(&mut self, how: Ended) {
        self.ended.get_or_insert(how);
    }

    fn pod(&mut self, object: &Value, now: Instant, tell: &mut dyn FnMut(&str)) {
        let Some(seen) = pod::read(object) else { return };
        let uid = text(object, "/metadata/uid").to_owned();
        let name = text(object, "/metadata/name").to_owned();
        let position = self.pods.iter().position(|(known, _)| *known == uid).unwrap_or_else(|| {
            self.pods
                .push((uid.clone(), Attempt { pod: name.clone(), shard: seen.shard, ran: false, ended: None, message: None }));
            self.pods.len() - 1
        });
        if !matches!(seen.is, PodSeen::Unplaced(_)) {
            self.unplaced.remove(&uid);
        }
        match seen.is {
            PodSeen::Starting => {}
            PodSeen::Unplaced(why) => {
                self.tell(seen.shard, &format!("no node takes pod {name}: {why}"), tell);
                self.unplaced.entry(uid).or_insert((now, seen.shard, why));
            }
            PodSeen::Waiting { reason, message, final_, node } => {
                self.tell(seen.shard, &format!("pod {name} waits: {reason}{}", after(&message)), tell);
                if final_ {
                    self.end(Ended::Stuck(self.cannot_start(&name, &node, &reason, &message)));
                }
            }
            PodSeen::Running { node } => {
                let Some((_, attempt)) = self.pods.get_mut(position) else { return };
                if !std::mem::replace(&mut attempt.ran, true) {
                    self.speaking.extend(self.verbose.then(|| (name.clone(), seen.shard)));
                    self.tell(seen.shard, &format!("pod {name} runs on {node}"), tell);
                }
            }
            PodSeen::Ended { how, message, well } => {
                let Some((_, attempt)) = self.pods.get_mut(position) else { return };
                if attempt.ended.replace(how.clone()).is_none() {
                    attempt.message = message.or(attempt.message.take());
                    if !well {
                        let said = attempt.message.as_deref().map(after).unwrap_or_default();
                        self.tell(seen.shard, &format!("pod {name} ended: {how}{said}"), tell);
                    }
                }
            }
        }
    }

    fn cannot_start(&self, pod: &str, node: &str, reason: &str, message: &str) -> String {
        let image = &self.image;
        let why = format!("pod {pod} cannot start on {node}: {reason}{}", after(message));
        if reason.contains("Image") {
            return format!(
                "{why}\nThe nodes cannot have image {image}: push it where they can pull it, or load it (`kind load docker-image {image}`); `ci/Dockerfile` makes it"
            );
        }
        why
    }

    fn pod_gone(&mut self, uid: &str, tell: &mut dyn FnMut(&str)) {
        self.unplaced.remove(uid);
        let found = self.pods.iter_mut().find(|(known, attempt)| known == uid && attempt.ended.is_none());
        if let Some((_, attempt)) = found {
            attempt.ended = Some("it was deleted".to_owned());
            let (shard, what) = (attempt.shard, format!("pod {} was deleted", attempt.pod));
            self.tell(shard, &what, tell);
        }
    }

    fn job(&mut self, job: &Value) {
        let conditions = job.pointer("/status/conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten().filter(|condition| text(condition, "/status") == "True") {
            match text(condition, "/type") {
                "Complete" => self.end(Ended::Over),
                "Failed" => {
                    let why = format!("{}{}", text(condition, "/reason"), after(text(condition, "/message")));
                    self.failed = vec![why];
                    self.end(Ended::Over);
                }
                _ => {}
            }
        }
    }

    /// What keeps pods from being made at all is told by Events of the Job alone.
    fn event(&mut self, event: &Value, tell: &mut dyn FnMut(&str)) {
        let message = text(event, "/message");
        if text(event, "/involvedObject/kind") != "Job" || text(event, "/reason") != "FailedCreate" {
            return;
        }
        if message.contains("forbidden") {
            self.end(Ended::Stuck(format!(
                "the cluster refuses the pods: {message}\nWhat refuses them (a quota, a LimitRange, Pod Security, a webhook) is named above"
            )));
        } else {
            tell(&format!("no pod can be made yet: {message}"));
        }
    }

    /// Whether pods have waited too long for a node, or when that will be.
    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let (since, shard, why) = self.unplaced.values().min_by_key(|(since, _, _)| *since)?.clone();
        let deadline = since + SCHEDULED_WITHIN;
        if deadline <= now {
            let minutes = SCHEDULED_WITHIN.as_secs() / 60;
            self.end(Ended::Stuck(format!("no node took the pod of shard {shard} within {minutes} minutes: {why}")));
        }
        Some(deadline)
    }
}

/// A message behind what it is about.
fn after(message: &str) -> String {
    let message = message.trim();
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// Follows until the end; what is new is told, a line each.
///
/// # Errors
/// The home may not be watched.
pub async fn follow(
    client: &kube::Client,
    home: &Home,
    following: &mut Following,
    stop: &Stop,
    tell: &mut dyn FnMut(&str),
) -> Result<Ended, RequestError> {
    let mut seen = watches::all(client, home)?;
    let mut stop = stop.clone();
    loop {
        let deadline = following.deadline(Instant::now());
        if let Some(ended) = following.ended.take() {
            return Ok(ended);
        }
        let too_late = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            stopped = stop.wait_for(Option::is_some) => {
                // Without a sender nothing will stop it.
                if stopped.is_ok() {
                    return Ok(Ended::Stopped);
                }
            }
            next = seen.next() => match next {
                Some(next) => {
                    following.take(&next?, Instant::now(), tell);
                    for (pod, shard) in following.speaking.drain(..) {
                        seen.push(watches::log(client, home, pod, shard));
                    }
                }
                None => return Err(RequestError::of("following the run", "its watches have ended")),
            },
            () = too_late => {}
        }
    }
}

#[cfg(test)]
mod tests;
