//! What a condition, fault or step acts on: a deployment, a pod, or a label selector.
//! Resolution against a cluster's objects lives in `observe`.

use serde::{Deserialize, Serialize};

/// A resolved spelling of the target keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// All pods of a Deployment.
    Deployment(String),
    /// One pod by name.
    Pod(String),
    /// All pods that a label selector (kubectl's form) matches.
    Selector(String),
}

impl Target {
    /// The target that exactly one of the keys names; `None` when none or several are given.
    #[must_use]
    pub fn of(deployment: Option<&String>, pod: Option<&String>, selector: Option<&String>) -> Option<Self> {
        match (deployment, pod, selector) {
            (Some(name), None, None) => Some(Self::Deployment(name.clone())),
            (None, Some(name), None) => Some(Self::Pod(name.clone())),
            (None, None, Some(selector)) => Some(Self::Selector(selector.clone())),
            _ => None,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deployment(name) => write!(f, "deployment/{name}"),
            Self::Pod(name) => write!(f, "pod/{name}"),
            Self::Selector(selector) => write!(f, "pods with {selector}"),
        }
    }
}

/// Declares a struct with the target keys (`deployment`, `pod`, `selector`) and fields of its own.
macro_rules! targeted {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// The Deployment by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub deployment: Option<String>,
            /// One pod by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub pod: Option<String>,
            /// Pods by label selector, as kubectl writes it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub selector: Option<String>,
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// The target, if exactly one of the three keys is given (validation ensures it).
            #[must_use]
            pub fn target(&self) -> Option<$crate::scenario::target::Target> {
                $crate::scenario::target::Target::of(self.deployment.as_ref(), self.pod.as_ref(), self.selector.as_ref())
            }
        }
    };
}
pub(crate) use targeted;
