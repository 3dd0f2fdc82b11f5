//! Faults on pods and their containers. Kubernetes itself undoes them: it replaces and restarts.

use super::timing::pod_fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pod_fault! {
    /// `deletePods`: deletes pods. Effect: each is seen with a deletionTimestamp or gone.
    ///
    /// ```yaml
    /// deletePods: { deployment: pool, count: 1 }
    /// ```
    pub struct DeletePods {
        /// Grace in seconds instead of the pod's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_period_seconds: Option<u32>,
    }
}

pod_fault! {
    /// `evictPods`: evicts pods through the Eviction API, which heeds `PodDisruptionBudgets`. A refused eviction is tried again
    /// every 5 s for a minute, as `kubectl drain` does; refused to the end, the trial is `invalid` with the budget's words.
    /// Effect: each is seen with a deletionTimestamp or gone.
    ///
    /// ```yaml
    /// evictPods: { deployment: pool, percent: 50 }
    /// ```
    pub struct EvictPods {
        /// Grace in seconds instead of the pod's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_period_seconds: Option<u32>,
    }
}

pod_fault! {
    /// `killContainer`: sends a signal to the first process of a container, by `kill` in the container's own shell. The kernel
    /// lets that process ignore what it has no handler for: a container that does not end makes the trial an `error`.
    /// Effect: the container is seen ended or restarted.
    ///
    /// ```yaml
    /// killContainer: { deployment: pool, signal: TERM }
    /// ```
    pub struct KillContainer {
        /// The container; absent: the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The signal (default `TERM`).
        #[serde(default)]
        signal: Signal,
    }
}

pod_fault! {
    /// `exec`: runs a command in containers. Effect: the good state is lost, or a container restarts or fails.
    ///
    /// ```yaml
    /// exec: { deployment: pool, command: [rm, /tmp/ready] }
    /// ```
    pub struct Exec {
        /// The container; absent: the pod's first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// Program and arguments.
        command: Vec<String>,
    }
}

/// A signal that a program can handle, and so one that can end the first process of a container from within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names of POSIX")]
pub enum Signal {
    #[default]
    TERM,
    INT,
    HUP,
    QUIT,
    USR1,
    USR2,
}

impl Signal {
    /// Its name as `kill -s` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TERM => "TERM",
            Self::INT => "INT",
            Self::HUP => "HUP",
            Self::QUIT => "QUIT",
            Self::USR1 => "USR1",
            Self::USR2 => "USR2",
        }
    }
}
