//! Faults on workload objects: their pod templates and their replicas. Each is undone by taking back exactly what it changed.

use super::Scalar;
use super::timing::{fault_body, template_fault};
use crate::scenario::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

template_fault! {
    /// `setImage`: changes a container's image. Effect: the good state is lost, or a container restarts or fails.
    ///
    /// ```yaml
    /// setImage: { deployment: pool, image: "registry.invalid/none:1" }
    /// ```
    pub struct SetImage {
        /// The image.
        image: String,
    }
}

template_fault! {
    /// `setResources`: changes a container's requests and limits. Effect as that of `setImage`.
    ///
    /// ```yaml
    /// setResources: { deployment: pool, requests: { cpu: "1000" }, limits: { cpu: "1000" } }
    /// ```
    pub struct SetResources {
        /// Requests by resource name, as quantities.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        requests: BTreeMap<String, String>,
        /// Limits by resource name, as quantities.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        limits: BTreeMap<String, String>,
    }
}

template_fault! {
    /// `setEnv`: sets an environment variable of a container, or takes it away. Effect as that of `setImage`.
    ///
    /// ```yaml
    /// setEnv: { deployment: pool, name: MODE, value: broken }
    /// ```
    pub struct SetEnv {
        /// The variable.
        name: String,
        /// Its new value, also instead of one taken from elsewhere; absent: the variable is taken away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<Scalar>")]
        value: Option<Value>,
    }
}

template_fault! {
    /// `setCommand`: changes what a container runs. Effect as that of `setImage`.
    ///
    /// ```yaml
    /// setCommand: { deployment: pool, command: [sh, -c, "exit 1"] }
    /// ```
    pub struct SetCommand {
        /// The program and its first arguments, instead of the image's entry point or the template's `command`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<Vec<String>>,
        /// The arguments, instead of the template's `args`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<Vec<String>>,
    }
}

template_fault! {
    /// `setProbe`: changes a probe of a container, adds one or removes it. Effect as that of `setImage`.
    ///
    /// ```yaml
    /// setProbe: { deployment: pool, probe: readiness, set: { exec: { command: [test, -f, /none] }, periodSeconds: 2 } }
    /// ```
    pub struct SetProbe {
        /// Which probe.
        probe: Probe,
        /// The fields to set, as Kubernetes names them; a new handler (`exec`, `httpGet`, `tcpSocket`, `grpc`) replaces the old.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        #[schemars(with = "BTreeMap<String, Value>")]
        set: BTreeMap<String, Value>,
        /// Removes the probe.
        #[serde(default)]
        remove: bool,
    }
}

/// A container's probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// `readinessProbe`
    Readiness,
    /// `livenessProbe`
    Liveness,
    /// `startupProbe`
    Startup,
}

impl Probe {
    /// The key of the pod's template.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
            Self::Startup => "startupProbe",
        }
    }
}

fault_body! {
    /// `setReplicas`: changes a workload's replicas. Effect: as many pods as asked for are there, and no others.
    ///
    /// ```yaml
    /// setReplicas: { deployment: pool, replicas: 1, for: 30s }
    /// ```
    pub struct SetReplicas {
        /// The Deployment by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deployment: Option<String>,
        /// The `StatefulSet` by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stateful_set: Option<String>,
        /// The new number.
        replicas: u32,
    }
}

fault_body! {
    /// `stopDependency`: scales a workload that others depend on to zero. Effect: none of its pods is left running.
    ///
    /// ```yaml
    /// stopDependency: { deployment: pool, for: 1m }
    /// ```
    pub struct StopDependency {
        /// The Deployment by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deployment: Option<String>,
        /// The `StatefulSet` by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stateful_set: Option<String>,
    }
}

impl SetReplicas {
    /// The workload, if exactly one of the keys is given (validation ensures it).
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        Target::of([self.deployment.as_ref(), self.stateful_set.as_ref(), None, None, None, None])
    }
}

impl StopDependency {
    /// The workload, if exactly one of the keys is given (validation ensures it).
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        Target::of([self.deployment.as_ref(), self.stateful_set.as_ref(), None, None, None, None])
    }
}
