//! One instance (run) of a container: when it started, how it ended, what it leaves behind.
//! Which instance comes next is decided in `sync`.

use crate::sim::program::{Container as Process, FileSystem};
use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// Longest termination message taken from a file, in bytes.
const MESSAGE_BYTES: usize = 4_096;
/// Longest termination message taken from the log: bytes and lines.
const LOG_BYTES: usize = 2_048;
const LOG_LINES: usize = 80;

/// How an instance ended.
#[derive(Clone, Debug)]
pub(super) struct Finish {
    pub(super) at: Instant,
    pub(super) stamp: String,
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) message: Option<String>,
}

/// One run of a container.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    /// 64 hexadecimal digits.
    pub(super) id: String,
    /// How many instances came before.
    pub(super) attempt: u32,
    /// In which of the pod's sandboxes it was started; the first is 1.
    pub(super) sandbox: u32,
    /// The image as the manifest named it then.
    pub(super) written: String,
    pub(super) image: String,
    pub(super) image_id: String,
    /// When it was started, and how the API writes that; absent when the runtime could not start it.
    pub(super) started: Option<(Instant, String)>,
    pub(super) finish: Option<Finish>,
    pub(super) process: Option<Arc<Process>>,
    pub(super) filesystem: FileSystem,
}

impl Instance {
    /// Whether it runs.
    pub(super) fn running(&self) -> bool {
        self.finish.is_none()
    }

    /// `containerd://...`.
    pub(super) fn container_id(&self) -> String {
        format!("containerd://{}", self.id)
    }

    /// Its `ContainerState`.
    pub(super) fn state(&self) -> Value {
        match &self.finish {
            None => json!({"running": {"startedAt": self.started.as_ref().map(|(_, stamp)| stamp)}}),
            Some(finish) => {
                let started = self.started.as_ref().map_or("1970-01-01T00:00:00Z", |(_, stamp)| stamp);
                let mut terminated = json!({
                    "exitCode": finish.code, "reason": finish.reason,
                    "startedAt": started, "finishedAt": finish.stamp, "containerID": self.container_id(),
                });
                if let Some(message) = &finish.message {
                    terminated["message"] = json!(message);
                }
                json!({"terminated": terminated})
            }
        }
    }

    /// What the kubelet shows as the reason of its end: the message file, or the log's end where the policy asks for it.
    pub(super) fn termination_message(&self, container: &Container, code: i32) -> Option<String> {
        let path = container.termination_message_path.as_deref().unwrap_or("/dev/termination-log");
        let written = self.filesystem.read(path).filter(|bytes| !bytes.is_empty());
        if let Some(bytes) = written {
            return Some(tail(&String::from_utf8_lossy(&bytes), MESSAGE_BYTES));
        }
        if code == 0 || container.termination_message_policy.as_deref() != Some("FallbackToLogsOnError") {
            return None;
        }
        let lines = self.process.as_ref()?.log().since(0);
        let start = lines.len().saturating_sub(LOG_LINES);
        let text: String = lines[start..].iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
        (!text.is_empty()).then(|| tail(&text, LOG_BYTES))
    }
}

fn tail(text: &str, bytes: usize) -> String {
    let mut start = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(finish: Option<Finish>) -> Instance {
        Instance {
            id: "ab".to_owned(),
            attempt: 0,
            sandbox: 1,
            written: String::new(),
            image: String::new(),
            image_id: String::new(),
            started: None,
            finish,
            process: None,
            filesystem: FileSystem::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_never_started_shows_the_epoch() {
        let finish = Finish {
            at: Instant::now(),
            stamp: "2026-01-01T00:00:01Z".to_owned(),
            code: 128,
            reason: "StartError",
            message: Some("no such file".to_owned()),
        };
        let state = instance(Some(finish)).state();
        assert_eq!(state["terminated"]["startedAt"], "1970-01-01T00:00:00Z");
        assert_eq!(state["terminated"]["exitCode"], 128);
        assert_eq!(state["terminated"]["containerID"], "containerd://ab");
        assert_eq!(state["terminated"]["message"], "no such file");
    }

    #[test]
    fn tails_never_split_a_character() {
        assert_eq!(tail("aé", 2), "é");
        assert_eq!(tail("aé", 1), "");
        assert_eq!(tail("abc", 10), "abc");
    }
}
