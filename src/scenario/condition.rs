//! The conditions of the language: what may stand under `until`, `any`, `all`, `not`.
//! Their truth over observed objects is decided in `observe::evaluate`.

pub mod cel;
pub mod measured;
mod probe;

pub use cel::Cel;
pub use measured::{Alert, AlertState, Bound, Metric, Prometheus, Resource};
pub use probe::{Dns, ExecSucceeds, Http, Rhythm, Tcp};

use super::target::{Target, targeted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition. True, false or unknown; only true counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// Pods of the current revision are Ready and not terminating.
    Ready(Ready),
    /// A container restarted since the fault was requested.
    Restarts(Restarts),
    /// A container was seen waiting for a reason.
    Waiting(Waiting),
    /// A container was seen terminated (state or lastState).
    Terminated(Terminated),
    /// The pods have other uids than before the fault.
    Replaced(Replaced),
    /// Pods are in a phase.
    Phase(PhaseIs),
    /// An object has a status condition.
    Condition(StatusCondition),
    /// An event was seen.
    Event(EventSeen),
    /// A log line matches.
    Log(LogMatches),
    /// A Service has ready endpoints.
    Endpoints(Endpoints),
    /// A Deployment's rollout has got somewhere.
    Rollout(Rollout),
    /// An object does not exist.
    Absent(Absent),
    /// An expression over an object is true.
    Cel(Cel),
    /// Nodes are in a state.
    Node(NodeIs),
    /// A Service answers over HTTP.
    Http(Http),
    /// A Service's port takes a connection.
    Tcp(Tcp),
    /// A name resolves.
    Dns(Dns),
    /// A command succeeds in pods.
    Exec(ExecSucceeds),
    /// A query of Prometheus has a result.
    Prometheus(Prometheus),
    /// An alert has got somewhere.
    Alert(Alert),
    /// Containers use much or little of what they may.
    Metric(Metric),
    /// At least one holds.
    Any(Vec<Condition>),
    /// All hold.
    All(Vec<Condition>),
    /// It is seen not to hold; not of unknown is unknown.
    Not(Box<Condition>),
}

targeted! {
    /// `ready`: observedGeneration current, at least the baseline's replicas and at least one, all of the current revision,
    /// Ready and not terminating, judged from the pods by uid. A `DaemonSet` has as many replicas as nodes that want its pod;
    /// a Job is ready when it has completed, or while as many pods as it still needs at once are Ready, never once it failed.
    pub struct Ready {
        /// At least this many ready pods instead of the baseline's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<u32>,
    }
}

targeted! {
    /// `restarts`: one container's rises since `requested`.
    pub struct Restarts {
        /// The container; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// Holds when one container has risen by at least this many (default 1).
        #[serde(default = "one")]
        at_least: u32,
    }
}

targeted! {
    /// `waiting`: needs only to have been seen.
    pub struct Waiting {
        /// The container; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The waiting reason (`CrashLoopBackOff`, `ImagePullBackOff`, ...).
        reason: String,
    }
}

targeted! {
    /// `terminated`: looks at state and lastState.
    pub struct Terminated {
        /// The container; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The reason (`OOMKilled`, `Error`, ...).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The exit code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    }
}

targeted! {
    /// `replaced`: other uids than before the fault.
    pub struct Replaced {
        /// At least this many new pods (default 1).
        #[serde(default = "one")]
        at_least: u32,
    }
}

targeted! {
    /// `phase`: pods in a phase.
    pub struct PhaseIs {
        /// The phase.
        is: PodPhase,
        /// At least this many pods (default 1).
        #[serde(default = "one")]
        at_least: u32,
    }
}

/// A pod's phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "Kubernetes' own names")]
pub enum PodPhase {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

/// `condition`: a status condition of any object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusCondition {
    /// The object's kind.
    pub kind: String,
    /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The object's name.
    pub name: String,
    /// The condition's type.
    #[serde(rename = "type")]
    pub type_: String,
    /// The condition's status (default `True`).
    #[serde(default)]
    pub status: ConditionStatus,
    /// The condition's reason, if it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A status condition's status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "Kubernetes' own names")]
pub enum ConditionStatus {
    #[default]
    True,
    False,
    Unknown,
}

/// `event`: an event about an object of the workload, seen since `requested`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventSeen {
    /// The event's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A regular expression that the message matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The kind of the object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of the object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

targeted! {
    /// `log`: a line of a container's log matches, since `requested` (in `steady`: since the trial began).
    pub struct LogMatches {
        /// The container; absent: any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        container: Option<String>,
        /// The regular expression.
        pattern: String,
        /// Only lines of runs that have ended count.
        #[serde(default)]
        previous: bool,
    }
}

/// `endpoints`: ready endpoints of a Service, from its `EndpointSlices`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoints {
    /// The Service.
    pub service: String,
    /// At least this many ready endpoints (default 1).
    #[serde(default = "one")]
    pub at_least: u32,
}

/// `rollout`: how far the rollout of a Deployment, `StatefulSet` or `DaemonSet` has got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// The Deployment by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The `StatefulSet` by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful_set: Option<String>,
    /// The `DaemonSet` by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon_set: Option<String>,
    /// How far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<RolloutState>,
    /// The revision (`deployment.kubernetes.io/revision`, which Deployments alone have) is at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
}

/// A rollout's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RolloutState {
    /// All replicas are of the current revision and available; of a `StatefulSet` with a partition, those that it lets go on.
    Complete,
    /// `Progressing=False` with `ProgressDeadlineExceeded`: Deployments alone have a deadline.
    Stuck,
}

impl Rollout {
    /// The workload, if exactly one of the keys is given (validation ensures it).
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        Target::of_pods([self.deployment.as_ref(), self.stateful_set.as_ref(), self.daemon_set.as_ref()], None)
    }
}

/// `absent`: an object does not exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Absent {
    /// The object's kind.
    pub kind: String,
    /// The object's apiVersion; may be left out for kinds that the workload contains and for Kubernetes' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The object's name.
    pub name: String,
}

/// `node`: what is asked for holds of the node, or of every node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeIs {
    /// The node; absent: every node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether its condition Ready is True.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Whether it takes new pods: not cordoned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedulable: Option<bool>,
    /// The key of a taint that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taint: Option<String>,
}

const fn one() -> u32 {
    1
}

impl Condition {
    /// The pods that a pod condition is about.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        match self {
            Self::Ready(condition) => condition.target(),
            Self::Restarts(condition) => condition.target(),
            Self::Waiting(condition) => condition.target(),
            Self::Terminated(condition) => condition.target(),
            Self::Replaced(condition) => condition.target(),
            Self::Phase(condition) => condition.target(),
            Self::Log(condition) => condition.target(),
            Self::Exec(condition) => condition.target(),
            Self::Metric(condition) => condition.target(),
            Self::Rollout(condition) => condition.target(),
            _ => None,
        }
    }
}
