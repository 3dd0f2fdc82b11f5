//! Machines that only their cluster reaches: each act, and each way back, is a short-lived privileged pod on the node, whose commands run
//! in the machine's own namespaces. What its scripts do stands in `script`.
//!
//! A machine that is cut off, or whose kubelet is down, starts no pod that could mend it. So a timer of the machine's own systemd, which is
//! there before the act, takes every act back after its limit, and the act follows only when the cluster knows how the pod ended. Taking
//! back is always seen: by a pod that ran there afterwards, found nothing left, and so shows that the kubelet works.

use super::script::{self, ARM, SETTLE};
use super::{Act, Limit, Machine, Machines, TakenBack};
use crate::cluster::kinds::{self, Kind};
use crate::cluster::request::{REQUEST_BUDGET, RequestError, retried};
use crate::cluster::wait;
use crate::engine::labels::{FIELD_MANAGER, dns_label};
use crate::observe::index::text;
use crate::scenario::{Fault, Plan, Step};
use futures::FutureExt;
use futures::future::BoxFuture;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use serde_json::{Value, json};
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a pod may take from its creation to its end on a node that works; an image may have to be pulled.
const DONE_WITHIN: Duration = Duration::from_mins(2);
/// The same for a machine that boots.
const BOOTED_WITHIN: Duration = Duration::from_mins(5);
/// How long after its pod has ended an act follows, in seconds: until then the kubelet must have told how it ended. Recorded: 1 to 2 s.
const FOLLOWS_AFTER: u64 = 4;
/// What a pod may take once the kubelet knows of it, in seconds.
const RUNS_FOR: u64 = 120;
/// Enters the namespaces of the machine's first process; what is told on stdout becomes the pod's last word.
const ENTER: &str = r#"told=$(nsenter -t 1 -m -u -i -n -p -- sh -c "$@") || exit 1; printf '%s' "$told" >/dev/termination-log"#;

/// The machines of a cluster's nodes, by pods in one namespace.
#[derive(Clone)]
pub struct Hosts {
    /// The client.
    pub client: kube::Client,
    /// The run's own namespace, which lets privileged pods in.
    pub namespace: String,
    /// The pods' image: a shell and nsenter, as busybox has them.
    pub image: String,
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosts").field("namespace", &self.namespace).field("image", &self.image).finish_non_exhaustive()
    }
}

/// What is run for an act: whether it can be, the act, the way back, and their one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Work<'a> {
    check: &'static str,
    act: &'static str,
    undo: &'static str,
    word: &'a str,
    /// Whether the machine goes on starting pods and telling of them.
    stays: bool,
}

/// Why no pod can do what a plan wants done to machines.
#[must_use]
pub fn cannot(plan: &Plan) -> Option<String> {
    let fault = |fault: &Fault| match fault {
        Fault::PauseNode(_) => Some("pauseNode: nothing on a machine of which every process is stopped could let it go on"),
        Fault::RebootNode(fault) if fault.lasts.is_some() => {
            Some("rebootNode with `for`: nothing in a cluster could switch a machine on again")
        }
        _ => None,
    };
    let why = plan.single_faults().into_iter().find_map(fault).or_else(|| {
        plan.steps()
            .any(|step| matches!(step, Step::RebootNode(_)))
            .then_some("the healing step rebootNode: a node that is not ready starts no pod that could reboot it")
    });
    why.map(|why| format!("its nodes are reached by pods alone (`--allow node-access`), which cannot do {why}"))
}

impl Hosts {
    fn find(node: &Value) -> Result<Machine, RequestError> {
        let name = text(node, "/metadata/name");
        let id = text(node, "/status/nodeInfo/machineID");
        let runtime = text(node, "/status/nodeInfo/containerRuntimeVersion").split("://").next().unwrap_or_default();
        let machine = Machine::Host { node: name.to_owned(), id: id.to_owned(), container_runtime: runtime.to_owned() };
        let what = format!("looking for {machine}");
        if text(node, "/status/nodeInfo/operatingSystem") != "linux" {
            return Err(RequestError::of(&what, "it does not run Linux"));
        }
        parts(&what, &machine)?;
        Ok(machine)
    }

    async fn carry_out(&self, machine: &Machine, act: &Act, limit: &Limit) -> Result<(), RequestError> {
        let what = format!("breaking {machine}");
        let (node, id, _) = parts(&what, machine)?;
        let work = work(&what, machine, act, limit)?;
        let unit = unit(&what, limit)?;
        if limit.seconds == 0 && !matches!(act, Act::Reboot) {
            return Err(RequestError::of(&what, "it is not said after how long it mends itself"));
        }
        let follows = if work.stays { 0 } else { FOLLOWS_AFTER };
        let (delay, seconds) = (follows.to_string(), limit.seconds.to_string());
        let words = [ARM, "sh", &unit, id, &delay, &seconds, work.check, work.act, work.undo, work.word];
        let told = self.run(&what, &name_of(node, limit, "act"), node, &words, DONE_WITHIN).await?;
        if told.trim() != "acting" {
            return Err(RequestError::of(&what, format!("its pod ended without a word that it acts: {told:?}")));
        }
        // Nothing that the machine does from now on may reach us: it is done when its timer has elapsed.
        tokio::time::sleep(Duration::from_secs(follows)).await;
        Ok(())
    }

    async fn mend(&self, machine: &Machine, act: &Act, limit: &Limit) -> Result<TakenBack, RequestError> {
        let what = format!("mending {machine}");
        let (node, id, _) = parts(&what, machine)?;
        let work = work(&what, machine, act, limit)?;
        let unit = unit(&what, limit)?;
        let within = waits(act, limit);
        let nodes = kinds::resolve(&self.client, None, "Node").await?.api(&self.client, "");
        let present = retried(&what, within, || nodes.get_opt(node)).await?;
        let own = present.and_then(|node| node.data.pointer("/status/nodeInfo/machineID")?.as_str().map(ToOwned::to_owned));
        if own.as_deref() != Some(id) {
            return Ok(TakenBack::Gone);
        }
        // One that was given up before it ran must not act afterwards.
        let pods = kinds::resolve(&self.client, None, "Pod").await?.api(&self.client, &self.namespace);
        remove(&pods, &name_of(node, limit, "act")).await?;
        let words = [SETTLE, "sh", &unit, id, work.undo, work.word];
        let told = self.run(&what, &name_of(node, limit, "mend"), node, &words, within).await?;
        Ok(if told.trim() == "yes" { TakenBack::Now } else { TakenBack::Already })
    }

    /// Runs a pod to its end; what it told, or why it failed. It is gone then.
    async fn run(&self, what: &str, name: &str, node: &str, words: &[&str], within: Duration) -> Result<String, RequestError> {
        let kind = kinds::resolve(&self.client, None, "Pod").await?;
        let pods = kind.api(&self.client, &self.namespace);
        let pod: DynamicObject = serde_json::from_value(pod(&self.image, name, node, words))
            .map_err(|error| RequestError::of(what, error.to_string()))?;
        // What an attempt that was cut short has left there tells of another moment.
        remove(&pods, name).await?;
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let creating = format!("{what}: creating pod {name} in namespace {}", self.namespace);
        match retried(&creating, REQUEST_BUDGET, || pods.create(&parameters, &pod)).await {
            // An earlier attempt may have been carried out without its answer reaching us.
            Err(error) if !error.is_already_there() => return Err(error),
            _ => {}
        }
        let ended = self.end_of(&kind, &pods, name, within).await;
        let removed = remove(&pods, name).await;
        let told = ended.map_err(|why| RequestError::of(what, why))?;
        removed.map(|()| told)
    }

    async fn end_of(&self, kind: &Kind, pods: &Api<DynamicObject>, name: &str, within: Duration) -> Result<String, String> {
        let last = Mutex::new(Value::Null);
        let note = |pod: Option<&DynamicObject>| {
            let seen = pod.map_or(Value::Null, |pod| crate::observe::watch::plain(pod.clone(), &kind.resource));
            let ended = matches!(text(&seen, "/status/phase"), "Succeeded" | "Failed") || seen.is_null();
            *last.lock().unwrap_or_else(PoisonError::into_inner) = seen;
            ended
        };
        let ended = wait::until(pods, name, within, note).await.map_err(|error| error.to_string())?;
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        judged(&last, ended, name, within)
    }
}

/// What an ended pod told, or why it failed.
fn judged(pod: &Value, ended: bool, name: &str, within: Duration) -> Result<String, String> {
    let status = "/status/containerStatuses/0/state";
    let said = |state: &str| {
        let (reason, message) = (text(pod, &format!("{status}/{state}/reason")), text(pod, &format!("{status}/{state}/message")));
        [reason, message.trim()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    };
    match text(pod, "/status/phase") {
        "Succeeded" => Ok(text(pod, &format!("{status}/terminated/message")).to_owned()),
        "Failed" => {
            let message = text(pod, &format!("{status}/terminated/message")).trim();
            let last = message.lines().next_back().map_or_else(|| said("terminated"), ToOwned::to_owned);
            let reason = [text(pod, "/status/reason"), text(pod, "/status/message")].join(" ").trim().to_owned();
            Err(if last.is_empty() { format!("pod {name} failed: {reason}") } else { last })
        }
        _ if ended => Err(format!("pod {name} was deleted by somebody before it ended")),
        _ => {
            let waiting = said("waiting");
            let why = if waiting.is_empty() { "the node's kubelet has not told that it ran".to_owned() } else { waiting };
            Err(format!("pod {name} did not end within {} s: {why}", within.as_secs()))
        }
    }
}

async fn remove(pods: &Api<DynamicObject>, name: &str) -> Result<(), RequestError> {
    // On a node that nobody reaches, it would stay with a grace of its own.
    let parameters = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
    let what = format!("removing pod {name}");
    match retried(&what, REQUEST_BUDGET, || pods.delete(name, &parameters)).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

impl Machines for Hosts {
    fn of<'a>(&'a self, node: &'a Value) -> BoxFuture<'a, Result<Machine, RequestError>> {
        async move { Self::find(node) }.boxed()
    }

    fn carry_out<'a>(&'a self, machine: &'a Machine, act: &'a Act, limit: &'a Limit) -> BoxFuture<'a, Result<(), RequestError>> {
        self.carry_out(machine, act, limit).boxed()
    }

    fn take_back<'a>(
        &'a self,
        machine: &'a Machine,
        act: &'a Act,
        limit: &'a Limit,
    ) -> BoxFuture<'a, Result<TakenBack, RequestError>> {
        self.mend(machine, act, limit).boxed()
    }

    fn carry_the_control_plane(&self) -> bool {
        true
    }
}

/// How long taking an act back may take: until the machine has done so by itself, and a pod has run there.
#[must_use]
pub fn waits(act: &Act, limit: &Limit) -> Duration {
    let own = if *act == Act::Reboot { BOOTED_WITHIN } else { DONE_WITHIN };
    own + Duration::from_secs(limit.seconds)
}

/// Node, machine id and container runtime. What stands in a record was written by whoever may write to the cluster.
fn parts<'a>(what: &str, machine: &'a Machine) -> Result<(&'a str, &'a str, &'a str), RequestError> {
    let Machine::Host { node, id, container_runtime } = machine else {
        return Err(RequestError::of(what, "it is not reached by a pod"));
    };
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if node.is_empty() || !node.bytes().all(is_name) {
        return Err(RequestError::of(what, format!("{node:?} is no node's name")));
    }
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(RequestError::of(what, format!("{id:?} is no machine's id")));
    }
    Ok((node, id, container_runtime))
}

fn work<'a>(what: &str, machine: &Machine, act: &'a Act, limit: &'a Limit) -> Result<Work<'a>, RequestError> {
    let (.., runtime) = parts(what, machine)?;
    let service = |word| Work { check: script::RUNS, act: script::STOP, undo: script::START, word, stays: false };
    Ok(match act {
        Act::Pause | Act::PowerOff => return Err(RequestError::of(what, "nothing in the cluster could take this back")),
        Act::Reboot => {
            let (check, act, undo) = (script::CAN_REBOOT, script::REBOOT, script::NOTHING);
            Work { check, act, undo, word: &limit.mark, stays: false }
        }
        Act::StopKubelet => service("kubelet"),
        Act::StopContainerRuntime => service(match runtime {
            "containerd" => "containerd",
            "cri-o" => "crio",
            other => return Err(RequestError::of(what, format!("the service of its container runtime {other:?} is not known"))),
        }),
        Act::Partition { mark } => {
            Work { check: script::CAN_CUT, act: script::CUT, undo: script::MEND, word: mark, stays: false }
        }
        Act::BlockRegistry { mark } => Work { check: "", act: script::BLOCK, undo: script::UNBLOCK, word: mark, stays: true },
        Act::PauseApiServer { mark, .. } => {
            let (check, act, undo) = (script::HAS_SERVER, script::FREEZE_SERVER, script::RESUME_SERVER);
            Work { check, act, undo, word: mark, stays: false }
        }
    })
}

/// The name of an act's units on the machine, which holds its mark.
fn unit(what: &str, limit: &Limit) -> Result<String, RequestError> {
    let unit = limit.mark.replace(' ', "-");
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if !unit.starts_with("comeback-") || unit.len() > 200 || !unit.bytes().all(fits) {
        return Err(RequestError::of(what, format!("{:?} is no mark of comeback's", limit.mark)));
    }
    Ok(unit)
}

fn name_of(node: &str, limit: &Limit, verb: &str) -> String {
    let mut hasher = SipHasher13::new();
    (node, &limit.mark).hash(&mut hasher);
    format!("{}-{:08x}-{verb}", dns_label(node, 40), hasher.finish() & 0xffff_ffff)
}

fn pod(image: &str, name: &str, node: &str, words: &[&str]) -> Value {
    let command: Vec<&str> = ["sh", "-c", ENTER, "sh"].into_iter().chain(words.iter().copied()).collect();
    json!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name },
        "spec": {
            "nodeName": node, "hostPID": true, "hostNetwork": true, "restartPolicy": "Never",
            "activeDeadlineSeconds": RUNS_FOR, "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false, "enableServiceLinks": false,
            "tolerations": [{ "operator": "Exists" }],
            "containers": [{ "name": "node", "image": image, "imagePullPolicy": "IfNotPresent", "command": command,
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": { "privileged": true, "runAsUser": 0 } }],
        } })
}

#[cfg(test)]
mod tests;
