//! What a condition, fault or step acts on: a deployment, a pod, or a label selector.
//! Resolution against a cluster's objects lives in `observe`.

use serde::{Deserialize, Serialize};

/// A resolved spelling of the target keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// All pods of a Deployment.
    Deployment(String),
    /// All pods of a `StatefulSet`.
    StatefulSet(String),
    /// All pods of a `DaemonSet`.
    DaemonSet(String),
    /// All pods of a Job.
    Job(String),
    /// One pod by name.
    Pod(String),
    /// All pods that a label selector (kubectl's form) matches.
    Selector(String),
}

impl Target {
    /// The target that exactly one of the keys names (`deployment`, `statefulSet`, `daemonSet`, `job`, `pod`, `selector`, in
    /// this order); `None` when none or several are given.
    #[must_use]
    pub fn of(keys: [Option<&String>; 6]) -> Option<Self> {
        const KINDS: [fn(String) -> Target; 6] =
            [Target::Deployment, Target::StatefulSet, Target::DaemonSet, Target::Job, Target::Pod, Target::Selector];
        let mut given = keys.iter().zip(KINDS).filter_map(|(name, kind)| Some(kind((*name)?.clone())));
        given.next().filter(|_| given.next().is_none())
    }

    /// The target that exactly one of the keys names, where Jobs and single pods cannot be meant.
    #[must_use]
    pub fn of_pods([deployment, stateful_set, daemon_set]: [Option<&String>; 3], selector: Option<&String>) -> Option<Self> {
        Self::of([deployment, stateful_set, daemon_set, None, None, selector])
    }

    /// The workload object that the target names, by kind and name.
    #[must_use]
    pub fn workload(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Deployment(name) => Some(("Deployment", name)),
            Self::StatefulSet(name) => Some(("StatefulSet", name)),
            Self::DaemonSet(name) => Some(("DaemonSet", name)),
            Self::Job(name) => Some(("Job", name)),
            Self::Pod(_) | Self::Selector(_) => None,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deployment(name) => write!(f, "deployment/{name}"),
            Self::StatefulSet(name) => write!(f, "statefulset/{name}"),
            Self::DaemonSet(name) => write!(f, "daemonset/{name}"),
            Self::Job(name) => write!(f, "job/{name}"),
            Self::Pod(name) => write!(f, "pod/{name}"),
            Self::Selector(selector) => write!(f, "pods with {selector}"),
        }
    }
}

/// Declares a struct with the target keys (`deployment`, `statefulSet`, `daemonSet`, `job`, `pod`, `selector`) and fields of its
/// own.
macro_rules! targeted {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// The Deployment by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub deployment: Option<String>,
            /// The `StatefulSet` by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub stateful_set: Option<String>,
            /// The `DaemonSet` by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub daemon_set: Option<String>,
            /// The Job by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub job: Option<String>,
            /// One pod by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub pod: Option<String>,
            /// Pods by label selector, as kubectl writes it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub selector: Option<String>,
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// The target, if exactly one of the keys is given (validation ensures it).
            #[must_use]
            pub fn target(&self) -> Option<$crate::scenario::target::Target> {
                $crate::scenario::target::Target::of([
                    self.deployment.as_ref(),
                    self.stateful_set.as_ref(),
                    self.daemon_set.as_ref(),
                    self.job.as_ref(),
                    self.pod.as_ref(),
                    self.selector.as_ref(),
                ])
            }
        }
    };
}
pub(crate) use targeted;
