//! What the bodies of faults have in common: their timing, and the keys that say what they act on.
//! Macros, because the language has no flattened structures: each key stands in its fault's own type.

use std::time::Duration;

/// When a fault is injected, and how long it lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// How long it waits after what comes before it.
    pub after: Duration,
    /// How long after its acceptance it undoes itself; `None`: at the end of the trial.
    pub lasts: Option<Duration>,
}

/// Declares the body of a fault that can be undone: its own fields, `after` and `for`.
macro_rules! fault_body {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// Waits this long after the fault before it was accepted (of the first: after the steady state).
            #[serde(default, with = "crate::scenario::duration::serde_text_option", skip_serializing_if = "Option::is_none")]
            #[schemars(with = "Option<String>")]
            pub after: Option<std::time::Duration>,
            /// Undoes itself this long after it was accepted (default: at the end of the trial).
            #[serde(
                rename = "for",
                default,
                with = "crate::scenario::duration::serde_text_option",
                skip_serializing_if = "Option::is_none"
            )]
            #[schemars(with = "Option<String>")]
            pub lasts: Option<std::time::Duration>,
        }

        impl $name {
            /// When it is injected and how long it lasts.
            #[must_use]
            pub fn timing(&self) -> $crate::scenario::fault::Timing {
                $crate::scenario::fault::Timing { after: self.after.unwrap_or_default(), lasts: self.lasts }
            }
        }
    };
}

/// Declares the body of a fault on pods: the target keys, how many, its own fields, `after`. Nothing undoes it but Kubernetes;
/// what begins with `lasting` has `for`, too.
macro_rules! pod_fault {
    (lasting $(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $crate::scenario::fault::timing::pod_fault! {
            @body $(#[$meta])*
            pub struct $name {
                $($(#[$field_meta])* $field: $type,)*
                /// Undoes itself this long after it was accepted (default: at the end of the trial).
                #[serde(
                    rename = "for",
                    default,
                    with = "crate::scenario::duration::serde_text_option",
                    skip_serializing_if = "Option::is_none"
                )]
                #[schemars(with = "Option<String>")]
                lasts: Option<std::time::Duration>,
            }
        }

        impl $name {
            /// When it is injected and how long it lasts.
            #[must_use]
            pub fn timing(&self) -> $crate::scenario::fault::Timing {
                $crate::scenario::fault::Timing { after: self.after.unwrap_or_default(), lasts: self.lasts }
            }
        }
    };
    (@body $(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $crate::scenario::target::targeted! {
            $(#[$meta])*
            pub struct $name {
                $($(#[$field_meta])* $field: $type,)*
                /// How many (default 1).
                #[serde(default, skip_serializing_if = "Option::is_none")]
                count: Option<u32>,
                /// How many, in per cent of the pods found, rounded up.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                percent: Option<u32>,
                /// All pods found.
                #[serde(default)]
                all: bool,
                /// Waits this long after the fault before it was accepted (of the first: after the steady state).
                #[serde(default, with = "crate::scenario::duration::serde_text_option", skip_serializing_if = "Option::is_none")]
                #[schemars(with = "Option<String>")]
                after: Option<std::time::Duration>,
            }
        }

        impl $name {
            /// What it acts on, and on how many.
            #[must_use]
            pub fn aim(&self) -> $crate::scenario::fault::Aim {
                $crate::scenario::fault::Aim {
                    target: self.target(),
                    node: None,
                    count: self.count,
                    percent: self.percent,
                    all: self.all,
                }
            }
        }
    };
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $crate::scenario::fault::timing::pod_fault! {
            @body $(#[$meta])*
            pub struct $name { $($(#[$field_meta])* $field: $type,)* }
        }

        impl $name {
            /// When it is injected.
            #[must_use]
            pub fn timing(&self) -> $crate::scenario::fault::Timing {
                $crate::scenario::fault::Timing { after: self.after.unwrap_or_default(), lasts: None }
            }
        }
    };
}

/// Declares the body of a fault on a workload or its pods: which workload, its own fields, `after`, `for`.
macro_rules! workload_fault {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $crate::scenario::fault::timing::fault_body! {
            $(#[$meta])*
            pub struct $name {
                /// The Deployment by name.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                deployment: Option<String>,
                /// The `StatefulSet` by name.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                stateful_set: Option<String>,
                /// The `DaemonSet` by name.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                daemon_set: Option<String>,
                $($(#[$field_meta])* $field: $type,)*
            }
        }

        impl $name {
            /// The workload, where exactly one is named.
            fn named(&self, selector: Option<&String>) -> Option<$crate::scenario::target::Target> {
                let workloads = [self.deployment.as_ref(), self.stateful_set.as_ref(), self.daemon_set.as_ref()];
                $crate::scenario::target::Target::of_pods(workloads, selector)
            }
        }
    };
}

/// Declares the body of a fault on a workload's pod template: which workload, which container, its own fields, `after`, `for`.
macro_rules! template_fault {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $crate::scenario::fault::timing::workload_fault! {
            $(#[$meta])*
            pub struct $name {
                /// The container; absent: the only one.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                container: Option<String>,
                $($(#[$field_meta])* $field: $type,)*
            }
        }

        impl $name {
            /// The workload, if exactly one of the keys is given (validation ensures it).
            #[must_use]
            pub fn target(&self) -> Option<$crate::scenario::target::Target> {
                self.named(None)
            }
        }
    };
}

/// Declares the body of a fault on nodes: which ones, its own fields, `after`, `for`.
macro_rules! node_fault {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $crate::scenario::fault::timing::fault_body! {
            $(#[$meta])*
            pub struct $name {
                /// The node by name; absent: nodes on which the trial's own pods run.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                node: Option<String>,
                /// Nodes on which pods of this Deployment run.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                deployment: Option<String>,
                /// Nodes on which pods of this `StatefulSet` run.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                stateful_set: Option<String>,
                /// Nodes on which pods run that this label selector matches.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                selector: Option<String>,
                /// How many of those nodes (default 1), drawn by the seed.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                count: Option<u32>,
                $($(#[$field_meta])* $field: $type,)*
            }
        }

        impl $name {
            /// What it acts on, and on how many.
            #[must_use]
            pub fn aim(&self) -> $crate::scenario::fault::Aim {
                let workloads = [self.deployment.as_ref(), self.stateful_set.as_ref(), None];
                let target = $crate::scenario::target::Target::of_pods(workloads, self.selector.as_ref());
                $crate::scenario::fault::Aim { target, node: self.node.clone(), count: self.count, percent: None, all: false }
            }
        }
    };
}

pub(crate) use {fault_body, node_fault, pod_fault, template_fault, workload_fault};
