//! What a pod of a submitted run tells by its object. What follows from it is `follow`'s.

use crate::observe::index::text;
use serde_json::Value;

/// What can be said of a pod.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// Which shard, from 1 on.
    pub shard: u32,
    /// How it is.
    pub is: PodSeen,
}

/// How a pod is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PodSeen {
    /// Nothing can be said yet.
    Starting,
    /// No node takes it.
    Unplaced(String),
    /// Its container cannot start, for good or for now.
    Waiting { reason: String, message: String, final_: bool, node: String },
    /// It runs.
    Running { node: String },
    /// It is over.
    Ended { how: String, message: Option<String>, well: bool },
}

/// Reasons of a waiting container after which trying again changes nothing.
const FINAL: &[&str] = &["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"];
/// Those of one that starts.
const STARTING: &[&str] = &["", "ContainerCreating", "PodInitializing"];

/// Reads a pod; `None` where it is none of the Job's.
pub(super) fn read(pod: &Value) -> Option<Read> {
    let index = text(pod, "/metadata/labels/batch.kubernetes.io~1job-completion-index");
    let shard = index.parse::<u32>().ok()?.checked_add(1)?;
    let node = text(pod, "/spec/nodeName").to_owned();
    let state = pod.pointer("/status/containerStatuses/0/state");
    let field = |path: &str| state.map(|state| text(state, path).to_owned()).unwrap_or_default();
    let waiting = field("/waiting/reason");
    let phase = text(pod, "/status/phase");
    let is = if matches!(phase, "Failed" | "Succeeded") {
        let message = Some(field("/terminated/message")).filter(|message| !message.trim().is_empty());
        PodSeen::Ended { how: how(pod, state), message, well: phase == "Succeeded" }
    } else if state.is_some_and(|state| state.get("running").is_some()) {
        PodSeen::Running { node }
    } else if !STARTING.contains(&waiting.as_str()) {
        let final_ = FINAL.contains(&waiting.as_str());
        PodSeen::Waiting { reason: waiting, message: field("/waiting/message"), final_, node }
    } else if let Some(why) = condition(pod, "PodScheduled", "False") {
        PodSeen::Unplaced(text(why, "/message").to_owned())
    } else {
        PodSeen::Starting
    };
    Some(Read { shard, is })
}

/// How a pod ended: what disturbed it says more than an exit code.
fn how(pod: &Value, state: Option<&Value>) -> String {
    let code = state.and_then(|state| state.pointer("/terminated/exitCode")).and_then(Value::as_i64);
    let reason = state.map_or("", |state| text(state, "/terminated/reason"));
    let ended = match (reason, code) {
        ("" | "Error" | "Completed", Some(code)) => format!("exit code {code}"),
        (reason, Some(code)) => format!("{reason}, exit code {code}"),
        (_, None) => "without an exit code".to_owned(),
    };
    let disturbed = condition(pod, "DisruptionTarget", "True").map(|why| text(why, "/reason"));
    let told = disturbed.or(Some(text(pod, "/status/reason"))).filter(|told| !told.is_empty());
    told.map_or_else(|| ended.clone(), |told| format!("{told}, {ended}"))
}

fn condition<'a>(pod: &'a Value, kind: &str, status: &str) -> Option<&'a Value> {
    let conditions = pod.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|condition| text(condition, "/type") == kind && text(condition, "/status") == status)
}
